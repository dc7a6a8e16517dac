//! `rner-lab parity` on the reference values of the repository, on damaged ones, and on none.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::support::{TestResult, fails, rner_lab, root, stderr, text};

fn fixtures() -> PathBuf {
    root().join("fixtures/parity")
}

/// Copies `folders` of the reference values.
fn copy(folders: &[&str], to: &Path) -> TestResult {
    for folder in folders {
        let target = to.join(folder);
        fs::create_dir_all(&target)?;
        for entry in fs::read_dir(fixtures().join(folder))? {
            let entry = entry?;
            // Not `fs::copy`: the originals may be read-only, and that would be copied too.
            fs::write(target.join(entry.file_name()), fs::read(entry.path())?)?;
        }
    }
    Ok(())
}

/// Adds to a number of a JSON file.
fn add(path: &Path, pointer: &str, amount: f64) -> TestResult {
    let mut file: Value = serde_json::from_slice(&fs::read(path)?)?;
    let value = file.pointer_mut(pointer).ok_or("no such value")?;
    let number = value.as_f64().ok_or("not a number")?;
    *value = (number + amount).into();
    fs::write(path, file.to_string())?;
    Ok(())
}

/// The lines of a run, which must end with this code.
fn lines(dir: &Path, code: i32) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let output = rner_lab(&["parity", text(dir)]).output()?;
    let said = String::from_utf8(output.stdout.clone())?;
    assert_eq!(
        output.status.code(),
        Some(code),
        "{said}\n{}",
        stderr(&output)
    );
    Ok(said.lines().map(str::to_owned).collect())
}

#[test]
fn everything_in_the_repository_agrees() -> TestResult {
    let output = rner_lab(&["parity", "fixtures/parity", "--json"]).output()?;
    let said: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(
        output.status.code(),
        Some(0),
        "{said:#}\n{}",
        stderr(&output)
    );
    assert_eq!(said["ok"], true);
    let checks = said["checks"].as_array().ok_or("no checks")?;
    for check in checks {
        let is_benchmark = check["name"] == "benchmark";
        let expected = if is_benchmark {
            Value::Null
        } else {
            true.into()
        };
        assert_eq!(check["ok"], expected, "{check:#}");
    }
    // One line of every kind at least, and the models of all families with all of theirs.
    for (word, least) in [
        ("logits", 22),
        ("gradients", 8),
        ("greedy", 20),
        ("llama3-", 20),
        ("llama2-", 12),
        ("qwen2-", 20),
        ("-tokenizer/", 9),
        ("gradient norm", 2),
        ("grpo/", 21),
        ("grpo-extra/", 48),
        ("grpo-trl/", 77),
        ("sampling/", 6),
        ("sampling-extra/", 42),
        ("format/", 8),
    ] {
        let names = checks.iter().filter_map(|check| check["name"].as_str());
        let found = names.filter(|name| name.contains(word)).count();
        assert!(found >= least, "{word}: {found}");
    }
    Ok(())
}

#[test]
fn a_wrong_value_is_named() -> TestResult {
    let dir = tempfile::tempdir()?;
    copy(&["sampling", "grpo"], dir.path())?;
    let cases = dir.path().join("sampling/cases.json");
    add(&cases, "/cases/1/probabilities/0/3", 1e-8)?;
    let lines = lines(dir.path(), 1)?;
    let failed: Vec<&String> = lines
        .iter()
        .filter(|line| line.contains("FAILED"))
        .collect();
    let [line] = failed[..] else {
        panic!("one line should fail: {failed:?}")
    };
    assert!(
        line.contains("sampling/cases.json: temperature 0.9"),
        "{line}"
    );
    assert!(line.contains("row 0, value 3"), "{line}");
    Ok(())
}

#[test]
fn a_wrong_loss_fails_alone_and_under_any_folder_name() -> TestResult {
    let dir = tempfile::tempdir()?;
    copy(&["qwen3-untied-f32"], dir.path())?;
    fs::rename(dir.path().join("qwen3-untied-f32"), dir.path().join("m"))?;
    add(&dir.path().join("m/expected.json"), "/loss", 1e-3)?;
    for line in lines(dir.path(), 1)? {
        let is_loss = line.starts_with("m: loss ");
        assert_eq!(line.contains("FAILED"), is_loss, "{line}");
    }
    Ok(())
}

#[test]
fn damaged_files_fail_with_a_reason() -> TestResult {
    let dir = tempfile::tempdir()?;
    copy(&["sampling", "grpo", "format"], dir.path())?;
    fs::write(
        dir.path().join("sampling/cases.json"),
        "{\"logits\": [[1.0]]}",
    )?;
    fs::write(dir.path().join("grpo/cases.json"), "{")?;
    let output = rner_lab(&["parity", text(dir.path())]).output()?;
    let said = String::from_utf8(output.stdout.clone())?;
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("missing field `cases`"), "{said}");
    assert!(said.contains("grpo/cases.json"), "{said}");
    // The tokenizer that the prompt names is not there.
    assert!(said.contains("tokenizer.json"), "{said}");
    assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
    Ok(())
}

#[test]
fn nothing_to_compare_with_is_wrong_usage() -> TestResult {
    let dir = tempfile::tempdir()?;
    fs::create_dir(dir.path().join("empty"))?;
    let path = text(dir.path());
    fails(&["parity", path], 2, &[path, "no reference values"])?;
    fails(&["parity", "no/such/dir"], 2, &["no/such/dir"])?;
    fails(&["parity"], 2, &["DIR"])
}
