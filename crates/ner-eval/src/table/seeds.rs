//! Systems beside each other, each over all its seeds.

use ner_datasets::BENCHMARK_SETS;
use serde::Serialize;

use super::names::{in_the_papers_order, is_benchmark, set_names, short_name};
use super::{ABSENT, Block, ResultTable, Row, paper_cells};
use crate::paper::{PaperRow, TABLE_1};
use crate::result::EvalResult;

/// What one seed of a system reached.
#[derive(Clone, Copy, Debug)]
pub struct SeedResult<'a> {
    /// Name of the system; the results of one name are one system.
    pub name: &'a str,
    /// The seed.
    pub seed: u64,
    /// The scores.
    pub result: &'a EvalResult,
}

/// The results of systems, one row each, with the mean and the deviation over the seeds where there are several.
#[derive(Clone, Debug)]
pub struct SeedTable<'a> {
    /// Names of the sets: in the order of the paper's columns if they are called like its sets, else in the order in
    /// which they occur.
    pub sets: Vec<&'a str>,
    /// A row for each system.
    pub rows: Vec<SeedRow>,
}

/// The paper's rows that may stand beneath a table: those on the same test sets, see [`PaperRow::b2ner_test_sets`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PaperBeside {
    /// Whether the test sets have B2NER's label names.
    pub b2ner_test_sets: bool,
    /// The row of the same base model, whose distance to the last system is shown.
    pub same_base: Option<&'static PaperRow>,
}

/// Names of the columns of other means, on the paper's seven sets: the five CrossNER sets, without the two whose train
/// splits the paper's GRPO data contain; and the mean as the paper rounds it.
const OTHER_MEANS: [&str; 2] = ["CrossNER", "rounded"];

/// A row: a system over all its seeds, or one of them. Its cells are ready to be shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SeedRow {
    /// Name of the system, or its seed.
    pub name: String,
    /// F1 of each set in percent.
    pub cells: Vec<String>,
    /// The mean of the sets; with the sample standard deviation where there are several seeds.
    pub score: String,
    /// The other means, in the order of [`SeedTable::other_means`].
    pub others: Vec<String>,
    /// The 95 % interval of the mean, or the number of seeds.
    pub spread: String,
    /// The seeds, where there are several.
    pub seeds: Vec<SeedRow>,
    /// The figures behind the cells.
    #[serde(skip)]
    values: Values,
}

/// F1 in percent of one run, or the means over the runs of a system.
#[derive(Clone, Debug, Default, PartialEq)]
struct Values {
    sets: Vec<Option<f64>>,
    mean: f64,
    crossner: Option<f64>,
    rounded: f64,
}

impl Values {
    fn of(result: &EvalResult, sets: &[&str]) -> Values {
        Values {
            sets: sets
                .iter()
                .map(|set| result.set(set).map(|set| set.f1))
                .collect(),
            mean: result.mean_f1,
            crossner: result.mean_over(|name| name.starts_with("CrossNER_")),
            rounded: result.mean_f1_paper,
        }
    }

    fn mean(runs: &[Values]) -> Values {
        let columns = runs.first().map_or(0, |run| run.sets.len());
        let set = |at: usize| mean(runs.iter().filter_map(|run| run.sets[at]));
        Values {
            sets: (0..columns).map(set).collect(),
            mean: mean(runs.iter().map(|run| run.mean)).unwrap_or(0.0),
            crossner: mean(runs.iter().filter_map(|run| run.crossner)),
            rounded: mean(runs.iter().map(|run| run.rounded)).unwrap_or(0.0),
        }
    }

    fn cells(&self) -> Vec<String> {
        let cell = |f1: &Option<f64>| f1.map_or(ABSENT.into(), |f1| format!("{f1:.2}"));
        self.sets.iter().map(cell).collect()
    }

    fn others(&self, sets: &[&str]) -> Vec<String> {
        if other_means(sets).is_empty() {
            return Vec::new();
        }
        let crossner = self
            .crossner
            .map_or(ABSENT.into(), |mean| format!("{mean:.2}"));
        vec![crossner, format!("{:.2}", self.rounded)]
    }
}

impl<'a> SeedTable<'a> {
    /// Collects the results of each system, in the order in which they occur.
    pub fn new(results: &[SeedResult<'a>]) -> SeedTable<'a> {
        let mut sets = set_names(results.iter().map(|run| run.result));
        in_the_papers_order(&mut sets);
        let systems = by_system(results);
        let rows = systems.iter().map(|(name, runs)| row(name, runs, &sets));
        SeedTable {
            rows: rows.collect(),
            sets,
        }
    }

    /// The sets under short names.
    pub fn columns(&self) -> Vec<String> {
        self.sets.iter().map(|set| short_name(set)).collect()
    }

    /// Whether these are sets of the paper, whose figures may stand beside them.
    pub fn is_benchmark(&self) -> bool {
        !self.sets.is_empty() && is_benchmark(&self.sets)
    }

    /// Names of the columns of other means, between the mean and its interval; none on other sets than the paper's.
    pub fn other_means(&self) -> &'static [&'static str] {
        other_means(&self.sets)
    }

    /// The table to print, with rows of the paper beneath it, marked as its, where they are on the same test sets.
    pub fn table(&self, beside: Option<PaperBeside>) -> ResultTable {
        let last = ["mean"]
            .iter()
            .chain(self.other_means())
            .chain(&["95 % interval"]);
        let header = Row {
            name: "F1 in percent".into(),
            cells: self
                .columns()
                .into_iter()
                .chain(last.map(|name| (*name).to_owned()))
                .collect(),
        };
        let mut rows = Vec::new();
        for row in &self.rows {
            rows.push(line("", row));
            rows.extend(row.seeds.iter().map(|seed| line("  ", seed)));
        }
        let paper = self.beside(beside).into_iter();
        rows.extend(paper.map(|(name, cells)| Row { name, cells }));
        let block = Block {
            title: None,
            header: Some(header),
            rows,
            is_paper: false,
        };
        ResultTable {
            blocks: vec![block],
            notes: Vec::new(),
        }
    }

    /// Names and cells of the paper's rows, and of the distance between the last system and the paper's row of the same
    /// base model; the cells are those of sets and means.
    pub fn beside(&self, beside: Option<PaperBeside>) -> Vec<(String, Vec<String>)> {
        let Some(beside) = beside.filter(|_| self.is_benchmark()) else {
            return Vec::new();
        };
        let own = TABLE_1.iter().filter(|row| {
            row.model.starts_with("ReasoningNER") && row.b2ner_test_sets == beside.b2ner_test_sets
        });
        let mark = if beside.b2ner_test_sets { " ♣" } else { "" };
        let mut rows: Vec<(String, Vec<String>)> = own
            .map(|row| {
                (
                    format!("the paper's {}{mark}", row.model),
                    self.paper_cells(row),
                )
            })
            .collect();
        rows.extend(beside.same_base.and_then(|row| self.distance(row)));
        rows
    }

    fn paper_cells(&self, row: &PaperRow) -> Vec<String> {
        let mut cells = paper_cells(row, &self.sets);
        if !self.other_means().is_empty() {
            let crossner = row.crossner_mean();
            cells.push(crossner.map_or(ABSENT.into(), |mean| format!("{mean:.1}")));
            cells.extend(cells.get(self.sets.len()).cloned());
        }
        cells
    }

    /// The last system minus the paper's row, column by column.
    fn distance(&self, paper: &PaperRow) -> Option<(String, Vec<String>)> {
        let last = self.rows.last()?;
        let less = |ours: Option<f64>, theirs: Option<f64>| match (ours, theirs) {
            (Some(ours), Some(theirs)) => format!("{:+.1}", ours - theirs),
            _ => ABSENT.into(),
        };
        let f1 = self.sets.iter().zip(&last.values.sets);
        let mut cells: Vec<String> = f1
            .map(|(set, ours)| less(*ours, paper.f1_on(set)))
            .collect();
        let all = self.sets.len() == BENCHMARK_SETS.len();
        cells.push(less(Some(last.values.mean), paper.average.filter(|_| all)));
        if !self.other_means().is_empty() {
            cells.push(less(last.values.crossner, paper.crossner_mean()));
            cells.push(less(Some(last.values.rounded), paper.average));
        }
        Some((
            format!("{} minus the paper's {}", last.name, paper.model),
            cells,
        ))
    }
}

fn other_means(sets: &[&str]) -> &'static [&'static str] {
    let all = sets.len() == BENCHMARK_SETS.len() && is_benchmark(sets);
    if all { &OTHER_MEANS } else { &[] }
}

fn line(indent: &str, row: &SeedRow) -> Row {
    let cells = row
        .cells
        .iter()
        .chain([&row.score])
        .chain(&row.others)
        .chain([&row.spread]);
    Row {
        name: format!("{indent}{}", row.name),
        cells: cells.cloned().collect(),
    }
}

fn by_system<'a>(results: &[SeedResult<'a>]) -> Vec<(&'a str, Vec<SeedResult<'a>>)> {
    let mut systems: Vec<(&str, Vec<SeedResult<'_>>)> = Vec::new();
    for result in results {
        match systems.iter_mut().find(|(name, _)| *name == result.name) {
            Some((_, runs)) => runs.push(*result),
            None => systems.push((result.name, vec![*result])),
        }
    }
    systems
}

fn row(name: &str, runs: &[SeedResult<'_>], sets: &[&str]) -> SeedRow {
    if let [only] = runs {
        return one_seed(name.to_owned(), only.result, sets);
    }
    let all: Vec<Values> = runs
        .iter()
        .map(|run| Values::of(run.result, sets))
        .collect();
    let means: Vec<f64> = all.iter().map(|run| run.mean).collect();
    let deviation = deviation(&means).unwrap_or(0.0);
    let seed = |run: &SeedResult<'_>| one_seed(format!("seed {}", run.seed), run.result, sets);
    let values = Values::mean(&all);
    SeedRow {
        name: name.to_owned(),
        cells: values.cells(),
        score: format!("{:.2} ± {deviation:.2}", values.mean),
        others: values.others(sets),
        spread: format!("{} seeds", runs.len()),
        seeds: runs.iter().map(seed).collect(),
        values,
    }
}

fn one_seed(name: String, result: &EvalResult, sets: &[&str]) -> SeedRow {
    let values = Values::of(result, sets);
    SeedRow {
        name,
        cells: values.cells(),
        score: format!("{:.2}", result.mean_f1),
        others: values.others(sets),
        spread: format!("{:.2} to {:.2}", result.interval.low, result.interval.high),
        seeds: Vec::new(),
        values,
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The sample standard deviation; none of fewer than two values.
fn deviation(values: &[f64]) -> Option<f64> {
    let centre = mean(values.iter().copied())?;
    let squares: f64 = values.iter().map(|v| (v - centre).powi(2)).sum();
    (values.len() > 1).then(|| (squares / (values.len() - 1) as f64).sqrt())
}
