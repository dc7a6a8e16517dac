//! A completer of one's own under the evaluator, with a log that lets the run go on where it ended:
//! `cargo run -p ner-eval --example completer`.

use std::error::Error;
use std::path::Path;

use ner_eval::{Answer, BoxError, CancellationToken, Completer, EvalOptions, EvalResult, EvalSet};
use ner_eval::{PredictionLog, Question, ResultTable, RunIdentity, Suite, evaluate_logged};
use ner_types::{Entity, Example, PromptTemplate, render_answer};

/// Finds one name wherever a prompt has it. A model would generate its answers here.
struct OneCity(&'static str);

impl Completer for OneCity {
    fn complete(&mut self, questions: &[Question]) -> Result<Vec<Answer>, BoxError> {
        let found = [Entity::new(self.0, "city")];
        let answer = |question: &Question| Answer {
            text: render_answer(&found[..usize::from(question.sentence.contains(self.0))]),
            ..Answer::default()
        };
        Ok(questions.iter().map(answer).collect())
    }
}

fn sentence(text: &str, city: &str) -> Example {
    Example {
        sentence: text.into(),
        schema: vec!["city".into()],
        entities: vec![Entity::new(city, "city")],
        ..Example::default()
    }
}

pub(crate) fn run(dir: &Path) -> Result<EvalResult, Box<dyn Error>> {
    let left = sentence("Ada Brel left Port Halvek .", "Port Halvek");
    let set = EvalSet {
        name: "harbours".into(),
        examples: vec![left, sentence("Oslin was quiet .", "Oslin")],
    };
    let (name, sets) = ("harbours".into(), vec![set]);
    let (suite, mut model) = (Suite { name, sets }, OneCity("Port Halvek"));
    let (prompt, stop) = (PromptTemplate::paper(), CancellationToken::new());
    let options = EvalOptions::default();
    let identity = RunIdentity::new(&suite, "one city", &prompt);
    let mut log = PredictionLog::open(&dir.join("predictions.partial.jsonl"), &identity)?;
    let model = &mut model;
    let result = evaluate_logged(&mut log, &suite, &prompt, model, &options, &stop, &mut ())?;
    log.remove()?;
    Ok(result)
}

fn main() -> Result<(), Box<dyn Error>> {
    let result = run(&std::env::temp_dir())?;
    let table = ResultTable::new(&[("one city", &result)]);
    print!("{}", table.to_text());
    Ok(())
}
