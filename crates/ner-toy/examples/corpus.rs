//! Generates a small corpus and shows a sentence of each evaluation domain with its entities.
//!
//! `cargo run -p ner-toy --example corpus -- 42` takes the seed from the command line.

use ner_toy::{Corpus, CorpusConfig};

fn main() {
    let seed = std::env::args().nth(1);
    let seed = seed.and_then(|seed| seed.parse().ok()).unwrap_or(42);
    print!("{}", show(seed));
}

/// A sentence, its schema and its entities for each domain, and the sizes of all parts.
pub(crate) fn show(seed: u64) -> String {
    let corpus = Corpus::generate(&CorpusConfig {
        seed,
        train: 100,
        rl: 20,
        eval_per_domain: 5,
    });
    let mut text = String::new();
    for (domain, examples) in &corpus.eval {
        let example = &examples[0];
        text += &format!("{domain}: {}\n", example.sentence);
        text += &format!("  asked for: {}\n", example.schema.join(", "));
        for entity in &example.entities {
            text += &format!("  {} = {}\n", entity.label, entity.text);
        }
    }
    for (file, examples) in corpus.parts() {
        text += &format!("{file}: {} sentences\n", examples.len());
    }
    text
}
