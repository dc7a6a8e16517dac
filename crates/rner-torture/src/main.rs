//! Tries to break `rner`: kills, damaged files, hostile servers and clients, full disks.
//!
//! `cargo xtask torture` builds this program and `rner` beside it, and starts it. Every failure prints its seed and the
//! command that shows it again.

mod cli;
mod lab;
mod parts;
mod report;
mod tally;
mod toolchain;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
