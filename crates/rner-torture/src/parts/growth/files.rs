//! Files: datasets, journals, logs, recipes.

use std::io::Cursor;
use std::path::Path;

use anyhow::{Context, Result};
use ner_cot::Journal;
use ner_datasets::{Format, Policy, ReadOptions, from_reader};
use ner_eval::prediction::read_predictions;
use rner::recipe::Recipe;
use rner::run_dir::read_metrics;
use tempfile::TempDir;

use super::{Reader, Work, reader};

const ROW: &str = "{\"sentence\": \"Ada Brel left.\", \"schema\": [\"person\"], \"entities\": [{\"text\": \"Ada Brel\", \"label\": \"person\"}]}";

pub(super) const READERS: &[Reader] = &[
    reader("JSON lines", |n| {
        rows(format!("{ROW}\n").repeat(n), Format::NerCot)
    }),
    reader("JSON array", |n| {
        rows(
            format!("[{}{ROW}]", format!("{ROW},").repeat(n)),
            Format::NerCot,
        )
    }),
    reader("JSON of blank lines", |n| {
        rows("\n".repeat(n), Format::NerCot)
    }),
    reader("JSON of brackets", |n| rows("[".repeat(n), Format::NerCot)),
    reader("JSON string that never ends", |n| {
        rows("[\"".to_owned() + &"a".repeat(n), Format::NerCot)
    }),
    reader("JSON of broken lines", |n| {
        rows("{\"sentence\": \"\n".repeat(n), Format::NerCot)
    }),
    reader("row with many entities", |n| {
        let entity = "{\"text\": \"Ada Brel\", \"label\": \"person\"}, ".repeat(n);
        let row = format!(
            "{{\"sentence\": \"Ada Brel left.\", \"schema\": [\"person\"], \"entities\": [{entity}{{\"text\": \"Ada\", \"label\": \"person\"}}]}}\n"
        );
        rows(row, Format::NerCot)
    }),
    reader("row with a long sentence", |n| {
        let row = format!(
            "{{\"text\": \"{}\", \"entities\": [{{\"text\": \"Brel\", \"label\": \"city\"}}]}}\n",
            "Brel ".repeat(n)
        );
        rows(row, Format::Plain)
    }),
    reader("BIO", |n| {
        rows(
            "Ada\tB-person\nBrel\tI-person\nleft\tO\n\n".repeat(n),
            Format::Bio,
        )
    }),
    reader("BIO in one sentence", |n| {
        rows("Ada\tB-person\nleft\tO\n".repeat(n), Format::Bio)
    }),
    reader("BIO with one long entity", |n| {
        rows(
            format!("Ada\tB-person\n{}", "Brel\tI-person\n".repeat(n)),
            Format::Bio,
        )
    }),
    reader("BIO of blank lines", |n| rows("\n".repeat(n), Format::Bio)),
    reader("BIO with one long word", |n| {
        rows("a".repeat(n) + "\tO\n", Format::Bio)
    }),
    reader("conversations", |n| {
        let turn = "{\"from\": \"human\", \"value\": \"What describes city in the text?\"}, {\"from\": \"gpt\", \"value\": \"[\\\"Brel\\\"]\"}".to_owned();
        let turns = vec![turn; n].join(", ");
        rows(
            format!(
                "{{\"id\": \"1\", \"conversations\": [{{\"from\": \"human\", \"value\": \"Text: Ada of Brel.\"}}, {turns}]}}\n"
            ),
            Format::UniNer,
        )
    }),
    reader("journal", |n| {
        journal(HEAD.to_owned() + &(0..n).map(answer).collect::<String>())
    }),
    reader("journal of line feeds", |n| {
        journal(HEAD.to_owned() + &"\n".repeat(n))
    }),
    reader("journal without line feeds", |n| {
        journal(HEAD.to_owned() + &(0..n).map(answer).collect::<String>().replace('\n', " ") + "\n")
    }),
    reader("journal of beginnings", |n| {
        journal(HEAD.to_owned() + &"{\"key\":\"".repeat(n) + "\n")
    }),
    reader("journal of one answer again and again", |n| {
        journal(HEAD.to_owned() + &answer(0).repeat(n))
    }),
    reader("predictions", |n| {
        let line = "{\"dataset\":\"one\",\"index\":0,\"completion\":\"{}\"}\n".repeat(n);
        file("predictions.jsonl", line, |path| {
            read_predictions(path).map_or(0, |lines| lines.len())
        })
    }),
    reader("metrics", |n| {
        let line = |i| {
            format!("{{\"stage\": \"sft\", \"seed\": 1, \"global_step\": {i}, \"loss\": 0.5}}\n")
        };
        file("metrics.jsonl", (0..n).map(line).collect(), |path| {
            read_metrics(path).map_or(0, |lines| rner::report::charts(&lines).len())
        })
    }),
    reader("recipe of comments", |n| {
        file(
            "recipe.toml",
            "extends = \"smoke\"\n".to_owned() + &"# why\n".repeat(n),
            recipe,
        )
    }),
    reader("recipe of unknown keys", |n| {
        file(
            "recipe.toml",
            (0..n).map(|i| format!("key{i} = {i}\n")).collect(),
            recipe,
        )
    }),
    reader("recipe with a long list", |n| {
        file(
            "recipe.toml",
            format!("[lora]\ntarget_modules = [{}]\n", "\"q_proj\", ".repeat(n)),
            recipe,
        )
    }),
];

fn rows(text: String, format: Format) -> Result<Work> {
    let options = ReadOptions {
        policy: Policy::lenient(),
        max_row_bytes: usize::MAX,
        ..ReadOptions::default()
    };
    Ok(Box::new(move || {
        let source = Cursor::new(text.clone().into_bytes());
        let rows = from_reader(Path::new("rows"), source, format, options.clone());
        rows.map_or(0, |rows| {
            rows.filter_map(Result::ok)
                .map(|row| row.located().len())
                .sum()
        })
    }))
}

/// The first line of a journal.
const HEAD: &str = "{\"journal\":\"ner-cot\",\"version\":1}\n";

fn answer(number: usize) -> String {
    let key = blake3::hash(&number.to_le_bytes()).to_hex();
    let body = "{\\\"choices\\\": []}";
    let mut hasher = blake3::Hasher::new();
    hasher.update(key.as_bytes()).update(b"{\"choices\": []}");
    let check = &hasher.finalize().to_hex()[..16];
    format!(
        "{{\"key\":\"{key}\",\"part\":\"teacher\",\"model\":\"m\",\"prompt\":\"p\",\"attempt\":0,\"check\":\"{check}\",\"body\":\"{body}\"}}\n"
    )
}

fn journal(text: String) -> Result<Work> {
    file("journal.jsonl", text, |path| {
        let dir = path.parent().unwrap_or(path);
        Journal::open_to_read(dir).map_or(0, |journal| journal.len())
    })
}

fn recipe(path: &Path) -> usize {
    Recipe::resolve(&path.display().to_string(), &[]).map_or(0, |recipe| recipe.notes.len())
}

/// Reads a file, in memory where there is such a file system.
fn file(name: &str, text: String, read: fn(&Path) -> usize) -> Result<Work> {
    let dir: TempDir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())?;
    let path = dir.path().join(name);
    std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    // The folder is removed with the work.
    Ok(Box::new(move || {
        read(&path) + usize::from(dir.path().is_file())
    }))
}
