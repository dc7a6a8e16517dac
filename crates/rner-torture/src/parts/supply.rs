//! What may be built into the program: advisories, licences, sources of all dependencies, by `cargo deny` and
//! `deny.toml`.

use anyhow::Result;

use crate::lab::Lab;
use crate::tally::Tally;
use crate::toolchain::{self, Ended};

/// Lines of a failed check that are shown; `cargo deny check` shows all of them.
const SHOWN: usize = 40;

pub(crate) fn run(lab: &Lab, tally: &mut Tally) -> Result<()> {
    if !toolchain::has("cargo", &["deny"]) {
        tally.skip(
            "advisories, licences and sources: `cargo install --locked cargo-deny`, and again",
        );
        return Ok(());
    }
    let checks = ["--locked", "check", "bans", "licenses", "sources"];
    let ended = deny(lab, &checks)?;
    tally.count("crates", n_crates(&ended.words).unwrap_or(0));
    enter(&ended, lab, tally);
    // The database is a repository on GitHub. Without it this is the only check that cannot be done.
    let fetched = deny(lab, &["fetch", "db"])?;
    if fetched.is_success {
        enter(
            &deny(lab, &["--offline", "check", "advisories"])?,
            lab,
            tally,
        );
    } else {
        let why = first_error(&fetched.words);
        tally.skip(format!(
            "advisories, whose database cannot be fetched ({why})"
        ));
    }
    Ok(())
}

fn deny(lab: &Lab, args: &[&str]) -> Result<Ended> {
    let mut command = toolchain::cargo(&lab.source(""))?;
    command.args(["deny", "--log-level", "info", "--color", "never"]);
    toolchain::run(command.args(args))
}

fn enter(ended: &Ended, lab: &Lab, tally: &mut Tally) {
    if !ended.is_success {
        let tail = ended.tail(SHOWN);
        tally.fail(lab.seed(), format!("`cargo deny check` refuses:\n{tail}"));
    }
}

/// How many crates were looked at, as the tool says it.
fn n_crates(words: &str) -> Option<u64> {
    let (_, rest) = words.split_once("gathered ")?;
    rest.split(' ').next()?.parse().ok()
}

/// The reason in one line.
fn first_error(words: &str) -> &str {
    let mut lines = words.lines();
    let fatal = lines.find_map(|line| line.trim().strip_prefix("fatal: "));
    fatal.unwrap_or("no reason was given")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tool_is_read_as_it_writes() {
        let words = "2026-01-02 03:04:05 [INFO] gathering crates for /a/Cargo.toml\n\
                     2026-01-02 03:04:06 [INFO] gathered 483 crates in 646ms\n";
        assert_eq!(n_crates(words), Some(483));
        let words = "[ERROR] failed to fetch\nCloning into 'x'...\nfatal: unable to access 'y'\n";
        assert_eq!(first_error(words), "unable to access 'y'");
    }
}
