//! Ctrl-C in the middle of a stage: it stops, says how to go on, and goes on.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::server::Server;
use super::support::{TestResult, rner, stderr, text, write};

/// Waits for a file that a stage writes while it works.
fn wait_for(path: &Path, child: &mut Child) -> TestResult {
    let patience = Instant::now() + Duration::from_secs(300);
    while !path.exists() {
        if let Some(status) = child.try_wait()? {
            return Err(format!("ended with {status} before {}", path.display()).into());
        }
        if Instant::now() > patience {
            return Err(format!("{} never appeared", path.display()).into());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

#[test]
fn an_interrupted_run_goes_on_to_the_same_table() -> TestResult {
    let dir = tempfile::tempdir()?;
    let args = |out: &str| {
        let mut args = vec!["reproduce", "--smoke", "--out"];
        args.push(out);
        args.extend([
            "--set",
            "run.rows=[\"base\",\"base-step\",\"cot\",\"grpo\"]",
            "--set",
            "sft.train.max_steps=3",
        ]);
        args.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let run = |out: &Path| {
        let args = args(text(out));
        rner(&args.iter().map(String::as_str).collect::<Vec<_>>())
    };

    let (whole, broken) = (dir.path().join("whole"), dir.path().join("broken"));
    let uninterrupted = run(&whole).output()?;
    assert!(uninterrupted.status.success(), "{}", stderr(&uninterrupted));

    for stage in ["stage-4-sft-cot", "stage-5-grpo", "stage-6-eval-base"] {
        let mut child = run(&broken)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        wait_for(&broken.join(stage), &mut child)?;
        Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status()?;
        let output = child.wait_with_output()?;
        assert_eq!(
            output.status.code(),
            Some(130),
            "{stage}: {}",
            stderr(&output)
        );
        assert!(
            stderr(&output).contains("same command"),
            "{stage}: {}",
            stderr(&output)
        );
    }
    let resumed = run(&broken).output()?;
    assert!(resumed.status.success(), "{}", stderr(&resumed));
    let table = |output: &std::process::Output| {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines()
            .filter(|line| !line.contains("report.html"))
            .collect::<String>()
    };
    assert_eq!(table(&resumed), table(&uninterrupted));
    Ok(())
}

fn send(signal: &str, child: &Child) -> TestResult {
    let pid = child.id().to_string();
    Command::new("kill").args([signal, &pid]).status()?;
    Ok(())
}

/// What batch systems send before they kill.
#[test]
fn a_training_keeps_a_checkpoint_for_each_signal() -> TestResult {
    let dir = tempfile::tempdir()?;
    let (data, out) = (dir.path().join("train.jsonl"), dir.path().join("out"));
    let row = r#"{"sentence": "Ada Brel", "schema": ["person"], "entities": [{"text": "Ada Brel", "label": "person"}]}"#;
    write(&data, format!("{row}\n").repeat(8))?;
    let args = "sft --profile smoke --no-cot --model fixtures/tiny-base --set sft.train.epochs=4000 \
                --set sft.train.max_steps=4000 --set sft.train.batch_size=2 --data";
    let mut args: Vec<&str> = args.split_whitespace().collect();
    args.extend([text(&data), "--out", text(&out)]);
    let mut steps = 0;
    for (signal, number) in [("-USR1", 10), ("-HUP", 1), ("-XCPU", 24), ("-TERM", 15)] {
        let _ = std::fs::remove_file(out.join("metrics.jsonl"));
        let mut child = rner(&args)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let lines = || std::fs::read_to_string(out.join("metrics.jsonl")).unwrap_or_default();
        while !lines().contains('\n') && child.try_wait()?.is_none() {
            std::thread::sleep(Duration::from_millis(5));
        }
        send(signal, &child)?;
        let output = child.wait_with_output()?;
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(128 + number), "{signal}: {said}");
        assert!(said.contains("same command"), "{signal}: {said}");
        let kept = std::fs::read_dir(out.join("checkpoints"))?.flatten();
        let kept = kept.filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            name.rsplit('-').next()?.parse::<usize>().ok()
        });
        let newest = kept.max().ok_or("no checkpoint")?;
        assert!(newest > steps, "{signal}: {newest} after {steps}");
        steps = newest;
    }
    Ok(())
}

/// A server that never answers: what waits for it ends, by itself or by the watchdog.
#[test]
fn a_server_that_hangs_is_left() -> TestResult {
    let dir = tempfile::tempdir()?;
    write(
        &dir.path().join("suite.toml"),
        "name = \"one\"\ntitle = \"One\"\n[[set]]\nname = \"north\"\n",
    )?;
    let row = r#"{"sentence": "Brel", "schema": ["city"], "entities": [{"text": "Brel", "label": "city"}]}"#;
    write(&dir.path().join("data/north.jsonl"), format!("{row}\n"))?;
    let server = Server::start(|_| {
        std::thread::sleep(Duration::from_secs(600));
        (200, String::new())
    })?;
    let [suite, data, out] = ["suite.toml", "data", "out"].map(|name| dir.path().join(name));
    let args = [
        "eval",
        "--url",
        &server.url,
        "--url-model",
        "m",
        "--suite",
        text(&suite),
        "--data",
        text(&data),
        "--out",
        text(&out),
    ];
    for (signal, number) in [("-USR2", 12), ("-INT", 2)] {
        let begun = server.requests();
        let mut child = rner(&args)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .env("RNER_STOP_SECONDS", "5")
            .spawn()?;
        while server.requests() == begun && child.try_wait()?.is_none() {
            std::thread::sleep(Duration::from_millis(5));
        }
        send(signal, &child)?;
        let output = child.wait_with_output()?;
        let code = output.status.code();
        assert!(code == Some(128 + number), "{code:?}: {}", stderr(&output));
    }
    Ok(())
}

/// A terminal that was closed: what is said is lost, the work is not.
#[cfg(target_os = "linux")]
#[test]
fn nobody_has_to_listen() -> TestResult {
    let full = std::fs::File::options().write(true).open("/dev/full")?;
    let output = rner(&[
        "reproduce",
        "--smoke",
        "--dry-run",
        "--offline",
        "--set",
        "run.seeds=1",
    ])
    .stderr(full.try_clone()?)
    .output()?;
    assert_eq!(output.status.code(), Some(0));
    let output = rner(&["sft", "--data", "none", "--out", "/dev/null/x"])
        .stderr(full)
        .output()?;
    assert_ne!(output.status.code(), Some(101), "no panic");
    Ok(())
}
