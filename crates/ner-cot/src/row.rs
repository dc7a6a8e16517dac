//! One row through teacher, rules and judge.

use std::sync::Arc;

use ner_types::{Example, render_answer};

use crate::error::Error;
use crate::journal::{Journal, Key, Part};
use crate::judge;
use crate::pipeline::PipelineConfig;
use crate::report::{Attempt, Reason, Spent};
use crate::validate::{Annotation, validate};
use chat_client::{Archive, ChatAnswer, ChatClient, ChatRequest, Message, Sampling, Stop};

/// How often a judge is asked until its score can be read.
const JUDGE_TRIES: u32 = 3;

/// What all rows of a run share.
pub(crate) struct Shared {
    pub(crate) teacher: Arc<ChatClient>,
    pub(crate) judge: Arc<ChatClient>,
    pub(crate) config: Arc<PipelineConfig>,
    pub(crate) journal: Journal,
    /// Set when no further request may be sent.
    pub(crate) halt: Stop,
}

/// How a row ended.
pub(crate) struct RowResult {
    pub(crate) attempts: Vec<Attempt>,
    /// The accepted annotation; belongs to the last attempt.
    pub(crate) accepted: Option<Annotation>,
}

impl Shared {
    /// Asks until an answer is accepted or the attempts are used up.
    pub(crate) async fn annotate(&self, row: &Example) -> Result<RowResult, Error> {
        let mut attempts = Vec::new();
        for number in 0..self.config.attempts {
            let (attempt, annotation) = self.attempt(row, number).await?;
            let accepted = attempt.reason.is_none();
            attempts.push(attempt);
            if accepted {
                let accepted = Some(annotation);
                return Ok(RowResult { attempts, accepted });
            }
        }
        let accepted = None;
        Ok(RowResult { attempts, accepted })
    }

    async fn attempt(&self, row: &Example, number: u32) -> Result<(Attempt, Annotation), Error> {
        let prompts = &self.config.prompts;
        let prompt = prompts.render_teacher(&row.schema, &row.sentence);
        let answer = self.ask(Part::Teacher, prompt, number).await?;
        let rules = &self.config.rules;
        let (annotation, findings) = validate(&answer, &row.schema, &row.sentence, rules);
        let mut attempt = Attempt {
            reason: findings.first().map(|finding| Reason::Rule(finding.rule)),
            findings,
            score: None,
            teacher: Spent::default(),
            judge: Spent::default(),
            content: answer.content,
        };
        attempt.teacher.add(answer.usage);
        if attempt.reason.is_none() {
            self.judge(row, number, &annotation, &mut attempt).await?;
        }
        Ok((attempt, annotation))
    }

    async fn judge(
        &self,
        row: &Example,
        number: u32,
        annotation: &Annotation,
        attempt: &mut Attempt,
    ) -> Result<(), Error> {
        let answer = render_answer(&annotation.entities);
        let (schema, reasoning) = (&row.schema, &annotation.reasoning);
        let prompts = &self.config.prompts;
        let prompt = prompts.render_judge(schema, &row.sentence, reasoning, &answer);
        for again in 0..JUDGE_TRIES {
            let number = number * JUDGE_TRIES + again;
            let verdict = self.ask(Part::Judge, prompt.clone(), number).await?;
            attempt.judge.add(verdict.usage);
            attempt.score = judge::score(&verdict.content);
            if attempt.score.is_some() {
                break;
            }
        }
        attempt.reason = match attempt.score {
            None => Some(Reason::JudgeUnreadable),
            Some(score) if score < self.config.threshold => Some(Reason::LowScore),
            Some(_) => None,
        };
        Ok(())
    }

    /// An answer from the journal, or else from the server.
    async fn ask(&self, part: Part, prompt: String, number: u32) -> Result<ChatAnswer, Error> {
        let prompts = &self.config.prompts;
        let (client, sampling, version) = match part {
            Part::Teacher => (
                &self.teacher,
                &self.config.teacher,
                prompts.teacher.version(),
            ),
            Part::Judge => (&self.judge, &self.config.judge, prompts.judge.version()),
        };
        let request = request(client, sampling, prompt, number);
        let key = Key::new(part, version, &request, number);
        if let Some(body) = self.journal.get(&key)?
            && let Ok(answer) = chat_client::parse_body(&body)
        {
            return Ok(answer);
        }
        let entry = Entry {
            journal: &self.journal,
            key: &key,
            part,
            request: &request,
            version,
            number,
        };
        client.chat(&request, &self.halt, &entry).await
    }
}

/// The place of one answer in the journal.
struct Entry<'a> {
    journal: &'a Journal,
    key: &'a Key,
    part: Part,
    request: &'a ChatRequest,
    version: &'a str,
    number: u32,
}

impl Archive for Entry<'_> {
    type Error = Error;

    async fn store(&self, body: &str) -> Result<(), Error> {
        let Self {
            key,
            part,
            request,
            version,
            number,
            ..
        } = *self;
        self.journal
            .append(key, part, request, version, number, body)
    }
}

fn request(client: &ChatClient, sampling: &Sampling, prompt: String, number: u32) -> ChatRequest {
    let seed = sampling.seed;
    ChatRequest {
        model: client.model().into(),
        messages: vec![Message::user(prompt)],
        sampling: Sampling {
            seed: seed.map(|seed| seed.wrapping_add(number.into())),
            ..sampling.clone()
        },
        stream: false,
        format: None,
    }
}
