//! Every command block of README.md and `docs/` is run, in a folder of its own for each page, and what a `console`
//! block shows is compared with what the program prints.
//!
//! - ```` ```sh ```` is a script that must end well; ```` ```console ```` has commands behind `$ ` and their output. A
//!   line `…` stands for any lines, `…` inside of a line for any text; times (`1.2 s`) are not compared.
//! - `cat FILE` in a `console` block makes the file where there is none, so that a page can show what it works on.
//! - ```` ```sh no_run: REASON ```` is not run, as what needs a network, a GPU, or an hour. Its flags are parsed.
//! - `<!-- run` … `-->` is a script that prepares what the reader has by then, and is not shown.

#[path = "docs/block.rs"]
mod block;
#[path = "docs/expect.rs"]
mod expect;
#[path = "docs/parse.rs"]
mod parse;
#[path = "docs/run.rs"]
mod run;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use block::{Block, Kind};
use run::Folder;

/// What became of the blocks of the pages.
#[derive(Default)]
struct Sum {
    run: usize,
    compared: usize,
    parsed: usize,
    hidden: usize,
    faults: Vec<String>,
}

fn main() -> ExitCode {
    // `cargo test NAME` asks every test program; this one has one test.
    let names = std::env::args().skip(1).filter(|arg| !arg.starts_with('-'));
    if names.into_iter().any(|name| !"docs".contains(&name)) {
        return ExitCode::SUCCESS;
    }
    let mut sum = Sum::default();
    let pages = pages();
    for page in &pages {
        take_page(page, &mut sum);
    }
    sum.faults.extend(journeys());
    println!(
        "docs: {} pages, {} command blocks run ({} with their output compared), {} only parsed, {} to prepare",
        pages.len(),
        sum.run,
        sum.compared,
        sum.parsed,
        sum.hidden
    );
    sum.faults.iter().for_each(|fault| println!("{fault}\n"));
    if sum.faults.is_empty() {
        ExitCode::SUCCESS
    } else {
        println!("docs: {} blocks are not as they say", sum.faults.len());
        ExitCode::FAILURE
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// README.md and the pages of `docs/`, but for the log, which tells of programs that were.
fn pages() -> Vec<PathBuf> {
    let docs = std::fs::read_dir(root().join("docs")).expect("docs/");
    let docs = docs.map(|entry| entry.expect("an entry").path());
    let mut pages: Vec<_> = docs
        .filter(|path| path.extension().is_some_and(|ending| ending == "md"))
        .filter(|path| !path.ends_with("experiment-log.md"))
        .collect();
    pages.sort();
    pages.insert(0, root().join("README.md"));
    pages
}

fn take_page(page: &Path, sum: &mut Sum) {
    let text = std::fs::read_to_string(page).expect("a page");
    let folder = Folder::new(&root());
    for block in block::blocks(&text) {
        let found = match &block.kind {
            Kind::Sh => folder.script(&block.text),
            Kind::Console => folder.console(&block.text),
            Kind::Hidden => folder.script(&block.text),
            Kind::NoRun(_) => Ok(()),
        };
        count(&block, sum);
        let name = page.file_name().map(|name| name.to_string_lossy());
        let place = format!("{}:{}", name.unwrap_or_default(), block.line);
        if let Err(fault) = found.and_then(|()| parse::check(&folder, &block)) {
            sum.faults.push(format!("{place}: {fault}"));
        }
    }
}

fn count(block: &Block, sum: &mut Sum) {
    match block.kind {
        Kind::Sh => sum.run += 1,
        Kind::Console => {
            sum.run += 1;
            sum.compared += 1;
        }
        Kind::NoRun(_) => sum.parsed += 1,
        Kind::Hidden => sum.hidden += 1,
    }
}

/// What the scripts of the journeys type that their pages do not show.
fn journeys() -> Vec<String> {
    let folder = root().join("scripts/journeys");
    let scripts = std::fs::read_dir(&folder).expect("scripts/journeys");
    let scripts = scripts.map(|entry| entry.expect("an entry").path());
    let is_journey = |path: &PathBuf| {
        path.extension().is_some_and(|ending| ending == "sh") && !path.ends_with("run.sh")
    };
    scripts
        .filter(is_journey)
        .flat_map(|path| journey(&path))
        .collect()
}

fn journey(script: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(script).expect("a script");
    let (page, typed) = text.split_once('\n').expect("the page in its first line");
    let page = page.strip_prefix("# ").expect("the page in its first line");
    let shown = std::fs::read_to_string(root().join(page)).expect("the page");
    let is_shown = |line: &&str| {
        shown
            .lines()
            .any(|shown| shown.trim_start_matches("$ ") == *line)
    };
    let missing = typed.lines().filter(|line| !is_shown(line));
    missing
        .map(|line| format!("{}: {page} does not show `{line}`", script.display()))
        .collect()
}
