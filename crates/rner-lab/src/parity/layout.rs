//! What a folder of reference values holds, recognised by its files.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rner_cli::exit::usage;
use serde_json::Value;

use super::files;

/// A kind of reference values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A checkpoint with a forward pass.
    Model,
    /// An adapter of PEFT with a forward pass.
    Adapter,
    /// Steps of fine-tuning.
    Trajectory,
    /// Logits and the distributions that are sampled from.
    Sampling,
    /// Rewards, advantages and losses.
    Grpo,
    /// A prompt and its token ids.
    Prompt,
    /// Completions and their rewards.
    Scorer,
    /// Predictions and their scores.
    Benchmark,
}

impl Kind {
    const ALL: [Kind; 8] = [
        Kind::Model,
        Kind::Adapter,
        Kind::Trajectory,
        Kind::Sampling,
        Kind::Grpo,
        Kind::Prompt,
        Kind::Scorer,
        Kind::Benchmark,
    ];

    /// What a line calls it when there is none.
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Model => "model",
            Kind::Adapter => "adapter",
            Kind::Trajectory => "trajectory",
            Kind::Sampling => "sampling",
            Kind::Grpo => "grpo",
            Kind::Prompt => "prompt",
            Kind::Scorer => "scorer",
            Kind::Benchmark => "benchmark",
        }
    }

    /// The files by which it is recognised.
    pub(super) fn needs(self) -> &'static str {
        match self {
            Kind::Model => "no folder with config.json and forward.safetensors",
            Kind::Adapter => "no folder with adapter_config.json",
            Kind::Trajectory => "no folder with batches.safetensors and expected.json",
            Kind::Sampling => "no cases.json with logits",
            Kind::Grpo => "no cases.json with rewards",
            Kind::Prompt => "no prompt.json",
            Kind::Scorer => "no scorer.json",
            Kind::Benchmark => "no folder with predictions.jsonl and expected.json",
        }
    }
}

/// One of the things that can be compared.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) kind: Kind,
    /// The folder's name, or the file's with its folder.
    pub(super) name: String,
    /// The folder of the first three kinds and of the benchmark, else the file.
    pub(super) path: PathBuf,
}

/// A folder of reference values.
#[derive(Debug)]
pub(crate) struct Layout {
    root: PathBuf,
    parts: Vec<Part>,
}

impl Layout {
    /// Looks at every folder in `root`.
    ///
    /// # Errors
    /// Wrong usage if there is nothing to compare with, and those of reading a folder.
    pub(crate) fn find(root: &Path) -> Result<Self> {
        if !root.is_dir() {
            let root = root.display();
            return Err(usage(format!("{root}: there is no such folder")));
        }
        let mut parts = Vec::new();
        for folder in folders(root)? {
            parts.extend(parts_of(&folder));
        }
        parts.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
        if parts.is_empty() {
            return Err(usage(format!(
                "{}: no reference values here (expected folders such as one with config.json \
                 and forward.safetensors, or with cases.json; see docs/reproduce.md)",
                root.display()
            )));
        }
        let root = root.to_owned();
        Ok(Self { root, parts })
    }

    /// Everything that was found, models first.
    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The kinds of which nothing was found.
    pub(super) fn absent(&self) -> impl Iterator<Item = Kind> {
        let is_absent = |kind: &Kind| self.parts.iter().all(|part| part.kind != *kind);
        Kind::ALL.into_iter().filter(is_absent)
    }

    /// The folder itself.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The first of `names`, taken as a path from `near`, from the root, or as the name of a folder
    /// in the root, that is a folder with a `config.json`.
    ///
    /// # Errors
    /// When none is.
    pub(super) fn checkpoint(&self, near: &Path, names: &[String]) -> Result<PathBuf> {
        let candidates = names.iter().flat_map(|name| {
            let last = Path::new(name).file_name().unwrap_or_default();
            [near.join(name), self.root.join(name), self.root.join(last)]
        });
        candidates
            .into_iter()
            .find(|dir| dir.join("config.json").is_file())
            .with_context(|| format!("no folder with config.json for {}", names.join(" or ")))
    }

    /// The only checkpoint without a forward pass of its own; nothing if there are several.
    pub(super) fn merged(&self) -> Result<Option<PathBuf>> {
        let is_bare = |dir: &PathBuf| {
            dir.join("config.json").is_file() && !dir.join("forward.safetensors").is_file()
        };
        let mut bare = folders(&self.root)?.into_iter().filter(is_bare);
        Ok(bare.next().filter(|_| bare.next().is_none()))
    }
}

/// The folders in `root`, sorted.
fn folders(root: &Path) -> Result<Vec<PathBuf>> {
    let cannot_read = || format!("cannot read {}", root.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root).with_context(cannot_read)? {
        let path = entry.with_context(cannot_read)?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// What one folder holds.
fn parts_of(folder: &Path) -> Vec<Part> {
    let has = |name: &str| folder.join(name).is_file();
    let mut parts = Vec::new();
    let mut add = |kind, file: Option<&str>| parts.push(part(kind, folder, file));
    if has("adapter_config.json") {
        add(Kind::Adapter, None);
    } else if has("config.json") && has("forward.safetensors") {
        add(Kind::Model, None);
    }
    if has("expected.json") && has("batches.safetensors") {
        add(Kind::Trajectory, None);
    }
    if has("expected.json") && has("predictions.jsonl") {
        add(Kind::Benchmark, None);
    }
    if has("prompt.json") {
        add(Kind::Prompt, Some("prompt.json"));
    }
    if has("scorer.json") {
        add(Kind::Scorer, Some("scorer.json"));
    }
    if has("cases.json") {
        add(cases_kind(folder), Some("cases.json"));
    }
    parts
}

fn part(kind: Kind, folder: &Path, file: Option<&str>) -> Part {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    match file {
        None => Part {
            kind,
            name: name.into_owned(),
            path: folder.to_owned(),
        },
        Some(file) => Part {
            kind,
            name: format!("{name}/{file}"),
            path: folder.join(file),
        },
    }
}

/// Which cases a folder holds, by their keys; the folder's name decides where the file is damaged.
fn cases_kind(folder: &Path) -> Kind {
    let is_grpo = || folder.file_name().is_some_and(|name| name == "grpo");
    match read_cases_kind(&folder.join("cases.json")) {
        Ok(kind) => kind,
        Err(_) if is_grpo() => Kind::Grpo,
        Err(_) => Kind::Sampling,
    }
}

fn read_cases_kind(path: &Path) -> Result<Kind> {
    let value: Value = files::read_json(path)?;
    if value.get("rewards").is_some() {
        return Ok(Kind::Grpo);
    }
    if value.get("logits").is_some() {
        return Ok(Kind::Sampling);
    }
    bail!("neither rewards nor logits")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(path: PathBuf, text: &str) {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("created");
        std::fs::write(path, text).expect("written");
    }

    #[test]
    fn files_decide_and_names_do_not() {
        let dir = tempfile::tempdir().expect("a folder");
        let at = |path: &str| dir.path().join(path);
        touch(at("b/config.json"), "{}");
        touch(at("b/forward.safetensors"), "");
        touch(at("a/cases.json"), "{\"rewards\": []}");
        touch(at("c/cases.json"), "{\"logits\": []}");
        touch(at("grpo/cases.json"), "{");
        touch(at("merged/config.json"), "{}");
        let layout = Layout::find(dir.path()).expect("reference values");
        let found: Vec<_> = layout.parts().iter().map(|p| (p.kind, &*p.name)).collect();
        assert_eq!(
            found,
            [
                (Kind::Model, "b"),
                (Kind::Sampling, "c/cases.json"),
                (Kind::Grpo, "a/cases.json"),
                (Kind::Grpo, "grpo/cases.json")
            ]
        );
        assert_eq!(layout.absent().count(), 5);
        assert_eq!(layout.merged().expect("readable"), Some(at("merged")));
    }

    #[test]
    fn a_base_is_found_by_path_or_by_name() {
        let dir = tempfile::tempdir().expect("a folder");
        let at = |path: &str| dir.path().join(path);
        touch(at("base/config.json"), "{}");
        touch(at("adapter/adapter_config.json"), "{}");
        let layout = Layout::find(dir.path()).expect("reference values");
        for name in ["../base", "base", "/somewhere/else/base"] {
            let found = layout.checkpoint(&at("adapter"), &[name.into()]);
            assert!(found.expect("the base").ends_with("base"), "{name}");
        }
        let none = layout.checkpoint(&at("adapter"), &["other".into()]);
        assert!(none.unwrap_err().to_string().contains("other"));
    }
}
