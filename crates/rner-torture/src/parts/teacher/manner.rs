//! What a server does with a request, and what it bills for it.

use std::time::Duration;

use serde_json::{Value, json};

/// Most tokens of an answer, as the pipeline asks for them.
pub(super) const MAX_TOKENS: u32 = 400;

/// What a server does with every request, but for a first short answer at times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Manner {
    /// A short answer.
    Light,
    /// An answer of as many tokens as were allowed.
    Heavy,
    /// Short answers first, so that the mean is small, and heavy ones then.
    HeavyLater,
    /// A heavy answer of which half arrives.
    CutHalf,
    /// A heavy answer that breaks off at any byte.
    CutAnywhere,
    /// A heavy answer without its last chunk.
    CutChunks,
    /// The head of an answer, and silence.
    HeadOnly,
    /// A heavy answer that comes when nobody waits any more.
    Late,
    /// A byte every minute, longer than anybody waits.
    Trickle,
    /// Comments that keep the connection alive for ever.
    KeepAlive,
    /// A heavy answer without its token counts.
    NoUsage,
    /// A heavy answer with the tokens of the prompt alone.
    HalfUsage,
    /// Token counts of 0.
    ZeroUsage,
    /// Token counts below 0.
    NegativeUsage,
    /// Token counts near 2^53.
    HugeUsage,
    /// An error with status 200, though the model has written.
    ErrorIn200,
    /// An error inside of the choice, though the model has written.
    ErrorInChoice,
    /// The model has written, but its gateway says that it has not.
    Gateway,
    /// The model has written, and the connection is closed.
    HangupAfter,
    /// The connection is closed, and nothing was written.
    HangupBefore,
    /// 500, always.
    Broken,
    /// 500 and an answer in turn.
    HalfBroken,
    /// 503 for a second.
    Unavailable,
    /// 429, always.
    Busy,
    /// 429 with a wish to wait for ever.
    BusyForEver,
    /// 429 in storms: nine of ten requests.
    Storm,
    /// 401 that repeats the key.
    Unauthorised,
    /// 402: no money is left.
    Unpaid,
    /// 404: there is no such model.
    NoModel,
    /// An answer that repeats the key in its reasoning.
    EchoKey,
    /// The same, in pieces of three letters.
    EchoKeyInPieces,
    /// The same, escaped as JSON allows it.
    EchoKeyEscaped,
    /// An error of the server that repeats the key and has escape sequences of a terminal.
    EchoKeyInError,
    /// 200 without a body.
    Empty,
    /// 200 with a page of HTML.
    Html,
    /// 200 with half a JSON.
    HalfJson,
    /// A megabyte of newlines before the answer.
    Newlines,
    /// An answer that stops at the limit of tokens, always.
    Length,
    /// A redirection to somebody else.
    Redirect,
    /// A body with more bytes than its head says.
    TooLong,
}

use Manner as M;

impl Manner {
    pub(super) const ALL: [Self; 40] = [
        M::Light,
        M::Heavy,
        M::HeavyLater,
        M::CutHalf,
        M::CutAnywhere,
        M::CutChunks,
        M::HeadOnly,
        M::Late,
        M::Trickle,
        M::KeepAlive,
        M::NoUsage,
        M::HalfUsage,
        M::ZeroUsage,
        M::NegativeUsage,
        M::HugeUsage,
        M::ErrorIn200,
        M::ErrorInChoice,
        M::Gateway,
        M::HangupAfter,
        M::HangupBefore,
        M::Broken,
        M::HalfBroken,
        M::Unavailable,
        M::Busy,
        M::BusyForEver,
        M::Storm,
        M::Unauthorised,
        M::Unpaid,
        M::NoModel,
        M::EchoKey,
        M::EchoKeyInPieces,
        M::EchoKeyEscaped,
        M::EchoKeyInError,
        M::Empty,
        M::Html,
        M::HalfJson,
        M::Newlines,
        M::Length,
        M::Redirect,
        M::TooLong,
    ];

    /// The tokens that the model writes for the `number`-th request; none if it is refused.
    pub(super) fn writes(self, number: u64) -> Option<u32> {
        match self {
            M::Light | M::EchoKey | M::EchoKeyInPieces | M::EchoKeyEscaped => Some(20),
            M::HeavyLater if number < 5 => Some(20),
            M::HalfBroken if number.is_multiple_of(2) => None,
            M::Storm if number % 10 != 9 => None,
            M::HangupBefore | M::Broken | M::Unavailable | M::Busy | M::BusyForEver => None,
            M::Unauthorised | M::Unpaid | M::NoModel | M::EchoKeyInError | M::Redirect => None,
            _ => Some(MAX_TOKENS),
        }
    }
}

/// What goes over the wire.
pub(super) enum Step {
    Write(Vec<u8>),
    Wait(Duration),
}

/// A request, as far as an answer depends on it.
pub(super) struct Asked<'a> {
    /// How many came before it.
    pub(super) number: u64,
    /// Whether it wants the answer in pieces.
    pub(super) stream: bool,
    /// The key that came with it.
    pub(super) key: &'a str,
    pub(super) is_judge: bool,
    /// The tokens of its prompt.
    pub(super) prompt_tokens: u64,
    /// A number that is drawn for it.
    pub(super) drawn: u64,
}

/// What a server does, and whether a whole and readable answer is delivered by that.
pub(super) struct Reply {
    pub(super) steps: Vec<Step>,
    pub(super) is_delivered: bool,
}

const GOOD: &str = r#"{"entities": {"city": ["Brel"]}}"#;
const WHY: &str = "\"Brel\" is a city, as Zoë and the others sleep there.";

/// The answer of a good server.
pub(super) fn good(asked: &Asked<'_>) -> Reply {
    delivered(answer(asked, WHY, usage(asked, 20), "stop"))
}

/// What a server of this manner does with a request for which its model has written `tokens`.
pub(super) fn reply(manner: Manner, asked: &Asked<'_>, tokens: u32) -> Reply {
    let whole = |why: &str| answer(asked, why, usage(asked, tokens), "stop");
    let told = |usage: Value| delivered(answer(asked, WHY, usage, "stop"));
    let heavy = whole(WHY);
    match manner {
        M::CutHalf => lost(cut(&heavy, heavy.len() / 2)),
        M::CutAnywhere => lost(cut(&heavy, asked.drawn as usize % heavy.len())),
        M::CutChunks => lost(vec![Step::Write(chunk(&heavy))]),
        M::HeadOnly => lost(vec![Step::Write(head("200 OK", "", 900)), wait(1e5)]),
        M::Late => lost(vec![wait(7200.0), ok(&heavy)]),
        M::Trickle => lost(trickle(&heavy)),
        M::KeepAlive => lost(keep_alive()),
        M::NoUsage => told(Value::Null),
        M::HalfUsage => told(json!({"prompt_tokens": asked.prompt_tokens})),
        M::ZeroUsage => told(counts(json!(0), json!(0))),
        M::NegativeUsage => told(counts(json!(-5), json!(-1))),
        M::HugeUsage => told(counts(json!(1_u64 << 53), json!(1_u64 << 53))),
        M::ErrorIn200 => lost(vec![ok(&error("overloaded"))]),
        M::ErrorInChoice => lost(vec![ok(&error_in_choice())]),
        M::Gateway => lost(vec![status("502 Bad Gateway", "", &error("upstream"))]),
        M::HangupAfter => lost(Vec::new()),
        M::EchoKey => delivered(whole(&format!("{WHY} Bearer {}", asked.key))),
        M::EchoKeyInPieces => delivered(in_pieces(asked, tokens)),
        M::EchoKeyEscaped => delivered(escaped(asked, &whole(&format!("{WHY} {}", asked.key)))),
        M::Empty => lost(vec![ok("")]),
        M::Html => lost(vec![ok("<html>busy</html>")]),
        M::HalfJson => lost(vec![ok("{\"choices\": [{\"message\": {\"content\": \"ha")]),
        M::Newlines => delivered("\n".repeat(1 << 20) + &heavy),
        M::Length => delivered(answer(asked, WHY, usage(asked, tokens), "length")),
        M::TooLong => too_long(&heavy),
        _ => delivered(heavy),
    }
}

/// What a server of this manner says when it refuses a request.
pub(super) fn refusal(manner: Manner, asked: &Asked<'_>) -> Reply {
    let told = format!("\u{1b}]0;owned\u{7} the key {} is wrong", asked.key);
    lost(match manner {
        M::HangupBefore => Vec::new(),
        M::Unavailable => vec![status("503 Unavailable", "Retry-After: 1\r\n", "<html>")],
        M::Busy | M::Storm => vec![status("429 Too Many Requests", "", &error("slow down"))],
        M::BusyForEver => {
            let headers = "Retry-After: 1e300\r\n";
            vec![status("429 Too Many Requests", headers, "")]
        }
        M::Unauthorised => vec![status("401 Unauthorized", "", &error(&told))],
        M::EchoKeyInError => vec![status("500 Internal Server Error", "", &error(&told))],
        M::Unpaid => vec![status("402 Payment Required", "", &error("no money"))],
        M::NoModel => vec![status("404 Not Found", "", &error("no such model"))],
        M::Redirect => {
            let headers = "Location: http://127.0.0.2:1/v1\r\n";
            vec![status("307 Temporary Redirect", headers, "")]
        }
        _ => vec![status("500 Internal Server Error", "", &error("oops"))],
    })
}

fn wait(seconds: f64) -> Step {
    Step::Wait(Duration::from_secs_f64(seconds))
}

fn lost(steps: Vec<Step>) -> Reply {
    Reply {
        steps,
        is_delivered: false,
    }
}

fn delivered(body: String) -> Reply {
    Reply {
        steps: vec![ok(&body)],
        is_delivered: true,
    }
}

fn head(status: &str, headers: &str, length: usize) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n")
        .into_bytes()
}

fn status(status: &str, headers: &str, body: &str) -> Step {
    Step::Write([&head(status, headers, body.len()), body.as_bytes()].concat())
}

fn ok(body: &str) -> Step {
    status("200 OK", "", body)
}

/// An answer of which only the beginning comes.
fn cut(body: &str, at: usize) -> Vec<Step> {
    let head = head("200 OK", "", body.len());
    vec![Step::Write([&head, &body.as_bytes()[..at]].concat())]
}

/// A body in one chunk, and no end.
fn chunk(body: &str) -> Vec<u8> {
    let size = body.len();
    format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{size:x}\r\n{body}\r\n")
        .into_bytes()
}

/// A head that says less than what comes. What is behind its length does not belong to the answer.
fn too_long(body: &str) -> Reply {
    let mut bytes = head("200 OK", "", body.len());
    bytes.extend([body.as_bytes(), b"HTTP/1.1 200 OK\r\n\r\nand more"].concat());
    Reply {
        steps: vec![Step::Write(bytes)],
        is_delivered: true,
    }
}

fn trickle(body: &str) -> Vec<Step> {
    let mut steps = vec![Step::Write(head("200 OK", "", body.len()))];
    for byte in body.bytes() {
        steps.extend([wait(60.0), Step::Write(vec![byte])]);
    }
    steps
}

fn keep_alive() -> Vec<Step> {
    let mut steps = vec![Step::Write(head("200 OK", "", 1 << 20))];
    for _ in 0..1000 {
        steps.extend([wait(15.0), Step::Write(b": keep-alive\n\n".to_vec())]);
    }
    steps
}

fn counts(prompt: Value, completion: Value) -> Value {
    json!({"prompt_tokens": prompt, "completion_tokens": completion})
}

fn usage(asked: &Asked<'_>, tokens: u32) -> Value {
    counts(json!(asked.prompt_tokens), json!(tokens))
}

fn error(message: &str) -> String {
    json!({"error": {"message": message}}).to_string()
}

fn error_in_choice() -> String {
    let choice = json!({"error": {"code": 502, "message": "upstream"}, "finish_reason": "error"});
    json!({"choices": [choice]}).to_string()
}

/// The content of a good answer.
fn content(asked: &Asked<'_>) -> &'static str {
    if asked.is_judge {
        "{\"score\": 9, \"reason\": \"fine\"}"
    } else {
        GOOD
    }
}

/// The body of an answer, whole or in pieces.
fn answer(asked: &Asked<'_>, why: &str, usage: Value, finish: &str) -> String {
    let message = json!({"reasoning_content": why, "content": content(asked)});
    if !asked.stream {
        let choice = json!({"message": message, "finish_reason": finish});
        return json!({"choices": [choice], "usage": usage}).to_string();
    }
    let piece = json!({"choices": [{"delta": message, "finish_reason": finish}]});
    events(&[piece, json!({"choices": [], "usage": usage})])
}

fn events(pieces: &[Value]) -> String {
    let lines = pieces.iter().map(|piece| format!("data: {piece}\n\n"));
    lines.chain(["data: [DONE]\n\n".to_owned()]).collect()
}

/// An answer that repeats the key, spread over pieces of three letters where pieces are wanted.
fn in_pieces(asked: &Asked<'_>, tokens: u32) -> String {
    let why: Vec<char> = format!("{WHY} {}", asked.key).chars().collect();
    if !asked.stream {
        let why: String = why.into_iter().collect();
        return answer(asked, &why, usage(asked, tokens), "stop");
    }
    let piece = |delta: Value| json!({"choices": [{"delta": delta, "finish_reason": null}]});
    let thought =
        |part: &[char]| piece(json!({"reasoning_content": part.iter().collect::<String>()}));
    let mut pieces: Vec<Value> = why.chunks(3).map(thought).collect();
    pieces.push(piece(json!({"content": content(asked)})));
    let end =
        json!({"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": usage(asked, tokens)});
    pieces.push(end);
    events(&pieces)
}

/// A body whose key has its first letter as a number.
fn escaped(asked: &Asked<'_>, body: &str) -> String {
    let first = asked.key.chars().next().unwrap_or('k');
    let rest = asked.key.strip_prefix(first).unwrap_or_default();
    body.replace(asked.key, &format!("\\u{:04x}{rest}", first as u32))
}
