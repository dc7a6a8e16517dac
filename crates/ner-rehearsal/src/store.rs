//! What the mock homes serve: files by their addresses, and repositories of the Hub.

use std::collections::BTreeMap;

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// The commit of every repository here.
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Files of at least so many bytes lie in LFS as on the Hub, and weights of any size.
const LARGE: usize = 10 << 20;
const LARGE_ENDINGS: [&str; 1] = [".safetensors"];

/// A file with what its home says of it.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) bytes: Vec<u8>,
    pub(crate) sha256: String,
    /// The tag of a file outside of LFS: git's hash of its blob.
    pub(crate) git_id: String,
}

impl File {
    fn new(bytes: Vec<u8>) -> Self {
        let blob = Sha1::new_with_prefix(format!("blob {}\0", bytes.len())).chain_update(&bytes);
        Self {
            sha256: sha256(&bytes),
            git_id: hex(&blob.finalize()),
            bytes,
        }
    }
}

/// The two kinds of repositories that the Hub has here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Model,
    Dataset,
}

/// All files that are served.
#[derive(Clone, Debug, Default)]
pub struct Store {
    /// By `<host>/<path>`, as a mirror is asked.
    pub(crate) plain: BTreeMap<String, File>,
    /// By kind, `owner/name` and path.
    pub(crate) repos: BTreeMap<(Kind, String), BTreeMap<String, File>>,
}

impl Store {
    /// Adds a file at its address: in a dataset's repository if the address is one of the Hub, else on the host that it
    /// names.
    pub fn add(&mut self, url: &str, bytes: Vec<u8>) {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        match dataset_file(rest) {
            Some((repo, path)) => self.add_to_repo(Kind::Dataset, repo, &path, bytes),
            None => {
                self.plain.insert(rest.to_owned(), File::new(bytes));
            }
        }
    }

    /// Adds a model's repository, `owner/name`, with files by their names.
    pub fn add_model(&mut self, id: &str, files: impl IntoIterator<Item = (String, Vec<u8>)>) {
        for (path, bytes) in files {
            self.add_to_repo(Kind::Model, id, &path, bytes);
        }
    }

    fn add_to_repo(&mut self, kind: Kind, repo: &str, path: &str, bytes: Vec<u8>) {
        let files = self.repos.entry((kind, repo.to_owned())).or_default();
        files.insert(path.to_owned(), File::new(bytes));
    }

    /// How many files there are, and how many bytes they have.
    pub fn size(&self) -> (usize, usize) {
        let all = self
            .plain
            .values()
            .chain(self.repos.values().flat_map(BTreeMap::values));
        all.fold((0, 0), |(n, bytes), file| (n + 1, bytes + file.bytes.len()))
    }
}

/// Repository and path of `huggingface.co/datasets/OWNER/NAME/resolve/REVISION/PATH`.
fn dataset_file(address: &str) -> Option<(&str, String)> {
    let rest = address.strip_prefix("huggingface.co/datasets/")?;
    let (repo, rest) = rest.split_once("/resolve/")?;
    let (_, path) = rest.split_once('/')?;
    Some((repo, path.to_owned()))
}

/// Whether the Hub keeps a file in LFS, behind a pointer. The datasets' files here stand for large ones.
pub(crate) fn is_large(kind: Kind, path: &str, file: &File) -> bool {
    let is_weights = LARGE_ENDINGS.iter().any(|ending| path.ends_with(ending));
    file.bytes.len() >= LARGE || is_weights || kind == Kind::Dataset
}

/// SHA-256 in lower-case hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}
