//! The examples run.

#[path = "../examples/convert.rs"]
#[allow(dead_code, reason = "the test calls what `main` calls")]
mod convert;

use ner_datasets::Format;

#[test]
fn a_file_is_converted_and_its_faults_are_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let (bio, gliner) = (dir.path().join("a.txt"), dir.path().join("a.json"));
    std::fs::write(&bio, "Brel\tI-city\nsleeps\tO\n\nso\tO\n").expect("written");
    let said = convert::convert(&bio, &gliner, Format::Gliner).expect("converted");
    assert_eq!(
        said,
        "2 rows from bio to gliner\norphan-inside: 1, begins a mention"
    );
    let text = std::fs::read_to_string(&gliner).expect("there");
    let expected = "[\n{\"tokenized_text\":[\"Brel\",\"sleeps\"],\"ner\":[[0,0,\"city\"]],\"label\":[\"city\"]},\n\
                    {\"tokenized_text\":[\"so\"],\"ner\":[],\"label\":[\"city\"]}\n]\n";
    assert_eq!(text, expected);
    let said = convert::convert(&gliner, &bio, Format::Bio).expect("converted");
    assert_eq!(said, "2 rows from gliner to bio");
}
