//! `rner data list` and `rner data fetch`: the catalogue and its downloads.

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use ner_datasets::{Catalogue, CatalogueEntry, CatalogueFile, FetchOptions, Fetched, fetch};

use super::{FetchArgs, ListArgs, print_json};

/// Prints the catalogue.
pub(super) fn list(args: &ListArgs) -> Result<()> {
    let catalogue = catalogue()?;
    if args.json {
        return print_json(&catalogue.datasets);
    }
    for entry in &catalogue.datasets {
        println!("{}  {}", entry.name, entry.title);
        println!("    home     {}", entry.home);
        println!("    licence  {}", entry.licence);
        println!("    format   {}", entry.format);
        println!("    files    {}", files(entry));
        if let Some(note) = &entry.note {
            println!("    note     {note}");
        }
    }
    Ok(())
}

fn catalogue() -> Result<Catalogue> {
    Catalogue::shipped().context("the catalogue of this build")
}

fn files(entry: &CatalogueEntry) -> String {
    match (entry.files.len(), entry.is_pinned()) {
        (0, _) => "none that can be fetched".into(),
        (n, true) => format!("{n}, with pinned hashes"),
        (n, false) => format!("{n}, not pinned"),
    }
}

/// Downloads datasets.
pub(super) fn run(args: &FetchArgs) -> Result<()> {
    let catalogue = catalogue()?;
    let entries = entries(args, &catalogue)?;
    let options = FetchOptions {
        attempts: args.attempts as usize,
        ..FetchOptions::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the downloads")?;
    let mut all = Vec::new();
    for entry in entries {
        eprintln!(
            "{}: licence {}; see {}",
            entry.name, entry.licence, entry.home
        );
        for file in &entry.files {
            let fetched = runtime.block_on(download(args, file, &options))?;
            if !args.json {
                println!("{}", line(&fetched));
            }
            all.push(fetched);
        }
    }
    if args.json {
        print_json(&all)?;
    }
    Ok(())
}

fn entries<'a>(args: &FetchArgs, catalogue: &'a Catalogue) -> Result<Vec<&'a CatalogueEntry>> {
    if args.all {
        let pinned = catalogue.datasets.iter().filter(|entry| entry.is_pinned());
        return Ok(pinned.collect());
    }
    args.names
        .iter()
        .map(|name| entry(name, catalogue))
        .collect()
}

fn entry<'a>(name: &str, catalogue: &'a Catalogue) -> Result<&'a CatalogueEntry> {
    let Some(entry) = catalogue.get(name) else {
        let names: Vec<&str> = catalogue.datasets.iter().map(|e| e.name.as_str()).collect();
        let message = format!(
            "{name}: not in the catalogue, which has {}",
            names.join(", ")
        );
        return Err(rner_cli::exit::usage(message));
    };
    if entry.files.is_empty() {
        let note = entry.note.as_deref().unwrap_or_default();
        let message = format!(
            "{name} cannot be fetched by a program. {note} Home: {}",
            entry.home
        );
        return Err(rner_cli::exit::usage(message));
    }
    Ok(entry)
}

async fn download(
    args: &FetchArgs,
    file: &CatalogueFile,
    options: &FetchOptions,
) -> Result<Fetched> {
    let bar = ProgressBar::no_length().with_style(ProgressStyle::with_template(
        "{msg} {bytes}/{total_bytes} {bytes_per_sec}",
    )?);
    bar.set_message(file.path.clone());
    let fetched = fetch(&args.into, file, options, |progress| {
        if let Some(total) = progress.total {
            bar.set_length(total);
        }
        bar.set_position(progress.bytes);
    })
    .await;
    bar.finish_and_clear();
    Ok(fetched?)
}

fn line(fetched: &Fetched) -> String {
    let state = match (fetched.was_here, fetched.is_pinned) {
        (true, _) => "was here, hash as pinned",
        (false, true) => "hash as pinned",
        (false, false) => "not pinned",
    };
    let Fetched {
        path,
        sha256,
        bytes,
        ..
    } = fetched;
    format!(
        "{}  {bytes} bytes  sha256 {sha256}  {state}",
        path.display()
    )
}
