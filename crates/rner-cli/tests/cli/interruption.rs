//! Ctrl-C in the middle of a stage: it stops, says how to go on, and goes on.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::support::{TestResult, rner, stderr, text};

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
            Some(1),
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
