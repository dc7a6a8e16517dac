//! `rner data list` and `rner data fetch`: the catalogue and its downloads.

use std::path::Path;

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use ner_datasets::{
    Catalogue, CatalogueEntry, CatalogueFile, Checked, FetchOptions, Fetched, Group, default_cache,
    fetch,
};

use super::{FetchArgs, ListArgs, print_json};

/// Prints the catalogue.
pub(super) fn list(args: &ListArgs) -> Result<()> {
    let catalogue = catalogue()?;
    match (args.json, args.groups) {
        (true, true) => return print_json(&catalogue.groups),
        (true, false) => return print_json(&catalogue.datasets),
        (false, true) => {}
        (false, false) => catalogue.datasets.iter().for_each(show),
    }
    catalogue.groups.iter().for_each(show_group);
    Ok(())
}

fn show(entry: &CatalogueEntry) {
    println!("{}  {}", entry.name, entry.title);
    println!("    home     {}", entry.home);
    println!("    licence  {}", entry.licence);
    println!("    format   {}", entry.format);
    println!("    files    {}", files(entry));
    if let Some(accept) = &entry.accept {
        println!("    accept   {accept}, before `rner reproduce` uses it");
    }
    if let Some(note) = &entry.note {
        println!("    note     {note}");
    }
}

fn show_group(group: &Group) {
    println!("{}  {}", group.name, group.title);
    for member in &group.members {
        let place = member.dataset.as_ref().or(member.remedy.as_ref());
        let place = place.map_or("not known", String::as_str);
        println!("    {:<20} {place}", member.name);
    }
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
    let into = args.into.clone().unwrap_or_else(default_cache);
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
        rner_cli::say!(
            "{}: licence {}; see {}",
            entry.name,
            entry.licence,
            entry.home
        );
        for file in &entry.files {
            let fetched = runtime.block_on(download_or_stop(&into, file, &options))?;
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
    let mut entries = Vec::new();
    for name in &args.names {
        match catalogue.group(name) {
            Some(group) => entries.extend(of_group(group, catalogue)),
            None => entries.push(entry(name, catalogue)?),
        }
    }
    Ok(entries)
}

/// The datasets of a group; what no program can fetch is named on stderr.
fn of_group<'a>(group: &Group, catalogue: &'a Catalogue) -> Vec<&'a CatalogueEntry> {
    let mut entries: Vec<&CatalogueEntry> = Vec::new();
    for member in &group.members {
        match catalogue.dataset_of(member) {
            Some(entry) if entries.iter().any(|known| known.name == entry.name) => {}
            Some(entry) => entries.push(entry),
            None => {
                let remedy = member.remedy.as_deref().unwrap_or_default();
                rner_cli::say!("{}: cannot be fetched: {remedy}", member.name);
            }
        }
    }
    entries
}

fn entry<'a>(name: &str, catalogue: &'a Catalogue) -> Result<&'a CatalogueEntry> {
    let Some(entry) = catalogue.get(name) else {
        let names: Vec<&str> = catalogue.names().collect();
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

/// What a signal breaks off stays as a part, from which the next call goes on.
async fn download_or_stop(
    into: &Path,
    file: &CatalogueFile,
    options: &FetchOptions,
) -> Result<Fetched> {
    tokio::select! {
        fetched = download(into, file, options) => fetched,
        () = rner_cli::interrupt::token().cancelled() => Err(rner::Error::Interrupted.into()),
    }
}

async fn download(into: &Path, file: &CatalogueFile, options: &FetchOptions) -> Result<Fetched> {
    let bar = ProgressBar::no_length().with_style(ProgressStyle::with_template(
        "{msg} {bytes}/{total_bytes} {bytes_per_sec}",
    )?);
    bar.set_message(file.path.clone());
    let fetched = fetch(into, file, options, |progress| {
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
    let here = if fetched.was_here { "was here, " } else { "" };
    let state = match fetched.checked {
        Checked::Catalogue => "hash as pinned",
        Checked::Hub => "hash as the Hub states",
        Checked::FirstUse => "hash as when it was first fetched",
        Checked::Nothing => "first use: the hash is kept and compared from now on",
    };
    let Fetched {
        path,
        sha256,
        bytes,
        ..
    } = fetched;
    format!(
        "{}  {bytes} bytes  sha256 {sha256}  {here}{state}",
        path.display()
    )
}
