//! Models of the Hugging Face Hub by their id, downloaded with the crate `hf-hub`.
//!
//! The cache is the one that Python's `huggingface_hub` uses (`HF_HUB_CACHE`, else `HF_HOME`), and so are
//! the token (`HF_TOKEN`, or the file that `hf auth login` writes) and the endpoint (`HF_ENDPOINT`). A
//! download that was interrupted keeps the files that were complete and fetches the others again.

use std::path::PathBuf;

use hf_hub::HFClient;
use hf_hub::progress::{DownloadEvent, ProgressEvent, ProgressHandler};

use crate::error::{Error, Result};

/// What a model consists of; weights in other formats stay where they are.
const FILES: [&str; 7] = [
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "adapter_config.json",
    "*.safetensors",
    "*.safetensors.index.json",
];

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
            !part.is_empty() && !part.starts_with(['.', '-']) && part.chars().all(allowed)
        };
        let known = word(owner) && word(name) && revision.is_none_or(|text| !text.is_empty());
        known.then(|| Self {
            owner: owner.to_owned(),
            name: name.to_owned(),
            revision: revision.map(str::to_owned),
        })
    }

    /// The folder of the model in the cache, after downloading what is not there. With `offline`, or
    /// if `HF_HUB_OFFLINE` is set, nothing is downloaded.
    ///
    /// `progress` is called with bytes done and bytes in all, from another thread.
    ///
    /// # Errors
    /// [`Error::Hub`] if the model does not exist, may not be read, is not in the cache of an offline
    /// run, or if the connection fails.
    pub fn fetch(
        &self,
        offline: bool,
        progress: impl Fn(u64, u64) + Send + Sync + 'static,
    ) -> Result<PathBuf> {
        self.fetch_from(
            HFClient::builder(),
            offline || offline_by_environment(),
            progress,
        )
    }

    fn fetch_from(
        &self,
        client: hf_hub::HFClientBuilder,
        offline: bool,
        progress: impl Fn(u64, u64) + Send + Sync + 'static,
    ) -> Result<PathBuf> {
        let failed = |source| Error::Hub {
            model: self.to_string(),
            source: Box::new(source),
        };
        let client = client.build_sync().map_err(failed)?;
        client
            .model(&self.owner, &self.name)
            .snapshot_download()
            .maybe_revision(self.revision.clone())
            .allow_patterns(FILES.map(str::to_owned).to_vec())
            .local_files_only(offline)
            .progress(Bytes::new(progress))
            .send()
            .map_err(failed)
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

/// The values that `huggingface_hub` takes for yes.
fn offline_by_environment() -> bool {
    let value = std::env::var("HF_HUB_OFFLINE").unwrap_or_default();
    ["1", "true", "yes", "on"].contains(&value.to_lowercase().as_str())
}

/// Adds the events of many files up.
struct Bytes<F> {
    report: F,
    total: std::sync::atomic::AtomicU64,
    files: std::sync::Mutex<std::collections::HashMap<String, u64>>,
}

impl<F> Bytes<F> {
    fn new(report: F) -> Self {
        Self {
            report,
            total: Default::default(),
            files: Default::default(),
        }
    }
}

impl<F: Fn(u64, u64) + Send + Sync> ProgressHandler for Bytes<F> {
    fn on_progress(&self, event: &ProgressEvent) {
        use std::sync::atomic::Ordering::Relaxed;
        let ProgressEvent::Download(event) = event else {
            return;
        };
        match event {
            DownloadEvent::Start { total_bytes, .. } => self.total.store(*total_bytes, Relaxed),
            DownloadEvent::AggregateProgress {
                bytes_completed,
                total_bytes,
                ..
            } => (self.report)(*bytes_completed, *total_bytes),
            DownloadEvent::Progress { files } => {
                // A panic elsewhere while the lock was held leaves numbers that are still fit to show.
                let mut done = self
                    .files
                    .lock()
                    .unwrap_or_else(|broken| broken.into_inner());
                for file in files {
                    done.insert(file.filename.clone(), file.bytes_completed);
                }
                (self.report)(done.values().sum(), self.total.load(Relaxed));
            }
            DownloadEvent::Complete => {}
        }
    }
}

#[cfg(test)]
mod tests;
