//! The bodies of the fuzz targets over mutations of a corpus: what the fuzzer checks is checked in every run of the
//! tests, although less long.

#[path = "../fuzz/src/checks.rs"]
#[allow(
    unreachable_pub,
    reason = "public for the fuzz targets, which are another package"
)]
mod checks;
#[path = "../../ner-types/tests/mutate/mod.rs"]
mod mutate;

use checks::{check_bio, check_json};
use mutate::mutated;
use proptest::prelude::*;

const BIO: &[&[u8]] = &[
    b"Ardela\tB-person\nVoss\tI-person\nleft\tO\n\nBrel\tS-city\n",
    b"\xef\xbb\xbfO in\r\nB-city  Brel\r\n\r\nI-x so\r\n",
    "-DOCSTART- -X- O O\n\n# id 7f\tdomain=xx\nder _ _ O\nÖlsund _ _ B-LOC\n# _ _ I-LOC\n"
        .as_bytes(),
    b"new york\tNNP\tB-city\n \tO\na\tb\tE-city\n\n\n\tO\n",
];
/// The first byte names the format.
const JSON: &[&[u8]] = &[
    b"\x00[{\"sentence\": \"\xc3\xa9 Brel\", \"entities\": [{\"name\": \"Brel\", \"type\": \"city\", \"pos\": [2, 6]}]},\r\n{\"sentence\": \"\", \"entities\": [{\"name\": \"\\u00e9\", \"type\": \"x\", \"pos\": [[1], null]}]}]",
    b"\x01{\"id\": \"1\", \"conversations\": [{\"from\": \"human\", \"value\": \"Text: Brel\"}, {\"from\": \"gpt\", \"value\": \"I've read this text.\"}, {\"from\": \"human\", \"value\": \"What describes city in the text?\"}, {\"from\": \"gpt\", \"value\": \"[\\\"Brel\\\"]\"}]}",
    b"\x02{\"guid\": null, \"sentence\": \"Brel\", \"schema\": [\"city\"], \"cot\": \"x\", \"entities\": [{\"text\": \"Brel\", \"label\": \"city\"}]}\n\n{}",
    b"\x03[{\"tokenized_text\": [\"in\", \"Brel\"], \"ner\": [[1, 1, \"city\"], [9, 2, \"x\"]]}]",
    b"\xef\x04{\"id\": 7, \"text\": \"Brel\", \"labels\": [], \"entities\": [{\"text\": \"Brel\", \"label\": \"city\", \"start\": 0, \"end\": 4}]}",
    b"\x05{\"doc_question_pairID\": \"1\", \"tagName\": \"city\", \"input\": \"Brel\", \"instruction\": \"\", \"output\": \"[\\\"Brel\\\"]\"}",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bio_file_is_read(bytes in mutated(BIO)) {
        check_bio(&bytes);
    }

    #[test]
    fn any_json_file_is_read(bytes in mutated(JSON)) {
        check_json(&bytes);
    }
}
