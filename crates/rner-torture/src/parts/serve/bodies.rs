//! Bodies that are wrong, in the right head.

use serde_json::{Value, json};

use super::program::MODEL;
use super::request::{Bad, good, json_body};

const COMPLETE: &str = "/v1/completions";
const CHAT: &str = "/v1/chat/completions";
const LOAD: &str = "/v1/load_lora_adapter";
const UNLOAD: &str = "/v1/unload_lora_adapter";

pub(super) fn bodies() -> Vec<Bad> {
    let mut all = texts();
    all.extend(fields());
    all.extend(numbers());
    all.extend(chats());
    all.extend(adapters());
    all
}

/// The right body with other fields.
pub(super) fn with(more: &Value) -> Value {
    let mut body = good();
    if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
        body.extend(more.clone());
    }
    body
}

/// What is no JSON, or none that is read.
fn texts() -> Vec<Bad> {
    let deep = |open: &str, close: &str| open.repeat(100_000) + "1" + &close.repeat(100_000);
    let field =
        |text: &str| format!("{{\"model\": \"{MODEL}\", \"prompt\": {text}, \"max_tokens\": 1}}");
    let bytes = |name: &str, body: &[u8]| json_body(COMPLETE, name, body, 400, "body");
    let text = |name: &str, body: &str| bytes(name, body.as_bytes());
    let invalid = b"{\"model\": \"\xff\xfe\", \"prompt\": \"\xc3\x28\"}";
    let packed = [
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03".to_vec(),
        vec![0; 5000],
    ]
    .concat();
    vec![
        text("empty", ""),
        text("blank", " \n\t "),
        text("null", "null"),
        text("a number", "17"),
        text("a text", "\"hello\""),
        text("empty list", "[]"),
        text("empty object", "{}"),
        text("half an object", "{\"model\": \"tiny\", \"prom"),
        text("two objects", &format!("{}{}", good(), good())),
        text("comment", &format!("// hello\n{}", good())),
        text(
            "comma at the end",
            &format!("{{\"model\": \"{MODEL}\", \"prompt\": [1],}}"),
        ),
        text("byte order mark", &format!("\u{feff}{}", good())),
        text("100,000 lists in each other", &deep("[", "]")),
        text("100,000 objects in each other", &deep("{\"a\":", "}")),
        text("prompt of 100,000 lists", &field(&deep("[", "]"))),
        text(
            "a field given twice",
            &format!("{{\"model\": \"x\", {}", &good().to_string()[1..]),
        ),
        text("lone surrogate", &field("\"\\ud800\"")),
        text("reversed surrogates", &field("\"\\udc00\\ud800\"")),
        text("unknown escape", &field("\"\\q\"")),
        text("raw line break in a text", &field("\"a\nb\"")),
        text("NaN", &field("[NaN]")),
        text("Infinity", &field("[Infinity]")),
        text("hexadecimal", &field("[0x10]")),
        text("number with a zero before it", &field("[007]")),
        text("number out of range", &field("[1e999]")),
        bytes("invalid UTF-8", invalid),
        bytes("packed body", &packed),
        bytes("nothing but NUL", &[0; 1000]),
    ]
}

/// Fields with the wrong type or value.
fn fields() -> Vec<Bad> {
    let bad = |more: Value, status: u16, says: &'static str| {
        let name = more.to_string().chars().take(60).collect::<String>();
        json_body(
            COMPLETE,
            name,
            with(&more).to_string().as_bytes(),
            status,
            says,
        )
    };
    vec![
        bad(json!({"model": null}), 400, "body"),
        bad(json!({"model": 7}), 400, "body"),
        bad(json!({"model": ""}), 404, "model"),
        bad(json!({"model": "../../etc/passwd"}), 404, "model"),
        bad(json!({"model": "a".repeat(10_000)}), 404, "model"),
        bad(json!({"prompt": null}), 400, "prompt"),
        bad(json!({"prompt": 7}), 400, "prompt"),
        bad(json!({"prompt": true}), 400, "prompt"),
        bad(json!({"prompt": {"text": "a"}}), 400, "prompt"),
        bad(json!({"prompt": ""}), 400, "prompt"),
        bad(json!({"prompt": []}), 400, "prompt"),
        bad(json!({"prompt": [[]]}), 400, "prompt"),
        bad(json!({"prompt": [[1], []]}), 400, "prompt"),
        bad(json!({"prompt": ["a", ""]}), 400, "prompt"),
        bad(json!({"prompt": [1, "a"]}), 400, "body"),
        bad(json!({"prompt": [-1]}), 400, "body"),
        bad(json!({"prompt": [1.5]}), 400, "body"),
        bad(json!({"prompt": [4096]}), 400, "4096"),
        bad(json!({"prompt": [4_294_967_296_u64]}), 400, "4294967296"),
        bad(json!({"prompt": vec![1; 2048]}), 400, "2048"),
        bad(json!({"prompt": "word ".repeat(5000)}), 400, "2048"),
        bad(
            json!({"prompt": vec![vec![1]; 1025]}),
            400,
            "1024 completions",
        ),
        bad(json!({"prompt": vec!["a"; 1025]}), 400, "1024 completions"),
        bad(json!({"stop": 5}), 400, "stop"),
        bad(json!({"stop": {"a": 1}}), 400, "stop"),
        bad(json!({"stop": ["a", 1]}), 400, "stop"),
        bad(json!({"stop": ""}), 400, "stop"),
        bad(json!({"stop": vec!["a"; 17]}), 400, "16 texts"),
        bad(json!({"stop": "a".repeat(257)}), 400, "256 bytes"),
        bad(json!({"stop_token_ids": [-1]}), 400, "stop_token_ids"),
        bad(json!({"stop_token_ids": 3}), 400, "stop_token_ids"),
        bad(json!({"stop_token_ids": vec![1; 257]}), 400, "256"),
        bad(json!({"stream": true}), 400, "stream"),
        bad(json!({"stream": "yes"}), 400, "stream"),
        bad(json!({"logprobs": true}), 400, "logprobs"),
        bad(json!({"logprobs": -1}), 400, "logprobs"),
        bad(json!({"return_token_ids": 1}), 400, "return_token_ids"),
    ]
}

/// Numbers out of their range or of the wrong type, field by field.
fn numbers() -> Vec<Bad> {
    let ranges: [(&'static str, &[&str]); 8] = [
        (
            "n",
            &[
                "0",
                "-1",
                "1.5",
                "1025",
                "18446744073709551615",
                "1e30",
                "\"2\"",
                "[1]",
            ],
        ),
        (
            "max_tokens",
            &[
                "0",
                "-1",
                "2.5",
                "2048",
                "9223372036854775807",
                "1e18",
                "\"9\"",
                "{}",
            ],
        ),
        (
            "temperature",
            &["-1", "-1e-300", "1e999", "\"hot\"", "[]", "true"],
        ),
        ("top_p", &["0", "-0.5", "1.0001", "1e300", "\"a\""]),
        ("min_p", &["-1e-9", "1.5", "\"a\""]),
        (
            "top_k",
            &["-2", "-9223372036854775808", "1.5", "\"a\"", "1e40"],
        ),
        ("repetition_penalty", &["0", "-1", "\"a\"", "1e999"]),
        ("seed", &["-1", "1.5", "18446744073709551616", "\"a\""]),
    ];
    let bad = |(field, values): (&'static str, &'static [&'static str])| {
        values.iter().map(move |value| {
            let body = json!({"model": MODEL, "prompt": [1, 2, 3]}).to_string();
            let end = body.len() - 1;
            let body = format!("{}, \"{field}\": {value}}}", &body[..end]);
            // Where the number itself cannot be read, the place is named and not the field.
            let says = if value.contains("999") {
                "body"
            } else {
                said(field)
            };
            json_body(
                COMPLETE,
                format!("{field}: {value}"),
                body.as_bytes(),
                400,
                says,
            )
        })
    };
    ranges.into_iter().flat_map(bad).collect()
}

/// The word for a field in an answer.
fn said(field: &'static str) -> &'static str {
    if field == "max_tokens" {
        "tokens"
    } else {
        field
    }
}

fn chats() -> Vec<Bad> {
    let bad = |messages: Value, says: &'static str| {
        let body = json!({"model": MODEL, "max_tokens": 1, "messages": messages});
        let name = format!("messages: {messages}");
        json_body(CHAT, name, body.to_string().as_bytes(), 400, says)
    };
    let said = |role: &str| json!({"role": role, "content": "a"});
    vec![
        bad(Value::Null, "messages"),
        bad(json!("hello"), "messages"),
        bad(json!([]), "message"),
        bad(
            json!([said("user"), said("assistant"), said("user")]),
            "3 messages",
        ),
        bad(json!([said("system")]), "system"),
        bad(json!([{"role": "user"}]), "content"),
        bad(json!([{"role": "user", "content": null}]), "content"),
        bad(
            json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "a"}}]}]),
            "content",
        ),
        bad(json!([{"role": 1, "content": "a"}]), "role"),
        bad(
            json!([{"role": "user", "content": "word ".repeat(3000)}]),
            "2048",
        ),
    ]
}

/// Adapters that are none, or lie elsewhere.
fn adapters() -> Vec<Bad> {
    let load = |path: &str| {
        let body = json!({"lora_name": "bad", "lora_path": path}).to_string();
        json_body(LOAD, format!("adapter {path:?}"), body.as_bytes(), 400, "")
    };
    let body = |path: &str, body: Value, status: u16, says: &'static str| {
        json_body(
            path,
            format!("{path} {body}"),
            body.to_string().as_bytes(),
            status,
            says,
        )
    };
    let paths = [
        "..",
        "../..",
        "/",
        "/etc",
        "/etc/passwd",
        "/dev/zero",
        "/proc/self",
        "/proc/self/fd/0",
        "absent",
        "",
        ".",
        "a\0b",
        "pipe",
        "device",
        "out",
        "empty",
        "huge-rank",
        "huge-header",
        "no-json",
        "good/adapter_config.json",
    ];
    let mut all: Vec<Bad> = paths.map(load).into();
    all.extend([
        body(LOAD, json!({"lora_path": "good"}), 400, "lora_name"),
        body(
            LOAD,
            json!({"lora_name": 1, "lora_path": "good"}),
            400,
            "body",
        ),
        body(
            LOAD,
            json!({"lora_name": "x", "lora_path": ["good"]}),
            400,
            "body",
        ),
        body(
            LOAD,
            json!({"lora_name": MODEL, "lora_path": "good"}),
            400,
            "name",
        ),
        body(
            LOAD,
            json!({"lora_name": "", "lora_path": "good"}),
            400,
            "lora_name",
        ),
        body(
            LOAD,
            json!({"lora_name": "a".repeat(2000), "lora_path": "good"}),
            400,
            "lora_name",
        ),
        body(UNLOAD, json!({"lora_name": "never"}), 404, "never"),
        body(UNLOAD, json!({"lora_name": MODEL}), 404, MODEL),
        body(UNLOAD, json!({}), 400, "lora_name"),
    ]);
    all
}
