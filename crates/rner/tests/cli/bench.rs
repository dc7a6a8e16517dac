//! `rner bench load`: what it prints. What it measures is the machine's business.

use super::support::{TestResult, fails, root, succeeds};

const LOAD: [&str; 6] = [
    "bench",
    "load",
    "--model",
    "fixtures/tiny-base",
    "--repetitions",
    "2",
];

#[test]
fn the_cost_of_loading_is_printed_as_json() -> TestResult {
    for dtype in ["f32", "bf16", "bf16-pure"] {
        let args = [&LOAD[..], &["--dtype", dtype]].concat();
        let json: serde_json::Value = serde_json::from_str(&succeeds(&args)?)?;
        let weights = root().join("fixtures/tiny-base/model.safetensors");
        assert_eq!(json["file_bytes"], std::fs::metadata(weights)?.len());
        assert_eq!(json["dtype"], dtype);
        assert_eq!(json["repetitions"], 2);
        let number = |key: &str| json[key].as_f64().unwrap_or_default();
        for key in ["read_seconds", "load_seconds", "time_ratio"] {
            assert!(number(key) > 0.0, "{key} in {json:#}");
        }
        let ratio = number("load_seconds") / number("read_seconds");
        assert!((number("time_ratio") / ratio - 1.0).abs() < 1e-9);
        // Both or neither: not every system says how much memory is held.
        assert_eq!(json["peak_bytes"].is_u64(), json["memory_ratio"].is_f64());
    }
    Ok(())
}

#[test]
fn a_measurement_needs_a_repetition() -> TestResult {
    let args = [&LOAD[..4], &["--repetitions", "0"]].concat();
    fails(&args, 2, &["--repetitions"])
}
