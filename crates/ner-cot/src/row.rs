//! One row on its way through teacher, rules and judge, as a machine without servers.
//!
//! It says what to ask next and takes the answer. Where answers come from (a server, the journal, a file of
//! batch results) is the business of others, so that all of them decide alike.

use chat_client::{ChatAnswer, ChatRequest, Message, ResponseFormat, Sampling};
use ner_types::{Example, render_answer};
use serde_json::{Value, json};

use crate::journal::{Key, Part};
use crate::judge;
use crate::plan::Plan;
use crate::report::{Attempt, Reason, Spent};
use crate::rules::{Annotation, validate};

/// How often a judge is asked until its score can be read.
const JUDGE_TRIES: u32 = 3;

/// A request with its identity.
#[derive(Clone, Debug)]
pub struct Question {
    /// What it is for.
    pub part: Part,
    /// Number of the attempt, from 0; a judge counts its own.
    pub attempt: u32,
    /// What is sent.
    pub request: ChatRequest,
    /// Where the journal has the answer.
    pub key: Key,
}

impl Question {
    fn new(plan: &Plan, part: Part, prompt: String, attempt: u32, row: &Example) -> Self {
        let config = &plan.config;
        let (model, sampling) = match part {
            Part::Teacher => (&plan.teacher_model, &config.teacher),
            Part::Judge => (&plan.judge_model, &config.judge),
        };
        let seed = sampling.seed;
        let request = ChatRequest {
            model: model.clone(),
            messages: vec![Message::user(prompt)],
            sampling: Sampling {
                seed: seed.map(|seed| seed.wrapping_add(attempt.into())),
                ..sampling.clone()
            },
            stream: false,
            format: format(plan, part, row),
        };
        Self {
            key: Key::new(part, plan.version(part), &request, attempt),
            part,
            attempt,
            request,
        }
    }
}

/// What the server is told about the form of its answer.
fn format(plan: &Plan, part: Part, row: &Example) -> Option<ResponseFormat> {
    let config = &plan.config;
    match part {
        Part::Teacher => {
            let texts = json!({"type": "array", "items": {"type": "string"}});
            let labels = row
                .schema
                .iter()
                .map(|label| (label.clone(), texts.clone()));
            let labels: serde_json::Map<_, _> = labels.collect();
            let entities = json!({
                "type": "object",
                "properties": labels,
                "additionalProperties": false,
            });
            let schema = object(json!({"entities": entities}));
            ResponseFormat::new(config.teacher_format, "entities", &schema)
        }
        Part::Judge => {
            let score = json!({"type": "number", "minimum": 0, "maximum": 10});
            let schema = object(json!({"score": score, "reason": {"type": "string"}}));
            ResponseFormat::new(config.judge_format, "verdict", &schema)
        }
    }
}

/// JSON schema of an object that has these fields and no others.
fn object(fields: Value) -> Value {
    let names: Vec<&String> = fields
        .as_object()
        .into_iter()
        .flatten()
        .map(|f| f.0)
        .collect();
    json!({
        "type": "object",
        "properties": fields,
        "required": names,
        "additionalProperties": false,
    })
}

impl Plan {
    /// Version of the prompt for a part.
    pub(crate) fn version(&self, part: Part) -> &str {
        let prompts = &self.config.prompts;
        match part {
            Part::Teacher => prompts.teacher.version(),
            Part::Judge => prompts.judge.version(),
        }
    }
}

/// How a row ended.
#[derive(Clone, Debug)]
pub(crate) struct RowResult {
    pub(crate) attempts: Vec<Attempt>,
    /// The accepted annotation; belongs to the last attempt.
    pub(crate) accepted: Option<Annotation>,
}

/// What comes next.
pub(crate) enum Step {
    Ask(Box<Question>),
    Done(RowResult),
}

enum Stage {
    Teach,
    /// A judge has been asked `tries` times about the annotation.
    Judge {
        annotation: Annotation,
        tries: u32,
    },
    Done(Option<Annotation>),
}

/// A row in work.
pub(crate) struct RowWork<'a> {
    plan: &'a Plan,
    row: &'a Example,
    attempts: Vec<Attempt>,
    stage: Stage,
}

impl<'a> RowWork<'a> {
    /// Begins with a normalised row.
    pub(crate) fn new(plan: &'a Plan, row: &'a Example) -> Self {
        Self {
            plan,
            row,
            attempts: Vec::new(),
            stage: Stage::Teach,
        }
    }

    /// What to ask, or how it ended. The same until [`RowWork::answer`] is called.
    pub(crate) fn step(&mut self) -> Step {
        let (row, prompts) = (self.row, &self.plan.config.prompts);
        let question = match &mut self.stage {
            Stage::Done(accepted) => {
                return Step::Done(RowResult {
                    attempts: std::mem::take(&mut self.attempts),
                    accepted: accepted.take(),
                });
            }
            Stage::Teach => {
                let prompt = prompts.render_teacher(&row.schema, &row.sentence);
                let number = self.attempts.len() as u32;
                Question::new(self.plan, Part::Teacher, prompt, number, row)
            }
            Stage::Judge { annotation, tries } => {
                let answer = render_answer(&annotation.entities);
                let reasoning = &annotation.reasoning;
                let prompt = prompts.render_judge(&row.schema, &row.sentence, reasoning, &answer);
                let number = (self.attempts.len() as u32 - 1) * JUDGE_TRIES + *tries;
                Question::new(self.plan, Part::Judge, prompt, number, row)
            }
        };
        Step::Ask(Box::new(question))
    }

    /// The attempts so far, of a row whose last question is not answered.
    pub(crate) fn give_up(self) -> Vec<Attempt> {
        self.attempts
    }

    /// Takes the answer to the last question.
    pub(crate) fn answer(&mut self, answer: ChatAnswer) {
        self.stage = match std::mem::replace(&mut self.stage, Stage::Teach) {
            Stage::Teach => self.taught(answer),
            Stage::Judge { annotation, tries } => self.judged(&answer, annotation, tries + 1),
            done @ Stage::Done(_) => done,
        };
    }

    fn taught(&mut self, answer: ChatAnswer) -> Stage {
        let (row, rules) = (self.row, &self.plan.config.rules);
        let (annotation, findings) = validate(&answer, &row.schema, &row.sentence, rules);
        let reason = findings.first().map(|finding| Reason::Rule(finding.rule));
        let mut attempt = Attempt {
            reason,
            findings,
            score: None,
            verdict: None,
            teacher: Spent::default(),
            judge: Spent::default(),
            is_respelt: answer
                .reasoning
                .is_some_and(|told| told != annotation.reasoning),
            reasoning: annotation.reasoning.clone(),
            content: answer.content,
        };
        attempt.teacher.add(answer.usage);
        self.attempts.push(attempt);
        match reason {
            Some(_) => self.again(),
            None => Stage::Judge {
                annotation,
                tries: 0,
            },
        }
    }

    fn judged(&mut self, verdict: &ChatAnswer, annotation: Annotation, tries: u32) -> Stage {
        let threshold = self.plan.config.threshold;
        let Some(attempt) = self.attempts.last_mut() else {
            return Stage::Teach;
        };
        attempt.judge.add(verdict.usage);
        attempt.score = judge::score(&verdict.content);
        attempt.verdict = Some(verdict.content.clone());
        attempt.reason = match attempt.score {
            None if tries < JUDGE_TRIES => return Stage::Judge { annotation, tries },
            None => Some(Reason::JudgeUnreadable),
            Some(score) if score < threshold => Some(Reason::LowScore),
            Some(_) => return Stage::Done(Some(annotation)),
        };
        self.again()
    }

    /// Another attempt, if there is one left.
    fn again(&self) -> Stage {
        if self.attempts.len() < self.plan.config.attempts as usize {
            Stage::Teach
        } else {
            Stage::Done(None)
        }
    }
}
