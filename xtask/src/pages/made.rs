//! The pages to look at, made by `rner` from a short run on the toy corpus: the report of three seeds, the results of
//! seven sets and of one, both compared, and samples of reasoning data; and what was found in texts, from stored rows
//! that have all there is: marks in marks, reasons, faults, an answer that is absent.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The toy's domains under the names of the paper's benchmark, so that the results have the paper's rows beside them.
const SETS: [(&str, &str); 7] = [
    ("movie", "mit-movie"),
    ("restaurant", "mit-restaurant"),
    ("ai", "CrossNER_AI"),
    ("literature", "CrossNER_literature"),
    ("music", "CrossNER_music"),
    ("politics", "CrossNER_politics"),
    ("science", "CrossNER_science"),
];

/// Rows as `rner extract` stores them.
const FOUND: &str = include_str!("found.jsonl");

/// The two models that are compared, as stages of the run.
const STAGES: [&str; 2] = ["stage-8-eval-sft-plain", "stage-9-eval-sft-cot"];

/// Makes the pages in a folder that this call begins.
pub(super) fn pages(rner: &Path, root: &Path, folder: &Path) -> Result<Vec<PathBuf>> {
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let maker = Maker { rner, root, folder };
    let run = maker.path("run");
    maker.rner(&[
        "reproduce",
        "--profile",
        "smoke",
        "--seeds",
        "3",
        "--out",
        &run,
    ])?;
    maker.keep("run/report.html", "report.html")?;
    maker.rner(&["cot", "view", &run, "--out", &maker.path("view.html")])?;
    maker.found()?;
    // A folder with seven sets, and one with a single set, in which the others are absent.
    maker.compared("seven", &SETS)?;
    maker.compared("one", &SETS[5..6])?;
    let pages = [
        "report.html",
        "view.html",
        "found.html",
        "results-seven.html",
        "results-one.html",
        "compare-seven.html",
        "compare-one.html",
    ];
    Ok(pages.map(|page| folder.join(page)).into())
}

struct Maker<'a> {
    rner: &'a Path,
    root: &'a Path,
    folder: &'a Path,
}

impl Maker<'_> {
    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// Runs the program in the repository, where the toy's base model lies.
    fn rner(&self, args: &[&str]) -> Result<()> {
        let output = Command::new(self.rner)
            .args(args)
            .current_dir(self.root)
            .output()
            .with_context(|| format!("cannot start {}", self.rner.display()))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!(
                "rner {} ended with {}:\n{}",
                args.join(" "),
                output.status,
                said.trim()
            );
        }
        Ok(())
    }

    /// The page of stored rows of `rner extract`.
    fn found(&self) -> Result<()> {
        let (rows, page) = (self.path("found.jsonl"), self.path("found.html"));
        std::fs::write(&rows, FOUND).with_context(|| rows.clone())?;
        self.rner(&[
            "export",
            "--input",
            &rows,
            "--out",
            &page,
            "--html-rows",
            "7",
        ])
    }

    fn keep(&self, from: &str, to: &str) -> Result<()> {
        let from = self.folder.join(from);
        std::fs::copy(&from, self.folder.join(to)).with_context(|| from.display().to_string())?;
        Ok(())
    }

    /// The results of two models on these sets, and the one compared with the other.
    fn compared(&self, name: &str, sets: &[(&str, &str)]) -> Result<()> {
        let data = self.path(&format!("data-{name}"));
        std::fs::create_dir_all(&data)?;
        for (toy, set) in sets {
            let rows = format!("run/seed-42/stage-1-data/eval/{toy}.jsonl");
            self.keep(&rows, &format!("data-{name}/{set}.jsonl"))?;
        }
        let mut runs = Vec::new();
        for stage in STAGES {
            let predictions = self.predictions(stage, name, sets)?;
            let out = self.path(&format!("{stage}-{name}"));
            let from = ["eval", "--predictions", &predictions, "--data", &data];
            self.rner(&[&from[..], &["--absent", "skip", "--out", &out]].concat())?;
            runs.push(out);
        }
        self.keep(
            &format!("{}-{name}/results.html", STAGES[1]),
            &format!("results-{name}.html"),
        )?;
        let page = self.path(&format!("compare-{name}.html"));
        self.rner(&[
            "eval",
            "compare",
            &runs[0],
            &runs[1],
            "--resamples",
            "500",
            "--html",
            &page,
        ])
    }

    /// The answers of a stage to these sets, under the names of the benchmark.
    fn predictions(&self, stage: &str, name: &str, sets: &[(&str, &str)]) -> Result<String> {
        let from = self
            .folder
            .join("run/seed-42")
            .join(stage)
            .join("predictions.jsonl");
        let text = std::fs::read_to_string(&from).with_context(|| from.display().to_string())?;
        let mut renamed = String::new();
        for line in text.lines() {
            let mut row: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
            if let Some((_, set)) = sets.iter().find(|(toy, _)| row["dataset"] == *toy) {
                row["dataset"] = (*set).into();
                renamed += &format!("{row}\n");
            }
        }
        let to = self.path(&format!("{stage}-{name}.jsonl"));
        std::fs::write(&to, renamed).with_context(|| to.clone())?;
        Ok(to)
    }
}
