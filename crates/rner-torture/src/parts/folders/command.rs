//! The commands that write, as small as they can be.

use std::path::{Path, PathBuf};

/// A command that writes a folder or a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Command {
    Sft,
    Grpo,
    Eval,
    /// Answers of a file.
    Score,
    FewShot,
    Generate,
    Export,
    Merge,
    View,
    Convert,
}

/// What the commands read.
#[derive(Clone, Debug)]
pub(super) struct Inputs {
    pub(super) model: PathBuf,
    /// Some rows with entities.
    pub(super) rows: PathBuf,
    /// More of them.
    pub(super) many: PathBuf,
    /// A suite, its data and predictions for it.
    pub(super) suite: PathBuf,
    pub(super) data: PathBuf,
    pub(super) predictions: PathBuf,
    /// A finished folder of `rner cot generate`.
    pub(super) generated: PathBuf,
}

impl Command {
    pub(super) const ALL: [Self; 10] = [
        Self::Sft,
        Self::Grpo,
        Self::Eval,
        Self::Score,
        Self::FewShot,
        Self::Generate,
        Self::Export,
        Self::Merge,
        Self::View,
        Self::Convert,
    ];

    /// Those that last long enough to be asked to end.
    pub(super) const LONG: [Self; 4] = [Self::Sft, Self::Grpo, Self::Eval, Self::Generate];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sft => "sft",
            Self::Grpo => "grpo",
            Self::Eval => "eval --model",
            Self::Score => "eval --predictions",
            Self::FewShot => "eval few-shot",
            Self::Generate => "cot generate",
            Self::Export => "cot export",
            Self::Merge => "cot merge",
            Self::View => "cot view",
            Self::Convert => "data convert",
        }
    }

    /// Whether it reads what `cot generate` has made.
    pub(super) fn needs_generated(self) -> bool {
        matches!(self, Self::Export | Self::Merge | Self::View)
    }

    /// What is written below the folder of the case, a folder or a file.
    fn out(self, folder: &Path) -> PathBuf {
        folder.join(match self {
            Self::View => "page.html",
            Self::Convert => "rows.parquet",
            _ => "out",
        })
    }

    /// What must be the same however often the command was disturbed; the rest has times in it.
    pub(super) fn results(self, folder: &Path) -> Vec<PathBuf> {
        let out = self.out(folder);
        let names: &[&str] = match self {
            Self::Sft => &["model"],
            Self::Grpo => &["model", "adapter"],
            Self::Generate => &["ner-cot.jsonl", "funnel.json"],
            Self::Merge => &["journal.jsonl"],
            _ => return vec![out],
        };
        names.iter().map(|name| out.join(name)).collect()
    }

    /// How much is kept of work that was broken off: the newest checkpoint, or lines of answers.
    pub(super) fn kept(self, folder: &Path) -> usize {
        let out = self.out(folder);
        let lines = |name: &str| {
            let text = std::fs::read_to_string(out.join(name)).unwrap_or_default();
            text.lines().count()
        };
        match self {
            Self::Sft | Self::Grpo => newest_checkpoint(&out.join("checkpoints")),
            Self::Eval => lines("predictions.partial.jsonl").max(lines("predictions.jsonl")),
            _ => lines("journal.jsonl"),
        }
    }

    /// The arguments that write below a folder.
    pub(super) fn args(self, inputs: &Inputs, folder: &Path) -> Vec<String> {
        let text = |path: &Path| path.display().to_string();
        let out = text(&self.out(folder));
        let line = match self {
            Self::Sft => format!(
                "sft --profile smoke --no-cot --model {} --data {} --out {out} --set sft.train.max_steps=8 --set \
                 sft.train.batch_size=2 --set sft.train.save_every=2",
                text(&inputs.model),
                text(&inputs.rows)
            ),
            Self::Grpo => format!(
                "grpo --profile smoke --model {} --data {} --out {out} --set grpo.train.max_steps=3 --set \
                 grpo.train.group_size=2 --set grpo.train.prompts_per_step=2 --set grpo.train.save_every=1 --set \
                 grpo.train.max_completion_length=8 --set grpo.method=\"lora\"",
                text(&inputs.model),
                text(&inputs.rows)
            ),
            Self::Eval => format!(
                "eval --profile smoke --model {} --limit 4 --out {out} --set eval.batch=2 --set eval.max_new_tokens=12",
                text(&inputs.model)
            ),
            Self::Score => format!(
                "eval --predictions {} --suite {} --data {} --out {out}",
                text(&inputs.predictions),
                text(&inputs.suite),
                text(&inputs.data)
            ),
            Self::FewShot => format!(
                "eval few-shot --suite {} --data {} --out {out}",
                text(&inputs.suite),
                text(&inputs.data)
            ),
            Self::Generate => format!(
                "cot generate --profile smoke --data {} --out {out}",
                text(&inputs.many)
            ),
            Self::Export => format!(
                "cot export {} --out {out} --format jsonl --format json --format parquet",
                text(&inputs.generated)
            ),
            Self::Merge => format!("cot merge {} --out {out}", text(&inputs.generated)),
            Self::View => format!("cot view {} --out {out}", text(&inputs.generated)),
            Self::Convert => format!("data convert {} {out}", text(&inputs.many)),
        };
        line.split_whitespace().map(Into::into).collect()
    }
}

/// The step of the newest checkpoint in a folder, 0 if there is none.
fn newest_checkpoint(checkpoints: &Path) -> usize {
    let entries = std::fs::read_dir(checkpoints).into_iter().flatten();
    let steps = entries.flatten().filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        name.rsplit('-').next()?.parse().ok()
    });
    steps.max().unwrap_or(0)
}
