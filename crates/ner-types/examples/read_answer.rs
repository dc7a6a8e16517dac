//! Writes a prompt, reads what a model answered to it, and finds the entities in the sentence.
//!
//! `cargo run -p ner-types --example read_answer`

use ner_types::{Grounder, PromptTemplate, ReadMode, parse_with};

fn main() {
    let schema = ["city".to_string(), "person".to_string()];
    let sentence = "Zoë Brel left Port  Halvek.";
    println!("{}\n", PromptTemplate::paper().render(&schema, sentence));
    let answer = "<think>\nA port, and who left it.\n</think>\n\
                  {\"entities\": {\"city\": [\"Port Halvek\"], \"person\": [\"Zoë Brel\"], \"ship\": [\"Oda\"";
    print!("{}", read(&schema, sentence, answer));
}

/// The reasoning, each entity with its places in characters, and what is wrong with the answer.
pub(crate) fn read(schema: &[String], sentence: &str, answer: &str) -> String {
    let completion = parse_with(answer, ReadMode::Tolerant);
    let mut text = String::new();
    if let Some(reasoning) = &completion.reasoning {
        text += &format!("reasoning: {reasoning}\n");
    }
    for entity in Grounder::new(sentence).ground_all(&completion.entities) {
        let places = entity.grounding.spans.iter().map(|span| span.chars());
        let places: Vec<_> = places.collect();
        let (found, label) = (&entity.entity.text, &entity.entity.label);
        text += &format!("{label}: {found:?} at {places:?}\n");
    }
    for problem in completion
        .problems
        .iter()
        .chain(&completion.check(schema, sentence))
    {
        text += &format!("problem: {problem}\n");
    }
    text
}
