//! One process at a time in each folder that a command writes, and nothing of dead ones stays there.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use atomic_files::Lock;

use super::support::{TestResult, fails, rner, stderr, succeeds, text, write};

const ROW: &str = "{\"sentence\": \"Ada Brel slept\", \"schema\": [\"person\"], \
    \"entities\": [{\"text\": \"Ada Brel\", \"label\": \"person\"}]}\n";

/// Every command that writes into `--out`, with inputs that are not there: the folder comes before them.
const COMMANDS: [&[&str]; 7] = [
    &["sft", "--profile", "smoke", "--data", "none.jsonl"],
    &[
        "grpo",
        "--profile",
        "smoke",
        "--model",
        "none",
        "--data",
        "none.jsonl",
    ],
    &["eval", "--model", "none"],
    &["eval", "--predictions", "none.jsonl", "--data", "none"],
    &[
        "eval",
        "--url",
        "http://127.0.0.1:9",
        "--url-model",
        "m",
        "--data",
        "none",
    ],
    &["eval", "few-shot", "--data", "none"],
    &["reproduce", "--smoke", "--offline"],
];

fn with<'a>(command: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [command, more].concat()
}

#[test]
fn a_second_process_is_refused_by_name() -> TestResult {
    let dir = tempfile::tempdir()?;
    let out = dir.path().join("out");
    let _lock = Lock::folder(&out)?;
    let owner = format!("in use by another process (process {})", std::process::id());
    for command in COMMANDS {
        fails(
            &with(command, &["--out", text(&out)]),
            1,
            &[text(&out), &owner],
        )?;
    }
    fails(&["report", text(&out)], 1, &[text(&out), &owner])?;
    assert_eq!(fs::read_dir(&out)?.count(), 1, "the lock alone");
    Ok(())
}

#[test]
fn a_second_writer_of_a_file_is_refused_by_name() -> TestResult {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("rows.jsonl");
    let _lock = Lock::file(&file)?;
    let commands: [&[&str]; 3] = [
        &["data", "convert", "none.jsonl", text(&file), "--to", "bio"],
        &["data", "sample", "--data", "none", "--out", text(&file)],
        &["eval", "compare", "a", "b", "--json", text(&file)],
    ];
    for command in commands {
        fails(command, 1, &[text(&file), "in use by another process"])?;
    }
    assert!(!file.exists());
    Ok(())
}

/// A process that has ended.
fn dead() -> std::io::Result<u32> {
    let mut child = Command::new("true").spawn()?;
    child.wait()?;
    Ok(child.id())
}

#[test]
fn what_dead_processes_left_goes_at_the_next_start() -> TestResult {
    let (dir, dead) = (tempfile::tempdir()?, dead()?);
    for (i, command) in COMMANDS.iter().take(5).enumerate() {
        let out = dir.path().join(i.to_string());
        let file = out.join(format!("model/.model.safetensors.{dead}-0.partial"));
        write(&file, "half a model")?;
        let folder = out.join(format!(".checkpoints.{dead}-3.removed"));
        write(&folder.join("optimizer.safetensors"), "half of it")?;
        let _ = rner(&with(command, &["--out", text(&out)])).output()?;
        assert!(!file.exists() && !folder.exists(), "{command:?}");
    }
    Ok(())
}

#[test]
fn a_command_that_fails_leaves_no_empty_folder() -> TestResult {
    let dir = tempfile::tempdir()?;
    for command in COMMANDS.iter().take(6) {
        let out = dir.path().join("out");
        let output = rner(&with(command, &["--out", text(&out)])).output()?;
        assert!(!output.status.success() && !out.exists(), "{command:?}");
    }
    Ok(())
}

fn training(data: &Path) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let row = |i| {
        format!(
            "{{\"sentence\": \"Ada Brel met {i}\", \"schema\": [\"person\"], \
             \"entities\": [{{\"text\": \"Ada Brel\", \"label\": \"person\"}}]}}\n"
        )
    };
    write(data, (0..8).map(row).collect::<String>())?;
    let args = "sft --profile smoke --no-cot --model fixtures/tiny-base --set sft.train.epochs=400 \
                --set sft.train.max_steps=40 --set sft.train.batch_size=2 --data";
    let mut args: Vec<String> = args.split_whitespace().map(Into::into).collect();
    args.push(text(data).into());
    Ok(args)
}

#[test]
fn of_two_trainings_at_once_one_goes_on() -> TestResult {
    let dir = tempfile::tempdir()?;
    let out = dir.path().join("out");
    let args = training(&dir.path().join("train.jsonl"))?;
    let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
    args.extend(["--out", text(&out)]);
    let mut first = rner(&args)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    while !out.join("metrics.jsonl").exists() && first.try_wait()?.is_none() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let owner = format!("in use by another process (process {})", first.id());
    fails(&args, 1, &[text(&out), &owner])?;
    let first = first.wait_with_output()?;
    assert!(first.status.success(), "{}", stderr(&first));
    assert!(out.join("model/model.safetensors").is_file());
    let hidden = fs::read_dir(&out)?.flatten().map(|entry| entry.file_name());
    let hidden: Vec<_> = hidden
        .filter(|name| name.to_string_lossy().starts_with('.'))
        .collect();
    assert!(hidden.is_empty(), "{hidden:?}");
    Ok(())
}

/// The same command again is done at once; another one, and files of somebody else, are left alone.
#[test]
fn finished_work_is_never_trained_over() -> TestResult {
    let dir = tempfile::tempdir()?;
    let (data, out) = (dir.path().join("train.jsonl"), dir.path().join("out"));
    let args = training(&data)?;
    let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
    args.extend(["--set", "sft.train.max_steps=2", "--out", text(&out)]);
    let run = |args: &[&str]| rner(args).output();
    let model = out.join("model/model.safetensors");
    let first = run(&args)?;
    assert!(first.status.success(), "{}", stderr(&first));
    let (made, weights) = (fs::metadata(&model)?.modified()?, fs::read(&model)?);
    let again = run(&args)?;
    assert!(again.status.success() && stderr(&again).contains("done before, unchanged"));
    assert_eq!(again.stdout, first.stdout);
    let other = [&args[..], &["--set", "sft.train.max_steps=3"]].concat();
    fails(
        &other,
        1,
        &[
            text(&out),
            "not the same: sft.train.max_steps: 2 there, 3 here",
            "--force",
        ],
    )?;
    let text_before = fs::read_to_string(&data)?;
    write(
        &data,
        text_before.clone() + text_before.lines().next().unwrap_or_default() + "\n",
    )?;
    fails(&args, 1, &[text(&out), "not the same: data"])?;
    assert_eq!(
        (made, weights),
        (fs::metadata(&model)?.modified()?, fs::read(&model)?)
    );
    let foreign = dir.path().join("thesis");
    write(&foreign.join("model/notes.txt"), "mine")?;
    let at = args.len() - 1;
    args[at] = text(&foreign);
    fails(&args, 1, &["files of something else"])?;
    assert_eq!(fs::read_dir(&foreign)?.count(), 1);
    Ok(())
}

/// The file that a command writes and what it is given to write another one.
struct Writer<'a> {
    command: Vec<&'a str>,
    file: &'a Path,
    other: &'a [&'a str],
}

impl Writer<'_> {
    /// Done again it changes nothing; another file is left alone unless it may be replaced.
    #[track_caller]
    fn check(&self) -> TestResult {
        succeeds(&self.command)?;
        let made = fs::read(self.file)?;
        let time = fs::metadata(self.file)?.modified()?;
        succeeds(&self.command)?;
        assert_eq!(fs::metadata(self.file)?.modified()?, time, "the same file");
        let other = with(&self.command, self.other);
        let words = [text(self.file), "is there already", "--force"];
        fails(&other, 1, &words)?;
        assert_eq!(fs::read(self.file)?, made);
        succeeds(&with(&other, &["--force"]))?;
        assert_ne!(fs::read(self.file)?, made, "replaced on demand");
        Ok(())
    }
}

#[test]
fn files_are_replaced_only_on_demand() -> TestResult {
    let dir = tempfile::tempdir()?;
    let path = |name: &str| dir.path().join(name);
    let bio = |sentences: usize| "Brel B-city\nslept O\n\n".repeat(sentences);
    write(&path("a.conll"), bio(2))?;
    write(&path("labels.txt"), "city\nport\n")?;
    let [a, labels, out] = ["a.conll", "labels.txt", "rows.jsonl"].map(path);
    Writer {
        command: vec!["data", "convert", text(&a), text(&out), "--to", "ner-cot"],
        file: &out,
        other: &["--labels", text(&labels)],
    }
    .check()?;
    for set in ["conll2003", "mit-movie"] {
        write(&path(&format!("data/{set}/train.conll")), bio(40))?;
    }
    let (data, out) = (path("data"), path("sample.jsonl"));
    let mut command = vec!["data", "sample", "--data", text(&data), "--allow-missing"];
    command.extend(["--total", "20", "--label-map", "none", "--out", text(&out)]);
    Writer {
        command,
        file: &out,
        other: &["--without-mit"],
    }
    .check()
}

/// A folder that is somebody else's gets no dataset card over its README.
#[test]
fn a_dataset_is_not_made_among_other_files() -> TestResult {
    let dir = tempfile::tempdir()?;
    let (data, out) = (dir.path().join("rows.jsonl"), dir.path().join("thesis"));
    write(&data, ROW)?;
    write(&out.join("README.md"), "mine")?;
    let generate = [
        "cot",
        "generate",
        "--profile",
        "smoke",
        "--data",
        text(&data),
    ];
    fails(
        &with(&generate, &["--out", text(&out)]),
        1,
        &["files of something else", "README.md"],
    )?;
    let (own, page) = (dir.path().join("own"), dir.path().join("page.html"));
    succeeds(&with(&generate, &["--out", text(&own)]))?;
    write(&page, "mine")?;
    let view = ["cot", "view", text(&own), "--out", text(&page)];
    fails(&view, 1, &["page.html", "--force"])?;
    let export = ["cot", "export", text(&own), "--out", text(&out)];
    fails(&export, 1, &["README.md", "--force"])?;
    let merge = ["cot", "merge", text(&own), "--out", text(&out)];
    fails(&merge, 1, &["files of something else", "README.md"])?;
    assert_eq!(fs::read_to_string(out.join("README.md"))?, "mine");
    assert_eq!(fs::read_to_string(&page)?, "mine");
    for again in [
        &["cot", "view", text(&own)][..],
        &["cot", "export", text(&own)],
    ] {
        succeeds(again)?;
        succeeds(again)?;
    }
    Ok(())
}
