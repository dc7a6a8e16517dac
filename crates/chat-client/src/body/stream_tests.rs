//! How much work a stream makes.

use super::*;

/// The work of watching a body that comes in pieces.
fn watched(body: &str, piece: usize) -> (usize, bool) {
    let mut last = LastEvent::default();
    for piece in body.as_bytes().chunks(piece) {
        last.feed(piece);
        // The client asks after each piece.
        let _ = last.has_come();
    }
    (last.steps, last.has_come())
}

/// The work of joining the events of a body.
fn joined(body: &str) -> usize {
    let mut joined = Joined::default();
    let _ = joined.lines(body);
    joined.steps
}

#[test]
fn twice_the_stream_is_at_most_two_and_a_half_times_the_work() {
    let event = "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n";
    // One event whose lines each could be its last.
    let begun = |lines: usize| format!("data: {{\"choices\":[\n{}", "data: {},\n".repeat(lines));
    let strings = |lines: usize| format!("data: {{\"a\":[\n{}", "data: \"]}}\",\n".repeat(lines));
    let makers: [(&str, &dyn Fn(usize) -> String); 6] = [
        ("events", &|n| event.repeat(n)),
        ("one event of many lines", &begun),
        ("brackets in strings", &strings),
        ("blank lines", &|n| "\n".repeat(n)),
        ("blank lines after an event", &|n| {
            format!("data: [DONE]{}", "\n".repeat(n))
        }),
        ("spaces in an event", &|n| {
            format!("data:{}[DONE]", " ".repeat(n))
        }),
    ];
    for (name, make) in makers {
        let (once, twice) = (make(100_000), make(200_000));
        for piece in [1, 7, 1460] {
            let (less, more) = (watched(&once, piece).0, watched(&twice, piece).0);
            assert!(2 * more <= 5 * less, "{name}, watched: {less}, {more}");
        }
        let (less, more) = (joined(&once).max(1), joined(&twice));
        assert!(2 * more <= 5 * less, "{name}, joined: {less}, {more}");
        assert!(more <= 4 * twice.len(), "{name}: {more} of {}", twice.len());
    }
}

#[test]
fn the_last_event_is_seen_wherever_the_pieces_end() {
    for (body, expected) in [
        ("data: [DONE]", true),
        ("data:[DONE]", true),
        ("data: {}\n\ndata: [DONE]\n\n", true),
        ("data: {}\r\n\r\ndata: [DONE]\r\n\r\n", true),
        ("data: [DONE]  \n \n", true),
        ("data: [DONE", false),
        ("x data: [DONE]", false),
        (" data: [DONE]", false),
        ("data: [DONE] x", false),
        ("data: [DONE]\ndata: {}\n", false),
        ("data: \"data: [DONE]\"", false),
        ("dat\na: [DONE]", false),
        ("data: [DO NE]", false),
        ("", false),
    ] {
        for piece in 1..=body.len().max(1) {
            assert_eq!(watched(body, piece).1, expected, "{body:?} by {piece}");
        }
    }
}
