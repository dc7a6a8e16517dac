//! What models write: answers, reasoning and mentions, in loops above all.

use anyhow::Result;
use chat_client::{ChatAnswer, Finish, Usage};
use ner_cot::near::NearDuplicates;
use ner_cot::rules::{Rules, validate};
use ner_score::{Scorer, Sentence, score_sentence};
use ner_types::{Entity, Grounder, ReadMode, parse_type_reply, parse_with, render_completion};
use rner::report::mark;

use super::{Reader, Work, reader};

const SENTENCE: &str = "Ada Brel of Brel left Port Halvek with Brel.";

pub(super) const READERS: &[Reader] = &[
    reader("answer with many entities", |n| {
        read(render_completion(Some("why"), &entities(n)))
    }),
    reader("answer with one entity again and again", |n| {
        read(render_completion(None, &same(n)))
    }),
    reader("answer that is cut off", |n| read(cut_off(n))),
    reader("answer of brackets", |n| read("[".repeat(n))),
    reader("answer of braces", |n| read("{\"entities\":".repeat(n))),
    reader("answer of quotation marks", |n| read("\"".repeat(n))),
    reader("answer of backslashes", |n| {
        read("{\"a\": \"".to_owned() + &"\\".repeat(n))
    }),
    reader("answer of opened thoughts", |n| read("<think>".repeat(n))),
    reader("answer of closed thoughts", |n| read("</think>".repeat(n))),
    reader("answer of fences", |n| read("```json\n{}\n```\n".repeat(n))),
    reader("answer of fences that stay open", |n| read("```".repeat(n))),
    reader("answer of objects", |n| {
        read("{\"person\": [\"Ada\"]} ".repeat(n))
    }),
    reader("answer of blanks", |n| read(" \n\t".repeat(n))),
    reader("types of a reply", |n| {
        let text = format!("[{}\"person\"]", "\"person\", ".repeat(n));
        Ok(Box::new(move || {
            parse_type_reply(&text).map_or(0, |types| types.len())
        }))
    }),
    reader("problems of many entities", |n| checked(entities(n))),
    reader("problems of one entity again and again", |n| {
        checked(same(n))
    }),
    reader("places in a sentence of repeats", |n| {
        placed("Brel ".repeat(n), vec![Entity::new("Brel", "city")])
    }),
    reader("places of a mention that almost occurs", |n| {
        placed(
            "a".repeat(n),
            vec![Entity::new("a".repeat(n / 2) + "b", "city")],
        )
    }),
    reader("places of a mention with other blanks", |n| {
        placed(
            "Ada \u{a0} Brel ".repeat(n),
            vec![Entity::new("Ada Brel", "person")],
        )
    }),
    reader("places of many mentions", |n| {
        placed(SENTENCE.into(), entities(n))
    }),
    reader("places of one mention again and again", |n| {
        placed(SENTENCE.into(), same(n))
    }),
    reader("marks in a text of repeats", |n| {
        marked("Brel ".repeat(n), vec![Entity::new("Brel", "city")])
    }),
    reader("marks of one entity again and again", |n| {
        marked("Brel ".repeat(n), same(n))
    }),
    reader("marks of many entities", |n| {
        marked(SENTENCE.into(), entities(n))
    }),
    reader("rules: long reasoning", |n| {
        ruled("Brel is a city because of Halvek. ".repeat(n), entities(3))
    }),
    reader("rules: reasoning in a loop", |n| {
        ruled("\"Brel\" is a city. ".repeat(n), entities(3))
    }),
    reader("rules: reasoning without a full stop", |n| {
        ruled("so Brel is and ".repeat(n), entities(3))
    }),
    reader("rules: quotation marks", |n| {
        ruled("\"".repeat(n), entities(3))
    }),
    reader("rules: lists", |n| {
        ruled("- Brel: city\n".repeat(n), entities(3))
    }),
    reader("rules: many entities", |n| {
        ruled("Brel is a city.".into(), entities(n))
    }),
    reader("rules: one entity again and again", |n| {
        ruled("Brel is a city.".into(), same(n))
    }),
    reader("rules: an entity as long as the text", |n| {
        ruled(
            "Brel is a city.".into(),
            vec![Entity::new("Brel ".repeat(n), "city")],
        )
    }),
    reader("score of many entities", |n| {
        scored(entities(n), entities(3))
    }),
    reader("score of one entity again and again", |n| {
        scored(same(n), same(3))
    }),
    reader("score against many entities", |n| {
        scored(entities(n), entities(n))
    }),
    reader("near-duplicates of templates", |n| {
        near(
            (0..n)
                .map(|i| {
                    format!(
                        "{SENTENCE} It was on day {i} of the month, and {} came.",
                        i % 7
                    )
                })
                .collect(),
        )
    }),
    reader("near-duplicates of one sentence", |n| {
        near(vec![SENTENCE.into(); n])
    }),
    reader("near-duplicates of long sentences", |n| {
        near(vec!["Brel left Halvek and ".repeat(n); 2])
    }),
];

/// Different entities, each of which is nowhere.
fn entities(n: usize) -> Vec<Entity> {
    let labels = ["person", "city", "ship"];
    (0..n)
        .map(|i| Entity::new(format!("Brel {i}"), labels[i % 3]))
        .collect()
}

fn same(n: usize) -> Vec<Entity> {
    vec![Entity::new("Brel", "city"); n]
}

fn cut_off(n: usize) -> String {
    let mut text = render_completion(None, &entities(n));
    text.truncate(text.len() - 3);
    text
}

fn schema() -> Vec<String> {
    ["person", "city", "ship"].map(str::to_owned).to_vec()
}

fn read(text: String) -> Result<Work> {
    Ok(Box::new(move || {
        let modes = [ReadMode::Reference, ReadMode::Tolerant];
        modes
            .map(|mode| parse_with(&text, mode).problems.len())
            .iter()
            .sum()
    }))
}

fn checked(entities: Vec<Entity>) -> Result<Work> {
    let (completion, schema) = (
        ner_types::parse(&render_completion(None, &entities)),
        schema(),
    );
    Ok(Box::new(move || completion.check(&schema, SENTENCE).len()))
}

fn placed(sentence: String, entities: Vec<Entity>) -> Result<Work> {
    Ok(Box::new(move || {
        Grounder::new(&sentence).ground_all(&entities).len()
    }))
}

fn marked(text: String, entities: Vec<Entity>) -> Result<Work> {
    Ok(Box::new(move || mark(&text, &entities, &entities).0.len()))
}

fn ruled(reasoning: String, entities: Vec<Entity>) -> Result<Work> {
    let answer = ChatAnswer {
        content: render_completion(None, &entities),
        reasoning: Some(reasoning),
        is_apart: true,
        finish: Finish::Stop,
        usage: Usage::default(),
    };
    let (schema, rules) = (schema(), Rules::default());
    Ok(Box::new(move || {
        validate(&answer, &schema, SENTENCE, &rules).1.len()
    }))
}

fn scored(predicted: Vec<Entity>, gold: Vec<Entity>) -> Result<Work> {
    let schema = schema();
    Ok(Box::new(move || {
        let sentence = Sentence {
            text: SENTENCE,
            schema: &schema,
            gold: &gold,
            predicted: &predicted,
            parse_failure: false,
        };
        score_sentence(Scorer::default(), &sentence).errors.len()
    }))
}

fn near(sentences: Vec<String>) -> Result<Work> {
    Ok(Box::new(move || {
        let seen = NearDuplicates::new(NearDuplicates::DEFAULT_THRESHOLD);
        let Ok(mut seen) = seen else { return 0 };
        sentences
            .iter()
            .filter_map(|sentence| seen.insert(sentence))
            .count()
    }))
}
