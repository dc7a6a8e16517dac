//! Pages: results and comparisons as one HTML file each, which needs no network and no script; and what other pages
//! share with them, so that all look and print alike.

pub mod axis;
mod compare;
mod curve;
mod errors;
pub mod figures;
mod problems;
mod view;

use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, HtmlEscape};

use crate::analysis::Analysis;
use crate::curve::Curve;
use crate::error::Error;
use crate::faults::kind::Faults;
use crate::gain::Comparison;
use crate::load::SetSource;
use crate::options::Prompting;
use crate::result::EvalResult;
use crate::suite::Suite;
use crate::training::TrainedOn;

pub use problems::problems_in_words;

/// The style sheet that all pages begin with.
pub const STYLE: &str = include_str!("style.css");

const TEMPLATE: &str = include_str!("results.html.j2");
const CURVE: &str = include_str!("curve.html.j2");
const COMPARISON: &str = include_str!("compare.html.j2");

/// What the page of one evaluation shows; the fields are those of `RunReport`.
pub(crate) struct PageData<'a> {
    pub(crate) result: &'a EvalResult,
    pub(crate) system: &'a str,
    pub(crate) is_benchmark: bool,
    pub(crate) prompting: Option<Prompting>,
    pub(crate) analysis: &'a Analysis,
    pub(crate) sources: &'a [SetSource],
    pub(crate) absent: &'a [String],
    pub(crate) notes: &'a [String],
    pub(crate) faults: Option<&'a Faults>,
    pub(crate) trained_on: Option<&'a TrainedOn>,
}

/// Fills the page. All text of the data is escaped.
pub(crate) fn render(data: &PageData<'_>, suite: &Suite) -> Result<String, Error> {
    fill(TEMPLATE, view::view(data, suite))
}

/// Fills the page of a comparison.
pub(crate) fn render_comparison(
    gains: &Comparison,
    first: &str,
    second: &str,
) -> Result<String, Error> {
    fill(COMPARISON, compare::view(gains, first, second))
}

/// Fills the page of a curve.
pub(crate) fn render_curve(curve: &Curve) -> Result<String, Error> {
    fill(CURVE, curve::view(curve))
}

/// Fills a template in minijinja's language. All text is escaped; the template may say `{{ style|safe }}` for [`STYLE`]
/// and `{{ name|breaks }}` for a name that may be broken after `_`, `/` and `-`, not inside of its words.
///
/// # Errors
///
/// [`Error::Page`] if the template has a fault or asks for what the view does not have.
pub fn fill(template: &str, view: serde_json::Value) -> Result<String, Error> {
    let mut env = Environment::new();
    // Escaping is set outright, so that it cannot depend on a file name.
    env.set_auto_escape_callback(|_| AutoEscape::Html);
    env.add_filter("breaks", breaks);
    env.add_global("style", STYLE);
    env.add_template("page", template)?;
    let page = env.get_template("page")?;
    Ok(page.render(minijinja::value::Serde(view))?)
}

/// The name, escaped, with the places marked where a line may end.
fn breaks(name: &str) -> Value {
    let parts = name.split_inclusive(['_', '/', '-']);
    let escaped: Vec<String> = parts.map(|part| HtmlEscape(part).to_string()).collect();
    Value::from_safe_string(escaped.join("<wbr>"))
}
