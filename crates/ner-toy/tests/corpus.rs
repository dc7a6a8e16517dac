//! The corpus and the text of pretraining, byte for byte, and the example that shows them.

use ner_toy::pretraining::{Document, Documents, vocabulary};
use ner_toy::{Corpus, CorpusConfig};

#[path = "../examples/corpus.rs"]
#[allow(dead_code, reason = "the test calls what `main` prints")]
mod example;

/// Models are pretrained and compared on these bytes: a change of the generator is a change of the benchmark.
#[test]
fn the_corpus_of_a_seed_stays_as_it_is() {
    let corpus = Corpus::generate(&CorpusConfig {
        seed: 42,
        train: 300,
        rl: 100,
        eval_per_domain: 20,
    });
    let mut hasher = blake3::Hasher::new();
    for (_, examples) in corpus.parts() {
        for example in examples {
            hasher.update(&serde_json::to_vec(example).expect("serialisable"));
            hasher.update(b"\n");
        }
    }
    let expected = "fe0b7b30eb1b79e97f91cec7eeab8a899600f7f86e23d883305a4d92fe5422bb";
    assert_eq!(hasher.finalize().to_hex().as_str(), expected);
}

#[track_caller]
fn check(documents: Documents, expected: &str) {
    let mut hasher = blake3::Hasher::new();
    for document in documents.take(400) {
        match document {
            Document::Plain(text) => hasher.update(text.as_bytes()),
            Document::Turn { user, assistant } => hasher
                .update(user.as_bytes())
                .update(&[1])
                .update(assistant.as_bytes()),
        };
        hasher.update(&[0]);
    }
    assert_eq!(hasher.finalize().to_hex().as_str(), expected);
}

#[test]
fn the_text_of_pretraining_stays_as_it_is() {
    check(
        Documents::new(42),
        "630953cd00b65e29ca87183da4d2871df874e56083e40a7b8ec5018f69990921",
    );
    check(
        Documents::varied(42),
        "930f101c13c41af9ede3f160a61bc6fd3fc431d9b1c66b5439768a30a660bb80",
    );
    check(
        Documents::thinking(42),
        "462b9e76135d600cae38fab079d21e7c4b970798afe7c6e7e9877aa1eeda8db3",
    );
    let words = vocabulary().join(" ");
    let expected = "8ab0cea9128ecbd029eb0f1691dd42e3cb0bbaafa49256e71f51d9690dbcfb7f";
    assert_eq!(blake3::hash(words.as_bytes()).to_hex().as_str(), expected);
}

#[test]
fn the_example_shows_every_evaluation_domain() {
    let text = example::show(42);
    assert_eq!(text.matches("asked for: ").count(), 7, "{text}");
    assert!(text.contains("train.jsonl: 100 sentences"), "{text}");
    assert_eq!(text, example::show(42));
    assert_ne!(text, example::show(43));
}

#[test]
fn the_prompt_is_a_template_with_both_parts() {
    let template = ner_types::PromptTemplate::parse(ner_toy::PROMPT).expect("a template");
    let prompt = template.render(&["city".to_string()], "Brel sleeps.");
    assert!(
        prompt.contains("[\"city\"]") && prompt.contains("Brel sleeps."),
        "{prompt}"
    );
}
