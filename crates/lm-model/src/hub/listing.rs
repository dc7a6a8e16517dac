//! The files of a repository as the Hub lists them, and which of them a model consists of.

use serde::Deserialize;

use super::failure::Failure;

/// What a model consists of; weights in other formats stay where they are.
const NAMES: [&str; 6] = [
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "adapter_config.json",
    // How a model that `rner` tuned is asked.
    "rner.json",
];
const SUFFIXES: [&str; 2] = [".safetensors", ".safetensors.index.json"];

/// Bytes of a file that no disk here has; sums of fewer do not overflow.
const MAX_BYTES: u64 = 1 << 50;

/// A file of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RepoFile {
    /// Its path there, made of safe names.
    pub(super) path: String,
    /// Its size, if the list states it.
    pub(super) bytes: Option<u64>,
    /// The hash by which the list names it: SHA-256 for a file in LFS, else that of a Git blob.
    pub(super) hash: Option<String>,
}

/// An entry of the list.
#[derive(Deserialize)]
pub(super) struct Entry {
    r#type: String,
    path: String,
    oid: Option<String>,
    size: Option<u64>,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    oid: Option<String>,
    size: Option<u64>,
}

impl Entry {
    /// The file, if it belongs to a model.
    ///
    /// A name that leads elsewhere is an error and not passed over: a Hub that lists it cannot be trusted with the
    /// others.
    pub(super) fn wanted(self) -> Result<Option<RepoFile>, Failure> {
        if self.r#type != "file" || !is_wanted(&self.path) {
            return Ok(None);
        }
        if let Err(fault) = atomic_files::safe_path(&self.path) {
            return Err(Failure::malformed("list of files", fault));
        }
        let lfs = self.lfs;
        let bytes = lfs.as_ref().and_then(|lfs| lfs.size).or(self.size);
        if let Some(bytes) = bytes.filter(|&bytes| bytes > MAX_BYTES) {
            let fault = format!("{} has {bytes} bytes", self.path);
            return Err(Failure::malformed("list of files", fault));
        }
        Ok(Some(RepoFile {
            path: self.path,
            bytes,
            hash: lfs.map_or(self.oid, |lfs| lfs.oid),
        }))
    }
}

fn is_wanted(path: &str) -> bool {
    NAMES.contains(&path) || SUFFIXES.iter().any(|suffix| path.ends_with(suffix))
}
