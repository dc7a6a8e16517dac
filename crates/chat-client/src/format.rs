//! Asking for structured output, in the words of each server.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::Error;

/// How a server is asked to keep to a schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Structured {
    /// Not at all.
    #[default]
    None,
    /// Any JSON object: `response_format` of type `json_object`.
    JsonObject,
    /// OpenAI's `response_format` of type `json_schema`, strict.
    JsonSchema,
    /// `structured_outputs` of vLLM 0.12 and later.
    StructuredOutputs,
    /// `guided_json` of vLLM before 0.12.
    GuidedJson,
}

const NAMES: [(&str, Structured); 5] = [
    ("none", Structured::None),
    ("json-object", Structured::JsonObject),
    ("json-schema", Structured::JsonSchema),
    ("structured-outputs", Structured::StructuredOutputs),
    ("guided-json", Structured::GuidedJson),
];

impl fmt::Display for Structured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(_, mode)| mode == self);
        f.pad(name.map_or("none", |(name, _)| name))
    }
}

impl FromStr for Structured {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let found = NAMES.iter().find(|(name, _)| *name == text);
        found.map(|(_, mode)| *mode).ok_or_else(|| Error::Setting {
            field: "structured",
            expected: "none, json-object, json-schema, structured-outputs or guided-json",
            found: format!("{text:?}"),
        })
    }
}

/// The part of a request that asks for structured output.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ResponseFormat(Field);

/// The field's name is the variant's.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Field {
    ResponseFormat(Value),
    StructuredOutputs(Value),
    GuidedJson(Value),
}

impl ResponseFormat {
    /// Asks for output that follows a JSON schema, as `mode` says; `None` for no
    /// mode. `name` is shown to the model by some servers: letters, digits, `_` and `-`.
    pub fn new(mode: Structured, name: &str, schema: &Value) -> Option<Self> {
        let field = match mode {
            Structured::None => return None,
            Structured::JsonObject => Field::ResponseFormat(json!({"type": "json_object"})),
            Structured::JsonSchema => Field::ResponseFormat(json!({
                "type": "json_schema",
                "json_schema": {"name": name, "strict": true, "schema": schema},
            })),
            Structured::StructuredOutputs => Field::StructuredOutputs(json!({"json": schema})),
            Structured::GuidedJson => Field::GuidedJson(schema.clone()),
        };
        Some(Self(field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{ChatRequest, Message, Sampling};

    fn wire(mode: Structured) -> String {
        let request = ChatRequest {
            model: "m".into(),
            messages: vec![Message::user("hi")],
            sampling: Sampling {
                seed: Some(1),
                ..Sampling::default()
            },
            stream: false,
            format: ResponseFormat::new(mode, "ner", &json!({"type": "object"})),
        };
        serde_json::to_string(&request).expect("writable")
    }

    #[test]
    fn every_server_is_asked_in_its_words() {
        // Without a format, the bytes are those of earlier versions: callers hash them.
        let plain =
            r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"seed":1,"stream":false"#;
        for (mode, more) in [
            (Structured::None, ""),
            (
                Structured::JsonObject,
                r#","response_format":{"type":"json_object"}"#,
            ),
            (
                Structured::JsonSchema,
                r#","response_format":{"type":"json_schema","json_schema":{"name":"ner","strict":true,"schema":{"type":"object"}}}"#,
            ),
            (
                Structured::StructuredOutputs,
                r#","structured_outputs":{"json":{"type":"object"}}"#,
            ),
            (
                Structured::GuidedJson,
                r#","guided_json":{"type":"object"}"#,
            ),
        ] {
            assert_eq!(wire(mode), format!("{plain}{more}}}"), "{mode}");
        }
    }

    #[test]
    fn further_fields_stand_in_the_body_itself() {
        let mut request = ChatRequest::user("m", "hi");
        let thinking = json!({"enable_thinking": false});
        request
            .sampling
            .extra
            .insert("chat_template_kwargs".into(), thinking);
        let body = serde_json::to_value(&request).expect("writable");
        assert_eq!(body["chat_template_kwargs"]["enable_thinking"], false);
        let sampling: Sampling = serde_json::from_value(json!(request.sampling)).expect("readable");
        assert_eq!(sampling, request.sampling);
    }

    #[test]
    fn names_are_the_same_everywhere() {
        for (name, mode) in NAMES {
            assert_eq!(mode.to_string(), name);
            assert_eq!(name.parse::<Structured>().ok(), Some(mode));
            let json = serde_json::to_string(&mode).expect("writable");
            assert_eq!(json, format!("\"{name}\""));
        }
        let error = "yes".parse::<Structured>().expect_err("no mode");
        assert!(error.to_string().contains("guided-json"), "{error}");
    }
}
