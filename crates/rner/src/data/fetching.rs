//! Downloads into the cache that all runs share.

use std::path::PathBuf;

use ner_datasets::{CatalogueEntry, CatalogueFile, Checked, FetchOptions, Fetched, fetch};
use tokio::runtime::Runtime;

use crate::error::{Context, Error, Result};
use crate::session::Session;

/// Bytes between two signs of progress.
const TICK: u64 = 1 << 20;

/// Fetches files of the catalogue.
pub(super) struct Fetcher<'a> {
    cache: PathBuf,
    session: &'a Session,
    options: FetchOptions,
    runtime: Runtime,
}

impl<'a> Fetcher<'a> {
    pub(super) fn new(cache: PathBuf, session: &'a Session) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        Ok(Self {
            cache,
            session,
            options: FetchOptions::default(),
            runtime: runtime.context("cannot start the downloads")?,
        })
    }

    /// Makes sure that files of a dataset are there with their right hashes; gives path and SHA-256 of each.
    ///
    /// # Errors
    /// A download that fails; an interruption, after which the next call goes on from there.
    pub(super) fn fetch(
        &self,
        entry: &CatalogueEntry,
        files: &[&CatalogueFile],
    ) -> Result<Vec<(String, String)>> {
        if files.is_empty() {
            let note = entry.note.as_deref().unwrap_or_default();
            let message = format!("{}: no program can fetch it. {note}", entry.name);
            return Err(Error::usage(message));
        }
        let (mut hashes, mut new) = (Vec::new(), Vec::new());
        for file in files {
            let fetched = self.one(file);
            let fetched =
                fetched.with_context(|| format!("fetching the dataset {}", entry.name))?;
            hashes.push((file.path.clone(), fetched.sha256.clone()));
            if !fetched.was_here || fetched.checked == Checked::Nothing {
                new.push(fetched);
            }
        }
        self.say(entry, &new);
        Ok(hashes)
    }

    fn one(&self, file: &CatalogueFile) -> Result<Fetched> {
        let total = file.bytes.and_then(|bytes| usize::try_from(bytes).ok());
        let mut part = None;
        let mut told = 0;
        let work = fetch(&self.cache, file, &self.options, |progress| {
            // A file that is there already is no part of the work.
            let part = part.get_or_insert_with(|| {
                let stated = progress.total.and_then(|bytes| usize::try_from(bytes).ok());
                let total = total.or(stated).unwrap_or(0);
                self.session.start(&file.path, total, "bytes")
            });
            if progress.bytes >= told + TICK {
                told = progress.bytes;
                part.tick(usize::try_from(told).unwrap_or(usize::MAX), "");
            }
        });
        let stop = self.session.stop();
        self.runtime.block_on(async {
            tokio::select! {
                fetched = work => Ok(fetched?),
                () = stop.cancelled() => Err(Error::Interrupted),
            }
        })
    }

    /// Says what was fetched of a dataset, or is seen for the first time; what was there is not worth a word.
    fn say(&self, entry: &CatalogueEntry, new: &[Fetched]) {
        let of = |checked| new.iter().filter(|file| file.checked == checked).count();
        let kinds = [
            (Checked::Catalogue, "as pinned"),
            (Checked::Hub, "as the Hub states"),
            (Checked::FirstUse, "as when first fetched"),
            (
                Checked::Nothing,
                "of first use, kept and compared from now on",
            ),
        ];
        let kinds = kinds.into_iter().filter(|(kind, _)| of(*kind) > 0);
        let hashes: Vec<String> = kinds
            .map(|(kind, words)| format!("{} {words}", of(kind)))
            .collect();
        let revisions = new.iter().filter_map(|file| file.revision.as_ref());
        let revisions: Vec<String> = revisions
            .map(|commit| format!(", revision {commit}"))
            .collect();
        if !new.is_empty() {
            let bytes: u64 = new.iter().map(|file| file.bytes).sum();
            self.session.line(&format!(
                "{}: {} files, {bytes} bytes, hashes: {}{}; licence: {}",
                entry.name,
                new.len(),
                hashes.join(", "),
                revisions.concat(),
                entry.licence
            ));
        }
    }
}
