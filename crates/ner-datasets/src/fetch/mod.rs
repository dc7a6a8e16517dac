//! Downloads over HTTP: resumed where they broke off, checked against their hash, and renamed when complete.
//!
//! Content goes to `<file>.part` beside the file. A later attempt asks for the rest of it (`Range`), on the condition
//! that the content behind the address is the same (`If-Range` with the stored `ETag`); a server that does not know
//! ranges sends everything, and the part begins anew.
//!
//! Only content with the right SHA-256 gets the file's name: the one that the catalogue pins, else the one that the
//! file had when it was first fetched, else the one that the Hub states. Where there is none of them, the hash is kept
//! in a [`Receipt`] and compared ever after. A file that is there and has the right hash is not asked for again.

mod address;
mod endpoints;
mod hub;
mod receipt;
mod transfer;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::catalogue::CatalogueFile;
use crate::error::Error;
use hub::Stated;

pub use endpoints::Endpoints;
pub use receipt::{Checked, Receipt};

/// How a file is downloaded.
#[derive(Clone, Debug)]
pub struct FetchOptions {
    /// Attempts in all; each goes on where the one before broke off.
    pub attempts: usize,
    /// Pause before the second attempt; doubled for each further one.
    pub pause: Duration,
    /// Longest time without a byte.
    pub timeout: Duration,
    /// Who is asked.
    pub endpoints: Endpoints,
}

impl Default for FetchOptions {
    /// Five attempts; the endpoints are those of the environment.
    fn default() -> Self {
        FetchOptions {
            attempts: 5,
            pause: Duration::from_secs(1),
            timeout: Duration::from_secs(60),
            endpoints: Endpoints::from_env(),
        }
    }
}

/// How far a download is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the file that are here.
    pub bytes: u64,
    /// Bytes of the whole file, if the server says.
    pub total: Option<u64>,
}

/// A file that is complete.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Fetched {
    /// Where it lies.
    pub path: PathBuf,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
    /// Whether it was here before, with the right hash.
    pub was_here: bool,
    /// With what its hash was compared.
    pub checked: Checked,
    /// The commit that a moving address stood for, where the server said.
    pub revision: Option<String>,
}

/// A hash that the content must have, and who says so.
struct Expected {
    sha256: Option<String>,
    checked: Checked,
}

/// Downloads a file of the catalogue under `root`, unless it is there already with the right hash.
///
/// # Errors
///
/// If the server refuses, the connection fails in every attempt, the content does not have the right length or hash, or
/// the file cannot be written; if its path leads elsewhere, or its address is neither `https` nor on this machine and
/// its hash not pinned. What was downloaded stays for the next call, unless its length or hash is wrong. A file that is
/// there with another hash is [set aside](atomic_files::set_aside) once the right one is here.
pub async fn fetch(
    root: &Path,
    file: &CatalogueFile,
    options: &FetchOptions,
    mut progress: impl FnMut(Progress),
) -> Result<Fetched, Error> {
    let name = atomic_files::safe_path(&file.path);
    let name = name.map_err(|fault| refused(file, &fault.to_string()))?;
    let path = root.join(name);
    receipt::create_folder_of(&path)?;
    let _lock = receipt::lock(root, &file.path).await?;
    let known = known(root, file);
    let is_here = path.is_file();
    let here = if is_here {
        Some(hash_file(&path)?)
    } else {
        None
    };
    if let (Some(found), true) = (&here, known.sha256.is_some())
        && known.sha256.as_ref() == Some(&found.0)
    {
        return keep(root, file, found.clone(), known.checked, true, None);
    }
    // reqwest is built without cryptography of its own. There may be another provider already, if the program chose
    // one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let stated = match known.sha256 {
        None => hub::ask(file, options).await,
        Some(_) => Stated::default(),
    };
    let expected = known.or(&stated);
    if let Some(found) = here.filter(|found| expected.allows(&found.0)) {
        return keep(root, file, found, expected.checked, true, stated.commit);
    }
    transfer::download(&path, file, &stated, options, &mut progress).await?;
    let found = transfer::accept(&path, file, expected.sha256.as_deref(), is_here)?;
    keep(root, file, found, expected.checked, false, stated.commit)
}

fn refused(file: &CatalogueFile, found: &str) -> Error {
    Error::Download {
        url: file.url.clone(),
        found: found.into(),
    }
}

/// The hash that is known without asking anybody.
fn known(root: &Path, file: &CatalogueFile) -> Expected {
    if let Some(pinned) = &file.sha256 {
        return Expected {
            sha256: Some(pinned.clone()),
            checked: Checked::Catalogue,
        };
    }
    let receipt = Receipt::read(root, &file.path).filter(|receipt| receipt.url == file.url);
    let checked = match receipt.as_ref().map(|receipt| receipt.checked) {
        Some(Checked::Hub) => Checked::Hub,
        Some(_) => Checked::FirstUse,
        None => Checked::Nothing,
    };
    Expected {
        sha256: receipt.map(|receipt| receipt.sha256),
        checked,
    }
}

impl Expected {
    /// With the hash that the Hub states, where none is known.
    fn or(self, stated: &Stated) -> Expected {
        match (&self.sha256, &stated.sha256) {
            (None, Some(sha256)) => Expected {
                sha256: Some(sha256.clone()),
                checked: Checked::Hub,
            },
            _ => self,
        }
    }

    fn allows(&self, sha256: &str) -> bool {
        self.sha256
            .as_deref()
            .is_none_or(|expected| expected == sha256)
    }
}

/// Keeps what is known of a complete file, and gives it.
fn keep(
    root: &Path,
    file: &CatalogueFile,
    (sha256, bytes): (String, u64),
    checked: Checked,
    was_here: bool,
    commit: Option<String>,
) -> Result<Fetched, Error> {
    let before = Receipt::read(root, &file.path);
    let revision = commit.or_else(|| before.as_ref().and_then(|receipt| receipt.revision.clone()));
    let receipt = Receipt {
        url: file.url.clone(),
        revision: revision.clone(),
        sha256: sha256.clone(),
        bytes,
        checked,
    };
    if before.as_ref() != Some(&receipt) {
        receipt.write(root, &file.path)?;
    }
    Ok(Fetched {
        path: root.join(&file.path),
        sha256,
        bytes,
        was_here,
        checked,
        revision,
    })
}

/// SHA-256 of a file in hexadecimal, and its size.
///
/// # Errors
///
/// If the file cannot be read.
pub fn hash_file(path: &Path) -> Result<(String, u64), Error> {
    let mut file = File::open(path).map_err(Error::io(path, "read"))?;
    let (mut hasher, mut bytes) = (Sha256::new(), 0);
    let mut block = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut block).map_err(Error::io(path, "read"))?;
        if read == 0 {
            let hash = hasher.finalize();
            let hash = hash.iter().map(|byte| format!("{byte:02x}")).collect();
            return Ok((hash, bytes));
        }
        hasher.update(&block[..read]);
        bytes += read as u64;
    }
}
