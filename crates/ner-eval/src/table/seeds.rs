//! Systems beside each other, each over all its seeds.

use serde::Serialize;

use super::names::{is_benchmark, set_names, short_name};
use super::{ABSENT, Block, ResultTable, Row, paper_cells};
use crate::paper::TABLE_1;
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
    /// Names of the sets, in the order in which they occur.
    pub sets: Vec<&'a str>,
    /// A row for each system.
    pub rows: Vec<SeedRow>,
}

/// A row: a system over all its seeds, or one of them. Its cells are ready to be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SeedRow {
    /// Name of the system, or its seed.
    pub name: String,
    /// F1 of each set in percent.
    pub cells: Vec<String>,
    /// The mean of the sets; with the sample standard deviation where there are several seeds.
    pub score: String,
    /// The 95 % interval of the mean, or the number of seeds.
    pub spread: String,
    /// The seeds, where there are several.
    pub seeds: Vec<SeedRow>,
}

impl<'a> SeedTable<'a> {
    /// Collects the results of each system, in the order in which they occur.
    pub fn new(results: &[SeedResult<'a>]) -> SeedTable<'a> {
        let sets = set_names(results.iter().map(|run| run.result));
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

    /// The table to print; on the paper's own test sets its ReasoningNER rows follow, marked as its.
    pub fn table(&self) -> ResultTable {
        let last = ["mean", "95 % interval"].map(String::from);
        let header = Row {
            name: "F1 in percent".into(),
            cells: self.columns().into_iter().chain(last).collect(),
        };
        let mut rows = Vec::new();
        for row in &self.rows {
            rows.push(line("", row));
            rows.extend(row.seeds.iter().map(|seed| line("  ", seed)));
        }
        rows.extend(self.own_rows_of_the_paper());
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

    fn own_rows_of_the_paper(&self) -> Vec<Row> {
        let own = TABLE_1.iter().filter(|row| {
            self.is_benchmark() && row.model.starts_with("ReasoningNER") && !row.b2ner_test_sets
        });
        let rows = own.map(|row| Row {
            name: format!("the paper's {}", row.model),
            cells: paper_cells(row, &self.sets),
        });
        rows.collect()
    }
}

fn line(indent: &str, row: &SeedRow) -> Row {
    let last = [row.score.clone(), row.spread.clone()];
    Row {
        name: format!("{indent}{}", row.name),
        cells: row.cells.iter().cloned().chain(last).collect(),
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
    let cell = |set: &&str| {
        let f1 = runs.iter().filter_map(|run| run.result.set(set));
        mean(f1.map(|set| set.f1)).map_or(ABSENT.into(), |mean| format!("{mean:.1}"))
    };
    let means: Vec<f64> = runs.iter().map(|run| run.result.mean_f1).collect();
    let centre = mean(means.iter().copied()).unwrap_or(0.0);
    let deviation = deviation(&means).unwrap_or(0.0);
    let seed = |run: &SeedResult<'_>| one_seed(format!("seed {}", run.seed), run.result, sets);
    SeedRow {
        name: name.to_owned(),
        cells: sets.iter().map(cell).collect(),
        score: format!("{centre:.2} ± {deviation:.2}"),
        spread: format!("{} seeds", runs.len()),
        seeds: runs.iter().map(seed).collect(),
    }
}

fn one_seed(name: String, result: &EvalResult, sets: &[&str]) -> SeedRow {
    let f1 = |set: &&str| {
        let set = result.set(set);
        set.map_or(ABSENT.into(), |set| format!("{:.1}", set.f1))
    };
    SeedRow {
        name,
        cells: sets.iter().map(f1).collect(),
        score: format!("{:.2}", result.mean_f1),
        spread: format!("{:.1} to {:.1}", result.interval.low, result.interval.high),
        seeds: Vec::new(),
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
