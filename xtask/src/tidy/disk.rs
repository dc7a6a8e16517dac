//! A rule: the libraries change files through `atomic-files` alone.
//!
//! Then what they write appears whole, is forced to the disk, and a test can let each operation fail. Clippy's
//! `disallowed_methods` knows types, but has one list for libraries and tests, and tests may write as they like.

use super::Finding;

/// Functions of `std::fs` and `tokio::fs` that change something.
const CHANGES: [&str; 10] = [
    "copy",
    "create_dir",
    "create_dir_all",
    "hard_link",
    "remove_dir",
    "remove_dir_all",
    "remove_file",
    "rename",
    "set_permissions",
    "write",
];

/// Ways to open a file for writing; `atomic_files` has a `File` of its own.
const OPENS: [&str; 3] = ["File::create(", "File::create_new(", "File::options("];

/// The layer below, tools for ourselves, and the stand-in for the internet, which makes its world anew each time.
const FREE: [&str; 5] = [
    "atomic-files",
    "ner-rehearsal",
    "rner-fuzz",
    "rner-lab",
    "rner-torture",
];

/// Findings about the Rust file at `path` (relative, forward slashes) that holds `text`.
pub(super) fn check(path: &str, text: &str) -> Vec<Finding> {
    if !is_library(path) {
        return Vec::new();
    }
    let ours = text.contains("use atomic_files::");
    let code = text
        .lines()
        .take_while(|line| !line.starts_with("#[cfg(test)]"));
    let changes = code.enumerate().filter(|(_, line)| changes(line, ours));
    let message = "changes a file itself; expected atomic_files::fs, File, AtomicFile or AtomicDir";
    changes
        .map(|(idx, _)| Finding::problem(format!("{path}:{}", idx + 1), message))
        .collect()
}

/// Whether `path` is the code of a library that must keep to the rule, and not of its tests.
fn is_library(path: &str) -> bool {
    let mut parts = path.split('/');
    let (Some("crates"), Some(name), Some("src")) = (parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    !FREE.contains(&name) && !parts.any(|part| part.contains("test"))
}

/// Whether a line calls one of the operations. `ours`: the file imports something of `atomic_files`.
fn changes(line: &str, ours: bool) -> bool {
    let line = line.trim_start();
    if line.starts_with("//") {
        return false;
    }
    let by_function = CHANGES.iter().any(|name| {
        let call = format!("fs::{name}(");
        line.match_indices(&call)
            .any(|(at, _)| !line[..at].ends_with("atomic_files::"))
    });
    let by_opening = OPENS.iter().any(|call| {
        let is_word = |at: usize| !line[..at].ends_with(char::is_alphanumeric);
        line.match_indices(call).any(|(at, _)| is_word(at))
    });
    by_function || (by_opening && !ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<String> {
        let findings = check(path, text);
        findings.into_iter().map(|finding| finding.place).collect()
    }

    #[test]
    fn a_library_that_writes_by_itself_is_found() {
        let path = "crates/ner-cot/src/output.rs";
        for line in [
            "std::fs::write(path, text)?;",
            "    fs::rename(a, b)",
            "tokio::fs::remove_file(a)",
            "File::create(path)",
        ] {
            let text = format!("//! Head.\n{line}\n");
            assert_eq!(lines(path, &text), [format!("{path}:2")], "{line}");
        }
    }

    #[test]
    fn what_goes_through_the_layer_below_and_what_tests_do_is_free() {
        let text = "use atomic_files::fs::File;\natomic_files::fs::write(a, b);\nFile::create(a);\n// fs::write(\n";
        assert_eq!(lines("crates/ner-cot/src/output.rs", text), [""; 0]);
        assert_eq!(
            lines("crates/rner/src/a.rs", "EventFile::create(&dir)?;"),
            [""; 0]
        );
        let text = "#[cfg(test)]\nmod tests { fn f() { fs::write(a, b); } }\n";
        assert_eq!(lines("crates/ner-cot/src/output.rs", text), [""; 0]);
        for path in [
            "crates/ner-cot/tests/a.rs",
            "crates/ner-cot/src/journal/damage_tests.rs",
            "crates/ner-cot/src/tests/a.rs",
            "crates/rner-torture/src/lab.rs",
            "xtask/src/main.rs",
        ] {
            assert_eq!(lines(path, "fs::write(a, b);"), [""; 0], "{path}");
        }
    }
}
