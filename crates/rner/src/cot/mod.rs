//! Chains of thought: what a folder of annotations is made with, who is asked, and what became of it.
//!
//! The pipeline itself is `ner-cot`'s. Here is what joins it to a recipe: the clients of teacher and judge (simulated
//! where the recipe names none), the description of a job in its folder, the dataset card and the page of samples.

mod card;
mod choice;
mod job;
mod journal_dir;
mod made_from;
mod options;
mod place;
mod run;
mod servers;
mod text;
mod types;
mod view;

pub use card::write_card;
pub use job::{Decisions, Job, leakage, pipeline_config, source};
pub use journal_dir::journal_dir;
pub(crate) use journal_dir::{mark_free, move_out};
pub use made_from::MadeFrom;
pub use options::{Flow, Money, budget_text, keep_money};
pub use place::Place;
pub use run::{Annotation, all_are_done};
pub use servers::{Servers, journal_options};
pub(crate) use servers::{endpoints, key_of, serve_simulated};
pub use text::{bill_text, estimate_text};
pub use types::{AskedTypes, WantedTypes};
pub use view::page;
