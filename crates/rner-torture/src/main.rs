//! Tries to break `rner`: hostile teachers under a budget.
//!
//! `cargo xtask torture` builds this program and starts it. Every failure prints its seed and the
//! command that shows it again.

mod cli;
mod lab;
mod parts;
mod report;
mod tally;

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
