//! Relations and events: trained on, scored, asked for, and refused where entities alone are known.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use super::support::{TestResult, fails, succeeds, text, write};

const TYPES: &str = "owner of(person, company),city of";

/// A few rows of a task.
fn rows(key: &str) -> String {
    let found = |i: usize| match key {
        "relations" => json!([{"label": "owner of", "head": format!("Ann {i}"), "tail": "Acme"}]),
        _ => {
            json!([{"label": "buy", "trigger": "owns", "arguments": [{"role": "who", "text": format!("Ann {i}")}]}])
        }
    };
    let schema = match key {
        "relations" => "owner of",
        _ => "buy(who)",
    };
    let mut all = String::new();
    for i in 0..12 {
        let row = json!({
            "sentence": format!("Ann {i} owns Acme ."), "schema": [schema], "cot": "She owns it.", key: found(i),
        });
        let _ = writeln!(all, "{row}");
    }
    all
}

fn sft<'a>(data: &'a str, out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let first = [
        "sft",
        "--model",
        "fixtures/tiny-base",
        "--data",
        data,
        "--out",
        out,
    ];
    let short = ["--set", "sft.train.max_steps=2"];
    [&first[..], &short, more].concat()
}

#[test]
fn a_model_is_tuned_scored_and_asked_in_its_task() -> TestResult {
    let dir = tempfile::tempdir()?;
    for task in ["relations", "events"] {
        let home = dir.path().join(task);
        let [data, out, tuned] =
            ["eval/rows.jsonl", "sft", "sft/model"].map(|name| home.join(name));
        write(&data, rows(task))?;
        let set = format!("model.task={task}");
        let (data, out, tuned) = (text(&data), text(&out), text(&tuned));
        let words = format!("row 1 is of {task}, expected one of entities: --set {set}");
        fails(&sft(data, out, &[]), 2, &[&words])?;
        succeeds(&sft(data, out, &["--set", &set]))?;
        let asked: Value = serde_json::from_str(&std::fs::read_to_string(
            Path::new(tuned).join("rner.json"),
        )?)?;
        assert_eq!(asked["task"], json!(task));

        let results = home.join("eval-of-it");
        let folder = home.join("eval");
        let limit = ["--set", "eval.max_new_tokens=24"];
        let eval = [
            "eval",
            "--model",
            tuned,
            "--data",
            text(&folder),
            "--out",
            text(&results),
        ];
        let said = succeeds(&[&eval[..], &limit].concat())?;
        let rule = if task == "relations" {
            "boundaries"
        } else {
            "trigger_identification"
        };
        assert!(
            said.contains(&format!("mean F1 by rule: {rule} ")),
            "{said}"
        );

        let found = home.join("grpo");
        let grpo = [
            "grpo",
            "--model",
            tuned,
            "--data",
            data,
            "--out",
            text(&found),
        ];
        let short = [
            "grpo.train.max_steps=1",
            "grpo.train.max_completion_length=16",
            "grpo.train.prompts_per_step=4",
        ];
        let short = short.iter().flat_map(|set| ["--set", *set]);
        succeeds(&grpo.iter().copied().chain(short).collect::<Vec<_>>())?;

        let extract = [
            "extract",
            "--model",
            tuned,
            "--types",
            TYPES,
            "--max-new-tokens",
            "40",
        ];
        let json: Value = serde_json::from_str(&succeeds(
            &[
                &extract[..],
                &["--json", "--form", "schema", "Ann owns Acme."],
            ]
            .concat(),
        )?)?;
        assert!(
            json[task].is_array() && json.get("entities").is_none(),
            "{json:#}"
        );
    }
    Ok(())
}

#[test]
fn the_task_decides_the_prompt_and_types_may_name_their_parts() -> TestResult {
    let first = ["prompt", "--model", "fixtures/tiny-base", "--types", TYPES];
    let shown = succeeds(&[&first[..], &["--task", "relations", "Ann owns Acme."]].concat())?;
    let words = "Find the relations of these kinds in the sentence and answer in JSON.\nSchema:\n\
                 [\"city of\", \"owner of(person, company)\"]\n";
    assert!(shown.contains(words), "{shown}");
    let one = [
        "prompt",
        "--model",
        "fixtures/tiny-base",
        "--types",
        "buy(who, what)",
    ];
    let shown = succeeds(&[&one[..], &["--task", "events", "Ann owns Acme."]].concat())?;
    assert!(
        shown.contains("events of these types") && shown.contains("[\"buy(who, what)\"]"),
        "{shown}"
    );
    let shown = succeeds(&[&first[..], &["Ann owns Acme."]].concat())?;
    assert!(
        shown.contains("Find the entities of these types"),
        "{shown}"
    );
    Ok(())
}

#[test]
fn what_knows_entities_alone_refuses_the_rest() -> TestResult {
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("rows.jsonl");
    write(&data, rows("relations"))?;
    let (data, out) = (text(&data), dir.path().join("out"));
    let out = text(&out);
    let reproduce = [
        "reproduce",
        "--profile",
        "smoke",
        "--set",
        "model.task=relations",
        "--out",
        out,
    ];
    fails(
        &reproduce,
        2,
        &["is for entities, found relations", "rner sft"],
    )?;
    fails(
        &["score", "--gold", data, "--predictions", data],
        2,
        &["row 1 is of relations, expected entities"],
    )?;
    fails(
        &["data", "convert", data, out, "--to", "bio"],
        1,
        &["relations at line 1"],
    )?;
    fails(
        &[
            "extract",
            "--model",
            "fixtures/tiny-base",
            "--types",
            "a",
            "--task",
            "triples",
            "A.",
        ],
        2,
        &["triples", "relations"],
    )
}
