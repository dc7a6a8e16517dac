//! Data that was fetched: its proof is the hash that the catalogue pins, or the one that a receipt keeps.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use ner_datasets::{CatalogueFile, Endpoints, FetchOptions};

use super::subject::Reading;

const CONTENT: &str =
    "{\"sentence\": \"Ada Brel left Port Halvek.\", \"schema\": [], \"entities\": []}\n";
const SHA256: &str = "a63d317cc0fdda9aeb41c4965619bd484e3b0fdf7cb65eaf470bec19c027dc0c";
pub(super) const PATH: &str = "set/rows.jsonl";
pub(super) const RECEIPT: &str = "rows.jsonl.json";

fn file(is_pinned: bool) -> CatalogueFile {
    CatalogueFile {
        path: PATH.into(),
        // Nobody answers there.
        url: format!("http://127.0.0.1:9/{PATH}"),
        sha256: is_pinned.then(|| SHA256.into()),
        bytes: None,
        split: None,
    }
}

pub(super) fn write(dir: &Path) -> Result<()> {
    std::fs::create_dir(dir.join("set"))?;
    std::fs::write(dir.join(PATH), CONTENT)?;
    fetch(dir, true).map(drop).map_err(anyhow::Error::msg)
}

pub(super) fn read_pinned(dir: &Path) -> Result<Reading> {
    Ok(fetch(dir, true))
}

pub(super) fn read_known(dir: &Path) -> Result<Reading> {
    Ok(fetch(dir, false))
}

/// The content that later stages would read.
fn fetch(dir: &Path, is_pinned: bool) -> Reading {
    let options = FetchOptions {
        attempts: 1,
        pause: Duration::ZERO,
        endpoints: Endpoints::default(),
        ..FetchOptions::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let file = file(is_pinned);
    let fetched = runtime.block_on(ner_datasets::fetch(dir, &file, &options, |_| {}));
    let fetched = fetched.map_err(|error| error.to_string())?;
    std::fs::read_to_string(fetched.path).map_err(|error| error.to_string())
}
