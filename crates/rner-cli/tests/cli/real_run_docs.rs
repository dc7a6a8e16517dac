//! The commands of docs/real-run.md and docs/evaluate.md, each run as it stands there.
//!
//! What is changed for the test is stated in this file: mock servers and a small model in the places of the real ones,
//! and the sizes of [`SMALLEST`]. A flag or key that is renamed, a file that a page promises and a command does not
//! write: the test fails.

use std::path::Path;
use std::process::Command;

use ner_rehearsal::{BASE_MODEL, Rehearsal, Setting, Size, Teacher};

use super::real_run::{SMALLEST, rehearsed, setting};
use super::support::{TestResult, root, stderr, write};

/// What the run on this machine has in the place of what a page names.
const ON_THIS_MACHINE: [&str; 5] = [
    "run.backend=\"flex\"",
    "model.dtype=\"f32\"",
    "model.prompt=\"tiny\"",
    "hardware.gpus=1",
    "lora.rank=4",
];

/// Sizes that the profiles of the page have and `rehearsal` has not.
const SIZES: [&str; 8] = [
    "sft.train.batch_size=8",
    "sft.train.grad_accumulation=1",
    "grpo.rollout_batch=8",
    "grpo.train.group_size=2",
    "grpo.train.prompts_per_step=2",
    "grpo.train.iterations=1",
    "grpo.train.micro_batch_tokens=4096",
    "eval.batch=8",
];

/// The commands of the ```sh blocks of a page, with the lines that a backslash joins.
fn commands(page: &str) -> Vec<Vec<String>> {
    let blocks = page.split("```").skip(1).step_by(2);
    // Behind the language stands why another test does not run it, which has no rehearsal.
    let shell = blocks.filter_map(|block| {
        let (language, text) = block.split_once('\n')?;
        (language == "sh" || language.starts_with("sh no_run: ")).then_some(text)
    });
    let lines: Vec<String> = shell
        .flat_map(|block| {
            block
                .replace("\\\n", " ")
                .lines()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .filter(|line| !line.trim().is_empty() && !line.starts_with("export "))
        .collect();
    lines.iter().map(|line| words(line)).collect()
}

/// The files that a page shows: ```toml blocks that begin with their name, `# NAME.toml`.
fn shown_files(page: &str) -> Vec<(&str, &str)> {
    let blocks = page.split("```").skip(1).step_by(2);
    let toml = blocks.filter_map(|block| block.strip_prefix("toml\n# "));
    let named = toml.filter_map(|block| block.split_once('\n'));
    named.filter(|(name, _)| name.ends_with(".toml")).collect()
}

/// The words of a line as a shell sees them; quotes of both kinds, no variables.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in line.chars() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            (None, ' ') => words.push(std::mem::take(&mut word)),
            _ => word.push(c),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

/// A page's command as it is run here; none for a program that other tests run.
fn on_this_machine(words: &[String], rehearsal: &Rehearsal, dir: &Path) -> Option<Command> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let args = match words.as_slice() {
        ["cargo", "xtask", rest @ ..] | ["rner", rest @ ..] => rest,
        ["rner-lab", "rehearse", ..] => return None,
        other => panic!("the page has a command that the test does not know: {other:?}"),
    };
    let mut args: Vec<String> = args.iter().map(|word| renamed(word)).collect();
    let sets = match args[0].as_str() {
        "reproduce" => reproduce_sets(rehearsal),
        "sft" | "grpo" | "eval" if args.iter().any(|arg| arg == "--model") => own_sets(),
        _ => Vec::new(),
    };
    args.extend(sets.into_iter().flat_map(|set| ["--set".to_owned(), set]));
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut command = rehearsed(rehearsal, "caches", &args);
    command
        .current_dir(dir)
        .env("DEEPSEEK_API_KEY", "of-the-rehearsal");
    Some(command)
}

/// A model of the page is the rehearsal's.
fn renamed(word: &str) -> String {
    match word {
        "NAME" => Teacher::MODELS[0].to_owned(),
        word if word.starts_with("Qwen/") => BASE_MODEL.to_owned(),
        word => word.to_owned(),
    }
}

/// Sizes that belong to every command with a model.
fn own_sets() -> Vec<String> {
    let sets = SMALLEST.iter().chain(&ON_THIS_MACHINE).chain(&SIZES);
    sets.map(ToString::to_string).collect()
}

fn reproduce_sets(rehearsal: &Rehearsal) -> Vec<String> {
    let url = toml(&rehearsal.teacher.url);
    let [teacher, judge] = Teacher::MODELS.map(toml);
    let mut sets = own_sets();
    sets.extend([
        format!("model.base={}", toml(BASE_MODEL)),
        format!("cot.teacher_url={url}"),
        format!("cot.judge_url={url}"),
        format!("cot.teacher_model={teacher}"),
        format!("cot.judge_model={judge}"),
        "cot.key_env=\"TEACHER_API_KEY\"".to_owned(),
        "cot.concurrency=8".to_owned(),
        format!(
            "data.folder={}",
            toml(&rehearsal.own_sets().display().to_string())
        ),
    ]);
    sets
}

fn toml(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The files that the pages' reader has: a corpus with and without reasoning.
fn write_own_corpus(rehearsal: &Rehearsal, dir: &Path) -> TestResult {
    let rows = |with_reasoning: bool| -> String {
        let rows = rehearsal.examples(40).into_iter().map(|mut row| {
            row.cot = row.cot.filter(|_| with_reasoning);
            serde_json::to_string(&row).unwrap_or_default() + "\n"
        });
        rows.collect()
    };
    write(&dir.join("my/train.jsonl"), rows(false))?;
    write(&dir.join("my/with-reasoning.jsonl"), rows(true))
}

fn run_page(page: &str) -> TestResult {
    let dir = tempfile::tempdir()?;
    let rehearsal = Rehearsal::start(Setting {
        size: Size {
            train: 40,
            rows: 30,
        },
        ..setting(&dir.path().join("servers"))
    })?;
    let home = dir.path().join("home");
    write_own_corpus(&rehearsal, &home)?;
    let text = std::fs::read_to_string(root().join("docs").join(page))?;
    for (name, content) in shown_files(&text) {
        write(&home.join(name), content)?;
    }
    let commands = commands(&text);
    assert!(commands.len() > 5, "{page}: where have its commands gone?");
    for words in commands {
        let Some(mut command) = on_this_machine(&words, &rehearsal, &home) else {
            continue;
        };
        // The ways of a page are alternatives, and a folder that one of them has filled is refused to the next.
        let runs = home.join("runs");
        if words.iter().any(|word| word == "reproduce") && runs.is_dir() {
            std::fs::remove_dir_all(&runs)?;
        }
        let begun = std::time::Instant::now();
        let output = command.output()?;
        let said = stderr(&output);
        assert!(
            output.status.success(),
            "{page}: {}\n{command:?}\n{said}",
            words.join(" ")
        );
        eprintln!(
            "{:.1} s  {}",
            begun.elapsed().as_secs_f64(),
            words.join(" ")
        );
    }
    Ok(())
}

#[test]
fn every_command_of_the_page_about_the_real_run_works() -> TestResult {
    run_page("real-run.md")
}

#[test]
fn every_command_of_the_page_about_evaluation_works() -> TestResult {
    run_page("evaluate.md")
}

#[test]
fn a_shells_words_are_read() {
    let page =
        "a\n```sh\nexport A=b\nrner x 'a b' \\\n    --y=\"c d\"e\n```\n```toml\nx = 1\n```\n";
    assert_eq!(commands(page), [["rner", "x", "a b", "--y=c de"]]);
    assert!(shown_files(page).is_empty());
    let named = "```toml\n# a.toml\nx = 1\n```\n";
    assert_eq!(shown_files(named), [("a.toml", "x = 1\n")]);
}
