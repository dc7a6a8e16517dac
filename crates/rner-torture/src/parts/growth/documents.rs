//! Texts without borders, or with nothing else, and answers that name everything everywhere.

use anyhow::Result;
use ner_documents::{Answered, Limits, Nesting, merge, plan};
use ner_types::{Completion, Entity};

use super::{Reader, Work, reader};

pub(super) const READERS: &[Reader] = &[
    reader("windows of sentences", |n| {
        windows("Dr. Brel left Port Halvek, e.g. by ship. ".repeat(n))
    }),
    reader("windows of a text without a space", |n| {
        windows("x".repeat(20 * n))
    }),
    reader("windows of ideographs", |n| windows("小樽。".repeat(5 * n))),
    reader("windows of abbreviations", |n| {
        windows("Dr. ".repeat(5 * n))
    }),
    reader("windows of blanks", |n| {
        windows(" \n".repeat(10 * n) + "end")
    }),
    reader("windows of marks on one letter", |n| {
        windows("a".to_owned() + &"\u{301}".repeat(10 * n))
    }),
    reader("windows of flags", |n| windows("🇩🇪".repeat(5 * n))),
    reader("answers about many windows", |n| {
        merged("Brel of Osk. ".repeat(n), vec!["Brel".into(), "Osk".into()])
    }),
    reader("answers about names that go on", |n| {
        let names: Vec<String> = (0..n).map(|n| format!("Brel{n}")).collect();
        merged(names.join(". "), vec!["Brel".into()])
    }),
    reader("answers across each other", |n| {
        let names = (1..9).map(|length| "Osk ".repeat(length).trim_end().to_owned());
        merged("Osk ".repeat(n), names.collect())
    }),
];

const LIMITS: Limits = Limits {
    window: 64,
    overlap: 16,
    context: 8,
};

fn n_tokens(text: &str) -> usize {
    text.len().div_ceil(4)
}

fn windows(text: String) -> Result<Work> {
    Ok(Box::new(move || {
        plan(&text, &LIMITS, &n_tokens).windows.len()
    }))
}

/// The answers to all windows of a text, each with every one of the names.
fn merged(text: String, names: Vec<String>) -> Result<Work> {
    let types = vec![vec!["city".to_owned()]];
    Ok(Box::new(move || {
        let plan = plan(&text, &LIMITS, &n_tokens);
        let entities = names.iter().map(|name| Entity::new(name, "city"));
        let entities: Vec<Entity> = entities.collect();
        let answers = (0..plan.windows.len()).map(|window| Answered {
            window,
            completion: Completion {
                entities: entities.clone(),
                reasoning: Some("Brel is a city.".to_owned()),
                is_json: true,
                ..Completion::default()
            },
            ..Answered::default()
        });
        let found = merge(&text, &plan, &types, answers.collect(), Nesting::Flat);
        found.entities.len()
    }))
}
