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

#[test]
fn the_speed_of_the_pipeline_is_printed_as_json() -> TestResult {
    let args = ["bench", "cot", "--requests", "40", "--in-flight", "4"];
    let more = ["--runs", "2", "--latency-ms", "1", "--durability"];
    for durability in ["power-failure", "every-256"] {
        let args = [&args[..], &more, &[durability]].concat();
        let json: serde_json::Value = serde_json::from_str(&succeeds(&args)?)?;
        assert_eq!(json["durability"], durability);
        for (key, expected) in [
            ("requests", 40),
            ("runs", 2),
            ("rows", 20),
            ("accepted", 20),
        ] {
            assert_eq!(json[key], expected, "{key} in {json:#}");
        }
        assert_eq!(json["adaptive"], false);
        let number = |key: &str| json[key].as_f64().unwrap_or_default();
        assert_eq!(number("ideal_requests_per_s"), 4000.0);
        assert!(number("requests_per_s") > 0.0);
        assert!(number("best_requests_per_s") >= number("requests_per_s"));
        // Every answer of the teacher has about 4 kB, and all of them are in the journal.
        assert!(number("journal_bytes") > 20.0 * 4000.0);
        assert!(number("fsyncs") >= 1.0);
    }
    let without = [&args[..], &["--runs", "1"]].concat();
    let json: serde_json::Value = serde_json::from_str(&succeeds(&without)?)?;
    assert!(json["ideal_requests_per_s"].is_null() && json["share_of_ideal"].is_null());
    Ok(())
}

#[test]
fn the_pipeline_is_measured_with_possible_numbers() -> TestResult {
    fails(&["bench", "cot", "--requests", "3"], 2, &["--requests"])?;
    fails(&["bench", "cot", "--in-flight", "0"], 2, &["--in-flight"])?;
    fails(&["bench", "cot", "--runs", "0"], 2, &["--runs"])
}
