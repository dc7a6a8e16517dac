//! The examples, run as they stand.

use std::path::Path;

#[path = "../examples/fine_tune_and_extract.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "an example is a program with a main of its own"
)]
mod fine_tune_and_extract;

#[test]
fn a_model_is_fine_tuned_and_extracts() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let out = tempfile::tempdir()?;
    let found = fine_tune_and_extract::run(&root.join("fixtures/tiny-base"), out.path())?;
    let mut found: Vec<(&str, &str)> = found
        .entities
        .iter()
        .map(|entity| (entity.label.as_str(), entity.text.as_str()))
        .collect();
    found.sort_unstable();
    // It has seen this sentence sixty times.
    assert_eq!(found, [("city", "Osk"), ("person", "Mara")]);
    Ok(())
}
