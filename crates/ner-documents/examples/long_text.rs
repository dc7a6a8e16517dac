//! Reads a long text window by window, with a list of names in place of a model.
//!
//! `cargo run -p ner-documents --example long_text`

use ner_documents::{Answered, Limits, Nesting, merge, plan};
use ner_types::{Completion, Entity, Extraction};

fn main() {
    let text = "Ada Brel left Port Halvek. Nobody saw Dr. Zoë Voss. ".repeat(100);
    let found = read(&text, &["Ada Brel", "Zoë Voss"]);
    println!(
        "{} windows, {} mentions",
        found.windows.len(),
        found.entities.len()
    );
    for it in found.entities.iter().take(4) {
        println!("{} at {:?}..{:?}", it.text, it.start, it.end);
    }
}

/// The persons of a text, by a model that knows these names and sees 40 words at a time.
pub(crate) fn read(text: &str, names: &[&str]) -> Extraction {
    let words = |text: &str| text.split_whitespace().count();
    let limits = Limits {
        window: 40,
        overlap: 5,
        context: 0,
    };
    let plan = plan(text, &limits, &words);
    let answer = |(window, part): (usize, &ner_documents::Window)| {
        let stands = |name: &&&str| text[part.shown()].contains(**name);
        let named = names.iter().filter(stands);
        Answered {
            window,
            completion: Completion {
                entities: named.map(|name| Entity::new(*name, "person")).collect(),
                is_json: true,
                ..Completion::default()
            },
            ..Answered::default()
        }
    };
    let answers = plan.windows.iter().enumerate().map(answer).collect();
    merge(
        text,
        &plan,
        &[vec!["person".into()]],
        answers,
        Nesting::Nested,
    )
}
