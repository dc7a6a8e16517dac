//! `report.html`: one file that tells the whole run, without network or script.
//!
//! A run gathers its [`ReportData`] and writes it as `report.json`;
//! [`render`] turns it into the page. The two are separate so that
//! `rner report` can make the page again from what lies on disk.

mod chart;
mod curves;
mod data;
mod drawing;
mod fold;
mod headline;
mod highlight;
mod lines;
mod machine;
mod model_result;
mod reasons;
mod setting;
mod steps;
mod tables;
mod training;

use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

use crate::data::RunProtocol;
use crate::error::{Context, Result};
use crate::run_dir::{write_atomic, write_json};
use crate::session::human;

use chart::Chart;
pub use curves::charts;
pub use data::pick_samples;
pub use data::{ReportData, Sample, StageTime};
pub use fold::folded;
pub use highlight::mark;
pub(crate) use machine::utc_digits;
pub use machine::{Machine, Program, now_utc};
pub use model_result::ModelResult;
pub use reasons::reason_words;
pub use setting::Setting;
pub use tables::{funnel_text, text_table};
pub use training::{is_training, write_training};

const TEMPLATE: &str = include_str!("report.html.j2");

/// Writes `report.json` and `report.html` into the folder.
pub fn write(dir: &Path, data: &ReportData) -> Result<()> {
    write_json(&dir.join("report.json"), data)?;
    let html = render(data)?;
    Ok(write_atomic(&dir.join("report.html"), html.as_bytes())?)
}

/// Reads `report.json` of a run.
pub fn read(dir: &Path) -> Result<ReportData> {
    let path = dir.join("report.json");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| {
        format!(
            "{}: expected what `rner reproduce` wrote for the report",
            path.display()
        )
    })
}

/// The page. All text of the data is escaped.
pub fn render(data: &ReportData) -> Result<String> {
    ner_eval::page::fill(TEMPLATE, view(data)).context("filling the report")
}

fn view(data: &ReportData) -> Value {
    json!({
        "title": data.title,
        "created": data.created,
        "machine": data.machine,
        "program": data.program,
        "simulated_teacher": data.simulated_teacher,
        "headline": headline::view(data),
        "notes": data.notes,
        "funnel": data.funnel.as_ref().map(tables::funnel),
        "stages": stages(data),
        "data": data.setting.data.as_ref().map(sources),
        "charts": data.charts.iter().map(drawn).collect::<Vec<_>>(),
        "results": tables::results(data),
        "steps": steps::view(&data.steps),
        "details": tables::details(&data.results),
        "paper": tables::paper(),
        "paper_source": ner_eval::paper::PAPER,
        "samples": highlight::samples(&data.samples),
        "recipe": data.recipe,
    })
}

/// What was trained on and what of it stands in the test sets.
fn sources(data: &RunProtocol) -> Value {
    json!({
        "protocol": data.protocol.to_string(),
        "eval": data.eval,
        "label_map": data.label_map,
        "training": data.training,
        "overlap": data.overlap,
        "sample": data.sample,
        "missing": data.missing,
        "notes": data.notes,
    })
}

fn drawn(chart: &Chart) -> Value {
    let drawing = drawing::drawing(chart);
    // The drawing escapes its own texts, so the template takes it as it is.
    json!({
        "title": chart.title,
        "svg": drawing.svg,
        "legend": drawing.legend,
        "notes": drawing.notes,
    })
}

fn stages(data: &ReportData) -> Value {
    let longest = data.stages.iter().map(|s| s.seconds).fold(0.0, f64::max);
    let rows: Vec<Value> = data
        .stages
        .iter()
        .map(|s| {
            json!({
                "name": s.name,
                "summary": s.summary,
                "skipped": s.skipped,
                "time": time(s.seconds),
                "share": (100.0 * s.seconds / longest.max(1e-9)).clamp(0.0, 100.0).round(),
            })
        })
        .collect();
    let total: f64 = data.stages.iter().map(|s| s.seconds.max(0.0)).sum();
    json!({ "rows": rows, "total": time(total) })
}

/// Seconds in words. A damaged marker may have any number.
fn time(seconds: f64) -> String {
    human(Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX))
}

#[cfg(test)]
mod tests;
