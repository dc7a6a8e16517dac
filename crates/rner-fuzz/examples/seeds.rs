//! Writes those stored inputs that only the program's own writers can make: Parquet, a journal, the files of a model.
//!
//! `cargo run --release -p rner-fuzz --example seeds -- fixtures/fuzz`

use std::path::{Path, PathBuf};

use chat_client::ChatRequest;
use ner_cot::Journal;
use ner_cot::journal::{Key, Part, Record};
use ner_datasets::{Format, Policy, Row, write_rows};
use ner_types::{Entity, Example};
use rner_fuzz::FOLDER;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let root = std::env::args().nth(1).ok_or("expected a folder")?;
    let root = PathBuf::from(root);
    parquet(&root)?;
    journal(&root)?;
    model(&root)
}

fn keep(root: &Path, target: &str, name: &str, bytes: &[u8]) -> Result<(), Failure> {
    let folder = root.join(target);
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join(name), bytes)?;
    Ok(())
}

fn parquet(root: &Path) -> Result<(), Failure> {
    let dir = tempfile::tempdir()?;
    let example = |i: usize| Example {
        guid: Some(format!("a-{i}")),
        dataset: i.is_multiple_of(2).then(|| "a".into()),
        sentence: format!("Ardela left Brel {i} é"),
        schema: vec!["person".into(), "city".into()],
        cot: (i == 1).then(|| "She acts.".into()),
        entities: vec![Entity::new("Brel", "city"); i % 3],
        ..Example::default()
    };
    for n_rows in [0, 1, 5] {
        let path = dir.path().join("rows.parquet");
        let rows = (0..n_rows).map(|i| Ok(Row::new(example(i))));
        write_rows(&path, Format::Parquet, rows, Policy::lenient())?;
        let name = format!("rows-{n_rows}");
        keep(root, "parquet", &name, &std::fs::read(path)?)?;
    }
    Ok(())
}

fn journal(root: &Path) -> Result<(), Failure> {
    let dir = tempfile::tempdir()?;
    let journal = Journal::open(dir.path())?;
    for (attempt, body) in ["{\"choices\": []}", "data: é\n\n", ""]
        .into_iter()
        .enumerate()
    {
        let request = ChatRequest::user("model", format!("question {attempt}"));
        let attempt = u32::try_from(attempt)?;
        let key = Key::new(Part::Judge, "v1", &request, attempt);
        let hex = key.hex();
        let check = blake3::hash(format!("{hex}{body}").as_bytes()).to_hex();
        let record = Record {
            check: check[..16].to_owned().into(),
            key: hex.into(),
            part: Part::Judge,
            model: "model".into(),
            prompt: "v1".into(),
            attempt,
            at: Some(1_700_000_000),
            sum: None,
            body: body.into(),
        };
        journal.append_later(&key, &record)?;
    }
    journal.finish()?;
    drop(journal);
    let bytes = std::fs::read(dir.path().join("journal.jsonl"))?;
    keep(root, "journal", "three-answers", &bytes)?;
    keep(root, "journal", "torn", &bytes[..bytes.len() - 9])
}

fn model(root: &Path) -> Result<(), Failure> {
    let [config, weights, tokenizer, ..] = &*FOLDER;
    keep(root, "config", "written", config)?;
    keep(root, "safetensors", "written", weights)?;
    keep(root, "tokenizer", "written", tokenizer)?;
    for (number, file) in FOLDER.iter().enumerate() {
        let first = u8::try_from(2 * number)?;
        let input = [&[first], file.as_slice()].concat();
        keep(root, "loader", &format!("file-{number}"), &input)?;
    }
    keep(
        root,
        "loader",
        "edits",
        &[1, 0, 30, 0, b'9', 1, 20, 0, b'"', 2, 200, 1, 0],
    )
}
