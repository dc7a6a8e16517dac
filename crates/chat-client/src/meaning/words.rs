//! How services say it: codes and words in small letters. Codes are compared whole, words are looked for.

/// The account is out of credit.
pub(super) const CODES_UNPAID: &[&str] = &[
    "402",
    // OpenAI
    "insufficient_quota",
    "billing_hard_limit_reached",
    "billing_not_active",
    // DeepSeek, OpenRouter, Together and others
    "insufficient_balance",
    "insufficient_credits",
    "insufficient_funds",
    "insufficientbalance",
    "payment_required",
    "credit_balance_too_low",
    "billing_error",
    // Moonshot
    "exceeded_current_quota_error",
    // Zhipu
    "1113",
    // DashScope
    "arrearage",
    "overdue-payment",
    "overduepayment",
    "allocationquota.freetieronly",
    // Volcengine
    "accountoverdueerror",
    // MiniMax
    "1008",
    // SiliconFlow
    "30001",
    "30011",
    // one-api and new-api
    "insufficient_user_quota",
    "pre_consume_token_quota_failed",
];

/// The same in words.
pub(super) const WORDS_UNPAID: &[&str] = &[
    "insufficient balance",
    "insufficient credit",
    "insufficient fund",
    "balance is insufficient",
    "balance is not enough",
    "credit balance is too low",
    "not enough credit",
    "not enough balance",
    "out of credits",
    "requires more credits",
    "exceeded your monthly included credits",
    "used all available credits",
    "reached its monthly spending limit",
    "account is in good standing",
    "account is in arrears",
    "overdue payment",
    "overdue balance",
    "payment required",
    "please recharge",
    "余额不足",
    "欠费",
];

/// A filter does not let the prompt pass.
pub(super) const CODES_FILTER: &[&str] = &[
    // OpenAI and Azure
    "content_filter",
    "content_policy_violation",
    "responsibleaipolicyviolation",
    "invalid_prompt",
    "cyber_policy_violation",
    // DashScope
    "data_inspection_failed",
    "datainspectionfailed",
    // Zhipu
    "1301",
    // MiniMax
    "1026",
    "1027",
    // Volcengine
    "sensitivecontentdetected",
    "inputtextsensitivecontentdetected",
    "outputtextsensitivecontentdetected",
    // Gemini
    "prohibited_content",
    "safety",
    "blocklist",
    // gateways
    "content_blocked",
    "content_filtered",
    "guardrail_violation",
    "guardrail_intervened",
    "moderation_blocked",
    "moderation_error",
    "sensitive_words_detected",
    "prompt_blocked",
];

/// The same in words.
pub(super) const WORDS_FILTER: &[&str] = &[
    "content management policy",
    "content filter",
    "content_filter",
    "contentfilter",
    "content policy",
    "content policies",
    "content moderation",
    "usage policy",
    "usage policies",
    "content exists risk",
    "considered high risk",
    "inappropriate content",
    "sensitive content",
    "sensitive information",
    "sensitive words",
    "unsafe content",
    "unsafe or sensitive",
    "harmful content",
    "prohibited content",
    "prohibited_content",
    "prohibited use policy",
    "safety system",
    "safety filter",
    "safety reasons",
    "safety guidelines",
    "safety policy",
    "blocked due to safety",
    "guardrail",
    "was flagged",
    "been flagged",
    "is flagged",
    "违规",
    "敏感",
    "不安全",
];

/// A text is forbidden, where a forbidden key or region has the same status.
pub(super) const WORDS_FLAGGED: &[&str] = &[
    "was flagged",
    "been flagged",
    "requires moderation",
    "content management policy",
    "content policy",
    "inappropriate content",
    "sensitive content",
    "content exists risk",
];

/// The prompt is too long.
pub(super) const CODES_LENGTH: &[&str] = &[
    "context_length_exceeded",
    "context_window_exceeded",
    "model_context_window_exceeded",
    "string_above_max_length",
    "exceed_context_size_error",
    "prompt_too_long",
    "input_too_long",
    "request_too_large",
    "tokens_limit_reached",
    "max_tokens_exceeded",
    // Zhipu
    "1261",
    // MiniMax
    "1039",
    // Volcengine
    "inputtokenlimitexceeded",
];

/// The same in words.
pub(super) const WORDS_LENGTH: &[&str] = &[
    "context length",
    "context_length",
    "context window",
    "context size",
    "context limit",
    "maximum context",
    "max_model_len",
    "max model len",
    "max_position_embeddings",
    "max_total_tokens",
    "max_input_tokens",
    "max_input_length",
    "maximum input length",
    "maximum prompt length",
    "maximum sequence length",
    "maximum number of tokens",
    "maximum number of input tokens",
    "maximum allowed length",
    "maximum allowed number of input tokens",
    "max length",
    "prompt is too long",
    "prompt too long",
    "prompt is longer",
    "prompt length",
    "prompt exceeds",
    "input is too long",
    "input too long",
    "input length",
    "input token count",
    "input tokens exceed",
    "inputs` tokens",
    "`inputs` must have less than",
    "too many tokens",
    "too many input tokens",
    "tokens exceed",
    "token limit exceeded",
    "exceeds the token limit",
    "exceed the token limit",
    "reduce the length",
    "reduce your prompt",
    "request too large",
    "request entity too large",
    "larger than the maximum",
    "longer than the maximum",
    "longer than the model",
    "超过最大长度",
    "超出最大长度",
    "超长",
];

/// A request that is larger than what may be sent in a minute.
pub(super) const ANY_MINUTE: &[&str] = &["request too large", "tokens must be reduced"];

/// Every request would fail.
pub(super) const CODES_FOR_ALL: &[&str] = &[
    "model_not_found",
    "model_not_exist",
    "modelnotfound",
    "invalid_model",
    "invalid_api_key",
    "invalidapikey",
    "api_key_invalid",
    "authentication_error",
    "permission_error",
    "unsupported_country_region_territory",
    "unsupported_parameter",
    "unknown_parameter",
    "unsupported_value",
    "extra_forbidden",
    "missing",
    "blocked_api_access",
    // Zhipu: no such model.
    "1211",
];

/// The same in words.
pub(super) const WORDS_FOR_ALL: &[&str] = &[
    "api key",
    "api_key",
    "apikey",
    "not a valid model",
    "unsupported parameter",
    "unsupported value",
    "unknown parameter",
    "unknown field",
    "unknown argument",
    "unrecognized request argument",
    "unexpected keyword",
    "extra inputs are not permitted",
    "extra fields not permitted",
    "does not support",
    "is not supported",
    "are not supported",
    "not supported with this model",
    "max_tokens is too large",
    "max_completion_tokens is too large",
    "range of max_tokens",
    "invalid max_tokens",
    "temperature must",
    "'temperature'",
];
