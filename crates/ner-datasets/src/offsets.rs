//! In what the offsets of a file are counted.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// In what the offsets of a file are counted.
///
/// Python counts characters, JavaScript (so every annotation tool that runs in a browser) and Java count UTF-16 units,
/// Go and Rust bytes. The three differ behind the first letter that is not ASCII: an emoji is one character, two units
/// and four bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Offsets {
    /// Unicode scalar values.
    #[default]
    Characters,
    /// Units of UTF-16.
    Utf16,
    /// Bytes of UTF-8.
    Bytes,
}

impl Offsets {
    /// All of them.
    pub const ALL: [Offsets; 3] = [Offsets::Characters, Offsets::Utf16, Offsets::Bytes];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Offsets::Characters => "characters",
            Offsets::Utf16 => "utf16",
            Offsets::Bytes => "bytes",
        }
    }
}

impl fmt::Display for Offsets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Offsets {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Offsets::ALL.into_iter().find(|unit| unit.name() == name);
        found.ok_or_else(|| format!("expected characters, utf16 or bytes, found {name:?}"))
    }
}
