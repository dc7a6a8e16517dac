//! Where and with what a run was made.

use serde::{Deserialize, Serialize};
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// The machine. Nothing here identifies it or its owner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Model of the CPU.
    pub cpu: String,
    /// Cores that the program may use.
    pub cores: usize,
    /// Memory in GiB; 0 if it is not known.
    pub memory_gib: f64,
    /// Operating system and architecture.
    pub os: String,
    /// Burn backend of the run.
    pub backend: String,
}

impl Machine {
    /// The machine that the program runs on.
    pub fn here(backend: &str) -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let system = quoted(&read("/etc/os-release"), "PRETTY_NAME")
            .unwrap_or_else(|| std::env::consts::OS.to_owned());
        Self {
            cpu: cpu(&read("/proc/cpuinfo")).unwrap_or_else(|| "unknown CPU".to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: memory_gib(&read("/proc/meminfo")).unwrap_or(0.0),
            os: format!("{system}, {}", std::env::consts::ARCH),
            backend: backend.to_owned(),
        }
    }
}

/// The value of `key : value` in `/proc/cpuinfo`.
fn cpu(text: &str) -> Option<String> {
    let line = text.lines().find(|l| l.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn memory_gib(text: &str) -> Option<f64> {
    let line = text.lines().find(|l| l.starts_with("MemTotal:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some((kib / 1024.0 / 1024.0 * 10.0).round() / 10.0)
}

fn quoted(text: &str, key: &str) -> Option<String> {
    let line = text.lines().find(|l| l.split('=').next() == Some(key))?;
    Some(line.split_once('=')?.1.trim_matches('"').to_owned())
}

/// The program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// Version of the workspace.
    pub version: String,
    /// Commit of the sources, marked if they were changed since, or if the program was built before it.
    pub commit: Option<String>,
}

impl Program {
    /// This program; the commit is known if the sources still lie in their repository.
    pub fn here() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: commit(Path::new(env!("CARGO_MANIFEST_DIR"))),
        }
    }
}

fn commit(sources: &Path) -> Option<String> {
    let commit = git(sources, &["rev-parse", "--short", "HEAD"])?;
    let changed = git(sources, &["status", "--porcelain", "--untracked-files=no"])?;
    let changed = if changed.is_empty() { "" } else { ", changed" };
    let time = git(sources, &["log", "-1", "--format=%ct"]);
    let time = time.and_then(|seconds| seconds.parse().ok());
    let old = if time.is_some_and(is_older_than) {
        ", program built before it"
    } else {
        ""
    };
    Some(format!("{commit}{changed}{old}"))
}

/// Whether this program's file was written before a time, in seconds since 1970: the sources have gone on since then,
/// so that their commit is not the program's.
fn is_older_than(seconds: u64) -> bool {
    let built = std::env::current_exe().and_then(|path| path.metadata()?.modified());
    let built = built.ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    built.is_some_and(|built| built.as_secs() < seconds)
}

/// What git says, without writing anything to the repository.
fn git(sources: &Path, args: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .arg("--no-optional-locks")
        .arg("-C")
        .arg(sources)
        .args(args)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// The time now, as `2026-08-12 09:30 UTC`.
pub fn now_utc() -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    utc(now.as_secs())
}

/// Date and time of these seconds since 1970 as digits: `20260812` and `093015`.
pub(crate) fn utc_digits(seconds: u64) -> (String, String) {
    let text = utc(seconds);
    let digits = |from: &str| {
        from.chars()
            .filter(char::is_ascii_digit)
            .collect::<String>()
    };
    let (date, clock) = text.split_once(' ').unwrap_or((&text, ""));
    (
        digits(date),
        format!("{}{:02}", digits(clock), seconds % 60),
    )
}

/// Days to a date by the algorithm of Howard Hinnant's `civil_from_days`.
fn utc(seconds: u64) -> String {
    let (days, minutes) = (seconds / 86_400, seconds % 86_400 / 60);
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Months are counted from March, so that the leap day is the last of the year.
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!(
        "{year}-{month:02}-{day:02} {:02}:{:02} UTC",
        minutes / 60,
        minutes % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_around_leap_days() {
        assert_eq!(utc(0), "1970-01-01 00:00 UTC");
        assert_eq!(utc(951_782_400), "2000-02-29 00:00 UTC");
        assert_eq!(utc(951_868_800 - 60), "2000-02-29 23:59 UTC");
        assert_eq!(utc(1_786_527_000), "2026-08-12 09:30 UTC");
        let digits = ("20260812".to_owned(), "093007".to_owned());
        assert_eq!(utc_digits(1_786_527_007), digits);
    }

    #[test]
    fn facts_are_read_from_the_systems_files() {
        assert_eq!(
            cpu("a: 1\nmodel name\t: Some CPU @ 2 GHz\n"),
            Some("Some CPU @ 2 GHz".into())
        );
        assert_eq!(memory_gib("MemTotal:  8388608 kB\n"), Some(8.0));
        assert_eq!(
            quoted("NAME=\"a\"\nPRETTY_NAME=\"b 1\"\n", "PRETTY_NAME"),
            Some("b 1".into())
        );
        assert_eq!(
            (cpu(""), memory_gib("MemTotal: x"), quoted("", "N")),
            (None, None, None)
        );
    }

    #[test]
    fn a_program_is_older_than_what_comes_after_it() {
        assert!(!is_older_than(0));
        assert!(is_older_than(u64::MAX));
    }

    #[test]
    fn this_machine_can_be_described() {
        let machine = Machine::here("flex");
        assert!(machine.cores >= 1 && !machine.cpu.is_empty() && machine.backend == "flex");
    }
}
