//! Where the API key comes from. The key itself is kept in a header value that
//! hides it, and is cut out of every text that came from a server.

use std::fmt;
use std::path::{Path, PathBuf};

use reqwest::header::HeaderValue;

use crate::error::Error;
use crate::mask;

/// Where the API key of a server is found. It is read once, by `ChatClient::new`.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum KeySource {
    /// The server wants no key.
    #[default]
    None,
    /// Name of the environment variable that holds the key.
    Env(String),
    /// A file that holds the key and nothing else.
    File(PathBuf),
}

impl From<Option<String>> for KeySource {
    /// The environment variable of that name, or no key.
    fn from(var: Option<String>) -> Self {
        var.map_or(Self::None, Self::Env)
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Env(var) if is_name(var) => f.debug_tuple("Env").field(var).finish(),
            Self::Env(_) => f.write_str("Env(hidden)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// Characters of the shortest key that is taken for a secret.
const SHORTEST_SECRET: usize = 8;

/// A key, ready to be sent.
pub(crate) struct Key {
    pub(crate) header: HeaderValue,
    text: String,
}

impl Key {
    /// Reads the key, if there is to be one.
    pub(crate) fn read(source: &KeySource) -> Result<Option<Self>, Error> {
        match source {
            KeySource::None => Ok(None),
            KeySource::Env(var) => from_env(var).map(Some),
            KeySource::File(path) => from_file(path).map(Some),
        }
    }

    fn new(text: &str, place: String) -> Result<Self, Error> {
        let header = HeaderValue::from_str(&format!("Bearer {text}"));
        let mut header = header.map_err(|_| Error::InvalidKey { place })?;
        header.set_sensitive(true);
        Ok(Self {
            header,
            text: text.into(),
        })
    }

    /// Cuts the key out of a text, as it is and as JSON writes it: some servers repeat a wrong key in their message.
    pub(crate) fn mask(&self, text: String) -> String {
        mask::mask(&self.text, &text).unwrap_or(text)
    }

    /// Whether answers are kept without the key. A shorter key is no secret but a word such as `EMPTY`, which servers
    /// of one's own are given, and an answer may have that word of its own.
    pub(crate) fn is_secret(&self) -> bool {
        self.text.len() >= SHORTEST_SECRET
    }
}

fn from_env(var: &str) -> Result<Key, Error> {
    if !is_name(var) {
        // Whoever mistakes the name for the key should not find the key in a log.
        return Err(Error::Setting {
            field: "key",
            expected: "the name of an environment variable",
            found: "something else (hidden, as it may be a key)".into(),
        });
    }
    let key = std::env::var(var).unwrap_or_default();
    if key.trim().is_empty() {
        return Err(Error::MissingKey { var: var.into() });
    }
    Key::new(key.trim(), format!("the environment variable {var}"))
}

fn from_file(path: &Path) -> Result<Key, Error> {
    let wrong = |why: String| Error::KeyFile {
        path: path.into(),
        why,
    };
    let key = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    if key.trim().is_empty() {
        return Err(wrong("it is empty".into()));
    }
    Key::new(key.trim(), format!("the file {}", path.display()))
}

/// Whether a text can be the name of an environment variable.
fn is_name(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !text.is_empty() && text.chars().all(is_part) && !text.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_given_as_a_name_is_not_shown() {
        let source = KeySource::Env("sk-secret".into());
        assert!(!format!("{source:?}").contains("secret"));
        let error = Key::read(&source).err().expect("no name");
        assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
    }

    #[test]
    fn a_missing_key_names_its_variable_only() {
        let var = "CHAT_CLIENT_TEST_KEY_THAT_IS_NOT_SET";
        let error = Key::read(&KeySource::Env(var.into())).err();
        let message = error.expect("no key").to_string();
        assert!(message.contains(var), "{message}");
    }

    #[test]
    fn a_file_holds_one_key() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("key");
        let read = |text: &str| {
            std::fs::write(&path, text).expect("written");
            Key::read(&KeySource::File(path.clone()))
        };
        let key = read("sk-1\n").expect("a key").expect("a key");
        assert_eq!(key.header.to_str().ok(), Some("Bearer sk-1"));
        assert!(matches!(read(" \n"), Err(Error::KeyFile { .. })));
        let error = read("sk-1\nsk-2\n").err().expect("two lines");
        assert!(matches!(error, Error::InvalidKey { .. }));
        assert!(!format!("{error} {error:?}").contains("sk-1"), "{error}");
        let absent = KeySource::File(dir.path().join("none"));
        assert!(matches!(Key::read(&absent), Err(Error::KeyFile { .. })));
    }
}
