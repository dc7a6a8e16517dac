//! What the server of `rner-lab bench cot` answers, and how long questions and answers are.

use anyhow::Result;
use chat_client::{ChatRequest, Message, Sampling};
use ner_cot::prompts::Prompts;
use serde_json::json;

use super::rows::row;

/// Model that annotates.
pub(super) const TEACHER: &str = "bench-teacher";

/// Model that scores.
pub(super) const JUDGE: &str = "bench-judge";

/// Length of the reasoning, so that an answer of the teacher has about 4 kB.
const REASONING_BYTES: usize = 3500;

/// The annotation that fits every sentence.
const ANSWER: &str = r#"{"entities": {"city": ["Brel"]}}"#;

/// Body of the teacher's answers.
pub(super) fn taught() -> String {
    completion(TEACHER, &reasoning(), ANSWER)
}

/// Body of the judge's answers.
pub(super) fn judged() -> String {
    let verdict = r#"{"score": 9, "reason": "Every step follows from the sentence."}"#;
    completion(JUDGE, "", verdict)
}

/// A chain of thought that breaks no rule: it quotes, and says nothing twice.
fn reasoning() -> String {
    const WORDS: [&str; 32] = [
        "ferry",
        "crew",
        "harvest",
        "market",
        "quay",
        "hills",
        "morning",
        "whistle",
        "and",
        "with",
        "which",
        "because",
        "under",
        "late",
        "lamps",
        "train",
        "delegation",
        "passengers",
        "after",
        "other",
        "sang",
        "wait",
        "near",
        "common",
        "noun",
        "phrase",
        "reads",
        "means",
        "simple",
        "word",
        "then",
        "again",
    ];
    let mut text = String::from(
        "I read the sentence from left to right. \"Brel\" is a city, because a ferry goes there and it has a quay. ",
    );
    let mut state = 1_u32;
    for step in 1.. {
        if text.len() >= REASONING_BYTES {
            break;
        }
        text.push_str(&format!("Step {step}:"));
        for _ in 0..12 {
            // The constants of Numerical Recipes: any sequence without short repetitions would do.
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            text.push(' ');
            text.push_str(WORDS[(state >> 27) as usize]);
        }
        text.push_str(". ");
    }
    text
}

fn completion(model: &str, reasoning: &str, content: &str) -> String {
    let message = json!({"role": "assistant", "reasoning_content": reasoning, "content": content});
    json!({
        "id": "chatcmpl-bench",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 500, "completion_tokens": 900, "total_tokens": 1400},
    })
    .to_string()
}

/// Bytes of a question to the teacher, and of the answer.
pub(super) fn teacher_bytes() -> Result<[usize; 2]> {
    let row = row(0);
    let prompt = Prompts::default().render_teacher(&row.schema, &row.sentence);
    Ok([request_bytes(TEACHER, prompt)?, taught().len()])
}

/// Bytes of a question to the judge, and of the answer.
pub(super) fn judge_bytes() -> Result<[usize; 2]> {
    let row = row(0);
    let prompts = Prompts::default();
    let prompt = prompts.render_judge(&row.schema, &row.sentence, &reasoning(), ANSWER);
    Ok([request_bytes(JUDGE, prompt)?, judged().len()])
}

fn request_bytes(model: &str, prompt: String) -> Result<usize> {
    let request = ChatRequest {
        model: model.into(),
        messages: vec![Message::user(prompt)],
        sampling: Sampling::default(),
        stream: false,
        format: None,
    };
    Ok(serde_json::to_vec(&request)?.len())
}
