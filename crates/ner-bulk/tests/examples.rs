//! The example runs and does what it says.

#[path = "../examples/names.rs"]
mod names;

#[test]
fn the_example_finds_names_and_goes_on() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let (texts, out) = (dir.path().join("texts"), dir.path().join("out"));
    std::fs::create_dir(&texts)?;
    std::fs::write(texts.join("a.txt"), "Brel sleeps.\nOsk does not.\n")?;
    let first = names::find_all(&texts, &out)?;
    assert_eq!((first.rows, first.entities, first.were_there), (2, 1, 0));
    let again = names::find_all(&texts, &out)?;
    assert_eq!((again.parts, again.were_there), (1, 1));
    let written = std::fs::read_to_string(out.join("a.txt.part-00000.jsonl"))?;
    assert!(
        written.starts_with("{\"line\":1,\"sentence\":\"Brel sleeps.\""),
        "{written}"
    );
    Ok(())
}
