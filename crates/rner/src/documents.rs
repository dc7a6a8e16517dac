//! Documents of any length: questions about their windows, and one extraction of the answers.

use std::fmt;
use std::sync::Arc;

use ner_documents::{Answered, Limits, Nesting, Plan, merge, plan};
use ner_promise::Confidences;
use ner_types::{Extraction, NamedProblem, ReadMode, Thought, parse_with};

use crate::answerer::{Answer, Answerer, Question};
use crate::error::{Context, Error, Result};

/// Tells how many tokens a text has.
type Count = Arc<dyn Fn(&str) -> usize + Send + Sync>;

/// Asks about documents and reads the answers.
///
/// Unless it is told otherwise, a document is one question, whatever its length.
#[derive(Clone)]
pub struct Reader {
    groups: Vec<Vec<String>>,
    mode: ReadMode,
    limits: Limits,
    nesting: Nesting,
    count: Count,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Reader");
        let shown = shown
            .field("groups", &self.groups)
            .field("mode", &self.mode);
        let shown = shown
            .field("limits", &self.limits)
            .field("nesting", &self.nesting);
        shown.finish_non_exhaustive()
    }
}

impl Reader {
    /// Of these types, as [`entity_types`](crate::extract::entity_types) gives them, with answers read in this mode.
    pub fn new(types: Vec<String>, mode: ReadMode) -> Self {
        Self {
            groups: vec![types],
            mode,
            limits: Limits::default(),
            nesting: Nesting::default(),
            count: Arc::new(str::len),
        }
    }

    /// With at most so many types in a question; a window is asked about once for each group of them.
    #[must_use]
    pub fn in_groups_of(mut self, n_types: usize) -> Self {
        let types = self.groups.concat();
        self.groups = types
            .chunks(n_types.max(1))
            .map(<[String]>::to_vec)
            .collect();
        self
    }

    /// With windows of these sizes, in the tokens that `count` finds in a text.
    #[must_use]
    pub fn with_windows(
        self,
        limits: Limits,
        count: impl Fn(&str) -> usize + Send + Sync + 'static,
    ) -> Self {
        let count = Arc::new(count);
        Self {
            limits,
            count,
            ..self
        }
    }

    /// With entities that share letters, or without.
    #[must_use]
    pub fn with_nesting(self, nesting: Nesting) -> Self {
        Self { nesting, ..self }
    }

    /// The types that are asked for together.
    pub fn groups(&self) -> &[Vec<String>] {
        &self.groups
    }

    /// The windows of a text.
    ///
    /// # Errors
    /// A text that is blank.
    pub fn plan(&self, text: &str) -> Result<Plan> {
        if text.trim().is_empty() {
            return Err(Error::invalid("the text is blank"));
        }
        Ok(plan(text, &self.limits, &*self.count))
    }

    /// What the answers about a text say. Each names its window and its group of types.
    pub fn extraction(
        &self,
        text: &str,
        plan: &Plan,
        answers: impl IntoIterator<Item = (usize, usize, Answer)>,
    ) -> Extraction {
        let answered = |(window, group, answer): (usize, usize, Answer)| Answered {
            window,
            group,
            completion: parse_with(&answer.text, self.mode),
            is_cut_off: answer.is_cut_off,
        };
        let answers: Vec<_> = answers.into_iter().collect();
        let thoughts = answers.iter().filter_map(|(_, _, answer)| answer.thought);
        let thought = thoughts.reduce(Thought::and);
        let rated = answers
            .iter()
            .map(|(_, _, answer)| Confidences::new(&answer.text, &answer.evidence, self.mode));
        let rated: Vec<Confidences> = rated.collect();
        let answers: Vec<Answered> = answers.into_iter().map(answered).collect();
        let others = rated.iter().zip(&answers);
        let others = others.map(|(rated, it)| rated.only_in_samples(&it.completion.entities));
        let others = others.sum();
        let mut found = Extraction {
            thought,
            ..merge(text, plan, &self.groups, answers, self.nesting)
        };
        rate(&mut found, &rated, others);
        found
    }

    /// What some documents hold, in their order. Their windows are asked about together, as many at a time as the
    /// answerer likes. A document that is blank, or one of whose questions has no answer, has an error of its own, and
    /// no more is asked about it.
    ///
    /// # Errors
    /// What would fail for every document, see [`Answerer::answer_each`].
    pub fn read(
        &self,
        answerer: &mut dyn Answerer,
        texts: &[&str],
    ) -> Result<Vec<Result<Extraction>>> {
        let documents = texts
            .iter()
            .map(|text| self.plan(text).map(|plan| Document::new(text, plan)));
        let mut documents: Vec<Result<Document<'_>>> = documents.collect();
        let mut questions = self.questions(&documents).into_iter();
        loop {
            let is_open = |asked: &Asked| documents[asked.document].is_ok();
            let batch = questions.by_ref().filter(is_open);
            let batch: Vec<Asked> = batch.take(answerer.at_once().max(1)).collect();
            if batch.is_empty() {
                break;
            }
            self.ask(answerer, &mut documents, &batch)?;
        }
        let extraction = |document: Document<'_>| {
            self.extraction(document.text, &document.plan, document.answers)
        };
        Ok(documents
            .into_iter()
            .map(|document| document.map(extraction))
            .collect())
    }

    /// Every group of types about every window of every document.
    fn questions(&self, documents: &[Result<Document<'_>>]) -> Vec<Asked> {
        let mut questions = Vec::new();
        for (document, asked) in documents.iter().enumerate() {
            let n_windows = asked.as_ref().map_or(0, |it| it.plan.windows.len());
            for window in 0..n_windows {
                let groups = 0..self.groups.len();
                questions.extend(groups.map(|group| Asked {
                    document,
                    window,
                    group,
                }));
            }
        }
        questions
    }

    /// Asks some questions and gives their answers to the documents.
    fn ask(
        &self,
        answerer: &mut dyn Answerer,
        documents: &mut [Result<Document<'_>>],
        batch: &[Asked],
    ) -> Result<()> {
        let question = |asked: &Asked| {
            let document = documents[asked.document].as_ref().ok()?;
            Some(Question {
                types: &self.groups[asked.group],
                text: &document.text[document.plan.windows[asked.window].shown()],
            })
        };
        let questions: Vec<Question<'_>> = batch.iter().filter_map(question).collect();
        let answers = answerer.answer_each(&questions)?;
        if answers.len() != batch.len() {
            return Err(Error::invalid("some questions have no answer"));
        }
        for (asked, answer) in batch.iter().zip(answers) {
            let Ok(document) = &mut documents[asked.document] else {
                continue;
            };
            match document.placed(asked, answer) {
                Ok(answer) => document.answers.push((asked.window, asked.group, answer)),
                Err(error) => documents[asked.document] = Err(error),
            }
        }
        Ok(())
    }
}

/// Gives each entity the confidence of the answer that is surest of it, and says how many only samples name.
fn rate(found: &mut Extraction, rated: &[Confidences], only_in_samples: usize) {
    found.rate(|label, text| {
        let of = rated.iter().filter_map(|one| one.of(label, text));
        match of.max_by(|a, b| a.value.total_cmp(&b.value)) {
            Some(it) => (Some(it.value), it.agreement),
            None => (None, None),
        }
    });
    if only_in_samples > 0 {
        found.problems.push(NamedProblem {
            kind: "only_in_samples".to_owned(),
            detail: Some(only_in_samples.to_string()),
            message: format!(
                "{only_in_samples} entities are named by samples and not by the answer"
            ),
            window: None,
        });
    }
}

/// A question by its numbers.
#[derive(Clone, Copy)]
struct Asked {
    document: usize,
    window: usize,
    group: usize,
}

/// A text with the answers about it so far.
struct Document<'t> {
    text: &'t str,
    plan: Plan,
    answers: Vec<(usize, usize, Answer)>,
}

impl<'t> Document<'t> {
    fn new(text: &'t str, plan: Plan) -> Self {
        let answers = Vec::new();
        Self {
            text,
            plan,
            answers,
        }
    }

    /// An answer; an error says which window it is about, if there are several.
    fn placed(&self, asked: &Asked, answer: Result<Answer>) -> Result<Answer> {
        let n_windows = self.plan.windows.len();
        if n_windows == 1 {
            return answer;
        }
        let bytes = &self.plan.windows[asked.window].bytes;
        answer.with_context(|| {
            let number = asked.window + 1;
            format!(
                "window {number} of {n_windows}, bytes {} to {}",
                bytes.start, bytes.end
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names what stands in quotation marks; fails on a text with `FAIL`, and counts how it is asked.
    #[derive(Default)]
    struct Quotes {
        batches: Vec<usize>,
        texts: Vec<String>,
    }

    impl Answerer for Quotes {
        fn at_once(&self) -> usize {
            3
        }

        fn answer_each(&mut self, questions: &[Question<'_>]) -> Result<Vec<Result<Answer>>> {
            self.batches.push(questions.len());
            let answer = |question: &Question<'_>| {
                self.texts
                    .push(format!("{} {}", question.types.join("+"), question.text));
                if question.text.contains("FAIL") {
                    return Err(Error::invalid("no answer"));
                }
                let names: Vec<&str> = question.text.split('\'').skip(1).step_by(2).collect();
                let answer = serde_json::json!({"entities": {&question.types[0]: names}});
                let text = answer.to_string();
                Ok(Answer {
                    text,
                    tokens: 1,
                    steps: 1,
                    is_cut_off: false,
                    ..Answer::default()
                })
            };
            Ok(questions.iter().map(answer).collect())
        }
    }

    fn reader(types: &[&str]) -> Reader {
        let types = types.iter().map(|name| (*name).to_owned()).collect();
        let limits = Limits {
            window: 4,
            overlap: 1,
            context: 0,
        };
        let words = |text: &str| text.split_whitespace().count();
        Reader::new(types, ReadMode::Reference).with_windows(limits, words)
    }

    /// Each entity with its place, or the error.
    fn lines(found: &[Result<Extraction>]) -> Vec<String> {
        let line = |found: &Result<Extraction>| match found {
            Ok(found) => {
                let line = |it: &ner_types::Mention| {
                    let start = it.start.map_or("-".to_owned(), |start| start.to_string());
                    format!("{} {} {start}", it.label, it.text)
                };
                let lines: Vec<String> = found.entities.iter().map(line).collect();
                lines.join(", ")
            }
            Err(error) => {
                let source = std::error::Error::source(error).map(ToString::to_string);
                format!("{error}: {}", source.unwrap_or_default())
            }
        };
        found.iter().map(line).collect()
    }

    #[test]
    fn windows_of_several_documents_share_batches_and_a_fault_costs_its_document() -> Result<()> {
        let mut answerer = Quotes::default();
        let texts = [
            "a b c. 'Osk' e f.",
            " ",
            "a b it. FAIL x. y z. u v.",
            "'Zoë' or 'Brel'",
        ];
        let found = reader(&["city"]).read(&mut answerer, &texts)?;
        let expected = [
            "city Osk 8",
            "the text is blank: ",
            "window 1 of 3, bytes 0 to 12: no answer",
            "city Zoë 1, city Brel 10",
        ];
        assert_eq!(lines(&found), expected);
        let asked = ["city a b c.", "city c. 'Osk' e f."];
        assert_eq!(answerer.texts[..2], asked);
        assert_eq!(answerer.batches.iter().sum::<usize>(), answerer.texts.len());
        assert!(
            answerer.batches.iter().rev().skip(1).all(|&n| n == 3),
            "{:?}",
            answerer.batches
        );
        Ok(())
    }

    #[test]
    fn types_in_groups_are_asked_one_group_after_the_other() -> Result<()> {
        let mut answerer = Quotes::default();
        let reader = reader(&["city", "person", "ship"]).in_groups_of(2);
        let found = reader.read(&mut answerer, &["'Osk' and 'Brel'"])?;
        assert_eq!(
            answerer.texts,
            ["city+person 'Osk' and 'Brel'", "ship 'Osk' and 'Brel'"]
        );
        let expected = "city Osk 1, ship Osk 1, city Brel 11, ship Brel 11";
        assert_eq!(lines(&found), [expected]);
        let flat = reader
            .with_nesting(Nesting::Flat)
            .read(&mut answerer, &["'Osk' and 'Brel'"])?;
        assert_eq!(lines(&flat), ["city Osk 1, city Brel 11"]);
        Ok(())
    }
}
