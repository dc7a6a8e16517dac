//! Answers that were paid for: the journal of a dataset, and the log of an evaluation.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use chat_client::money::Bound;
use chat_client::{ChatRequest, Message, Sampling};
use ner_cot::Journal;
use ner_cot::journal::{Key, Part, Record};
use ner_eval::{
    Answer, BoxError, CancellationToken, Completer, EvalOptions, EvalSet, PredictionLog, Question,
    RunIdentity, Suite, evaluate_logged,
};
use ner_types::{Entity, Example, PromptTemplate};
use rner::recipe::{Cot, Recipe};
use rner::session::Session;
use rner::stages::CotJob;

use super::subject::{Proof, Reading, Subject, digest, words};

/// Answers of the journal that is looked at line by line.
const ANSWERS: u32 = 8;

/// A journal, line by line: an answer is the one that was written, or it is not there and will be asked for again.
pub(super) struct Lines;

impl Lines {
    fn key(number: u32) -> Key {
        let request = ChatRequest {
            model: "teacher".into(),
            messages: vec![Message::user(format!("question {number}"))],
            sampling: Sampling::default(),
            stream: false,
            format: None,
        };
        Key::new(Part::Teacher, "v1", &request, 0)
    }

    fn body(number: u32) -> String {
        format!(
            "{{\"content\": \"{number}: der {number}. Müller\\nin Brel\", \"tokens\": {number}}}"
        )
    }

    /// What a journal has, which must be right; a number for each answer that is lost.
    fn check(journal: &Journal) -> Result<Vec<u32>> {
        let mut lost = Vec::new();
        for number in 0..ANSWERS {
            match journal
                .get(&Self::key(number))
                .context("an answer that was found")?
            {
                Some(body) => ensure!(body == Self::body(number), "answer {number} is {body:?}"),
                None => lost.push(number),
            }
        }
        ensure!(
            journal.len() as u32 + lost.len() as u32 == ANSWERS,
            "an answer nobody gave"
        );
        Ok(lost)
    }
}

impl Subject for Lines {
    fn name(&self) -> &'static str {
        "journals"
    }

    fn proof(&self) -> Proof {
        Proof::Hashed
    }

    fn write(&self, dir: &Path) -> Result<()> {
        let journal = Journal::open(dir)?;
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let bound = Bound {
            prompt_tokens: 100,
            completion_tokens: Some(50),
        };
        for number in 0..ANSWERS {
            runtime.block_on(journal.begin(Part::Teacher, "teacher", &bound))?;
            let (key, body) = (Self::key(number), Self::body(number));
            journal.append_later(&key, &record(&key, &body))?;
            journal.end(Part::Teacher, "teacher", &bound);
        }
        Ok(journal.finish()?)
    }

    fn is_target(&self, file: &Path) -> bool {
        file.ends_with("journal.jsonl")
    }

    fn read(&self, dir: &Path) -> Result<Reading> {
        let journal = match Journal::open(dir) {
            Ok(journal) => journal,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let lost = Self::check(&journal)?;
        for number in &lost {
            let (key, body) = (Self::key(*number), Self::body(*number));
            journal.append_later(&key, &record(&key, &body))?;
        }
        journal.finish().context("what was asked again")?;
        drop(journal);
        let again = Journal::open_to_read(dir).context("opened again")?;
        let lost = Self::check(&again)?;
        ensure!(
            lost.is_empty(),
            "{lost:?} are lost after they were written again"
        );
        Ok(Ok("every answer".into()))
    }
}

fn record<'a>(key: &Key, body: &'a str) -> Record<'a> {
    let hex = key.hex();
    let mut hasher = blake3::Hasher::new();
    hasher.update(hex.as_bytes()).update(body.as_bytes());
    Record {
        check: hasher.finalize().to_hex()[..16].to_owned().into(),
        key: hex.into(),
        part: Part::Teacher,
        model: "teacher".into(),
        prompt: "v1".into(),
        attempt: 0,
        at: Some(0),
        sum: None,
        body: body.into(),
    }
}

/// Sentences whose entities everybody in this file knows.
fn examples(count: usize) -> Vec<Example> {
    let example = |i: usize| Example {
        guid: Some(format!("row-{i}")),
        sentence: format!("Ada Brel left Port Halvek on day {i}."),
        schema: vec!["person".into(), "city".into()],
        entities: vec![
            Entity::new("Ada Brel", "person"),
            Entity::new("Port Halvek", "city"),
        ],
        ..Example::default()
    };
    (0..count).map(example).collect()
}

/// A dataset that is made from a journal, with the simulated teacher for what is lost.
pub(super) struct Chains(Cot);

impl Chains {
    pub(super) fn new() -> Result<Self> {
        Ok(Self(Recipe::resolve("smoke", &[])?.cot))
    }

    /// Makes the dataset: its lines, or why not.
    fn run(&self, dir: &Path) -> Result<String, String> {
        let job = CotJob {
            source: &examples(6),
            config: &self.0,
            seed: 1,
            sampling_seed: 1,
            exclude: Vec::new(),
            journal: dir.to_owned(),
            out: dir.join("out"),
            session: &Session::silent(),
        };
        job.run().map_err(|error| words(&error))?;
        std::fs::read_to_string(dir.join("out/ner-cot.jsonl")).map_err(|error| error.to_string())
    }
}

impl Subject for Chains {
    fn name(&self) -> &'static str {
        "datasets from journals"
    }

    fn proof(&self) -> Proof {
        Proof::Hashed
    }

    fn write(&self, dir: &Path) -> Result<()> {
        self.run(dir).map(drop).map_err(anyhow::Error::msg)
    }

    fn is_target(&self, file: &Path) -> bool {
        !file.ends_with("journal.lock")
    }

    fn read(&self, dir: &Path) -> Result<Reading> {
        Ok(self.run(dir))
    }
}

/// An evaluation that was interrupted.
pub(super) struct Evaluation;

/// The file with its answers.
const LOG: &str = "predictions.partial.jsonl";

impl Evaluation {
    /// Evaluates to the end, or until `stop`: all scores and answers, or why not.
    fn run(dir: &Path, batches: usize) -> Result<String, String> {
        let examples = examples(12);
        let (one, two) = examples.split_at(6);
        let set = |name: &str, examples: &[Example]| EvalSet {
            name: name.into(),
            examples: examples.to_vec(),
        };
        let suite = Suite {
            name: "two sets".into(),
            sets: vec![set("one", one), set("two", two)],
        };
        let template = PromptTemplate::paper();
        let identity = RunIdentity::new(&suite, "model", &template);
        let stop = CancellationToken::new();
        let mut known = Known {
            batches,
            stop: stop.clone(),
        };
        let options = EvalOptions {
            batch_size: 3,
            resamples: 20,
            seed: 1,
        };
        let log = PredictionLog::open(&dir.join(LOG), &identity);
        let result = log.and_then(|mut log| {
            evaluate_logged(
                &mut log,
                &suite,
                &template,
                &mut known,
                &options,
                &stop,
                &mut (),
            )
        });
        let result = result.map_err(|error| error.to_string())?;
        serde_json::to_string(&(&result, &result.predictions)).map_err(|error| error.to_string())
    }
}

/// Answers a prompt always alike, and stops after some batches.
struct Known {
    batches: usize,
    stop: CancellationToken,
}

impl Completer for Known {
    fn complete(&mut self, questions: &[Question]) -> Result<Vec<Answer>, BoxError> {
        self.batches -= 1;
        if self.batches == 0 {
            self.stop.cancel();
        }
        let answer = |question: &Question| Answer {
            text: format!(
                "{{\"person\": [\"Ada Brel\"], \"city\": []}} {}",
                digest(&question.prompt)
            ),
            truncated: false,
            tokens: question.prompt.len(),
            thought: None,
        };
        Ok(questions.iter().map(answer).collect())
    }
}

impl Subject for Evaluation {
    fn name(&self) -> &'static str {
        "evaluation logs"
    }

    fn proof(&self) -> Proof {
        Proof::Hashed
    }

    fn write(&self, dir: &Path) -> Result<()> {
        if let Err(words) = Self::run(dir, 3) {
            bail!("{words}");
        }
        Ok(())
    }

    fn read(&self, dir: &Path) -> Result<Reading> {
        Ok(Self::run(dir, usize::MAX))
    }
}
