//! The environment variables that Python's `huggingface_hub` reads too.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the Hub is, who asks, and where the answers go.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) endpoint: String,
    pub(super) token: Option<String>,
    /// The cache of all repositories.
    pub(super) cache: PathBuf,
    /// Further attempts after one that failed for a reason that may pass.
    pub(super) retries: u32,
    /// Longest time without a byte.
    pub(super) silence: Duration,
}

impl Settings {
    pub(super) fn from_environment() -> Self {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    pub(super) fn from_variables(read: impl Fn(&str) -> Option<String>) -> Self {
        let home = home(&read);
        let cache = read("HF_HUB_CACHE").or_else(|| read("HUGGINGFACE_HUB_CACHE"));
        let endpoint = read("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned());
        Self {
            endpoint,
            token: token(&read, &home),
            cache: cache.map_or_else(|| home.join("hub"), PathBuf::from),
            retries: 5,
            silence: Duration::from_secs(60),
        }
    }
}

/// The values that `huggingface_hub` takes for yes.
pub(super) fn is_offline() -> bool {
    let value = std::env::var("HF_HUB_OFFLINE").unwrap_or_default();
    ["1", "true", "yes", "on"].contains(&value.to_lowercase().as_str())
}

fn home(read: &impl Fn(&str) -> Option<String>) -> PathBuf {
    if let Some(home) = read("HF_HOME") {
        return home.into();
    }
    let caches = read("XDG_CACHE_HOME").map(PathBuf::from);
    let caches = caches.unwrap_or_else(|| {
        let user = read("HOME").unwrap_or_else(|| "/tmp".to_owned());
        Path::new(&user).join(".cache")
    });
    caches.join("huggingface")
}

fn token(read: &impl Fn(&str) -> Option<String>, home: &Path) -> Option<String> {
    let given = |name| {
        let value = read(name)?.trim().to_owned();
        Some(value).filter(|value| !value.is_empty())
    };
    if given("HF_HUB_DISABLE_IMPLICIT_TOKEN").is_some() {
        return None;
    }
    let in_file = |path: &Path| {
        let token = std::fs::read_to_string(path).ok()?.trim().to_owned();
        Some(token).filter(|token| !token.is_empty())
    };
    given("HF_TOKEN")
        .or_else(|| in_file(Path::new(&read("HF_TOKEN_PATH")?)))
        .or_else(|| in_file(&home.join("token")))
}
