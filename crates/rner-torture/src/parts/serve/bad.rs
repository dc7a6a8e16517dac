//! Requests that are wrong in their head, their length or their form.

use super::bodies::bodies;
use super::request::{Bad, good};

/// All of them.
pub(super) fn all() -> Vec<Bad> {
    let mut all = bodies();
    all.extend(routes());
    all.extend(heads());
    all.extend(lengths());
    all.extend(no_http());
    all
}

/// Methods and paths that there are not.
fn routes() -> Vec<Bad> {
    let line = |method: &str, path: &str, expected: u16| {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
        let more = "Content-Type: application/json\r\nContent-Length: 0\r\n\r\n";
        Bad::new(format!("{method} {path}"), head + more, &[expected])
    };
    let long = "a".repeat(8 << 10);
    let mut all = vec![
        line("GET", "/v1/completions", 405),
        line("DELETE", "/v1/models", 405),
        line("POST", "/health", 405),
        line("PUT", "/v1/chat/completions", 405),
        line("PATCH", "/v1/load_lora_adapter", 405),
        line("BREW", "/v1/completions", 405),
        line("GET", "/", 404),
        line("GET", "/v1/models/../../etc/passwd", 404),
        line("GET", "/%00%ff", 404),
        line("GET", "//v1//models", 404),
        line("POST", "/v1/completions/", 404),
        line("TRACE", "/", 404),
        line("CONNECT", "localhost:443", 404),
    ];
    all.push(line("GET", &format!("/{long}"), 404));
    // A method may be any word; a path as long as this is none.
    let endless = "a".repeat(70_000);
    all.push(
        Bad::new(
            "path of 70 kB",
            format!("GET /{endless} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            &[404, 414, 431],
        )
        .bare(),
    );
    all
}

/// Heads with the right body.
fn heads() -> Vec<Bad> {
    let body = good().to_string();
    let length = format!("Content-Length: {}\r\n", body.len());
    let with = |name: &str, lines: &str, expected: &[u16]| {
        let head = format!("POST /v1/completions HTTP/1.1\r\n{length}{lines}\r\n{body}");
        Bad::new(name, head, expected)
    };
    let json = "Content-Type: application/json\r\n";
    let local = "Host: localhost\r\n";
    let host = |value: &str| format!("Host: {value}\r\n{json}");
    let kind = |value: &str| format!("{local}Content-Type: {value}\r\n");
    let more = |lines: &str| format!("{local}{json}{lines}");
    let many: String = (0..200).map(|i| format!("X-{i}: a\r\n")).collect();
    vec![
        with("no Host", json, &[403]).says("Host"),
        with("Host of elsewhere", &host("evil.example"), &[403]).says("--allow-host"),
        with(
            "Host that begins well",
            &host("localhost.evil.example"),
            &[403],
        )
        .says("Host"),
        with("Host of another machine", &host("192.168.1.1"), &[403]).says("Host"),
        with("empty Host", &host(""), &[403]).says("Host"),
        with(
            "two Hosts",
            &format!("{local}{}", host("evil.example")),
            &[403],
        )
        .says("Host"),
        with("Host that is no text", &host("\u{ff}\u{fe}"), &[403]).says("Host"),
        with(
            "a web page",
            &more("Origin: http://evil.example\r\n"),
            &[403],
        )
        .says("--allow-origin"),
        with("a sandboxed web page", &more("Origin: null\r\n"), &[403]).says("Origin"),
        with("no type", local, &[415]).says("application/json"),
        with("text", &kind("text/plain"), &[415]).says("application/json"),
        with("a form", &kind("application/x-www-form-urlencoded"), &[415]).says("Content-Type"),
        with("a file", &kind("multipart/form-data; boundary=x"), &[415]).says("Content-Type"),
        with("nearly JSON", &kind("application/json5"), &[415]).says("Content-Type"),
        with("packed", &more("Content-Encoding: gzip\r\n"), &[415]).says("Content-Encoding"),
        with("200 headers", &more(&many), &[400, 431]).bare(),
        with(
            "header of 200 kB",
            &more(&format!("X: {}\r\n", "a".repeat(200_000))),
            &[400, 431],
        )
        .bare(),
        with("header without a colon", &more("nonsense\r\n"), &[400]).bare(),
        with("header with a NUL", &more("X: a\0b\r\n"), &[400]).bare(),
        with("header in two lines", &more("X: a\r\n b\r\n"), &[400]).bare(),
        with(
            "header with a blank before the colon",
            &more("X : a\r\n"),
            &[400],
        )
        .bare(),
        with(
            "an expectation",
            &more("Expect: miracles\r\n"),
            &[200, 400, 417],
        ),
        with(
            "an upgrade",
            &more("Connection: upgrade\r\nUpgrade: websocket\r\n"),
            &[200, 400],
        ),
    ]
}

/// Bodies that are not as long as they say.
fn lengths() -> Vec<Bad> {
    let body = good().to_string();
    let n = body.len();
    let head =
        "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    let with = |name: &str, lines: &str, body: &str, expected: &[u16]| {
        Bad::new(name, format!("{head}{lines}\r\n{body}"), expected)
    };
    let length = |value: &str| format!("Content-Length: {value}\r\n");
    let chunked = "Transfer-Encoding: chunked\r\n";
    let big = "a".repeat((1 << 20) + 1);
    let pieces = format!("10000\r\n{}\r\n", "a".repeat(1 << 16)).repeat(20);
    let half = |bad: Bad| Bad {
        half_close: true,
        ..bad
    };
    vec![
        with(
            "two lengths",
            &(length(&n.to_string()) + &length("3")),
            &body,
            &[400],
        )
        .bare(),
        with("negative length", &length("-1"), &body, &[400]).bare(),
        with("length in words", &length("ten"), &body, &[400]).bare(),
        with(
            "length of 30 digits",
            &length(&"9".repeat(30)),
            &body,
            &[400],
        )
        .bare(),
        with(
            "length of an exabyte",
            &length("1000000000000000000"),
            &body,
            &[413],
        )
        .says("--max-body"),
        with(
            "length and chunks",
            &(length("3") + chunked),
            &format!("{n:x}\r\n{body}\r\n0\r\n\r\n"),
            &[200, 400],
        ),
        with(
            "unknown coding",
            "Transfer-Encoding: gzip, foo\r\n",
            &body,
            &[400],
        )
        .bare(),
        with(
            "chunk without a number",
            chunked,
            "zz\r\nab\r\n0\r\n\r\n",
            &[400],
        ),
        with(
            "chunk of 2^64 bytes",
            chunked,
            "10000000000000000\r\nab\r\n0\r\n\r\n",
            &[400],
        ),
        with(
            "chunk longer than it says",
            chunked,
            "2\r\nabcdef\r\n0\r\n\r\n",
            &[400],
        ),
        with("negative chunk", chunked, "-2\r\nab\r\n0\r\n\r\n", &[400]),
        with(
            "body over the limit",
            &length(&big.len().to_string()),
            &big,
            &[413],
        )
        .says("--max-body"),
        with(
            "chunks over the limit",
            chunked,
            &(pieces + "0\r\n\r\n"),
            &[413],
        )
        .says("--max-body"),
        half(with(
            "body that breaks off",
            &length("1000"),
            &body,
            &[400, 0],
        )),
        half(with(
            "chunks that break off",
            chunked,
            "400\r\n{",
            &[400, 0],
        )),
    ]
}

/// What is no request of HTTP/1.1 at all.
fn no_http() -> Vec<Bad> {
    let raw = |name: &str, bytes: &[u8], expected: &[u16]| Bad::new(name, bytes, expected).bare();
    vec![
        raw("HTTP/0.9", b"GET /health\r\n\r\n", &[400]),
        raw(
            "HTTP/3.0",
            b"GET /health HTTP/3.0\r\nHost: localhost\r\n\r\n",
            &[400, 505],
        ),
        raw(
            "HTTP/1.0 without a host",
            b"GET /v1/models HTTP/1.0\r\n\r\n",
            &[403],
        ),
        raw(
            "HTTP/2",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            &[0, 400, 505],
        ),
        raw(
            "TLS",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
            &[400],
        ),
        raw("nothing but NUL", &[0; 300], &[400]),
        raw("blank lines", b"\r\n\r\n\r\nGET\r\n\r\n", &[400]),
        raw(
            "a method that is no word",
            b"G(T / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            &[400],
        ),
        raw(
            "a path with a blank",
            b"GET /a b HTTP/1.1\r\nHost: localhost\r\n\r\n",
            &[400],
        ),
    ]
}
