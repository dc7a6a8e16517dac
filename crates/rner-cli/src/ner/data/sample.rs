//! `rner data sample`: the paper's proportional sample over the in-domain training sets.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

use anyhow::{Context, Result};
use atomic_files::Lock;
use ner_datasets::{
    Catalogue, Draw, LabelMap, MIT_SETS, Member, Policy, Row, SampleConfig, SetOnDisk, Split, draw,
    set_key, write_rows,
};
use serde::Serialize;

use super::{SampleArgs, print_json};

/// The group of the catalogue from which the sample is drawn.
const GROUP: &str = "instructuie-20";

/// A training set that was found.
struct Source {
    set: SetOnDisk,
    size: usize,
}

#[derive(Serialize)]
struct Quota {
    set: String,
    files: Vec<PathBuf>,
    rows: usize,
    drawn: usize,
}

#[derive(Serialize)]
struct Summary {
    out: PathBuf,
    config: SampleConfig,
    label_map: String,
    rows: usize,
    /// Rows with other names of labels than in their files.
    renamed: usize,
    missing: Vec<Missing>,
    quotas: Vec<Quota>,
}

/// A set that is not there.
#[derive(Serialize)]
struct Missing {
    set: String,
    /// Rows that it would give if it had as many as count.
    up_to: usize,
    /// How to get it.
    remedy: String,
}

/// Draws the sample.
pub(super) fn run(args: &SampleArgs) -> Result<()> {
    let policy = args.faults.policy()?;
    let _lock = Lock::file(&args.out)?;
    let _keep = args.force.keep(&args.out);
    let catalogue = Catalogue::shipped().context("the catalogue of this build")?;
    let wanted = wanted(args, &catalogue)?;
    let (sources, missing) = find_all(args, &catalogue, &wanted, policy)?;
    let config = SampleConfig {
        total: args.total,
        cap: args.cap,
        seed: args.seed,
        shuffle: args.shuffle,
    };
    let sizes: Vec<(&str, usize)> = sources
        .iter()
        .map(|s| (s.set.name.as_str(), s.size))
        .collect();
    let draws = draw(&sizes, &config);
    let mut rows = pick(&sources, &draws, policy)?;
    let renamed = rename(&mut rows, args)?;
    let written = write_rows(&args.out, args.to, rows.into_iter().map(Ok), policy)?;
    let summary = Summary {
        out: args.out.clone(),
        label_map: args.label_map.clone(),
        rows: written.n_rows,
        renamed,
        missing: told(&missing, &catalogue, &sources, &config),
        quotas: quotas(&sources, &draws),
        config,
    };
    print(args, &summary)
}

/// Gives the rows the names of labels that are asked for; gives how many changed.
fn rename(rows: &mut [Row], args: &SampleArgs) -> Result<usize> {
    let map = LabelMap::find(&args.label_map).map_err(|e| rner_cli::exit::usage(e.to_string()))?;
    let rename = |row: &mut Row| {
        let set = row.example.dataset.clone().unwrap_or_default();
        usize::from(map.apply(&set, &mut row.example) > 0)
    };
    Ok(rows.iter_mut().map(rename).sum())
}

/// The sets of the paper's list that are not left out.
fn wanted<'c>(args: &SampleArgs, catalogue: &'c Catalogue) -> Result<Vec<&'c Member>> {
    let group = catalogue.group(GROUP).context("the group of the sample")?;
    let mut left_out: Vec<String> = Vec::new();
    for name in &args.without {
        if !group
            .members
            .iter()
            .any(|set| set_key(&set.name) == set_key(name))
        {
            let sets: Vec<&str> = group.members.iter().map(|set| set.name.as_str()).collect();
            let sets = sets.join(", ");
            let message = format!("--without {name}: not one of the in-domain sets ({sets})");
            return Err(rner_cli::exit::usage(message));
        }
        left_out.push(set_key(name));
    }
    if args.without_mit {
        left_out.extend(MIT_SETS.map(set_key));
    }
    let kept = group.members.iter();
    Ok(kept
        .filter(|set| !left_out.contains(&set_key(&set.name)))
        .collect())
}

fn find_all<'c>(
    args: &SampleArgs,
    catalogue: &Catalogue,
    wanted: &[&'c Member],
    policy: Policy,
) -> Result<(Vec<Source>, Vec<&'c Member>)> {
    let (mut sources, mut missing) = (Vec::new(), Vec::new());
    for member in wanted {
        let entry = catalogue.dataset_of(member);
        let set = SetOnDisk::find(member, entry, &args.data);
        match set.filter(|set| set.has(Split::Train)) {
            Some(set) => sources.push(source(set, policy)?),
            None => missing.push(*member),
        }
    }
    let is_enough = args.allow_missing && !sources.is_empty();
    if !missing.is_empty() && !is_enough {
        let names: Vec<&str> = missing.iter().map(|member| member.name.as_str()).collect();
        let message = format!(
            "{}: no training split of {}; --allow-missing samples from the others, --without leaves a set out",
            args.data.display(),
            names.join(", ")
        );
        return Err(rner_cli::exit::usage(message));
    }
    Ok((sources, missing))
}

fn source(set: SetOnDisk, policy: Policy) -> Result<Source> {
    let mut size = 0;
    for row in set.rows(Split::Train, policy)? {
        row?;
        size += 1;
    }
    Ok(Source { set, size })
}

/// What is to be said about the sets that are not there.
fn told(
    missing: &[&Member],
    catalogue: &Catalogue,
    sources: &[Source],
    config: &SampleConfig,
) -> Vec<Missing> {
    let sizes: Vec<usize> = sources.iter().map(|source| source.size).collect();
    let up_to = ner_datasets::missing_quota(&sizes, missing.len(), config);
    let remedy = |member: &Member| match catalogue.dataset_of(member) {
        Some(entry) => format!("rner data fetch {}", entry.name),
        None => member.remedy.clone().unwrap_or_default(),
    };
    let told = missing.iter().map(|member| Missing {
        set: member.name.clone(),
        up_to,
        remedy: remedy(member),
    });
    told.collect()
}

/// Reads the drawn rows, each set once, and puts them in the order of the draw.
fn pick(sources: &[Source], draws: &[Draw], policy: Policy) -> Result<Vec<Row>> {
    let mut rows: HashMap<Draw, Row> = HashMap::with_capacity(draws.len());
    for (i, source) in sources.iter().enumerate() {
        let of_source = draws.iter().filter(|(set, _)| *set == i);
        let picked: BTreeSet<usize> = of_source.map(|(_, row)| *row).collect();
        for (k, row) in source.set.rows(Split::Train, policy)?.enumerate() {
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
        set: source.set.name.clone(),
        files: source.set.files(Split::Train).map(Into::into).collect(),
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
    if summary.renamed > 0 {
        println!(
            "{} rows with the label names of {}",
            summary.renamed, summary.label_map
        );
    }
    for Missing { set, up_to, remedy } in &summary.missing {
        println!("missing: {set}, up to {up_to} rows: {remedy}");
    }
    let has_mit = |quota: &Quota| MIT_SETS.contains(&quota.set.as_str()) && quota.drawn > 0;
    if summary.quotas.iter().any(has_mit) {
        println!(
            "the sample has rows of mit-movie or mit-restaurant, which are benchmark sets; --without-mit leaves them out"
        );
    }
    Ok(())
}
