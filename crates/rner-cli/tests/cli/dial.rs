//! `--reasoning` and `--budget`: how much a model thinks before it answers, and what that is worth.

use serde_json::Value;

use super::support::{TestResult, fails, rner, stderr, succeeds, text};

const SENTENCE: &str = "Members of the party Grifock met in Raisar, a little-known nation.";

fn args<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let first = ["extract", "--model", "fixtures/tiny-ner", "--types"];
    let first = first.into_iter().chain(["country,party"]);
    first
        .chain(more.iter().copied())
        .chain([SENTENCE])
        .collect()
}

fn found(more: &[&str]) -> Result<Value, Box<dyn std::error::Error>> {
    let all = [more, &["--json"]].concat();
    Ok(serde_json::from_str(&succeeds(&args(&all))?)?)
}

/// The tuned toy closes its reasoning by itself, so it is cut at small budgets and left alone at large ones.
#[test]
fn reasoning_ends_at_its_budget_and_the_answer_follows() -> TestResult {
    let free = found(&[])?;
    assert_eq!(free["reasoning_closed"], Value::Null, "nothing is counted");
    for budget in ["full", "1000000"] {
        let full = found(&["--reasoning", budget])?;
        assert_eq!(full["entities"], free["entities"]);
        assert_eq!(full["reasoning"], free["reasoning"]);
        assert_eq!(full["reasoning_closed"], "model");
        assert!(full["reasoning_tokens"].as_u64() > Some(10));
    }
    for (budget, tokens) in [("none", 0), ("0", 0), ("1", 1), ("5", 5)] {
        for form in ["free", "schema", "grounded"] {
            let short = found(&["--reasoning", budget, "--form", form])?;
            assert_eq!(short["reasoning_closed"], "forced", "{budget} {form}");
            assert_eq!(short["reasoning_tokens"], tokens, "{budget} {form}");
            // With any text in a name, a model that was cut off in its reasoning can go on with it in a name.
            let may_go_on = form == "schema" && short["cut_off"] == true;
            assert!(
                may_go_on || short["is_json"] == true,
                "{budget} {form}: {short}"
            );
            let plain = found(&["--reasoning", budget, "--form", form, "--no-drafts"])?;
            assert_eq!(plain, short, "drafts change nothing");
        }
    }
    Ok(())
}

#[test]
fn a_model_without_a_switch_is_told_of_once_and_wrong_words_are_refused() -> TestResult {
    let output = rner(&args(&["--reasoning", "short"])).output()?;
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    assert_eq!(said.matches("knows no switch").count(), 1, "{said}");
    let output = rner(&args(&["--reasoning", "5"])).output()?;
    let said = stderr(&output);
    assert!(said.contains("closed after 5 tokens"), "{said}");
    fails(
        &args(&["--reasoning", "much"]),
        2,
        &["free, full, short, none or a number"],
    )?;
    let url = "eval --url http://127.0.0.1:9 --url-model m --data fixtures/toy/music.conll --out x";
    for more in [
        "--reasoning short",
        "--budget 0,4",
        "--set eval.reasoning=4",
    ] {
        let all = url.split(' ').chain(more.split(' '));
        fails(&all.collect::<Vec<_>>(), 2, &["go with --model only"])?;
    }
    Ok(())
}

#[test]
fn a_curve_has_a_point_for_each_budget_and_is_made_once() -> TestResult {
    let dir = tempfile::tempdir()?;
    let out = dir.path().join("curve");
    let line = "eval --model fixtures/tiny-ner --data fixtures/toy/music.conll --limit 4 --budget 0,6,full --out";
    let mut args: Vec<&str> = line.split_whitespace().collect();
    args.push(text(&out));
    let first = succeeds(&args)?;
    let read = || -> Result<Value, Box<dyn std::error::Error>> {
        let json = std::fs::read_to_string(out.join("curve.json"))?;
        Ok(serde_json::from_str(&json)?)
    };
    let curve = read()?;
    let points = curve["points"].as_array().ok_or("points")?;
    let budgets: Vec<&str> = points.iter().filter_map(|p| p["budget"].as_str()).collect();
    assert_eq!(budgets, ["0", "6", "full"]);
    let tokens: Vec<f64> = points
        .iter()
        .filter_map(|p| p["reasoning_tokens"].as_f64())
        .collect();
    assert!(tokens[0] == 0.0 && tokens[1] <= 6.0 && tokens[2] > tokens[1]);
    assert_eq!(points[0]["forced"], 4);
    assert!(points.iter().all(|p| p["seconds"].as_f64() > Some(0.0)));
    assert!(out.join("budget-6/results.html").is_file());
    let page = std::fs::read_to_string(out.join("curve.html"))?;
    assert_eq!(page.matches("<circle").count(), 3);
    let again = rner(&args).output()?;
    assert_eq!(stderr(&again).matches("done before, unchanged").count(), 3);
    assert_eq!(String::from_utf8(again.stdout)?, first);
    assert_eq!(read()?, curve);
    Ok(())
}

/// A model that is trained to three ways of answering says so, and is asked with the switch.
#[test]
fn a_mixed_training_teaches_the_switch() -> TestResult {
    let dir = tempfile::tempdir()?;
    let (data, out) = (dir.path().join("rows.jsonl"), dir.path().join("tuned"));
    let row = |number: usize| {
        format!(
            "{{\"sentence\": \"Brel{number} sleeps.\", \"schema\": [\"city\"], \"cot\": \"Osk. Brel{number} is a city.\", \
             \"entities\": [{{\"text\": \"Brel{number}\", \"label\": \"city\"}}]}}\n"
        )
    };
    std::fs::write(&data, (0..12).map(row).collect::<String>())?;
    let sft = "sft --model fixtures/tiny-base --set sft.train.max_steps=1 --set sft.short_share=0.4 \
               --set sft.none_share=0.4 --data";
    let mut args: Vec<&str> = sft.split_whitespace().collect();
    args.extend([text(&data), "--out", text(&out)]);
    let output = rner(&args).output()?;
    let said = stderr(&output);
    assert!(
        output.status.success() && said.contains("without reasoning"),
        "{said}"
    );
    let model = out.join("model");
    let own: Value = serde_json::from_str(&std::fs::read_to_string(model.join("rner.json"))?)?;
    assert_eq!(own["reasoning_switch"]["none"], "/no_think");
    assert_eq!(own["reasoning_switch"]["short"], "/short_think");
    for (reasoning, ending) in [
        ("none", "\n/no_think<|im_end|>"),
        ("full", "sleeps.<|im_end|>"),
    ] {
        let set = format!("eval.reasoning={reasoning}");
        let prompt = ["prompt", "--model", text(&model), "--types", "city"];
        let shown = succeeds(&[&prompt[..], &["--set", &set, "Osk sleeps."]].concat())?;
        assert!(shown.contains(ending), "{shown}");
    }
    let wrong = [&args[..], &["--set", "sft.none_share=0.7"]].concat();
    fails(&wrong, 2, &["sft.none_share"])
}
