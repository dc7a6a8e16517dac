//! The results as one HTML file that needs no network and no script.

mod compare;
mod errors;
mod view;

use minijinja::{AutoEscape, Environment};

use crate::{Comparison, Error, RunReport, Suite};

const TEMPLATE: &str = include_str!("results.html.j2");
const COMPARISON: &str = include_str!("compare.html.j2");

/// Fills the page. All text of the data is escaped.
pub(crate) fn render(report: &RunReport, suite: &Suite) -> Result<String, Error> {
    fill(TEMPLATE, view::view(report, suite))
}

/// Fills the page of a comparison.
pub(crate) fn render_comparison(
    gains: &Comparison,
    first: &str,
    second: &str,
) -> Result<String, Error> {
    fill(COMPARISON, compare::view(gains, first, second))
}

fn fill(template: &str, view: serde_json::Value) -> Result<String, Error> {
    let mut env = Environment::new();
    // Escaping is set outright, so that it cannot depend on a file name.
    env.set_auto_escape_callback(|_| AutoEscape::Html);
    env.add_template("page", template)?;
    let page = env.get_template("page")?;
    Ok(page.render(minijinja::value::Serde(view))?)
}
