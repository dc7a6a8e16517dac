//! Sharded checkpoints: an index may come from anywhere, and must not be trusted.

mod common;

use std::fs;
use std::path::Path;

use common::{Cpu, parity};
use lm_model::{Error, checkpoint};
use serde_json::{Value, json};
use tempfile::TempDir;

const INDEX: &str = "model.safetensors.index.json";

/// The error of loading `dir`, and its text.
fn refused(dir: &Path) -> (Error, String) {
    let error = checkpoint::load::<Cpu>(dir, &Default::default()).expect_err("must be refused");
    let text = error.to_string();
    (error, text)
}

/// The sharded reference checkpoint in a directory where it may be damaged.
fn sharded() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in fs::read_dir(parity("qwen3-tied-bf16-sharded")).unwrap() {
        let path = file.unwrap().path();
        fs::write(
            dir.path().join(path.file_name().unwrap()),
            fs::read(&path).unwrap(),
        )
        .unwrap();
    }
    dir
}

fn edit_index(dir: &Path, edit: impl FnOnce(&mut serde_json::Map<String, Value>)) {
    let path = dir.join(INDEX);
    let mut index: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    edit(index["weight_map"].as_object_mut().unwrap());
    fs::write(path, index.to_string()).unwrap();
}

#[test]
fn an_index_cannot_leave_its_directory() {
    for outside in [
        "../model.safetensors",
        "/etc/passwd",
        "a/../model.safetensors",
        "",
        "..",
        "x/",
    ] {
        let dir = sharded();
        edit_index(dir.path(), |map| map["model.norm.weight"] = json!(outside));
        let (error, text) = refused(dir.path());
        assert!(matches!(error, Error::BadIndex { .. }), "{outside}: {text}");
        assert!(text.contains(&format!("`{outside}`")), "{text}");
    }
}

#[test]
fn an_index_must_agree_with_its_shards() {
    let dir = sharded();
    fs::remove_file(dir.path().join("model-00003-of-00004.safetensors")).unwrap();
    let (error, text) = refused(dir.path());
    assert!(
        matches!(error, Error::Io { .. }) && text.contains("model-00003"),
        "{text}"
    );

    let dir = sharded();
    edit_index(dir.path(), |map| {
        map["model.norm.weight"] = json!("model-00001-of-00004.safetensors");
    });
    let (error, text) = refused(dir.path());
    assert!(
        matches!(error, Error::BadIndex { .. }) && text.contains("is not in"),
        "{text}"
    );

    let dir = sharded();
    edit_index(dir.path(), |map| {
        map.remove("model.norm.weight");
    });
    let (error, text) = refused(dir.path());
    assert!(
        matches!(error, Error::BadIndex { .. }) && text.contains("not listed"),
        "{text}"
    );

    let dir = sharded();
    fs::write(dir.path().join(INDEX), "{\"weight_map\": 3}").unwrap();
    let (error, text) = refused(dir.path());
    assert!(
        matches!(error, Error::Json { .. }) && text.contains(INDEX),
        "{text}"
    );
}
