//! Rules about the text of one file: its head, its length, its width, stray words, machine paths.

use super::words::{MACHINE_PATHS, STRAY};
use super::{Finding, width};

/// Extensions whose files are read for stray words; data may say what it likes.
const WRITTEN_BY_HAND: [&str; 9] = ["rs", "py", "sh", "toml", "md", "yml", "yaml", "html", "css"];

/// Extensions whose files have a limit on their length.
const CODE: [&str; 3] = ["rs", "py", "sh"];

const WARN_LINES: usize = 400;
const MAX_LINES: usize = 600;

/// Findings about the file at `path` (relative, forward slashes) that holds `text`.
pub(super) fn check(path: &str, text: &str) -> Vec<Finding> {
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
    let mut findings = machine_paths(path, text);
    if WRITTEN_BY_HAND.contains(&extension) || path.starts_with(".ci/") {
        findings.extend(stray_words(path, text));
    }
    if CODE.contains(&extension) {
        findings.extend(length(path, text));
    }
    if extension == "rs" {
        findings.extend(head(path, text));
        findings.extend(width::comments(path, text));
    }
    if extension == "md" {
        findings.extend(width::markdown(path, text));
    }
    findings
}

/// The first line that is not blank is a `//!` sentence about the file.
fn head(path: &str, text: &str) -> Option<Finding> {
    let first = text.lines().find(|line| !line.trim().is_empty());
    let sentence = first.and_then(|line| line.strip_prefix("//!"));
    let is_head = sentence.is_some_and(|sentence| !sentence.trim().is_empty());
    (!is_head).then(|| {
        Finding::problem(
            format!("{path}:1"),
            "expected a `//!` head: what the file does",
        )
    })
}

fn length(path: &str, text: &str) -> Option<Finding> {
    let lines = text.lines().count();
    let message = format!("{lines} lines; the limit is {MAX_LINES}, the aim {WARN_LINES}");
    if lines > MAX_LINES {
        Some(Finding::problem(path, message))
    } else if lines > WARN_LINES {
        Some(Finding::warning(path, message))
    } else {
        None
    }
}

fn stray_words(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (idx, line) in text.lines().enumerate() {
        for word in STRAY.iter().filter(|word| has_word(line, word.text)) {
            let message = format!("stray `{}`: {}", word.text, word.why);
            findings.push(Finding::problem(format!("{path}:{}", idx + 1), message));
        }
    }
    findings
}

fn machine_paths(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (idx, line) in text.lines().enumerate() {
        for start in MACHINE_PATHS.iter().filter(|start| has_path(line, start)) {
            let message = format!("absolute path of one machine: {start}…");
            findings.push(Finding::problem(format!("{path}:{}", idx + 1), message));
        }
    }
    findings
}

/// True if `word` stands in `line` and is not a part of a longer identifier.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + word.len()..].chars().next();
        let joins =
            |edge: Option<char>, next: Option<char>| is_word_char(edge) && is_word_char(next);
        !joins(word.chars().next(), before) && !joins(word.chars().next_back(), after)
    })
}

fn is_word_char(c: Option<char>) -> bool {
    c.is_some_and(|c| c.is_alphanumeric() || c == '_')
}

/// True if an absolute path begins with `start`; `~/…` and parts of relative paths or URLs do not.
fn has_path(line: &str, start: &str) -> bool {
    line.match_indices(start).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !is_word_char(before) && !before.is_some_and(|c| "./~-})*>".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(path: &str, text: &str) -> Vec<String> {
        let findings = check(path, text);
        findings.into_iter().map(|finding| finding.place).collect()
    }

    #[test]
    fn every_rust_file_needs_a_head() {
        assert_eq!(places("a.rs", "\n//! Reads.\nfn f() {}\n"), [""; 0]);
        for text in ["fn f() {}\n", "", "//!\nfn f() {}\n", "// Reads.\n"] {
            assert_eq!(places("tests/a.rs", text), ["tests/a.rs:1"], "{text:?}");
        }
        assert_eq!(places("a.py", "x = 1\n"), [""; 0]);
    }

    #[test]
    fn long_code_is_warned_of_and_then_refused() {
        let file = |lines: usize| format!("//! Long.\n{}", "x\n".repeat(lines - 1));
        assert_eq!(check("a.rs", &file(WARN_LINES)), []);
        assert!(check("a.rs", &file(WARN_LINES + 1))[0].is_warning);
        assert!(!check("a.rs", &file(MAX_LINES + 1))[0].is_warning);
        assert_eq!(check("data.jsonl", &file(MAX_LINES + 1)), []);
    }

    #[test]
    fn every_stray_word_is_found_where_people_write() {
        for word in &STRAY {
            let text = format!("//! Head.\nlet x = 1; {} x\n", word.text);
            assert_eq!(places("src/a.rs", &text), ["src/a.rs:2"], "{}", word.text);
            assert_eq!(places(".ci/run", &text).len(), 1);
            assert_eq!(places("fixtures/a.jsonl", &text), [""; 0]);
        }
    }

    #[test]
    fn longer_words_and_ignored_tests_with_a_reason_pass() {
        let joined = format!("mktemp {0}{0}", STRAY[4].text);
        assert!(!has_word(&joined, STRAY[4].text));
        assert!(!has_word("my_todo!(x)", STRAY[0].text));
        let reason = "//! Head.\n#[ignore = \"needs a GPU\"]\nfn f() {}\n";
        assert_eq!(places("a.rs", reason), [""; 0]);
    }

    #[test]
    fn machine_paths_are_found_and_relative_ones_pass() {
        for start in MACHINE_PATHS {
            assert!(has_path(&format!("open(\"{start}x\")"), start));
            for before in ["~", "..", "https://host", "{root}", "a"] {
                assert!(!has_path(&format!("{before}{start}x"), start), "{before}");
            }
        }
        let text = format!("{{\"path\": \"{}x\"}}", MACHINE_PATHS[0]);
        assert_eq!(places("fixtures/a.json", &text), ["fixtures/a.json:1"]);
    }
}
