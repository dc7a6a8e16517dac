//! The lock that keeps a journal to one process.

use std::fs::{OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::Path;

use crate::error::Error;
use atomic_files::fs::File;
use chat_client::excerpt;

/// Takes the lock that lives as long as the returned file.
pub(super) fn take(path: &Path) -> Result<File, Error> {
    let io = |source| Error::io("lock", path, source);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let mut file = File::open_with(path, &options).map_err(io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut owner = String::new();
            // Some systems forbid reading a locked file; then the owner is unknown.
            let _ = file.read_to_string(&mut owner);
            let owner = match owner.trim() {
                "" => "owner unknown".into(),
                owner => excerpt(owner),
            };
            return Err(Error::Locked {
                path: path.into(),
                owner,
            });
        }
        Err(TryLockError::Error(source)) => return Err(io(source)),
    }
    file.set_len(0).map_err(io)?;
    let owner = format!("process {}\n", std::process::id());
    file.write_all(owner.as_bytes()).map_err(io)?;
    Ok(file)
}
