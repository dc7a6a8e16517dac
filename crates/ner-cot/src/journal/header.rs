//! The first line of a journal, and what is to be thought of a file that begins otherwise.

use std::path::Path;

use chat_client::excerpt;
use serde::{Deserialize, Serialize};

use super::record::checksum;
use crate::error::Error;

/// Whose the file is.
const JOURNAL: &str = "ner-cot";

/// Version of the format that this program writes and reads.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Header {
    journal: String,
    version: u32,
    /// First 16 hexadecimal digits of the hash of the other two. Journals of older programs have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    check: Option<String>,
}

impl Header {
    fn new(check: Option<String>) -> Self {
        Self {
            journal: JOURNAL.into(),
            version: VERSION,
            check,
        }
    }

    fn checksum(&self) -> String {
        checksum(&self.journal, &self.version.to_string())
    }

    fn line(&self) -> String {
        // Strings and numbers can always be written into memory.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }
}

/// The first line, with its line feed.
pub(super) fn header_line() -> String {
    Header::new(Some(Header::new(None).checksum())).line()
}

/// What the first line of a file says.
pub(super) enum Head {
    /// It is that of a journal of this version, or the torn beginning of one.
    Sound,
    /// It is not; the file may be a journal all the same if the lines behind it are sound.
    Damaged(Error),
    /// It is intact and says that the file is of another kind or version.
    Foreign(Error),
}

/// Looks at the first line of a file.
pub(super) fn head(path: &Path, line: &[u8], torn: bool) -> Head {
    let ours = [header_line(), Header::new(None).line()];
    if torn && ours.iter().any(|ours| ours.as_bytes().starts_with(line)) {
        return Head::Sound;
    }
    let header: Option<Header> = serde_json::from_slice(line).ok();
    let Some(header) = header else {
        let found = format!("{:?}", excerpt(&String::from_utf8_lossy(line)));
        return Head::Damaged(not_a_journal(path, found));
    };
    let is_intact = header.check.as_ref() == Some(&header.checksum());
    let is_ours = header.journal == JOURNAL && header.version == VERSION;
    // A damaged checksum says nothing against the rest.
    if is_ours {
        return Head::Sound;
    }
    let error = not_a_journal(
        path,
        format!(
            "version {} of {:?}",
            header.version,
            excerpt(&header.journal)
        ),
    );
    if is_intact {
        Head::Foreign(error)
    } else {
        Head::Damaged(error)
    }
}

/// Whether a line behind the first one is a header too, as where two journals were put one after the other.
pub(super) fn is_header(line: &[u8]) -> bool {
    matches!(head(Path::new(""), line, false), Head::Sound)
}

fn not_a_journal(path: &Path, found: String) -> Error {
    Error::NotAJournal {
        path: path.into(),
        expected: VERSION,
        found,
    }
}
