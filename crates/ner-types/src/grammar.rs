//! The form of an answer as a grammar, for engines that decode under one.

use std::collections::HashSet;
use std::fmt::Write as _;

use serde_json::Value;

use crate::normalize::normalize_label;
use crate::signature::Signature;
use crate::task::Task;

/// What an answer to a schema may be, as a grammar in the dialect of Lark that `llguidance` reads.
///
/// An answer is reasoning between `<think>` and `</think>`, if `reasoning` says so, and the JSON object that
/// [`parse`](crate::parse) reads: only labels of the schema, each at most once and in any order, and lists of texts
/// that are not blank; of relations pairs of them, of events a trigger and the roles of the schema. Spaces and line
/// breaks are free, within bounds. The reasoning is any text without `</think>`.
///
/// ```
/// use ner_types::{AnswerGrammar, ReasoningForm, Task};
///
/// let schema = ["person".to_string(), "city".to_string()];
/// let grammar = AnswerGrammar { task: Task::Entities, schema: &schema, reasoning: ReasoningForm::Optional, text: None };
/// assert!(grammar.lark().starts_with("start: thought? answer\n"));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct AnswerGrammar<'a> {
    /// What is looked for.
    pub task: Task,
    /// The labels that may be used, as they are written in the prompt.
    pub schema: &'a [String],
    /// Whether reasoning comes first.
    pub reasoning: ReasoningForm,
    /// The sentence, if a text of the answer must occur in it, letter by letter.
    pub text: Option<&'a str>,
}

/// Whether an answer begins with reasoning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReasoningForm {
    /// The model decides.
    #[default]
    Optional,
    /// Always.
    Required,
    /// Never.
    None,
}

/// Labels beyond which one may come twice: the grammar remembers those that were used in the bits of one number.
const MOST_ONCE: usize = 64;

/// A text of JSON that holds no half of a surrogate pair.
const STRING: &str = r#"/"([^"\\\x00-\x1f\x7f]|\\(["\\\/bfnrt]|u[0-9a-cA-CefEF][0-9a-fA-F]{3}|u[dD][0-7][0-9a-fA-F]{2}))*"/"#;

/// A text of JSON in which nothing can be seen: letters that Unicode calls `White_Space`, as they are or escaped.
const BLANK: &str = r#"/"([ \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]|\\([bfnrt]|u00(0[9a-dA-D]|20|85|[aA]0)|u(1680|200[0-9aA]|202[89fF]|205[fF]|3000)))*"/"#;

/// A text that holds a tag of the reasoning.
const TAGGED: &str = r"/(.|\n)*<\/?think>(.|\n)*/";

impl AnswerGrammar<'_> {
    /// The grammar.
    pub fn lark(&self) -> String {
        let thought = match self.reasoning {
            ReasoningForm::Optional => "thought? ",
            ReasoningForm::Required => "thought ",
            ReasoningForm::None => "",
        };
        let mut grammar = format!("start: {thought}answer\n");
        grammar += "thought: \"<think>\" reason\nreason[lazy]: /(.|\\n)*<\\/think>/\n";
        let key = json(&json(self.task.key()));
        let _ = writeln!(
            grammar,
            "answer: WS \"{{\" WS {key} WS \":\" WS \"{{\" WS labels \"}}\" WS \"}}\""
        );
        grammar += "WS: /[ \\n\\r\\t]{0,16}/\n";
        self.labels(&mut grammar);
        grammar += &match self.text {
            Some(text) => format!(
                "STRING: \"\\\"\" INSIDE \"\\\"\"\nINSIDE: {}\n",
                inside(text)
            ),
            None => format!("STRING: {STRING}\n"),
        };
        let _ = writeln!(grammar, "text: TEXT\nTEXT: STRING & ~{BLANK} & ~{TAGGED}");
        grammar
    }

    /// The rules of the labels and of what stands under them.
    fn labels(&self, grammar: &mut String) {
        let signatures = self.signatures();
        if self.task != Task::Events {
            let labels = signatures.iter().map(|it| (it.label, "list".to_owned()));
            keys_once(grammar, "labels", &labels.collect::<Vec<_>>());
            let item = if self.task.is_entities() {
                "text"
            } else {
                "pair"
            };
            *grammar += &list("list", item);
            if self.task == Task::Relations {
                *grammar += "pair: \"[\" WS text WS \",\" WS text WS \"]\"\n";
            }
            return;
        }
        let labels = signatures.iter().enumerate();
        let labels = labels.map(|(i, it)| (it.label, format!("events_{i}")));
        keys_once(grammar, "labels", &labels.collect::<Vec<_>>());
        for (i, signature) in signatures.iter().enumerate() {
            *grammar += &list(&format!("events_{i}"), &format!("event_{i}"));
            *grammar += &event(i);
            let roles = once(signature.parts.iter().copied(), |role| role);
            let roles = roles.into_iter().map(|role| (role, "list".to_owned()));
            keys_once(grammar, &format!("roles_{i}"), &roles.collect::<Vec<_>>());
        }
        *grammar += &list("list", "text");
    }

    /// The labels as they are written, without those that are read as one before them.
    fn signatures(&self) -> Vec<Signature<'_>> {
        let entries = self.schema.iter().map(|entry| match self.task {
            Task::Entities => Signature {
                label: entry,
                parts: Vec::new(),
            },
            _ => Signature::parse(entry),
        });
        once(entries, |signature| signature.label)
    }
}

/// A list of items, which may be empty.
fn list(name: &str, item: &str) -> String {
    format!("{name}: \"[\" WS ({item} WS (\",\" WS {item} WS)*)? \"]\"\n")
}

/// An event: its trigger, then its arguments.
fn event(number: usize) -> String {
    format!(
        "event_{number}: \"{{\" WS \"\\\"trigger\\\"\" WS \":\" WS text WS \",\" WS \"\\\"arguments\\\"\" WS \":\" \
         WS \"{{\" WS roles_{number} \"}}\" WS \"}}\"\n"
    )
}

/// The rules of an object's keys: each one once, in any order, with the rule of its value.
fn keys_once(grammar: &mut String, name: &str, keys: &[(&str, String)]) {
    if keys.is_empty() {
        let _ = writeln!(grammar, "{name}: \"\"");
        return;
    }
    let is_once = keys.len() <= MOST_ONCE;
    let (from, start) = if is_once { ("::_", "::0x0") } else { ("", "") };
    let _ = writeln!(grammar, "{name}: ({name}_first{start})? WS");
    for (rule, before) in [("first", ""), ("more", "\",\" WS ")] {
        let _ = write!(grammar, "{name}_{rule}{from}:");
        for (bit, (key, value)) in keys.iter().enumerate() {
            let bar = if bit == 0 { " " } else { "\n  | " };
            let key = json(&json(key));
            let (next, guard) = if is_once {
                let next = format!("{name}_more::set_bit({bit})");
                (next, format!(" %if bit_clear({bit})"))
            } else {
                (format!("{name}_more"), String::new())
            };
            let _ = write!(
                grammar,
                "{bar}{before}{key} WS \":\" WS {value} WS {next}{guard}"
            );
        }
        if rule == "more" {
            grammar.push_str("\n  | \"\"");
        }
        grammar.push('\n');
    }
}

/// Items without those whose name is read as that of one before them.
fn once<'a, T>(items: impl Iterator<Item = T>, name: impl Fn(&T) -> &'a str) -> Vec<T> {
    let mut seen = HashSet::new();
    items
        .filter(|item| seen.insert(normalize_label(name(item))))
        .collect()
}

/// Parts of a sentence, as they stand in a text of JSON.
fn inside(text: &str) -> String {
    let chunk = |letter: char| {
        let text = json(letter.encode_utf8(&mut [0; 4]));
        text[1..text.len() - 1].to_owned()
    };
    let chunks: Vec<String> = text.chars().map(chunk).collect();
    let chunks = chunks.iter().map(|chunk| json(chunk));
    let chunks = chunks.collect::<Vec<_>>().join(", ");
    format!("%regex {{\"substring_chunks\": [{chunks}]}}")
}

/// A text in JSON, with its quotation marks; a literal of Lark is written in the same way.
fn json(text: &str) -> String {
    Value::from(text).to_string()
}
