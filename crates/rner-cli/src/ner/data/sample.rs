//! `rner data sample`: the paper's proportional sample over the in-domain training sets.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ner_datasets::{
    Draw, Format, IN_DOMAIN_SETS, MIT_SETS, Policy, ReadOptions, Row, SampleConfig, draw, open,
    set_key, write_rows,
};
use rner::inputs::with_schema;
use serde::Serialize;

use super::{SampleArgs, print_json};

/// A training set that was found.
struct Source {
    name: &'static str,
    path: PathBuf,
    format: Format,
    options: ReadOptions,
    size: usize,
}

#[derive(Serialize)]
struct Quota {
    set: &'static str,
    path: PathBuf,
    rows: usize,
    drawn: usize,
}

#[derive(Serialize)]
struct Summary {
    out: PathBuf,
    config: SampleConfig,
    rows: usize,
    missing: Vec<&'static str>,
    quotas: Vec<Quota>,
}

/// Draws the sample.
pub(super) fn run(args: &SampleArgs) -> Result<()> {
    let policy = args.faults.policy()?;
    let wanted = wanted(args)?;
    let (sources, missing) = find_all(args, &wanted, policy)?;
    let config = SampleConfig {
        total: args.total,
        cap: args.cap,
        seed: args.seed,
        shuffle: args.shuffle,
    };
    let sizes: Vec<(&str, usize)> = sources.iter().map(|s| (s.name, s.size)).collect();
    let draws = draw(&sizes, &config);
    let rows = pick(&sources, &draws)?;
    let written = write_rows(&args.out, args.to, rows.into_iter().map(Ok), policy)?;
    let summary = Summary {
        out: args.out.clone(),
        config,
        rows: written.n_rows,
        missing,
        quotas: quotas(&sources, &draws),
    };
    print(args, &summary)
}

/// The sets of the paper's list that are not left out.
fn wanted(args: &SampleArgs) -> Result<Vec<&'static str>> {
    let mut left_out: HashSet<String> = HashSet::new();
    for name in &args.without {
        let key = set_key(name);
        if !IN_DOMAIN_SETS.iter().any(|set| set_key(set) == key) {
            let sets = IN_DOMAIN_SETS.join(", ");
            let message = format!("--without {name}: not one of the in-domain sets ({sets})");
            return Err(rner_cli::exit::usage(message));
        }
        left_out.insert(key);
    }
    if args.without_mit {
        left_out.extend(MIT_SETS.map(set_key));
    }
    let kept = IN_DOMAIN_SETS.into_iter();
    Ok(kept
        .filter(|set| !left_out.contains(&set_key(set)))
        .collect())
}

fn find_all(
    args: &SampleArgs,
    wanted: &[&'static str],
    policy: Policy,
) -> Result<(Vec<Source>, Vec<&'static str>)> {
    let folders = folders(&args.data)?;
    let (mut sources, mut missing) = (Vec::new(), Vec::new());
    for name in wanted {
        match folders.get(&set_key(name)).and_then(|dir| train_file(dir)) {
            Some(path) => sources.push(source(name, path, policy)?),
            None => missing.push(*name),
        }
    }
    let is_enough = args.allow_missing && !sources.is_empty();
    if !missing.is_empty() && !is_enough {
        let message = format!(
            "{}: no training split of {}; --allow-missing samples from the others, --without leaves a set out",
            args.data.display(),
            missing.join(", ")
        );
        return Err(rner_cli::exit::usage(message));
    }
    Ok((sources, missing))
}

/// The folders by the keys of their names.
fn folders(dir: &Path) -> Result<HashMap<String, PathBuf>> {
    let entries = fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))?;
    let mut folders = HashMap::new();
    for entry in entries {
        let entry = entry?;
        if entry.path().is_dir() {
            folders.insert(set_key(&entry.file_name().to_string_lossy()), entry.path());
        }
    }
    Ok(folders)
}

fn train_file(dir: &Path) -> Option<PathBuf> {
    let endings = ["json", "jsonl", "parquet", "txt", "tsv", "bio", "conll"];
    let paths = endings
        .iter()
        .map(|ending| dir.join(format!("train.{ending}")));
    paths.into_iter().find(|path| path.is_file())
}

fn source(name: &'static str, path: PathBuf, policy: Policy) -> Result<Source> {
    let format = Format::detect(&path)?;
    let options = ReadOptions {
        dataset: Some(name.into()),
        guid_prefix: Some(format!("{name}-train")),
        policy,
        ..ReadOptions::default()
    };
    let options = with_schema(&path, format, options)?;
    let mut size = 0;
    for row in open(&path, format, options.clone())? {
        row?;
        size += 1;
    }
    Ok(Source {
        name,
        path,
        format,
        options,
        size,
    })
}

/// Reads the drawn rows, each file once, and puts them in the order of the draw.
fn pick(sources: &[Source], draws: &[Draw]) -> Result<Vec<Row>> {
    let mut rows: HashMap<Draw, Row> = HashMap::with_capacity(draws.len());
    for (i, source) in sources.iter().enumerate() {
        let of_source = draws.iter().filter(|(set, _)| *set == i);
        let picked: BTreeSet<usize> = of_source.map(|(_, row)| *row).collect();
        let reader = open(&source.path, source.format, source.options.clone())?;
        for (k, row) in reader.enumerate() {
            let row = row?;
            if picked.contains(&k) {
                rows.insert((i, k), row);
            }
        }
    }
    let row = |draw: &Draw| {
        rows.remove(draw)
            .context("a file changed while it was read")
    };
    draws.iter().map(row).collect()
}

fn quotas(sources: &[Source], draws: &[Draw]) -> Vec<Quota> {
    let quota = |(i, source): (usize, &Source)| Quota {
        set: source.name,
        path: source.path.clone(),
        rows: source.size,
        drawn: draws.iter().filter(|(set, _)| *set == i).count(),
    };
    sources.iter().enumerate().map(quota).collect()
}

fn print(args: &SampleArgs, summary: &Summary) -> Result<()> {
    if args.json {
        return print_json(summary);
    }
    for quota in &summary.quotas {
        println!("{:>6} of {:>7}  {}", quota.drawn, quota.rows, quota.set);
    }
    println!("{} rows in {}", summary.rows, summary.out.display());
    if !summary.missing.is_empty() {
        println!("missing: {}", summary.missing.join(", "));
    }
    let has_mit = |quota: &Quota| MIT_SETS.contains(&quota.set) && quota.drawn > 0;
    if summary.quotas.iter().any(has_mit) {
        println!(
            "the sample has rows of mit-movie or mit-restaurant, which are benchmark sets; --without-mit leaves them out"
        );
    }
    Ok(())
}
