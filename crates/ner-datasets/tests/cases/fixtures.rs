//! The files of `fixtures/cases`.

use ner_datasets::{FaultKind, Format, Offsets, ReadOptions, Row, open};

use super::support::{HALVEK, check, check_path, fixture, lenient, named};

#[test]
fn the_files_of_the_fixtures() {
    use FaultKind::{NotARow, NotAccepted, OrphanInside, PartOfWord};
    let file = |name: &str, format, rows: &[&str], faults: &[(FaultKind, usize, &str)]| {
        check_path(&fixture(name), &lenient(), format, rows, faults);
    };
    file(
        "doccano-label/in.jsonl",
        Format::Doccano,
        &[HALVEK, "So it is.; "],
        &[],
    );
    file(
        "doccano-relations/in.jsonl",
        Format::Doccano,
        &[HALVEK],
        &[],
    );
    let not = |line, said| (NotAccepted, line, said);
    let refused = [
        not(2, "\"answer\": \"reject\""),
        not(3, "\"answer\": \"ignore\""),
    ];
    let accepted = "Mira Dolan lives in Port Halvek.; Mira Dolan=PER@0-10";
    file(
        "prodigy-answers/in.jsonl",
        Format::Prodigy,
        &[accepted],
        &refused,
    );
    file("spacy-tuples/in.json", Format::Spacy, &[HALVEK], &[]);
    file(
        "labelstudio-json/in.json",
        Format::LabelStudio,
        &["Mira Dolan lives in Port Halvek.; Mira Dolan=PER@0-10"],
        &[],
    );
    file(
        "hub-tokens/in.jsonl",
        Format::Hub,
        &[],
        &[(NotARow, 1, "--tag-names"), (FaultKind::Empty, 0, "none")],
    );
    let row = "Mira Dolan left Brel .; Mira Dolan=PER@0-10, Brel=LOC@16-20";
    check_path(
        &fixture("hub-tokens/in.jsonl"),
        &named(),
        Format::Hub,
        &[row],
        &[],
    );
    let cut = "ira Dolan=PER@3-12, rel=LOC@19-22";
    let cut = format!("😀 Mira Dolan left Brel 👞 for good.; {cut}");
    let said = [
        (PartOfWord, 1, "as --offsets utf16 it is \"Mira Dolan\""),
        (PartOfWord, 1, "as --offsets utf16 it is \"Brel\""),
    ];
    file("utf16-offsets/in.jsonl", Format::Plain, &[&cut], &said);
    let utf16 = ReadOptions {
        offsets: Offsets::Utf16,
        ..lenient()
    };
    let right = "😀 Mira Dolan left Brel 👞 for good.; Mira Dolan=PER@2-12, Brel=LOC@18-22";
    check_path(
        &fixture("utf16-offsets/in.jsonl"),
        &utf16,
        Format::Plain,
        &[right],
        &[],
    );
    let outer = "Olva - Traum in Brel; Olva - Traum=OTH@0-12, Brel=LOC@16-20, Olva=LOC@0-4";
    file("germeval/in.tsv", Format::Bio, &[outer, "So ist es; "], &[]);
    let four = "4 columns divided by blanks";
    file(
        "space-in-token/in.conll",
        Format::Bio,
        &["So; "],
        &[(NotARow, 2, four), (NotARow, 4, four)],
    );
    let orphan = [(OrphanInside, 6, "I-PER")];
    file(
        "docstart/in.conll",
        Format::Bio,
        &["Dat is Mira; Mira=PER@7-11", "Dolan loopt; Dolan=PER@0-5"],
        &orphan,
    );
    file(
        "bmes/in.bmes",
        Format::Bio,
        &["高 小 勇 在 京; 高 小 勇=NAME@0-5, 京=LOC@8-9", "好; "],
        &[],
    );
}

#[test]
fn reasoning_under_another_name_is_read() {
    let path = fixture("reasoning-under-another-key/rows.jsonl");
    let rows = open(&path, Format::NerCot, ReadOptions::default()).expect("opened");
    let cots: Vec<_> = rows.map(|row| row.expect("a row").example.cot).collect();
    assert_eq!(cots.len(), 4);
    assert!(
        cots.iter()
            .all(|cot| cot.as_deref() == Some("She is a person; Port Halvek is a city."))
    );
    let other = r#"{"sentence": "So", "schema": [], "entities": [], "why": "It names nobody, so there is nothing."}"#;
    check(
        "a.jsonl",
        other,
        Format::NerCot,
        &["So; "],
        &[(FaultKind::UnreadKey, 1, "a text under \"why\"")],
    );
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_files_of_others() {
    let path = fixture("parquet/hf.parquet");
    let no_names = (FaultKind::NotARow, 1, "--tag-names");
    let mut reader = open(&path, Format::Parquet, lenient()).expect("opened");
    assert_eq!(reader.by_ref().count(), 0);
    let first = &reader.faults().first[0];
    assert_eq!(
        (first.kind, first.line),
        (no_names.0, no_names.1),
        "{first}"
    );
    assert!(first.to_string().contains(no_names.2), "{first}");
    let rows = open(&path, Format::Parquet, named()).expect("opened");
    assert!(
        rows.map(|row| row.expect("a row"))
            .all(|row| !row.example.entities.is_empty())
    );
    // zstd, as Polars writes by default.
    let zstd = open(
        &fixture("parquet/zstd.parquet"),
        Format::Parquet,
        ReadOptions::default(),
    );
    let rows: Result<Vec<Row>, _> = zstd.expect("opened").collect();
    let rows = rows.expect("readable");
    assert!(!rows.is_empty() && rows.iter().all(|row| row.example.cot.is_some()));
}
