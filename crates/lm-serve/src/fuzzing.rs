//! Reading the bodies of requests, public for the fuzz targets alone.

use lm_model::StopMatcher;
use serde::de::DeserializeOwned;

use crate::protocol::{ChatBody, CompletionBody, LoadAdapter, SamplingParams, Stop, UnloadAdapter};

/// Reads a text as the body of each kind of request; tells which it is.
pub fn kinds(body: &str) -> [bool; 4] {
    let completion = read::<CompletionBody>(body).map(|body| stops(body.sampling));
    let chat = read::<ChatBody>(body).map(|body| stops(body.sampling));
    [
        completion.is_some(),
        chat.is_some(),
        read::<LoadAdapter>(body).is_some(),
        read::<UnloadAdapter>(body).is_some(),
    ]
}

fn read<T: DeserializeOwned>(body: &str) -> Option<T> {
    serde_json::from_str(body).ok()
}

/// Puts the stop texts together, which may be refused.
fn stops(sampling: SamplingParams) -> bool {
    let texts = sampling.stop.map(Stop::texts).unwrap_or_default();
    StopMatcher::new(texts).is_ok()
}
