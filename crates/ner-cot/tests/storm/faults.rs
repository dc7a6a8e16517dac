//! What a wire does to a request or to its answer.

use super::answers;

/// A fault that the client has to get over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// 429 with `Retry-After` in seconds.
    BusySeconds,
    /// 429 with `Retry-After` as a date.
    BusyDate,
    /// 429 with a `Retry-After` that says nothing.
    BusyGarbage,
    /// 429 without it.
    Busy,
    /// 500 with an error body.
    Error500,
    /// 503 with a page of HTML.
    Error503,
    /// The connection ends before a byte of the answer.
    HangUp,
    /// The connection is reset.
    Reset,
    /// The connection ends in the middle of the JSON.
    CutJson,
    /// The connection ends within a letter.
    CutLetter,
    /// The connection ends between two chunks.
    CutChunks,
    /// 200, and half a JSON as a whole body.
    HalfJson,
    /// 200, and a whole body that ends within a letter.
    HalfLetter,
    /// 200 without a body.
    Empty,
    /// 200 with nothing but comments that keep the connection alive.
    OnlyComments,
    /// 200 with an error in it.
    ErrorIn200,
    /// 200, and the server says that it ran out of resources.
    NoResources,
}

impl Fault {
    /// All of them.
    pub(crate) const ALL: [Self; 17] = [
        Self::BusySeconds,
        Self::BusyDate,
        Self::BusyGarbage,
        Self::Busy,
        Self::Error500,
        Self::Error503,
        Self::HangUp,
        Self::Reset,
        Self::CutJson,
        Self::CutLetter,
        Self::CutChunks,
        Self::HalfJson,
        Self::HalfLetter,
        Self::Empty,
        Self::OnlyComments,
        Self::ErrorIn200,
        Self::NoResources,
    ];
}

/// What goes over the wire: pieces with a pause between them, and how it ends.
pub(crate) struct Reply {
    pub(crate) pieces: Vec<Vec<u8>>,
    pub(crate) end: End,
    /// Whether a whole 200 answer is delivered, be it of use or not.
    pub(crate) is_delivered: bool,
}

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It stays open for the next request.
    Keep,
    /// It is closed.
    Close,
    /// It is reset.
    Reset,
}

/// A whole answer, in one of the harmless forms that servers choose.
pub(crate) fn whole(body: &str, form: u64) -> Reply {
    let pieces = match form % 8 {
        // Blank lines and comments before the JSON, as DeepSeek sends them while it waits.
        0 => {
            let body = format!("\n\n: keep-alive\n\n: keep-alive\n\n{body}");
            halves(&head("200 OK", "", body.len()), body.as_bytes())
        }
        // A slow body, cut anywhere, also within a letter.
        1 => halves(&head("200 OK", "", body.len()), body.as_bytes()),
        2 => chunked(body),
        _ => vec![[head("200 OK", "", body.len()).as_bytes(), body.as_bytes()].concat()],
    };
    Reply {
        pieces,
        end: End::Keep,
        is_delivered: true,
    }
}

/// A faulty one; `body` would have been the answer.
pub(crate) fn faulty(fault: Fault, body: &str) -> Reply {
    let half = body.len() / 2;
    let letter = body.find('ë').map_or(1, |at| at + 1);
    let busy = |header: &str| refusal("429 Too Many Requests", header, "slow down");
    let gone = "{\"error\": {\"message\": \"the model crashed\"}}";
    let spent = &answers::body(
        &serde_json::json!({"content": "half"}),
        "insufficient_system_resource",
    );
    match fault {
        Fault::BusySeconds => busy("Retry-After: 1\r\n"),
        Fault::BusyDate => busy("Retry-After: Wed, 21 Oct 2099 07:28:00 GMT\r\n"),
        Fault::BusyGarbage => busy("Retry-After: soon\r\n"),
        Fault::Busy => busy(""),
        Fault::Error500 => refusal("500 Internal Server Error", "", gone),
        Fault::Error503 => refusal("503 Service Unavailable", "", "<html>busy</html>"),
        Fault::HangUp => broken(Vec::new(), End::Close),
        Fault::Reset => broken(Vec::new(), End::Reset),
        Fault::CutJson => broken(cut(body, half), End::Close),
        Fault::CutLetter => broken(cut(body, letter), End::Reset),
        Fault::CutChunks => {
            let mut pieces = chunked(body);
            pieces.pop();
            broken(pieces, End::Close)
        }
        Fault::HalfJson => useless(&body.as_bytes()[..half]),
        Fault::HalfLetter => useless(&body.as_bytes()[..letter]),
        Fault::Empty => useless(b""),
        Fault::OnlyComments => useless(b": keep-alive\n\n: keep-alive\n\n"),
        Fault::ErrorIn200 => useless(b"{\"error\": {\"message\": \"overloaded\"}}"),
        Fault::NoResources => useless(spent.as_bytes()),
    }
}

fn head(status: &str, headers: &str, length: usize) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n")
}

/// The head with the first half, then the second half.
fn halves(head: &str, body: &[u8]) -> Vec<Vec<u8>> {
    let (first, second) = body.split_at(body.len() / 2);
    vec![[head.as_bytes(), first].concat(), second.to_vec()]
}

/// The body in two chunks and an end.
fn chunked(body: &str) -> Vec<Vec<u8>> {
    let chunk = |part: &[u8]| {
        let size = format!("{:x}\r\n", part.len());
        [size.as_bytes(), part, b"\r\n"].concat()
    };
    let (first, second) = body.as_bytes().split_at(body.len() / 2);
    let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    vec![
        [head.as_slice(), &chunk(first)].concat(),
        chunk(second),
        b"0\r\n\r\n".to_vec(),
    ]
}

/// An answer of which only the beginning comes.
fn cut(body: &str, at: usize) -> Vec<Vec<u8>> {
    let head = head("200 OK", "", body.len());
    vec![[head.as_bytes(), &body.as_bytes()[..at]].concat()]
}

fn broken(pieces: Vec<Vec<u8>>, end: End) -> Reply {
    Reply {
        pieces,
        end,
        is_delivered: false,
    }
}

fn refusal(status: &str, headers: &str, body: &str) -> Reply {
    let head = head(status, headers, body.len());
    Reply {
        pieces: vec![[head.as_bytes(), body.as_bytes()].concat()],
        end: End::Keep,
        is_delivered: false,
    }
}

/// A 200 answer that arrives and is of no use.
fn useless(body: &[u8]) -> Reply {
    let head = head("200 OK", "", body.len());
    Reply {
        pieces: vec![[head.as_bytes(), body].concat()],
        end: End::Keep,
        is_delivered: true,
    }
}
