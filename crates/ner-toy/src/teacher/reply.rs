//! The simulated teacher's answer: gold, and sometimes a mistake.

use ner_types::{Entity, normalize_label, render_answer};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use crate::teacher::gold::{
    GoldEntry, NOTHING, concluded, in_schema, is_about, reasoning_from_gold, step, steps,
};
use crate::teacher::mistakes::{Mistake, MistakeRates};
use crate::teacher::prompt::Task;

/// What the server sends back.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) reasoning: String,
    pub(super) content: String,
    /// Whether the answer broke off for want of tokens.
    pub(super) truncated: bool,
}

/// Annotates the sentence of `task` from its gold.
pub(super) fn teach(
    task: &Task<'_>,
    gold: &GoldEntry,
    rates: &MistakeRates,
    rng: &mut ChaCha8Rng,
) -> Reply {
    let mut draft = Draft::new(task, gold);
    let mistake = rates.draw(rng);
    match mistake {
        Some(Mistake::MissedEntity) => draft.miss(rng),
        Some(Mistake::WrongType) => draft.mistype(rng),
        Some(Mistake::Contradiction) => draft.contradict(rng),
        Some(Mistake::Hallucinated) => draft.hallucinate(rng),
        Some(Mistake::Truncated | Mistake::MalformedJson) | None => {}
    }
    let content = render_answer(&draft.entities);
    let truncated = mistake == Some(Mistake::Truncated);
    Reply {
        content: match mistake {
            Some(Mistake::Truncated) => cut(&content, rng),
            Some(Mistake::MalformedJson) => malform(&content, rng),
            _ => content,
        },
        reasoning: draft.reasoning.join(" "),
        truncated,
    }
}

/// A correct annotation on its way to being spoilt.
struct Draft<'a> {
    task: &'a Task<'a>,
    entities: Vec<Entity>,
    /// The steps of the reasoning.
    reasoning: Vec<String>,
}

impl<'a> Draft<'a> {
    fn new(task: &'a Task<'a>, gold: &GoldEntry) -> Self {
        let asked = in_schema(&task.schema, &gold.entities);
        // Reasoning that was written for another schema does not fit this one.
        let fits = asked.len() == gold.entities.len() && !gold.reasoning.trim().is_empty();
        let reasoning = if fits {
            gold.reasoning.clone()
        } else {
            reasoning_from_gold(task.sentence, &task.schema, &asked)
        };
        let reasoning = steps(&reasoning).into_iter().map(String::from).collect();
        let mut entities = Vec::new();
        for entity in asked {
            if !entities.contains(&entity) {
                entities.push(entity);
            }
        }
        Self {
            task,
            entities,
            reasoning,
        }
    }

    fn pick(&self, rng: &mut ChaCha8Rng) -> Option<usize> {
        (!self.entities.is_empty()).then(|| rng.random_range(0..self.entities.len()))
    }

    /// Another type of the schema, if it has more than one.
    fn other_label(&self, label: &str, rng: &mut ChaCha8Rng) -> Option<String> {
        let labels = self.task.schema.iter().map(|l| normalize_label(l));
        let others: Vec<String> = labels.filter(|other| other != label).collect();
        others.choose(rng).cloned()
    }

    /// Leaves an entity out of reasoning and answer.
    fn miss(&mut self, rng: &mut ChaCha8Rng) {
        let Some(at) = self.pick(rng) else { return };
        let entity = self.entities.remove(at);
        self.reasoning.retain(|step| !is_about(step, &entity.text));
        if self.reasoning.is_empty() {
            self.reasoning.push(NOTHING.into());
        }
    }

    /// Gives an entity another type in reasoning and answer.
    fn mistype(&mut self, rng: &mut ChaCha8Rng) {
        let Some(at) = self.pick(rng) else { return };
        let Some(label) = self.other_label(&self.entities[at].label, rng) else {
            return;
        };
        self.conclude(at, &label);
        self.entities[at].label = label;
    }

    /// Lets the reasoning arrive at another type, or at an entity more, than the
    /// answer has.
    fn contradict(&mut self, rng: &mut ChaCha8Rng) {
        let Some(at) = self.pick(rng) else { return };
        match self.other_label(&self.entities[at].label, rng) {
            Some(label) if rng.random_bool(0.5) => self.conclude(at, &label),
            _ => {
                self.entities.remove(at);
            }
        }
    }

    /// Adds an entity that is none: a word of the sentence, or one not even in it.
    fn hallucinate(&mut self, rng: &mut ChaCha8Rng) {
        let Some(label) = self.task.schema.choose(rng).map(|l| normalize_label(l)) else {
            return;
        };
        let known = |word: &&str| !self.entities.iter().any(|e| e.text.contains(*word));
        let words: Vec<&str> = self
            .task
            .sentence
            .split_whitespace()
            .filter(known)
            .collect();
        let text = match words.choose(rng) {
            Some(word) if rng.random_bool(0.5) => (*word).to_string(),
            Some(word) => format!("{word} Vantrell"),
            None => "Vantrell".into(),
        };
        self.reasoning.push(step(&text, &label, None));
        self.entities.push(Entity::new(text, label));
    }

    /// Makes the reasoning about an entity arrive at `label`.
    fn conclude(&mut self, at: usize, label: &str) {
        let text = self.entities[at].text.clone();
        for line in self
            .reasoning
            .iter_mut()
            .filter(|line| is_about(line, &text))
        {
            *line = match concluded(line).and_then(|old| line.rsplit_once(old)) {
                Some((before, after)) => format!("{before}{label}{after}"),
                None => step(&text, label, None),
            };
        }
    }
}

/// Breaks a text off somewhere in its middle.
fn cut(content: &str, rng: &mut ChaCha8Rng) -> String {
    let length = content.chars().count();
    let keep = rng.random_range(1..length.max(2));
    content.chars().take(keep.min(length - 1)).collect()
}

/// Breaks the JSON as language models do.
fn malform(content: &str, rng: &mut ChaCha8Rng) -> String {
    match rng.random_range(0..3) {
        0 => format!("Here is the answer: {content}"),
        1 => content.trim_end_matches('}').trim_end().into(),
        _ => content.replacen('"', "", 1),
    }
}
