//! Names of adapters that are handed over, `<process>-step-<number>`: none is given twice, in no process.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::Path;

/// What stands between the process and the number. An older program gave no process.
const STEP: &str = "step-";

/// Gives the names of one engine.
#[derive(Debug)]
pub(super) struct Names {
    /// Random hexadecimal digits.
    process: String,
    given: usize,
}

impl Names {
    pub(super) fn new() -> Self {
        // The only source of random numbers in the standard library.
        let random = RandomState::new().build_hasher().finish();
        Self {
            process: format!("{random:016x}"),
            given: 0,
        }
    }

    /// Whether none was given yet.
    pub(super) fn is_unused(&self) -> bool {
        self.given == 0
    }

    /// A new name.
    pub(super) fn next(&mut self) -> String {
        let name = format!("{}-{STEP}{}", self.process, self.given);
        self.given += 1;
        name
    }
}

/// The folders in `root` that have such a name.
pub(super) fn former(root: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| is_adapter(name)).collect()
}

fn is_adapter(name: &str) -> bool {
    let is_process = |text: &str| {
        let digits = text.strip_suffix('-').unwrap_or(text);
        digits.is_empty() || (digits.len() == 16 && digits.bytes().all(|x| x.is_ascii_hexdigit()))
    };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|x| x.is_ascii_digit());
    name.rsplit_once(STEP)
        .is_some_and(|(process, number)| is_process(process) && is_number(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_were_given_are_recognised() {
        let (mut one, mut other) = (Names::new(), Names::new());
        let names = [one.next(), one.next(), other.next()];
        assert!(names[0] != names[1] && names[0] != names[2], "{names:?}");
        for name in names.iter().map(String::as_str).chain(["step-7"]) {
            assert!(is_adapter(name), "{name}");
        }
        for other in [
            "step-",
            "mystep-7",
            "0123-step-7",
            "model.safetensors",
            "step-7.old",
        ] {
            assert!(!is_adapter(other), "{other}");
        }
    }
}
