//! `rner export`: what `rner extract` found, written in another form without asking a model again.

use std::path::{Path, PathBuf};

use anyhow::Result;
use atomic_files::Lock;
use clap::Args;
use ner_datasets::FaultReport;
use ner_datasets::export::{
    ExportFormat, ExportOptions, ExportSource, Exported, HtmlOptions, export,
};
use rner_cli::args::ForceArgs;
use rner_cli::exit::usage;
use serde::Serialize;

/// How standard input is typed.
const STDIN: &str = "-";

/// Flags of `rner export`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ExportArgs {
    /// JSON lines of `rner extract`, or standard input (`-`); may be repeated, one after the other.
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    input: Vec<PathBuf>,
    /// Form to write: jsonl, csv, parquet, html, docbin (spaCy), brat (a folder), label-studio, doccano, prodigy,
    /// gliner or conll. If left out, the ending of the file says it.
    #[arg(long, value_name = "FORMAT")]
    to: Option<ExportFormat>,
    /// File to write, or folder.
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
    #[command(flatten)]
    html: HtmlArgs,
    #[command(flatten)]
    force: ForceArgs,
    /// Print what was written as JSON.
    #[arg(long)]
    json: bool,
}

/// How a page for people is written.
#[derive(Clone, Debug, Args)]
pub(crate) struct HtmlArgs {
    /// Most texts that a page of HTML shows; it counts all, and names those that it does not show.
    #[arg(long, value_name = "N", default_value_t = HtmlOptions::default().rows)]
    html_rows: usize,
    /// Title of a page of HTML.
    #[arg(long, value_name = "TEXT", default_value_t = HtmlOptions::default().title)]
    html_title: String,
}

impl HtmlArgs {
    fn options(&self) -> HtmlOptions {
        HtmlOptions {
            rows: self.html_rows,
            title: self.html_title.clone(),
        }
    }
}

#[derive(Serialize)]
struct Told<'a> {
    output: &'a Path,
    beside: Option<&'a Path>,
    to: &'static str,
    rows: usize,
    entities: usize,
    left_out: &'a FaultReport,
}

/// Runs the command.
///
/// # Errors
/// Wrong usage, rows that cannot be read, an output that cannot be written or is there already.
pub(crate) fn run(args: &ExportArgs) -> Result<()> {
    let format = args.format()?;
    let sources = sources(&args.input, &args.out)?;
    let _lock = Lock::file(&args.out)?;
    let _keep = args.force.keep(&args.out);
    // The labels of Label Studio are beside its tasks.
    let _keep_beside = args.force.keep(&args.out.with_extension("labels.xml"));
    let options = ExportOptions {
        html: args.html.options(),
        sets_aside: args.force.force,
        ..ExportOptions::default()
    };
    let exported = export(sources, &args.out, format, &options)?;
    args.tell(format, &exported)
}

impl ExportArgs {
    fn format(&self) -> Result<ExportFormat> {
        let said = self.to.or_else(|| ExportFormat::of_ending(&self.out));
        said.ok_or_else(|| {
            let names = ExportFormat::ALL.map(ExportFormat::name).join(", ");
            usage(format!(
                "--to FORMAT is missing ({names}): {} may be of several forms",
                self.out.display()
            ))
        })
    }

    fn tell(&self, format: ExportFormat, exported: &Exported) -> Result<()> {
        let told = Told {
            output: &self.out,
            beside: exported.beside.as_deref(),
            to: format.name(),
            rows: exported.n_rows,
            entities: exported.n_mentions,
            left_out: &exported.left_out,
        };
        if self.json {
            println!("{}", serde_json::to_string_pretty(&told)?);
            return Ok(());
        }
        println!(
            "{} rows with {} entities as {format} in {}",
            told.rows,
            told.entities,
            self.out.display()
        );
        if let Some(beside) = told.beside {
            println!("{}", beside.display());
        }
        print_left_out(told.left_out);
        Ok(())
    }
}

/// The files, none of which is the one to be written.
fn sources(input: &[PathBuf], out: &Path) -> Result<Vec<ExportSource>> {
    let source = |path: &PathBuf| {
        if path == Path::new(STDIN) {
            let (name, rows) = ("standard input".into(), Box::new(std::io::stdin()));
            return Ok(ExportSource { name, rows });
        }
        if matches!((path.canonicalize(), out.canonicalize()), (Ok(a), Ok(b)) if a == b) {
            return Err(usage("--input and --out are the same file"));
        }
        Ok(ExportSource::file(path)?)
    };
    input.iter().map(source).collect()
}

/// What the form could not hold: how much of each kind, and the first places.
fn print_left_out(left_out: &FaultReport) {
    for (kind, count) in &left_out.counts {
        println!("  {count} × {kind}: {}", kind.remedy());
        for fault in left_out.first.iter().filter(|fault| fault.kind == *kind) {
            println!(
                "    line {}: expected {}, found {}",
                fault.line, fault.expected, fault.found
            );
        }
    }
}
