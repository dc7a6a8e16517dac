//! By what the bytes of a file are known: their hash and their number.
//!
//! The Hub's ETag is the SHA-256 of a file in LFS, and for a small file the SHA-1 by which Git names it. Nothing gets a
//! name in the cache that other programs use as well before its bytes have that hash.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use reqwest::header::{CONTENT_LENGTH, ETAG, HeaderMap};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::failure::Failure;
use super::listing::RepoFile;

/// What the bytes of a file must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Proof {
    hash: Hash,
    /// How many they are.
    pub(super) bytes: u64,
}

/// A hash in small hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Hash {
    Sha256(String),
    /// Of `blob <length>`, a zero byte and the content.
    Git(String),
}

impl Proof {
    /// What the list and the headers of a file state about it.
    pub(super) fn new(file: &RepoFile, headers: &HeaderMap) -> Result<Self, Failure> {
        let malformed = |fault: String| Failure::malformed(&file.path, fault);
        let text = |name: &str| headers.get(name)?.to_str().ok();
        let tag = text("x-linked-etag").or_else(|| text(ETAG.as_str()));
        let tag = tag.map(|tag| tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"'));
        let (tag, listed) = (
            tag.and_then(Hash::of),
            file.hash.as_deref().and_then(Hash::of),
        );
        if let (Some(tag), Some(listed)) = (&tag, &listed)
            && tag.is_another(listed)
        {
            return Err(malformed(format!(
                "its ETag is {}, the list says {}",
                tag.name(),
                listed.name()
            )));
        }
        let number = |name: &str| text(name)?.parse().ok();
        let bytes = file.bytes.or_else(|| number("x-linked-size"));
        let bytes = bytes.or_else(|| number(CONTENT_LENGTH.as_str()));
        match (tag.or(listed), bytes) {
            (Some(hash), Some(bytes)) => Ok(Self { hash, bytes }),
            (None, _) => Err(malformed(
                "no hash is stated, as ETag or in the list".into(),
            )),
            (_, None) => Err(malformed("no size is stated".into())),
        }
    }

    /// The name of the bytes in the cache, the same wherever they are the same; only hexadecimal digits.
    pub(super) fn name(&self) -> &str {
        self.hash.name()
    }

    /// The hash of a file's bytes, if it is not the one that is stated.
    pub(super) fn other_hash(&self, path: &Path) -> io::Result<Option<String>> {
        let found = match self.hash {
            Hash::Sha256(_) => digest(path, Sha256::new())?,
            Hash::Git(_) => {
                let head = format!("blob {}\0", path.metadata()?.len());
                digest(path, Sha1::new_with_prefix(head))?
            }
        };
        Ok(Some(found).filter(|found| found != self.name()))
    }
}

impl Hash {
    fn of(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match text.len() {
            64 if is_hex => Some(Self::Sha256(text)),
            40 if is_hex => Some(Self::Git(text)),
            _ => None,
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Sha256(name) | Self::Git(name) => name,
        }
    }

    /// Whether both are of one kind and differ.
    fn is_another(&self, other: &Self) -> bool {
        self.name().len() == other.name().len() && self != other
    }
}

fn digest<D: Digest>(path: &Path, mut hasher: D) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut block = vec![0; 1 << 16];
    loop {
        match file.read(&mut block)? {
            0 => break,
            read => hasher.update(&block[..read]),
        }
    }
    let hash = hasher.finalize();
    Ok(hash.iter().map(|byte| format!("{byte:02x}")).collect())
}
