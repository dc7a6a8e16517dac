//! Models of the Hugging Face Hub by their id, downloaded into the cache that Python's `huggingface_hub` uses.
//!
//! Where the cache is (`HF_HUB_CACHE`, else `HF_HOME`), the token (`HF_TOKEN`, or the file that `hf auth login` writes)
//! and the endpoint (`HF_ENDPOINT`) are what they are for Python. A download that was interrupted keeps the files that
//! were complete, and goes on in those that were not.
//!
//! Nothing that a server says is believed: its status must be one of success, the bytes of a file must have the length
//! and the hash that are stated (SHA-256 for LFS, else that of the Git blob) before they get a name in the cache, names
//! must be safe ([`atomic_files::safe_path`]), and addresses must be `https`, or `http` on this machine.

use std::path::PathBuf;

use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};

mod address;
mod cache;
mod client;
mod failure;
mod listing;
mod net;
mod proof;
mod refusal;
mod settings;
mod snapshot;

use cache::RepoCache;
use client::Client;
use failure::Failure;
use net::Net;
use settings::Settings;
use snapshot::Snapshot;

/// A model on the Hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubModel {
    /// User or organisation.
    pub owner: String,
    /// Name of the repository.
    pub name: String,
    /// Branch, tag or commit; the main branch if there is none.
    pub revision: Option<String>,
}

impl HubModel {
    /// Reads `owner/name` or `owner/name@revision`; nothing if `text` cannot be an id.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, revision) = match text.split_once('@') {
            Some((id, revision)) => (id, Some(revision)),
            None => (text, None),
        };
        let (owner, name) = id.split_once('/')?;
        let word = |part: &str| {
            let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            let is_plain = !part.starts_with(['.', '-']) && part.chars().all(allowed);
            is_plain && atomic_files::safe_name(part).is_ok()
        };
        let known = word(owner) && word(name) && revision.is_none_or(is_revision);
        known.then(|| Self {
            owner: owner.to_owned(),
            name: name.to_owned(),
            revision: revision.map(str::to_owned),
        })
    }

    /// The folder of the model in the cache, after downloading what is not there. With `offline`, or
    /// if `HF_HUB_OFFLINE` is set, nothing is downloaded.
    ///
    /// `progress` is called with bytes done and bytes in all, from other threads, one at a time. Once `stop` is
    /// cancelled, the download ends at once, whatever it waits for.
    ///
    /// # Errors
    /// [`Error::Hub`] if the model does not exist, may not be read, is not in the cache of an offline
    /// run, if the connection fails or is silent for a minute, if what arrives is not what the Hub states, or if the
    /// download was stopped.
    pub fn fetch(
        &self,
        offline: bool,
        stop: &CancellationToken,
        progress: impl Fn(u64, u64) + Send + Sync + 'static,
    ) -> Result<PathBuf> {
        self.fetch_with(
            Settings::from_environment(),
            offline || settings::is_offline(),
            stop,
            progress,
        )
    }

    fn fetch_with(
        &self,
        settings: Settings,
        offline: bool,
        stop: &CancellationToken,
        progress: impl Fn(u64, u64) + Send + Sync + 'static,
    ) -> Result<PathBuf> {
        let cache = RepoCache::new(&settings.cache, self);
        let found = if !self.is_id() {
            Err(Failure::last(
                "expected owner/name or owner/name@revision".into(),
            ))
        } else if offline {
            self.find_in(&cache)
        } else {
            on_own_thread(|| self.download(settings, &cache, stop, progress))
        };
        found.map_err(|failure| Error::Hub {
            model: self.to_string(),
            reason: failure.to_string(),
        })
    }

    /// The fields are public, and names become paths.
    fn is_id(&self) -> bool {
        Self::parse(&self.to_string()).as_ref() == Some(self)
    }

    /// The snapshot that the cache has of the revision.
    fn find_in(&self, cache: &RepoCache) -> Result<PathBuf, Failure> {
        let revision = self.revision();
        let commit = if self.is_pinned() {
            Some(revision.to_owned())
        } else {
            cache.read_ref(revision)
        };
        let dir = commit.map(|commit| cache.snapshot(&commit));
        let dir = dir.filter(|dir| dir.is_dir());
        dir.ok_or_else(|| Failure::not_cached(revision, cache.dir()))
    }

    fn download(
        &self,
        settings: Settings,
        cache: &RepoCache,
        stop: &CancellationToken,
        progress: impl Fn(u64, u64) + Send + Sync,
    ) -> Result<PathBuf, Failure> {
        let runtime = net::runtime()?;
        let net = Net::new(runtime.handle().clone(), stop.clone(), settings.silence);
        let found = Client::new(self, settings, net)
            .and_then(|client| self.download_from(&client, cache, progress));
        // A name that is being looked up must not keep the caller waiting.
        runtime.shutdown_background();
        found
    }

    fn download_from(
        &self,
        client: &Client,
        cache: &RepoCache,
        progress: impl Fn(u64, u64) + Send + Sync,
    ) -> Result<PathBuf, Failure> {
        let commit = if self.is_pinned() {
            self.revision().to_owned()
        } else {
            client.commit(self.revision())?
        };
        let snapshot = Snapshot::new(client, cache, &commit, progress);
        snapshot.fetch(client.files(&commit)?)?;
        if !self.is_pinned() {
            cache.write_ref(self.revision(), &commit)?;
        }
        Ok(cache.snapshot(&commit))
    }

    fn revision(&self) -> &str {
        self.revision.as_deref().unwrap_or("main")
    }

    /// Whether the revision is a commit, which no other can take the place of.
    fn is_pinned(&self) -> bool {
        is_commit(self.revision())
    }
}

impl std::fmt::Display for HubModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)?;
        match &self.revision {
            Some(revision) => write!(f, "@{revision}"),
            None => Ok(()),
        }
    }
}

/// A revision becomes the path of a file in the cache, so it must not lead out of it. Git forbids such names too.
fn is_revision(text: &str) -> bool {
    let is_shown = !text.split('/').any(|part| part.starts_with('.'));
    is_shown && atomic_files::safe_path(text).is_ok()
}

fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A thread that runs asynchronous tasks must not wait for one, and the caller's may be such a thread.
fn on_own_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let done = scope.spawn(work).join();
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[cfg(test)]
mod tests;
