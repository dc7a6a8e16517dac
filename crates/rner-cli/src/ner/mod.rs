//! Commands about entities: files in, files and tables out. Only [`eval`] may load a model.

pub(crate) mod data;
pub(crate) mod eval;
mod eval_budget;
pub(crate) mod eval_compare;
pub(crate) mod eval_few_shot;
mod eval_flags;
mod eval_form;
mod eval_once;
pub(crate) mod eval_predictions;
pub(crate) mod eval_suite;
pub(crate) mod eval_url;
pub(crate) mod score;
