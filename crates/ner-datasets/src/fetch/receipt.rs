//! Receipts: what is known of a file that was fetched, kept below the data folder in `.receipts/`.
//!
//! A receipt lets a later call say that the file is still the one that was fetched first, where the catalogue pins no
//! hash ("trust on first use"), and names the revision that a moving address stood for.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use atomic_files::fs::File;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::files::write_atomic;

/// With what the hash of a file was compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Checked {
    /// With the hash that the catalogue pins.
    Catalogue,
    /// With the hash that the Hub states.
    Hub,
    /// With its own hash when it was first fetched.
    FirstUse,
    /// With nothing: this is its first use, and the hash is kept for the next.
    Nothing,
}

/// What is known of a file that was fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The address in the catalogue.
    pub url: String,
    /// The commit that the address stood for, where the server says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// Bytes.
    pub bytes: u64,
    /// With what the hash was compared.
    pub checked: Checked,
}

impl Receipt {
    /// The receipt of a file of the catalogue below a data folder, by the file's path there; none if there is none that
    /// can be read.
    pub fn read(root: &Path, path: &str) -> Option<Receipt> {
        let text = fs::read_to_string(place(root, path, "json")).ok()?;
        serde_json::from_str(&text).ok()
    }

    pub(super) fn write(&self, root: &Path, path: &str) -> Result<(), Error> {
        let place = place(root, path, "json");
        create_folder_of(&place)?;
        write_atomic(&place, |out| Ok(serde_json::to_writer_pretty(out, self)?))
    }
}

fn place(root: &Path, path: &str, ending: &str) -> PathBuf {
    root.join(".receipts").join(format!("{path}.{ending}"))
}

pub(super) fn create_folder_of(path: &Path) -> Result<(), Error> {
    match path.parent() {
        Some(folder) => {
            atomic_files::fs::create_dir_all(folder).map_err(Error::io(folder, "create"))
        }
        None => Ok(()),
    }
}

/// Waits until no other process fetches the same file; the lock goes with the returned handle.
pub(super) async fn lock(root: &Path, path: &str) -> Result<File, Error> {
    let place = place(root, path, "lock");
    create_folder_of(&place)?;
    let file = File::create(&place).map_err(Error::io(&place, "create"))?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(fs::TryLockError::WouldBlock) => {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            // A file system without locks: the last one to finish wins, with the same content.
            Err(fs::TryLockError::Error(_)) => return Ok(file),
        }
    }
}
