//! The example runs and scores what it should.

#[allow(dead_code, reason = "its main writes to the folder of temporary files")]
#[path = "../examples/completer.rs"]
mod completer;

#[test]
fn a_completer_of_ones_own_is_scored() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let result = completer::run(dir.path())?;
    // One of two entities is found, and nothing else: precision 1, recall 1/2.
    let expected = 100.0 * 2.0 / 3.0;
    assert!((result.mean_f1 - expected).abs() < 1e-9, "{result:?}");
    assert!(result.complete);
    assert_eq!(std::fs::read_dir(dir.path())?.count(), 0, "the log is gone");
    Ok(())
}
