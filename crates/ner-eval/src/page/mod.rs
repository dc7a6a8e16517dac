//! The results as one HTML file that needs no network and no script.

mod errors;
mod view;

use minijinja::{AutoEscape, Environment};

use crate::{Error, RunReport, Suite};

const TEMPLATE: &str = include_str!("results.html.j2");

/// Fills the page. All text of the data is escaped.
pub(crate) fn render(report: &RunReport, suite: &Suite) -> Result<String, Error> {
    let mut env = Environment::new();
    // Escaping is set outright, so that it cannot depend on a file name.
    env.set_auto_escape_callback(|_| AutoEscape::Html);
    env.add_template("results", TEMPLATE)?;
    let page = env.get_template("results")?;
    Ok(page.render(minijinja::value::Serde(view::view(report, suite)))?)
}
