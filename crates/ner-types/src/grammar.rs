//! The form of an answer as a grammar, for engines that decode under one.

use std::fmt::Write as _;

use serde_json::Value;

use crate::normalize::normalize_label;

/// What an answer to a schema may be, as a grammar in the dialect of Lark that `llguidance` reads.
///
/// An answer is reasoning between `<think>` and `</think>`, if `reasoning` says so, and the JSON object that
/// [`parse`](crate::parse) reads: only labels of the schema, each at most once and in any order, and lists of texts
/// that are not blank. Spaces and line breaks are free, within bounds. The reasoning is any text without `</think>`.
///
/// ```
/// use ner_types::{AnswerGrammar, ReasoningForm};
///
/// let schema = ["person".to_string(), "city".to_string()];
/// let grammar = AnswerGrammar { schema: &schema, reasoning: ReasoningForm::Optional, text: None };
/// assert!(grammar.lark().starts_with("start: thought? answer\n"));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct AnswerGrammar<'a> {
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
        grammar += "answer: WS \"{\" WS \"\\\"entities\\\"\" WS \":\" WS \"{\" WS entities \"}\" WS \"}\"\n";
        grammar += "WS: /[ \\n\\r\\t]{0,16}/\n";
        self.labels(&mut grammar);
        grammar += "list: \"[\" WS (text WS (\",\" WS text WS)*)? \"]\"\n";
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

    /// The rules of the labels: each one once, in any order.
    fn labels(&self, grammar: &mut String) {
        let is_once = self.schema.len() <= MOST_ONCE;
        let (from, start) = if is_once { ("::_", "::0x0") } else { ("", "") };
        let _ = writeln!(grammar, "entities: (first{start})? WS");
        for (rule, before) in [("first", ""), ("more", "\",\" WS ")] {
            let _ = write!(grammar, "{rule}{from}:");
            for (bit, label) in self.labels_once().iter().enumerate() {
                let bar = if bit == 0 { " " } else { "\n  | " };
                let label = json(&json(label));
                let (next, guard) = if is_once {
                    (
                        format!("more::set_bit({bit})"),
                        format!(" %if bit_clear({bit})"),
                    )
                } else {
                    ("more".to_owned(), String::new())
                };
                let _ = write!(
                    grammar,
                    "{bar}{before}{label} WS \":\" WS list WS {next}{guard}"
                );
            }
            if rule == "more" {
                grammar.push_str("\n  | \"\"");
            }
            grammar.push('\n');
        }
    }

    /// The labels as they are written, without those that are read as one before them.
    fn labels_once(&self) -> Vec<&str> {
        let mut seen = Vec::new();
        let mut labels = Vec::new();
        for label in self.schema {
            let name = normalize_label(label);
            if !seen.contains(&name) {
                seen.push(name);
                labels.push(label.as_str());
            }
        }
        labels
    }
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
