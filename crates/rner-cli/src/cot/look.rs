//! `rner cot status`, `export`, `view`, `import`, `merge` and `compact`: folders, without servers.

use std::path::{Path, PathBuf};

use anyhow::Result;
use atomic_files::Lock;
use ner_cot::Journal;
use ner_cot::batch::import_batch;
use ner_cot::bill::Bill;
use ner_cot::generate::export_dataset;
use ner_cot::journal::RealDisk;
use ner_cot::replay::replay;
use ner_cot::report::THRESHOLDS;
use rner::cot::{Job, MadeFrom, Money, Place, bill_text, budget_text, page, write_card};
use rner::report;
use rner::run_dir::write_atomic;
use rner_cli::args::ForceArgs;
use rner_cli::exit::usage;
use serde_json::json;

use super::args::{ExportArgs, StatusArgs, ViewArgs};

/// `rner cot status`.
pub(super) fn status(args: &StatusArgs) -> Result<()> {
    let Place {
        mut job, journal, ..
    } = place(&args.dir)?;
    job.decide(&args.rules.decisions());
    args.money.apply(&mut job.cot);
    let journal = Journal::open_to_read(&journal)?;
    let (plan, selection) = (job.plan()?, job.selection()?);
    let funnel = replay(&plan, &selection, &journal, job.target, &mut ())?;
    let prices = Money::from(&job.cot).prices;
    let bill = Bill::of(&journal, &prices)?;
    if args.json {
        let models: Vec<_> = bill
            .0
            .iter()
            .map(|((part, model), billed)| json!({"part": part, "model": model, "billed": billed}))
            .collect();
        let status = json!({
            "funnel": funnel,
            "models": models,
            "dollars": prices.is_known().then(|| bill.dollars()),
            "tokens": bill.tokens(),
            "unknown": bill.unknown(),
            "damaged_journal_lines": journal.damaged(),
        });
        println!("{}", serde_json::to_string_pretty(&status)?);
        return Ok(());
    }
    println!("types: {}", job.types.words());
    println!("{}", report::funnel_text(&funnel));
    let judged = funnel.judged().max(1) as f64;
    for threshold in THRESHOLDS {
        let accepted = funnel.accepted_at_threshold.get(&threshold).unwrap_or(&0);
        println!(
            "  a threshold of {threshold:>2} accepts {accepted} of {} judged answers ({:.1} %)",
            funnel.judged(),
            100.0 * *accepted as f64 / judged
        );
    }
    println!("{}", bill_text(&bill, &prices));
    if let Some(budget) = budget_text(&Money::from(&job.cot).budget) {
        println!("budget: {budget}");
    }
    if journal.damaged() > 0 {
        println!("{} lines of the journal are damaged", journal.damaged());
    }
    Ok(())
}

/// The job and the journal of a folder; which seed of a run is looked at is said on stderr.
fn place(dir: &Path) -> Result<Place> {
    let place = Place::find(dir)?;
    let others: Vec<String> = place
        .other_seeds
        .iter()
        .map(|dir| dir.display().to_string())
        .collect();
    if !others.is_empty() {
        let shown = place.job.data.display();
        rner_cli::say!(
            "the rows are those of {shown}; other seeds: {}",
            others.join(", ")
        );
    }
    Ok(place)
}

/// `rner cot export`.
pub(super) fn export(args: &ExportArgs) -> Result<()> {
    let Place {
        mut job,
        journal,
        out,
        ..
    } = place(&args.dir)?;
    job.decide(&args.rules.decisions());
    args.money.apply(&mut job.cot);
    job.describe(args.license.as_deref(), &args.language);
    let journal = Journal::open_to_read(&journal)?;
    let (plan, selection) = (job.plan()?, job.selection()?);
    let own = out;
    let out = args.out.as_ref().unwrap_or(&own);
    let _lock = Lock::folder(out)?;
    job.target = args.target.or(job.target);
    let made_from = MadeFrom::of(&job)?;
    let _keep = if is_own(out, &own) {
        made_from.guard(out, args.force.force)?
    } else {
        Some(args.force.keep(out))
    };
    let target = job.target;
    let (funnel, files) = export_dataset(&plan, &selection, &journal, target, out, &args.format)?;
    let bill = Bill::of(&journal, &Money::from(&job.cot).prices)?;
    write_card(&job, &plan, &funnel, &bill, &files, out)?;
    if is_own(out, &own) {
        made_from.write(out)?;
    }
    rner_cli::say!("{}", report::funnel_text(&funnel));
    files.iter().for_each(|file| println!("{}", file.display()));
    Ok(())
}

/// Whether a file or a folder is in the folder of the run, where a page is written again; what lies elsewhere is
/// somebody's.
fn is_own(path: &Path, own: &Path) -> bool {
    let full = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = if path.is_dir() {
        path
    } else {
        path.parent().unwrap_or(path)
    };
    full(folder) == full(own)
}

/// `rner cot view`.
pub(super) fn view(args: &ViewArgs) -> Result<()> {
    let mut place = place(&args.dir)?;
    place.job.decide(&args.rules.decisions());
    let page = page(&place.job, &place.journal, args.rows)?;
    let path = match &args.out {
        Some(path) => path.clone(),
        None => place.out.join("view.html"),
    };
    if let Some(folder) = path.parent() {
        atomic_files::fs::create_dir_all(folder)?;
    }
    let _lock = Lock::file(&path)?;
    let _keep = (!is_own(&path, &place.out)).then(|| args.force.keep(&path));
    write_atomic(&path, page.as_bytes())?;
    println!("{}", path.display());
    Ok(())
}

/// `rner cot import`.
pub(super) fn import(dir: &Path, results: &[PathBuf]) -> Result<()> {
    let job = Job::read(dir)?;
    let (plan, selection) = (job.plan()?, job.selection()?);
    let journal = Journal::open(dir)?;
    for file in results {
        let import = import_batch(&plan, &selection, &journal, file)?;
        println!(
            "{}: {} answers, {} known, {} of other requests, {} failed ({} refused for a reason of their own, not asked again)",
            file.display(),
            import.answers,
            import.known,
            import.foreign,
            import.failed,
            import.refused
        );
        import.errors.iter().for_each(|error| println!("  {error}"));
    }
    Ok(())
}

/// `rner cot merge`.
pub(super) fn merge(dirs: &[PathBuf], out: &Path, force: ForceArgs) -> Result<()> {
    let jobs: rner::Result<Vec<Job>> = dirs.iter().map(|dir| Job::read(dir)).collect();
    let jobs = jobs?;
    for (job, dir) in jobs.iter().zip(dirs) {
        if !job.is_part_of_same(&jobs[0]) {
            return Err(usage(format!(
                "{} and {} are parts of different jobs: compare their job.json",
                dirs[0].display(),
                dir.display()
            )));
        }
    }
    Job::check_free(out)?;
    if let Ok(whole) = Job::read(out)
        && !whole.is_part_of_same(&jobs[0])
    {
        if !force.force {
            return Err(usage(format!(
                "{} has another job: compare its job.json; name another folder with --out, or have the old one kept \
                 under another name with --force",
                out.display()
            )));
        }
        atomic_files::set_aside(out)?;
    }
    let merged = ner_cot::journal::merge(dirs, out)?;
    // The first part's settings are those of the whole; its answers are claimed with them.
    let manifest = dirs[0].join("manifest.json");
    if manifest.exists() {
        write_atomic(&out.join("manifest.json"), &std::fs::read(&manifest)?)?;
    }
    jobs[0].clone().whole().write(out)?;
    println!(
        "{} answers taken over, {} were there already; `rner cot export {}` writes the dataset",
        merged.added,
        merged.known,
        out.display()
    );
    Ok(())
}

/// `rner cot compact`.
pub(super) fn compact(dir: &Path) -> Result<()> {
    let done = ner_cot::journal::compact(dir, &RealDisk)?;
    println!(
        "{} answers, {} bytes before, {} after",
        done.answers, done.bytes_before, done.bytes_after
    );
    Ok(())
}
