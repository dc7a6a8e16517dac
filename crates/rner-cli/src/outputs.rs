//! Every flag that names a file or folder to write is in `tests/outputs.txt`, whose lines are tried by
//! `tests/cli/finished.rs`.

use clap::{Arg, Command, CommandFactory};

use crate::cli::Cli;

/// Flags and arguments that name what is written, if they have a value.
const NAMES: [&str; 6] = ["out", "output", "into", "batch", "html", "json"];

/// How the help of others begins.
const WORDS: [&str; 3] = ["Folder for ", "File to write", "Folder that receives"];

fn is_output(arg: &Arg) -> bool {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let is_named = NAMES.contains(&arg.get_id().as_str());
    arg.get_action().takes_values() && (is_named || WORDS.iter().any(|word| help.starts_with(word)))
}

fn name(arg: &Arg) -> String {
    match arg.get_long() {
        Some(long) => format!("--{long}"),
        None => arg.get_id().as_str().to_uppercase(),
    }
}

/// The outputs of a command and of those below it.
fn outputs(path: &str, command: &Command, found: &mut Vec<String>) {
    let args = command.get_arguments().filter(|arg| is_output(arg));
    found.extend(args.map(|arg| format!("{path}{}", name(arg))));
    for below in command
        .get_subcommands()
        .filter(|below| !below.is_hide_set())
    {
        outputs(&format!("{path}{} ", below.get_name()), below, found);
    }
}

#[test]
fn whatever_a_command_writes_is_in_the_table() {
    let mut found = Vec::new();
    outputs("", &Cli::command(), &mut found);
    found.sort();
    let table: Vec<&str> = include_str!("../tests/outputs.txt").lines().collect();
    assert_eq!(found, table, "see tests/cli/finished.rs");
}
