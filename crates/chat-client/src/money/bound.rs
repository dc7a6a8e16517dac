//! The most that a request can cost, known before it is sent.

use serde_json::Value;

use crate::message::ChatRequest;
use crate::money::price::Price;

/// What a server's chat template may add to a prompt, in tokens: turns, roles and a system prompt of its own.
const TEMPLATE_TOKENS: u64 = 256;

/// The most tokens that one request can be billed for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bound {
    /// Tokens of the prompt: no tokenizer makes more of them than the request has bytes.
    pub prompt_tokens: u64,
    /// Tokens of the answer; `None` if the request sets no limit.
    pub completion_tokens: Option<u64>,
}

impl Bound {
    /// The bound of a request whose body has `bytes` bytes.
    ///
    /// The limit of the answer is `max_tokens` or `max_completion_tokens`, the larger one if both are there, for each
    /// of the `n` answers that are asked for.
    pub(crate) fn of(request: &ChatRequest, bytes: usize) -> Self {
        let extra = |name| request.sampling.extra.get(name).and_then(Value::as_u64);
        let limit = request.sampling.max_tokens.map(u64::from);
        let limit = limit.max(extra("max_completion_tokens"));
        let answers = extra("n").max(extra("best_of")).unwrap_or(1).max(1);
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        Self {
            prompt_tokens: bytes.saturating_add(TEMPLATE_TOKENS),
            completion_tokens: limit.map(|limit| limit.saturating_mul(answers)),
        }
    }

    /// Tokens in all; without a limit of the answer, those of the prompt alone.
    pub fn tokens(&self) -> u64 {
        self.prompt_tokens
            .saturating_add(self.completion_tokens.unwrap_or(0))
    }

    /// Dollars at the highest price of the day; without a limit of the answer, those of the prompt alone.
    pub fn dollars(&self, price: &Price) -> f64 {
        price.worst(self.prompt_tokens, self.completion_tokens.unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_way_to_limit_an_answer_is_known() {
        for (max_tokens, extra, expected) in [
            (None, json!({}), None),
            (Some(7), json!({}), Some(7)),
            (None, json!({"max_completion_tokens": 9}), Some(9)),
            (
                Some(7),
                json!({"max_completion_tokens": 9, "n": 2}),
                Some(18),
            ),
            (Some(7), json!({"n": 0}), Some(7)),
            (Some(7), json!({"n": "3", "best_of": 3}), Some(21)),
            (Some(7), json!({"n": u64::MAX}), Some(u64::MAX)),
        ] {
            let mut request = ChatRequest::user("m", "hi");
            request.sampling.max_tokens = max_tokens;
            let fields = extra.as_object().into_iter().flatten();
            request.sampling.extra = fields.map(|(k, v)| (k.clone(), v.clone())).collect();
            let bound = Bound::of(&request, 100);
            assert_eq!(bound.completion_tokens, expected, "{max_tokens:?} {extra}");
            assert_eq!(bound.prompt_tokens, 356);
        }
    }
}
