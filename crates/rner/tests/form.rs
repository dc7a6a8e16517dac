//! Answers that are held to a form: random walks through the grammars, and a model that has never seen such an answer.
//!
//! `RNER_TRACES=100000` makes more of both.

use std::path::{Path, PathBuf};

use burn::backend::Flex;
use lm_generate::{
    Finish, Generated, Generator, History, Lookup, Request, Sampling, ThoughtEnd, ThoughtLimit,
};
use lm_grammar::{Constrained, Grammar};
use lm_model::{ChatTokenizer, Qwen3, checkpoint};
use ner_types::{Completion, ReadMode, ReasoningForm, Task, normalize_label, parse};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rner::decoding::{Decoding, Wanted};
use rner::form::{Form, Forms};
use rner::prelude::*;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

const LABELS: [&str; 9] = [
    "person",
    "city",
    "work of art",
    "a\"b",
    "c\\d",
    "é",
    "x/y",
    "{",
    "entities",
];
const SENTENCES: [&str; 4] = [
    "Mira \"Q\" Dolan\tlives in Port\\Halvek, 小樽 – é.",
    "a",
    "Ann and Bob say <think> and </think>.",
    "\u{a0}The politician Wapisul Hotram led Noneases Society, a party, through the votes.",
];

fn base() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/tiny-base")
}

fn traces(short: usize) -> usize {
    let wish = std::env::var("RNER_TRACES").ok();
    wish.map_or(short, |wish| wish.parse().expect("a number of traces"))
}

/// One way to ask.
struct Question {
    task: Task,
    schema: Vec<String>,
    sentence: &'static str,
    form: Form,
    reasoning: ReasoningForm,
}

impl Question {
    fn draw(rng: &mut StdRng) -> Self {
        let labels = rng.random_range(1..=LABELS.len());
        let forms = [Form::Schema, Form::Grounded];
        let reasoning = [
            ReasoningForm::Optional,
            ReasoningForm::Required,
            ReasoningForm::None,
        ];
        let task = *Task::ALL.choose(rng).expect("tasks");
        let entry = |label: &&str| match task {
            Task::Entities => (*label).to_owned(),
            Task::Relations => format!("{label}(person, city)"),
            Task::Events => format!("{label}(who, \"q\", {label}, who)"),
        };
        Self {
            task,
            schema: LABELS[..labels].iter().map(entry).collect(),
            sentence: SENTENCES.choose(rng).expect("sentences"),
            form: *forms.choose(rng).expect("forms"),
            reasoning: *reasoning.choose(rng).expect("forms"),
        }
    }

    fn grammar(&self, forms: &Forms) -> Grammar {
        let forms = forms.clone().with_reasoning(self.reasoning);
        let forms = forms.with_task(self.task);
        let grammar = forms.grammar(self.form, &self.schema, self.sentence);
        grammar.expect("a grammar").expect("not free")
    }

    /// Fails unless a whole answer has the form.
    fn check(&self, text: &str) {
        let Completion {
            entities,
            problems,
            reasoning,
            ..
        } = self.task.read_items(text, ReadMode::Reference);
        assert!(problems.is_empty(), "{problems:?} in {text:?}");
        let labels = self.task.item_labels(&self.schema);
        let labels: Vec<String> = labels.iter().map(|label| normalize_label(label)).collect();
        for item in entities {
            let label = normalize_label(&item.label);
            assert!(labels.contains(&label), "{item:?} in {text:?}");
            for part in self.task.item_texts(&item) {
                assert!(!part.trim().is_empty(), "{item:?} in {text:?}");
                let is_there = self.form == Form::Schema || self.sentence.contains(part);
                assert!(is_there, "{item:?} in {text:?}, of {:?}", self.sentence);
            }
        }
        match self.reasoning {
            ReasoningForm::Optional => {}
            form => assert_eq!(
                reasoning.is_some(),
                form == ReasoningForm::Required,
                "{text:?}"
            ),
        }
    }
}

#[test]
fn whatever_is_drawn_has_the_form() {
    let tokenizer = ChatTokenizer::load(&base()).expect("a tokenizer");
    let forms = Forms::new(&tokenizer).expect("a vocabulary");
    let all = traces(400);
    let ended = (0..all)
        .filter(|trace| walk(&tokenizer, &forms, *trace as u64))
        .count();
    assert!(
        ended * 10 > all * 9,
        "{ended} of {all} walks came to an end"
    );
}

/// Draws tokens at random until an answer may end; whether it did.
fn walk(tokenizer: &ChatTokenizer, forms: &Forms, seed: u64) -> bool {
    let mut rng = StdRng::seed_from_u64(seed);
    let question = Question::draw(&mut rng);
    let mut state = question.grammar(forms).start();
    let mut ids = Vec::new();
    for step in 0..400 {
        if state.may_end() {
            question.check(&tokenizer.decode(&ids));
            return true;
        }
        let allowed = state.allowed().expect("a set");
        let size = tokenizer.vocab_size() as u32;
        for id in (seed as u32 % 97..size)
            .step_by(97)
            .chain(tokenizer.stop_ids())
        {
            assert_eq!(state.permits(id), allowed.allows(id), "{id} after {ids:?}");
        }
        let allowed = (0..size).filter(|id| allowed.allows(*id));
        let allowed: Vec<u32> = allowed.collect();
        // What closes something is preferred, as most walks would go on for ever.
        let closes = |id: &&u32| {
            tokenizer
                .bytes_of(**id)
                .iter()
                .any(|byte| b"\"]}>".contains(byte))
        };
        let closing: Vec<u32> = allowed.iter().filter(closes).copied().collect();
        let wants = step > 60 || rng.random_bool(0.3);
        let from = if wants && !closing.is_empty() {
            &closing
        } else {
            &allowed
        };
        let id = *from
            .choose(&mut rng)
            .unwrap_or_else(|| panic!("seed {seed}: nothing after {ids:?}"));
        state.accept(id).expect("it was allowed");
        ids.push(id);
    }
    false
}

#[test]
fn a_model_that_knows_nothing_of_it_answers_in_the_form() {
    let tokenizer = ChatTokenizer::load(&base()).expect("a tokenizer");
    let model: Qwen3<Flex> = checkpoint::load(&base(), &Default::default()).expect("a model");
    let forms = Forms::new(&tokenizer).expect("a vocabulary");
    let mut rng = StdRng::seed_from_u64(7);
    let mut ended = 0;
    let all = traces(48);
    for batch in 0..all.div_ceil(16) {
        ended += answer(&model, &tokenizer, &forms, batch as u64, &mut rng);
    }
    assert!(ended > 0, "no answer of {all} came to an end");
}

/// A batch of 16 questions with other forms and ways of sampling, every fourth one free; how many came to an end.
fn answer(
    model: &Qwen3<Flex>,
    tokenizer: &ChatTokenizer,
    forms: &Forms,
    batch: u64,
    rng: &mut StdRng,
) -> usize {
    let questions: Vec<_> = (0..16).map(|_| Question::draw(rng)).collect();
    let requests: Vec<_> = (0..16)
        .map(|i| Request {
            prompt: tokenizer.prompt_ids(questions[i].sentence),
            n: 1,
            sampling: Sampling {
                max_new_tokens: 120,
                temperature: [0.0, 0.7, 1.5][i % 3],
                stop: tokenizer.stop_ids(),
                seed: batch * 16 + i as u64,
                ..Sampling::default()
            },
        })
        .collect();
    let held = |i: usize| !i.is_multiple_of(4);
    let wanted = |i: usize| Wanted {
        request: requests[i].clone(),
        grammar: held(i).then(|| questions[i].grammar(forms)),
    };
    // One decoding for all with drafts, so that they also come from the completions of others.
    let drafting = Decoding::of(Form::Free, tokenizer).expect("free");
    let run = |max_batch, drafts, asked: &[usize]| {
        let decoding = drafting.clone().with_drafts(drafts);
        let wanted = asked.iter().map(|i| wanted(*i)).collect();
        let mut generator = Generator::new(model, max_batch);
        let written = decoding.write(&mut generator, wanted, &CancellationToken::new(), ());
        let written = written.expect("grammars that go on").expect("answers");
        written.into_iter().map(|mut one| one.group.remove(0))
    };
    let all: Vec<usize> = (0..16).collect();
    let groups = run(5, false, &all);
    let (mut ended, mut drafted) = (0, run(3, true, &all));
    for (i, group) in groups.enumerate() {
        let same = |other: Option<Generated>, how| {
            let ids = other.map(|other| other.ids);
            assert_eq!(
                ids.as_ref(),
                Some(&group.ids),
                "batch {batch}, question {i}: {how}"
            );
        };
        same(run(1, false, &[i]).next(), "alone");
        same(run(1, true, &[i]).next(), "alone with drafts");
        same(drafted.next(), "beside others with drafts");
        if held(i) && group.finish == Finish::Stop {
            questions[i].check(&tokenizer.decode(&group.ids));
            ended += 1;
        }
    }
    ended
}

/// Rollouts of reinforcement learning that are held to a form: whatever came to an end has it.
#[test]
fn rollouts_can_be_held_to_a_form() {
    let sets = [
        "grpo.form=grounded",
        "grpo.drafts=true",
        "grpo.completions_every=1",
        "grpo.train.max_steps=1",
        "grpo.train.prompts_per_step=2",
        "grpo.train.group_size=8",
        "grpo.train.max_completion_length=160",
    ];
    let recipe = Recipe::resolve("tiny", &sets.map(String::from)).expect("a recipe");
    let out = tempfile::tempdir().expect("a folder");
    let tuned = ModelDir::at(base().join("../tiny-ner"));
    let example = |sentence: &str| Example {
        sentence: sentence.into(),
        schema: vec!["person".into(), "city".into()],
        entities: vec![Entity::new("Port Halvek", "city")],
        ..Example::default()
    };
    let examples = ["Mira Dolan lives in Port Halvek.", "Port Halvek grew."].map(example);
    let session = Session::silent();
    let job = GrpoJob::new(&recipe, tuned, &examples, out.path(), &session);
    job.train().expect("a step");
    let table = out.path().join("completions/step-000001.jsonl");
    let table = std::fs::read_to_string(table).expect("a table");
    let rows = table
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let ended: Vec<Value> = rows.filter(|row| row["truncated"] == false).collect();
    assert!(ended.len() > 4, "{} came to an end", ended.len());
    for row in ended {
        let completion = row["completion"].as_str().expect("text");
        let Completion {
            entities, problems, ..
        } = parse(completion);
        assert!(problems.is_empty(), "{problems:?} in {completion}");
        let sentence = row["sentence"].as_str().expect("text");
        let is_right = |it: &Entity| {
            sentence.contains(&it.text) && ["person", "city"].contains(&it.label.as_str())
        };
        assert!(entities.iter().all(is_right), "{completion}");
    }
}
/// A budget closes the reasoning of a base model that never would, within any grammar: alone, in a batch, with drafts.
#[test]
fn a_form_and_a_budget_agree() {
    let tokenizer = ChatTokenizer::load(&base()).expect("a tokenizer");
    let model: Qwen3<Flex> = checkpoint::load(&base(), &Default::default()).expect("a model");
    let forms = Forms::new(&tokenizer).expect("a vocabulary");
    let mut rng = StdRng::seed_from_u64(3);
    for batch in 0..traces(48).div_ceil(16) {
        let (questions, requests) = budgeted(&tokenizer, batch as u64, &mut rng);
        let grammars: Vec<_> = questions.iter().map(|one| one.grammar(&forms)).collect();
        let budget = |i: usize| [0, 1, 5, 17][i % 4];
        let run = |max_batch: usize, range: std::ops::Range<usize>, has_drafts: bool| {
            let requests = &requests[range.clone()];
            let mut limit = ThoughtLimit::new(&tokenizer, ());
            for (number, i) in range.clone().enumerate() {
                limit = limit.with(number, budget(i));
            }
            let mut held = Constrained::new(&mut limit);
            for (number, i) in range.clone().enumerate() {
                held = held.with(number, &grammars[i]);
            }
            let (mut generator, stop) =
                (Generator::new(&model, max_batch), CancellationToken::new());
            let groups = if has_drafts {
                let mut history = History::new();
                let mut lookup = Lookup::new(requests, &mut history, &mut held);
                generator.generate(requests, &stop, &mut lookup)
            } else {
                generator.generate(requests, &stop, &mut held)
            };
            assert!(held.errors().is_empty(), "{:?}", held.errors());
            let groups = groups.expect("answers").into_iter().enumerate();
            let both = groups.map(|(number, group)| (group[0].ids.clone(), limit.take(number, 0)));
            both.collect::<Vec<_>>()
        };
        let all = run(5, 0..16, false);
        assert_eq!(run(7, 0..16, true), all, "drafts change nothing");
        for (i, (ids, thought)) in all.iter().enumerate() {
            assert_eq!(
                run(1, i..i + 1, true)[0],
                (ids.clone(), *thought),
                "{i}: alone"
            );
            let thought = thought.expect("it is limited");
            assert!(thought.tokens <= budget(i) + 3, "{i}: {thought:?}");
            let must = questions[i].reasoning == ReasoningForm::Required;
            assert!(!must || thought.end.is_some(), "{i}: {thought:?}");
            assert_ne!(thought.end, Some(ThoughtEnd::Open), "{i}: {thought:?}");
            if requests[i].sampling.stop.contains(&ids[ids.len() - 1]) {
                questions[i].check(&tokenizer.decode(ids));
            }
        }
    }
}

fn budgeted(
    tokenizer: &ChatTokenizer,
    batch: u64,
    rng: &mut StdRng,
) -> (Vec<Question>, Vec<Request>) {
    let questions: Vec<_> = (0..16).map(|_| Question::draw(rng)).collect();
    let request = |(i, question): (usize, &Question)| Request {
        prompt: tokenizer.prompt_ids(question.sentence),
        n: 1,
        sampling: Sampling {
            max_new_tokens: 80,
            temperature: [0.0, 0.7, 1.5][i % 3],
            stop: tokenizer.stop_ids(),
            seed: batch * 16 + i as u64,
            ..Sampling::default()
        },
    };
    let requests = questions.iter().enumerate().map(request).collect();
    (questions, requests)
}
