//! What services really say, by meaning. Names and figures are invented.

use serde_json::{Value, json};

use super::*;

fn of(status: u16, body: Value) -> Meaning {
    of_status(status, &body.to_string())
}

fn message(words: &str) -> Value {
    json!({"error": {"message": words}})
}

#[track_caller]
fn check(expected: Meaning, all: impl IntoIterator<Item = (u16, Value)>) {
    for (status, body) in all {
        assert_eq!(of(status, body.clone()), expected, "{status} {body}");
    }
}

#[test]
fn a_filter_rejects_one_request() {
    let openai = "Your request was rejected as a result of our safety system.";
    let azure = "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.";
    let router = "model requires moderation on Provider. Your input was flagged for \"violence\".";
    let moonshot = "The request was rejected because it was considered high risk";
    check(
        Meaning::Rejected(Rejection::ContentFilter),
        [
            (
                400,
                json!({"error": {"code": "data_inspection_failed", "message": "Input data may contain inappropriate content."}}),
            ),
            (
                400,
                json!({"code": "DataInspectionFailed", "message": "Output data may contain inappropriate content."}),
            ),
            (
                400,
                json!({"error": {"message": azure, "code": "content_filter", "status": 400}}),
            ),
            (
                400,
                json!({"error": {"message": "x", "innererror": {"code": "ResponsibleAIPolicyViolation"}}}),
            ),
            (
                400,
                json!({"error": {"message": "x", "inner_error": {"code": "ResponsibleAIPolicyViolation"}}}),
            ),
            (400, message(openai)),
            (
                400,
                json!({"error": {"code": "content_policy_violation", "message": "x"}}),
            ),
            (
                400,
                json!({"error": {"code": "invalid_prompt", "message": "Invalid prompt: your prompt was flagged as potentially violating our usage policy."}}),
            ),
            (
                400,
                json!({"error": {"code": "1301", "message": "系统检测到输入或生成内容可能包含不安全或敏感内容"}, "contentFilter": [{"role": "user", "level": 1}]}),
            ),
            (400, message("Content Exists Risk")),
            (
                400,
                json!({"error": {"type": "content_filter", "message": moonshot}}),
            ),
            (
                400,
                json!({"error": {"code": "SensitiveContentDetected", "message": "x"}}),
            ),
            (
                403,
                json!({"error": {"code": 403, "message": router, "metadata": {"reasons": ["violence"], "flagged_input": "x"}}}),
            ),
            (
                400,
                message(&format!(
                    "litellm.BadRequestError: AzureException - {azure}"
                )),
            ),
            (
                500,
                json!({"error": {"code": "content_filter", "message": "x"}}),
            ),
            (422, json!({"detail": "blocked by the guardrail"})),
            (451, json!({})),
        ],
    );
}

#[test]
fn a_prompt_that_is_too_long_rejects_one_request() {
    let vllm = "This model's maximum context length is 4096 tokens. However, you requested 5096 tokens (1000 in the messages, 4096 in the completion). Please reduce the length of the messages or completion.";
    let newer = "'max_tokens' or 'max_completion_tokens' is too large: 4000. This model's maximum context length is 4096 tokens and your request has 150 input tokens (4000 > 4096 - 150).";
    let studio = "Trying to keep the first 5123 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens, which is not enough.";
    let tgi = "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000 `inputs` tokens and 400 `max_new_tokens`";
    let anthropic = "prompt is too long: 210000 tokens > 200000 maximum";
    let gemini =
        "The input token count (1300000) exceeds the maximum number of tokens allowed (1048576).";
    let sglang = "The input (5000 tokens) is longer than the model's context length (4096 tokens).";
    let per_minute =
        "Request too large for model `m` on tokens per minute (TPM): Limit 6000, Requested 9000";
    check(
        Meaning::Rejected(Rejection::ContextLength),
        [
            (
                400,
                json!({"error": {"code": "context_length_exceeded", "message": vllm}}),
            ),
            (
                400,
                json!({"object": "error", "message": vllm, "code": 40303}),
            ),
            (
                400,
                json!({"error": {"message": newer, "code": 400, "type": "BadRequestError", "param": "max_tokens"}}),
            ),
            (
                400,
                json!({"error": {"code": 400, "message": "request (4390 tokens) exceeds the available context size (4096 tokens), try increasing it", "type": "exceed_context_size_error"}}),
            ),
            (
                500,
                json!({"error": {"code": 500, "message": "Context size has been exceeded.", "type": "server_error"}}),
            ),
            (422, json!({"error": tgi, "error_type": "validation"})),
            (
                422,
                json!({"error": "Input validation error: `inputs` must have less than 1024 tokens. Given: 2000"}),
            ),
            (
                400,
                json!({"error": {"code": 400, "message": "This endpoint's maximum context length is 32768 tokens."}}),
            ),
            (
                400,
                json!({"error": {"code": "invalid_parameter_error", "message": "Range of input length should be [1, 30720]"}}),
            ),
            (
                400,
                json!({"error": {"code": "1261", "message": "Prompt 超长"}}),
            ),
            (400, message("input length exceeds maximum context length")),
            (400, json!({"error": studio})),
            (
                400,
                json!({"type": "error", "error": {"type": "invalid_request_error", "message": anthropic}}),
            ),
            (
                413,
                json!({"type": "error", "error": {"type": "request_too_large", "message": "x"}}),
            ),
            (
                400,
                json!([{"error": {"code": 400, "message": gemini, "status": "INVALID_ARGUMENT"}}]),
            ),
            (400, message(sglang)),
            (
                400,
                message(
                    "Requested token count exceeds the model's maximum context length of 4096 tokens.",
                ),
            ),
            (
                413,
                json!({"error": {"code": "tokens_limit_reached", "message": "x"}}),
            ),
            (
                413,
                json!({"error": {"code": "rate_limit_exceeded", "message": per_minute}}),
            ),
            (
                429,
                json!({"error": {"code": "rate_limit_exceeded", "type": "tokens", "message": per_minute}}),
            ),
            (
                400,
                json!({"error": {"code": 400, "message": "Provider returned error", "metadata": {"raw": json!({"error": {"message": vllm}}).to_string(), "provider_name": "P"}}}),
            ),
        ],
    );
}

#[test]
fn an_empty_account_is_told_from_a_busy_server() {
    check(
        Meaning::Unpaid,
        [
            (429, json!({"error": {"code": "insufficient_quota"}})),
            (
                429,
                json!({"error": {"type": "insufficient_quota", "code": null}}),
            ),
            (429, json!({"code": "insufficient_quota"})),
            (
                429,
                json!({"error": {"code": "1113", "message": "Insufficient balance or no resource package. Please recharge."}}),
            ),
            (
                429,
                json!({"error": {"code": 1113, "message": "您的账户已欠费，请充值后重试。"}}),
            ),
            (
                400,
                json!({"code": "Arrearage", "message": "Access denied, please make sure your account is in good standing."}),
            ),
            (
                429,
                json!({"error": {"code": 402, "message": "Insufficient credits"}}),
            ),
            (402, json!({})),
            (
                400,
                message("Your credit balance is too low to access the Anthropic API."),
            ),
            (
                403,
                json!({"code": 30011, "message": "Your paid balance is insufficient. Please top up and try again."}),
            ),
            (
                403,
                message(
                    "Your team has either used all available credits or reached its monthly spending limit.",
                ),
            ),
            (
                403,
                json!({"error": {"code": "AccountOverdueError", "message": "x"}}),
            ),
            (
                403,
                json!({"error": {"code": "insufficient_user_quota", "message": "用户额度不足"}}),
            ),
            (
                429,
                json!({"error": {"type": "exceeded_current_quota_error", "message": "x"}}),
            ),
            (500, json!({"error": {"code": "insufficient_quota"}})),
        ],
    );
    let free = "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests per day";
    let gemini = "You exceeded your current quota, please check your plan and billing details.";
    check(
        Meaning::Busy,
        [
            (429, json!({"error": {"code": "rate_limit_exceeded"}})),
            (429, json!({"error": "insufficient_quota?"})),
            (429, json!({"error": {"code": 429, "message": free}})),
            (
                429,
                json!([{"error": {"code": 429, "message": gemini, "status": "RESOURCE_EXHAUSTED"}}]),
            ),
            (
                429,
                json!({"error": {"code": "1302", "message": "您的账户已达到速率限制"}}),
            ),
            (429, json!("<html>")),
        ],
    );
}

#[test]
fn what_always_happens_is_told_from_one_request() {
    check(
        Meaning::Always,
        [
            (
                400,
                json!([{"error": {"code": 400, "message": "API key not valid. Please pass a valid API key.", "status": "INVALID_ARGUMENT"}}]),
            ),
            (
                400,
                json!({"error": {"code": 400, "message": "x/y is not a valid model ID"}}),
            ),
            (400, message("Model Not Exist")),
            (
                400,
                json!({"error": {"code": "unsupported_parameter", "message": "Unsupported parameter: 'max_tokens' is not supported with this model."}}),
            ),
            (400, message("The model `m` does not exist.")),
            (400, message("model 'm' not found, try pulling it first")),
            (
                400,
                message(
                    "max_tokens is too large: 90000. This model supports at most 16384 completion tokens",
                ),
            ),
            (
                422,
                json!({"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]}),
            ),
            (401, json!({})),
            (403, message("Country, region, or territory not supported")),
            (404, message("no such model")),
            (405, json!({})),
            (307, json!({})),
        ],
    );
    check(
        Meaning::Rejected(Rejection::RefusedByServer),
        [
            (400, message("the server's words")),
            (422, json!("<html>")),
            (
                400,
                json!({"error": {"code": 400, "message": "Provider returned error"}}),
            ),
        ],
    );
    check(
        Meaning::Passing,
        [
            (500, message("broken")),
            (502, json!("<html>")),
            (
                503,
                json!({"error": {"message": "The model is overloaded", "code": "model_overloaded"}}),
            ),
            (408, json!({})),
            (
                424,
                json!({"error": "Request failed during generation", "error_type": "generation"}),
            ),
            (
                529,
                json!({"error": {"type": "overloaded_error", "message": "Overloaded"}}),
            ),
        ],
    );
}

#[test]
fn an_error_in_a_200_is_that_error() {
    let said = |error: Value| {
        let Said {
            status, meaning, ..
        } = Said::of(&error);
        (status, meaning)
    };
    for (error, expected) in [
        (
            json!({"code": 402, "message": "Insufficient credits"}),
            (402, Meaning::Unpaid),
        ),
        (
            json!({"code": 429, "message": "slow down"}),
            (429, Meaning::Busy),
        ),
        (
            json!({"code": "429", "message": "slow down"}),
            (429, Meaning::Busy),
        ),
        (
            json!({"type": "rate_limit_error", "message": "x"}),
            (429, Meaning::Busy),
        ),
        (
            json!({"code": 401, "message": "User not found."}),
            (401, Meaning::Always),
        ),
        (
            json!({"code": 502, "message": "upstream"}),
            (502, Meaning::Passing),
        ),
        (json!({"message": "overloaded"}), (0, Meaning::Passing)),
        (json!("overloaded"), (0, Meaning::Passing)),
        (
            json!({"code": "model_not_found", "message": "x"}),
            (0, Meaning::Always),
        ),
        (
            json!({"message": "prompt is too long"}),
            (0, Meaning::Rejected(Rejection::ContextLength)),
        ),
        (
            json!({"code": 403, "message": "Your input was flagged"}),
            (403, Meaning::Rejected(Rejection::ContentFilter)),
        ),
        // MiniMax
        (
            json!({"status_code": 1008, "status_msg": "insufficient balance"}),
            (0, Meaning::Unpaid),
        ),
        (
            json!({"status_code": 1026, "status_msg": "input new_sensitive"}),
            (0, Meaning::Rejected(Rejection::ContentFilter)),
        ),
        (
            json!({"status_code": 1002, "status_msg": "rate limit"}),
            (429, Meaning::Busy),
        ),
    ] {
        assert_eq!(said(error.clone()), expected, "{error}");
    }
    let inner = json!({"code": 400, "message": "Provider returned error",
                       "metadata": {"raw": "{\"error\":{\"message\":\"it is so\"}}"}});
    assert_eq!(
        Said::of(&inner).message,
        "Provider returned error: it is so"
    );
}

#[test]
fn any_error_is_judged_without_a_panic() {
    let mut deep = json!({"message": "x"});
    for _ in 0..60 {
        deep = json!({"error": deep});
    }
    let long = "é".repeat(100_000);
    for body in [
        deep.to_string(),
        json!({"error": {"message": long}}).to_string(),
        long,
        "[".repeat(9999),
    ] {
        let _ = of_status(400, &body);
    }
}

#[test]
fn the_delay_may_stand_in_the_body() {
    let seconds = |body: Value| delay_of(&body.to_string()).map(|delay| delay.as_secs_f64());
    // Google, a list with one error.
    let google = json!([{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "quota", "details": [
        {"@type": "type.googleapis.com/google.rpc.Help", "links": []},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}]}}]);
    assert_eq!(seconds(google), Some(34.5));
    assert_eq!(
        seconds(json!({"error": {"message": "slow down", "retry_after": 2}})),
        Some(2.0)
    );
    for none in [
        json!({"error": {"message": "busy"}}),
        json!({"error": {"message": "busy", "retryDelay": "soon"}}),
        json!({"error": {"message": "busy", "retryDelay": "-3s"}}),
        json!({"retry_after": {"seconds": 3}}),
    ] {
        assert_eq!(seconds(none.clone()), None, "{none}");
    }
}
