//! `rner-lab bench load`, `sft`, `generate` and `grpo`: what they print. What they measure is the machine's business.

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

/// A model that is measured in no time.
const TINY: [&str; 14] = [
    "--hidden",
    "16",
    "--layers",
    "1",
    "--heads",
    "4",
    "--kv-heads",
    "2",
    "--head-dim",
    "4",
    "--ffn",
    "8",
    "--vocab",
    "12",
];

fn measured(command: &str, more: &[&str]) -> Result<serde_json::Value, Box<dyn std::error::Error>> {
    let args = [&["bench", command, "--json"], &TINY[..], more].concat();
    Ok(serde_json::from_str(&succeeds(&args)?)?)
}

fn positive(json: &serde_json::Value, pointers: &[&str]) {
    for pointer in pointers {
        let number = json.pointer(pointer).and_then(serde_json::Value::as_f64);
        assert!(number.is_some_and(|x| x > 0.0), "{pointer} in {json:#}");
    }
}

#[test]
fn a_training_step_is_measured() -> TestResult {
    let short = [
        "--batch",
        "2",
        "--seq",
        "5",
        "--steps",
        "2",
        "--warmups",
        "1",
    ];
    for more in [
        &[][..],
        &["--lora", "2"],
        &["--recompute", "1"],
        &["--dtype", "bf16", "--tied"],
        &["--dtype", "bf16-pure", "--peak-tflops", "0.5"],
    ] {
        let json = measured("sft", &[&short[..], more].concat())?;
        positive(
            &json,
            &[
                "/tokens_per_s",
                "/tokens_per_s_best",
                "/step_seconds/median",
                "/phases/forward_seconds",
                "/phases/backward_seconds",
                "/phases/optimizer_seconds",
                "/flops_per_s",
                "/loss",
            ],
        );
        assert_eq!(json["steps"], 2);
        assert_eq!(json["hidden"], 16);
        assert_eq!(json["mfu"].is_f64(), more.contains(&"--peak-tflops"));
        let all = json["trained_parameters"] == json["parameters"];
        assert_eq!(all, !more.contains(&"--lora"), "{json:#}");
        // Both or neither: not every system says how much memory is held.
        let bytes = [&json["rss_before_bytes"], &json["peak_rss_bytes"]];
        assert!(bytes[0].is_null() || bytes[0].as_u64() <= bytes[1].as_u64());
    }
    Ok(())
}

#[test]
fn the_measured_step_learns_and_repeats() -> TestResult {
    let run = |steps| measured("sft", &["--batch", "2", "--seq", "5", "--steps", steps]);
    let (first, again, longer) = (run("1")?, run("1")?, run("9")?);
    assert_eq!(first["loss"], again["loss"]);
    assert!(longer["loss"].as_f64() < first["loss"].as_f64());
    Ok(())
}

#[test]
fn generation_is_measured() -> TestResult {
    let short = [
        "--batch",
        "2",
        "--prompt",
        "3",
        "--new",
        "4",
        "--repetitions",
        "2",
    ];
    for more in [&[][..], &["--temperature", "0", "--peak-gbs", "20"]] {
        let json = measured("generate", &[&short[..], more].concat())?;
        positive(
            &json,
            &[
                "/new_tokens_per_s",
                "/time_to_first_token_ms",
                "/weight_bytes_per_step",
                "/bytes_per_s",
            ],
        );
        let peak_is_given = more.contains(&"--peak-gbs");
        assert_eq!(json["bandwidth_utilisation"].is_f64(), peak_is_given);
    }
    let steps = |quantize| -> Result<u64, Box<dyn std::error::Error>> {
        let flags = ["--quantize", quantize];
        let json = measured("generate", &[&short[..], &flags].concat())?;
        assert_eq!(json["quantize"], quantize);
        Ok(json["weight_bytes_per_step"].as_u64().ok_or("no bytes")?)
    };
    let (wide, narrow) = (steps("none")?, steps("int8")?);
    assert!(narrow * 3 < wide && narrow * 4 > wide, "{narrow} of {wide}");
    // After a single token there is nothing left to divide by.
    let one = measured(
        "generate",
        &["--prompt", "3", "--new", "1", "--repetitions", "1"],
    )?;
    assert!(one["bytes_per_s"].is_null());
    Ok(())
}

#[test]
fn a_step_of_grpo_is_measured() -> TestResult {
    let short = [
        "--prompts",
        "2",
        "--group",
        "3",
        "--prompt-tokens",
        "5",
        "--new-tokens",
        "4",
        "--steps",
        "2",
        "--warmups",
        "1",
    ];
    for more in [
        &[][..],
        &["--lora", "2"],
        &["--beta", "0", "--iterations", "2", "--recompute", "1"],
        &["--one-step-off-policy", "--micro-batch-tokens", "9"],
        &["--dtype", "bf16", "--tied", "--rollout-batch", "4"],
    ] {
        let json = measured("grpo", &[&short[..], more].concat())?;
        positive(
            &json,
            &[
                "/seconds_per_step",
                "/seconds_per_step_best",
                "/completion_tokens_per_s",
                "/rollout_tokens_per_s",
                "/phases/training",
                "/reward",
            ],
        );
        let number = |pointer: &str| json.pointer(pointer).and_then(serde_json::Value::as_f64);
        let number = |pointer: &str| number(pointer).ok_or(pointer.to_owned());
        let tokens = number("/completion_tokens_per_s")? * number("/seconds_per_step")?;
        assert!((tokens - 2.0 * 3.0 * 4.0).abs() < 1e-6, "{json:#}");
        let phases = ["rollout", "training", "rewards", "rest"];
        let shares: Vec<f64> = phases
            .map(|phase| number(&format!("/phases/{phase}")))
            .into_iter()
            .collect::<Result<_, _>>()?;
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        assert!(shares.iter().all(|share| *share > -1e-6), "{json:#}");
        assert_eq!(json["steps"], 2);
        let all = json["trained_parameters"] == json["parameters"];
        assert_eq!(all, !more.contains(&"--lora"), "{json:#}");
        let bytes = [&json["rss_before_bytes"], &json["peak_rss_bytes"]];
        assert!(bytes[0].is_null() || bytes[0].as_u64() <= bytes[1].as_u64());
    }
    fails(&["bench", "grpo", "--group", "1"], 2, &["group_size"])?;
    fails(&["bench", "grpo", "--beta=-1"], 2, &["beta"])?;
    fails(
        &["bench", "grpo", "--new-tokens", "0"],
        2,
        &["--new-tokens"],
    )
}

#[test]
fn impossible_shapes_and_wrong_flags_are_named() -> TestResult {
    for command in ["sft", "generate"] {
        fails(&["bench", command, "--batch", "0"], 2, &["--batch"])?;
    }
    for command in ["sft", "generate", "grpo"] {
        for (wrong, words) in [
            (
                &["--heads", "6", "--kv-heads", "4"][..],
                &["--kv-heads", "6 query heads"][..],
            ),
            (&["--layers", "0"], &["--layers", "at least 1"]),
            (&["--hidden", "0"], &["--hidden", "at least 1"]),
            (&["--vocab", "0"], &["--vocab", "at least 1"]),
            (&["--head-dim", "3"], &["--head-dim", "even"]),
            (&["--hiden", "16"], &["--hiden", "--hidden"]),
            (&["--dtype", "f64"], &["--dtype", "bf16-pure"]),
        ] {
            fails(&[&["bench", command], wrong].concat(), 2, words)?;
        }
    }
    fails(&["bench", "sft", "--lora", "0"], 2, &["--lora"])?;
    fails(&["bench", "sft", "--steps", "0"], 2, &["--steps"])?;
    fails(&["bench", "sft", "--peak-tflops=-1"], 2, &["--peak-tflops"])?;
    fails(
        &["bench", "generate", "--temperature", "NaN"],
        2,
        &["--temperature"],
    )?;
    let cuda = [
        "bench",
        "generate",
        "--quantize",
        "int8",
        "--backend",
        "cuda",
    ];
    fails(&cuda, 2, &["--quantize", "flex"])?;
    fails(&["bench", "generate", "--new", "0"], 2, &["--new"])
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
