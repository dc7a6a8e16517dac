//! Whether the commands of a block exist with all their flags, also of those that are not run.

use super::block::{Block, Kind};
use super::run::{Folder, commands};

/// Asks the program for the help of each command, with all flags that are shown before it.
pub(crate) fn check(folder: &Folder, block: &Block) -> Result<(), String> {
    let Kind::NoRun(reason) = &block.kind else {
        return Ok(());
    };
    if reason.is_empty() {
        return Err("`no_run:` without a reason".into());
    }
    for command in calls(&block.text) {
        let (printed, is_success) = folder.bash(&format!("{command} --help"))?;
        if !is_success {
            return Err(format!("`{command}` cannot be parsed:\n{printed}"));
        }
    }
    Ok(())
}

/// The calls of the program in a block, without what a shell would make of them, and without places to be filled in.
fn calls(text: &str) -> Vec<String> {
    let console = commands(text);
    let text = if console.is_empty() {
        text.to_owned()
    } else {
        let lines = console.into_iter().map(|(command, _)| command + "\n");
        lines.collect()
    };
    let joined = text.replace("\\\n", " ");
    joined.lines().filter_map(ours).map(call).collect()
}

/// What follows the program's name. `cargo xtask reproduce` hands its words over.
fn ours(line: &str) -> Option<String> {
    let line = line.trim();
    let words = line.strip_prefix("rner ").map(str::to_owned);
    words.or_else(|| {
        let words = line.strip_prefix("cargo xtask reproduce")?;
        Some(format!("reproduce {words}"))
    })
}

fn call(line: String) -> String {
    let line = line.split(" #").next().unwrap_or_default();
    let line = line
        .split(" |")
        .next()
        .unwrap_or(line)
        .trim_end_matches('&');
    let words = line.split_whitespace();
    let words: Vec<_> = words
        .filter(|word| !matches!(*word, "…" | "..." | "[OPTIONS]"))
        .collect();
    format!("rner {}", words.join(" "))
}
