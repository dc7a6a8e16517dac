//! Names that come from outside, such as a server, an index or a recipe of somebody else, and are to become files.
//!
//! What passes is one plain name on every system: it leads nowhere else, stands for no device, looks like what it is,
//! and is the same name when it is read back.

use std::fmt;

/// Bytes of a name, the limit of ext4, APFS and NTFS (there in UTF-16 units).
const MAX_NAME: usize = 255;

/// Bytes of a path of such names; Linux allows 4,096 for the whole path.
const MAX_PATH: usize = 1024;

/// Names that stand for devices on Windows, with any ending.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];

/// A name from outside that must not become a path, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name `{}` {fault}, so no file is made of it", shown(.name))]
pub struct UnsafeName {
    name: String,
    fault: &'static str,
}

/// The same name, if it can safely be that of one file or folder.
///
/// # Errors
/// [`UnsafeName`] if it is empty, `.` or `..`, longer than 255 bytes, ends in a dot or space, begins with a space, is
/// the name of a device on Windows, or has a separator, a colon, another character that Windows refuses, a control
/// character, or one that is invisible, changes the direction of writing or only looks like a dot or a separator.
pub fn safe_name(name: &str) -> Result<&str, UnsafeName> {
    match fault(name) {
        None => Ok(name),
        Some(fault) => Err(refused(name, fault)),
    }
}

/// The same path, if it consists of safe names with `/` between them.
///
/// # Errors
/// [`UnsafeName`] for a part that [`safe_name`] refuses, for an absolute path, and for more than 1,024 bytes.
pub fn safe_path(path: &str) -> Result<&str, UnsafeName> {
    if path.len() > MAX_PATH {
        return Err(refused(path, "is longer than 1024 bytes"));
    }
    match path.split('/').find_map(fault) {
        None => Ok(path),
        Some(fault) => Err(refused(path, fault)),
    }
}

fn refused(name: &str, fault: &'static str) -> UnsafeName {
    let name = name.to_owned();
    UnsafeName { name, fault }
}

fn fault(name: &str) -> Option<&'static str> {
    match name {
        "" => return Some("has an empty part"),
        "." | ".." => return Some("leads to another folder"),
        _ => {}
    }
    if name.len() > MAX_NAME {
        return Some("is longer than 255 bytes");
    }
    if name.ends_with(['.', ' ']) || name.starts_with(' ') {
        return Some("begins or ends with what some systems leave out");
    }
    if is_device(name) {
        return Some("stands for a device on some systems");
    }
    name.chars().find_map(fault_of)
}

/// Whether the part before the first dot is that of a device: `nul`, `NUL.txt`, `com1`, `lpt¹`.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default();
    let stem = stem.trim_end().to_lowercase();
    let port = stem
        .strip_prefix("com")
        .or_else(|| stem.strip_prefix("lpt"));
    let is_number = |number: &str| {
        let mut digits = number.chars();
        let digit = digits.next();
        digits.next().is_none() && digit.is_some_and(|c| matches!(c, '0'..='9' | '¹' | '²' | '³'))
    };
    DEVICES.contains(&stem.as_str()) || port.is_some_and(is_number)
}

fn fault_of(character: char) -> Option<&'static str> {
    match character {
        '/' | '\\' | ':' => Some("has a character that separates folders or drives"),
        '<' | '>' | '"' | '|' | '?' | '*' => Some("has a character that some systems refuse"),
        // Slashes, backslashes, colons and dots that only look so.
        '\u{2044}'
        | '\u{2215}'
        | '\u{2216}'
        | '\u{29f8}'
        | '\u{29f5}'
        | '\u{2236}'
        | '\u{a789}'
        | '\u{2024}'..='\u{2026}'
        | '\u{fe52}'
        | '\u{fe55}'
        | '\u{fe68}'
        | '\u{ff0e}'
        | '\u{ff0f}'
        | '\u{ff1a}'
        | '\u{ff3c}' => Some("has a character that looks like a dot or a separator"),
        c if c.is_control() || is_invisible(c) => {
            Some("has a character that is not shown or changes how others are shown")
        }
        _ => None,
    }
}

/// Characters that are not shown, marks of direction, and tags.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
    )
}

/// The name for a message: its beginning, with nothing in it that a terminal would obey.
fn shown(name: &str) -> impl fmt::Display {
    const SHOWN: usize = 60;
    let mut text = String::new();
    for character in name.chars().take(SHOWN) {
        if character.is_control() || is_invisible(character) {
            text.extend(character.escape_unicode());
        } else {
            text.push(character);
        }
    }
    if name.chars().nth(SHOWN).is_some() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_hostile_name_passes() {
        for line in include_str!("../hostile_names.txt").lines() {
            let Some(name) = written(line) else { continue };
            assert!(safe_name(&name).is_err(), "{line}");
            let whole_path = safe_path(&name);
            let below = safe_path(&format!("sub/{name}")).map(str::to_owned);
            // A path may have separators, so these lines test its parts.
            let is_path = name.contains('/') && name.split('/').all(|part| fault(part).is_none());
            assert_eq!(whole_path.is_ok(), is_path, "{line}");
            assert_eq!(below.is_ok(), is_path, "{line}");
        }
    }

    /// A line of the list with its escapes resolved; none for a remark.
    fn written(line: &str) -> Option<String> {
        let quoted = line.strip_prefix('"')?;
        let end = quoted.rfind('"')?;
        let mut name = String::new();
        let mut rest = &quoted[..end];
        while let Some((before, after)) = rest.split_once("\\u{") {
            let (code, after) = after.split_once('}')?;
            name += before;
            name.push(char::from_u32(u32::from_str_radix(code, 16).ok()?)?);
            rest = after;
        }
        name += rest;
        let times = quoted[end + 1..].trim().strip_prefix('×');
        Some(name.repeat(times.map_or(1, |times| times.trim().parse().unwrap_or(1))))
    }

    #[test]
    fn names_in_use_pass() {
        for name in [
            "config.json",
            "model-00001-of-00002.safetensors",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "小樽.txt",
            "Zoë (2).json",
            ".gitattributes",
            "com10",
            "console.log",
            "a..b",
        ] {
            assert_eq!(safe_name(name), Ok(name));
            assert_eq!(safe_path(name), Ok(name));
        }
        assert_eq!(safe_path("refs/pr/1"), Ok("refs/pr/1"));
        assert!(safe_name("refs/pr/1").is_err());
    }

    #[test]
    fn the_message_is_short_and_harmless() {
        let error = safe_name("\u{1b}[2J..\u{202e}").expect_err("refused");
        assert!(
            !error.to_string().contains(['\u{1b}', '\u{202e}']),
            "{error}"
        );
        let error = safe_name(&"x".repeat(100_000)).expect_err("refused");
        assert!(error.to_string().len() < 200, "{error}");
    }
}
