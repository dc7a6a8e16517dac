//! The list of the targets.

use crate::bodies::{answers, catalogue, chat, journal, rows};
#[cfg(feature = "models")]
use crate::bodies::{loader, models, recipe, server};

/// Longest input that is tried, in bytes. What is worse than linear shows long before.
pub const MAX_BYTES: usize = 1 << 14;

/// A reader, and what must hold for all of its inputs.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, also that of the folder of its stored inputs.
    pub name: &'static str,
    /// Reads an input. A panic is a failure.
    pub body: fn(&[u8]),
}

const fn target(name: &'static str, body: fn(&[u8])) -> Target {
    Target { name, body }
}

/// All targets of this build.
pub const TARGETS: &[Target] = &[
    target("answer", answers::answer),
    target("structures", answers::structures),
    target("ground", answers::ground),
    target("bio", rows::bio),
    target("conll", rows::conll),
    target("json", rows::json),
    target("jsonl", rows::jsonl),
    target("parquet", rows::parquet),
    target("chat", chat::whole),
    target("sse", chat::stream),
    target("journal", journal::journal),
    target("catalogue", catalogue::catalogue),
    #[cfg(feature = "models")]
    target("safetensors", models::safetensors),
    #[cfg(feature = "models")]
    target("config", models::config),
    #[cfg(feature = "models")]
    target("adapter", models::adapter),
    #[cfg(feature = "models")]
    target("tokenizer", models::tokenizer),
    #[cfg(feature = "models")]
    target("loader", loader::loader),
    #[cfg(feature = "models")]
    target("recipe", recipe::recipe),
    #[cfg(feature = "models")]
    target("serve", server::bodies),
];

/// The target of a name.
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
