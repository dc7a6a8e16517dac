//! `rner grpo`: the options of the objective, from the recipe to the metrics.

use std::path::Path;

use serde_json::{Value, json};

use super::support::{TestResult, fails, succeeds, text, write};

const SETS: [&str; 15] = [
    "grpo.train.group_size=4",
    "grpo.train.prompts_per_step=2",
    "grpo.train.max_steps=2",
    "grpo.train.iterations=2",
    "grpo.train.max_completion_length=24",
    "grpo.method=lora",
    "grpo.train.loss_type=dapo",
    "grpo.train.importance_sampling_level=sequence",
    "grpo.train.kl_estimator=k2",
    "grpo.train.delta=2",
    "grpo.train.entropy_coef=0.01",
    "grpo.train.engine_correction=truncate",
    "grpo.train.dynamic_sampling=1",
    "grpo.train.one_step_off_policy=true",
    "hardware.gpus=2",
];

fn examples() -> String {
    let line = |i: usize| {
        json!({
            "guid": format!("train-{i}"),
            "dataset": "test",
            "sentence": format!("Mira Dolan saw Port Halvek {i} times."),
            "schema": ["person", "city"],
            "entities": [{"text": "Mira Dolan", "label": "person"}, {"text": "Port Halvek", "label": "city"}],
        })
    };
    (0..6).map(|i| line(i).to_string() + "\n").collect()
}

/// Two steps of two groups of four, each with all that is needed to see why a completion earned what it did.
fn check_table(dir: &Path) -> TestResult {
    for step in [1, 2] {
        let table = std::fs::read_to_string(dir.join(format!("step-{step:06}.jsonl")))?;
        let rows: Vec<Value> = table
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<_, _>>()?;
        assert_eq!(rows.len(), 8);
        let advantage = |row: &Value| row["advantage"].as_f64().unwrap_or(f64::NAN);
        for group in rows.chunks(4) {
            let total: f64 = group.iter().map(advantage).sum();
            assert!(total.abs() < 1e-6, "{total}");
            for row in group {
                assert_eq!(
                    (&row["step"], &row["guid"]),
                    (&json!(step), &group[0]["guid"])
                );
                let part = |name: &str| row["rewards"][name].as_f64().unwrap_or(f64::NAN);
                let expected = 10.0 * part("f1") + part("schema");
                let reward = row["reward"].as_f64().ok_or("no reward")?;
                assert!((reward - expected).abs() < 1e-9, "{row}");
                assert!(row["completion"].is_string() && row["gold"][0]["text"] == "Mira Dolan");
            }
        }
    }
    Ok(())
}

#[test]
fn every_option_reaches_the_trainer() -> TestResult {
    let dir = tempfile::tempdir()?;
    let (data, out) = (dir.path().join("train.jsonl"), dir.path().join("out"));
    write(&data, examples())?;
    let evaluation = [
        "grpo.train.eval_every=1",
        "grpo.eval_share=0.3",
        "grpo.train.load_best=true",
    ];
    let first = [
        "grpo",
        "--profile",
        "smoke",
        "--model",
        "fixtures/tiny-base",
    ];
    let mut args = [&first[..], &["--data", text(&data), "--out", text(&out)]].concat();
    for set in SETS.iter().chain(&evaluation) {
        args.extend(["--set", set]);
    }
    succeeds(&args)?;
    let lines = std::fs::read_to_string(out.join("metrics.jsonl"))?;
    let lines: Vec<Value> = lines
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    let evaluations = lines.iter().filter(|line| line["eval_reward"].is_number());
    assert_eq!(evaluations.count(), 3);
    let steps: Vec<&Value> = lines
        .iter()
        .filter(|line| line["loss"].is_number())
        .collect();
    assert_eq!(steps.len(), 2);
    for name in [
        "clip_ratio/delta_mean",
        "dynamic_sampling/rounds",
        "sampling/staleness",
        "sampling/importance_sampling_ratio/max",
        "rewards/empty_answer/mean",
        "rewards/outside_schema/mean",
        "rollout_tokens_per_second",
    ] {
        assert!(steps.iter().all(|step| step[name].is_number()), "{name}");
    }
    check_table(&out.join("completions"))?;
    assert!(out.join("model").exists() && out.join("adapter").exists());
    assert!(!out.join("best").exists() && !out.join("checkpoints").exists());

    // The last model is kept, and the best beside it.
    let last = dir.path().join("last");
    let at = args.iter().position(|arg| *arg == text(&out));
    args[at.ok_or("no --out")?] = text(&last);
    args.extend(["--set", "grpo.train.load_best=false"]);
    succeeds(&args)?;
    assert!(last.join("model").exists() && last.join("best").exists());

    args.extend(["--set", "grpo.train.delta=1.2"]);
    fails(
        &args,
        2,
        &["grpo.train.delta", "more than 1 + epsilon_high"],
    )
}

/// TRL's other losses, corrections of whole completions, mini-batches, the paper's end of a completion and the
/// corrected rewards, each by its keys alone.
#[test]
fn every_loss_trains() -> TestResult {
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("train.jsonl");
    write(&data, examples())?;
    let losses: [&[&str]; 4] = [
        &["loss_type=cispo", "engine_correction=sequence_mask"],
        &["loss_type=sapo", "engine_correction=sequence_truncate"],
        &["loss_type=luspo", "importance_sampling_level=sequence"],
        &["loss_type=vespo", "engine_correction=mask"],
    ];
    for (i, loss) in losses.into_iter().enumerate() {
        let out = dir.path().join(i.to_string());
        let mut sets: Vec<String> = ["grpo.stop=eos", "grpo.reward.empty=true"]
            .map(str::to_owned)
            .into();
        let training = [
            "epsilon_high=5",
            "mini_batches=2",
            "prompts_per_step=2",
            "group_size=4",
            "max_completion_length=24",
        ];
        let keys = training.iter().chain(loss);
        sets.extend(keys.map(|key| format!("grpo.train.{key}")));
        let mut args = vec![
            "grpo",
            "--profile",
            "smoke",
            "--model",
            "fixtures/tiny-base",
        ];
        args.extend(["--data", text(&data), "--out", text(&out)]);
        for set in &sets {
            args.extend(["--set", set]);
        }
        succeeds(&args)?;
        let metrics = std::fs::read_to_string(out.join("metrics.jsonl"))?;
        let step: Value = serde_json::from_str(metrics.lines().next().ok_or("no step")?)?;
        assert!(step["loss"].is_number() && step["grad_norm"].is_number());
    }
    Ok(())
}
