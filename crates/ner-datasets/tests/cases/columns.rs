//! Layouts of column files.

use ner_datasets::{FaultKind, Format};

use super::support::check;

#[test]
fn layouts_of_column_files() {
    use FaultKind::{NotARow, TabInWord};
    let bio = |text: &str, rows: &[&str], faults: &[(FaultKind, usize, &str)]| {
        check("a.conll", text, Format::Bio, rows, faults);
    };
    let row = "Mira left Brel; Mira=PER@0-4, Brel=LOC@10-14";
    bio(
        "1 Mira NNP B-PER\n2 left VBD O\n3 Brel NNP B-LOC\n",
        &[row],
        &[],
    );
    bio(
        "# text = Mira left Brel\n1\tMira\tB-PER\t-\t-\n2\tleft\tO\t-\t-\n3\tBrel\tB-LOC\t-\t-\n",
        &[row],
        &[],
    );
    let conllu = "# newdoc\n# text = Mira left Brel O\n1\tMira\tMira\tPROPN\t_\t_\t2\tnsubj\t_\tNER=B-PER\n\
                  2-3\tleftBrel\t_\t_\t_\t_\t_\t_\t_\t_\n2\tleft\tleave\tVERB\t_\t_\t0\troot\t_\t_\n\
                  3\tBrel\tBrel\tPROPN\t_\t_\t2\tobj\t_\tSpaceAfter=No|NER=B-LOC\n";
    bio(conllu, &[row], &[]);
    bio("Mira\tB-PER\t\nleft\tO\t\nBrel\tB-LOC\t\n", &[row], &[]);
    bio(
        "Mira NNP B-NP B-PER \nleft VBD B-VP O \nBrel NNP B-NP B-LOC \n",
        &[row],
        &[],
    );
    bio(
        "Mira NNP B-PER B-NP\nleft VBD O B-VP\nBrel NNP B-LOC B-NP\n",
        &[row],
        &[],
    );
    bio("Mira W-PER\nleft O\nBrel W-LOC\n", &[row], &[]);
    let cut =
        "Mira NNP B-NP B-PER\nleft VBD B-VP O\nBrel NNP B-NP B-LOC\n\nSo RB O\n\nit PRP B-NP O\n";
    bio(
        cut,
        &[row, "it; "],
        &[(NotARow, 5, "4 columns divided by blanks")],
    );
    let blank = "Mira\tNNP\tB-PER\nleft\tVBD\tO\nBrel\tNNP\tB-LOC\n\nPort Halvek NNP\tB-LOC\n\nit\tPRP\tO\n";
    bio(
        blank,
        &[row, "it; "],
        &[(NotARow, 5, "3 columns divided by tabs")],
    );
    bio(
        "Mira\tB-PER\nso\tso\tO\n",
        &["Mira so so; Mira=PER@0-4"],
        &[(TabInWord, 2, "so")],
    );
    bio(
        "van Brel B-PER\nso O\nit O\n",
        &[],
        &[
            (NotARow, 1, "a word, a tab and a tag"),
            (FaultKind::Empty, 0, "none"),
        ],
    );
    bio(
        "-DOCSTART- -X- -X- O\n\nMira NNP B-NP B-PER\n-DOCSTART- -X- -X- O\nBrel NNP B-NP B-LOC\n",
        &["Mira; Mira=PER@0-4", "Brel; Brel=LOC@0-4"],
        &[],
    );
    bio(
        "#begin document (a)\nMira\tB-PER\n\n#end document\n#\tO\nBrel\tB-LOC\n",
        &["Mira; Mira=PER@0-4", "# Brel; Brel=LOC@2-6"],
        &[],
    );
    bio(
        "10\u{a0}000 CD O\nMira NNP B-PER\n\u{a0} _ O\n",
        &["10\u{a0}000 Mira; Mira=PER@7-11"],
        &[(FaultKind::BlankWord, 3, "blank")],
    );
}
