//! How servers are asked, and what it may cost.

use std::path::PathBuf;
use std::time::Duration;

use chat_client::money::Budget;
use ner_cot::bill::Prices;
use ner_cot::journal::Durability;

/// How fast requests are sent, and how patiently.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Always keep as many requests in flight as the recipe says, where fewer are if a server cannot take them.
    pub fixed_concurrency: bool,
    /// Requests per minute, at each server.
    pub requests_per_minute: Option<u32>,
    /// Tokens per minute, at each server.
    pub tokens_per_minute: Option<u32>,
    /// Receive answers in pieces, which keeps long ones from timing out.
    pub stream: bool,
    /// Longest wait for the first byte of an answer.
    pub first_byte_timeout: Option<Duration>,
    /// Longest wait between two pieces of an answer.
    pub idle_timeout: Option<Duration>,
    /// Longest time of a request in all.
    pub timeout: Option<Duration>,
    /// File that holds the teacher's API key, in place of the recipe's variable.
    pub key_file: Option<PathBuf>,
    /// Environment variable that holds the judge's API key.
    pub judge_key_env: Option<String>,
    /// Ask the servers for the names of their models first.
    pub check_models: bool,
    /// When answers are forced to the disk.
    pub durability: Durability,
}

impl Default for Flow {
    fn default() -> Self {
        Self {
            fixed_concurrency: false,
            requests_per_minute: None,
            tokens_per_minute: None,
            stream: false,
            first_byte_timeout: None,
            idle_timeout: None,
            timeout: None,
            key_file: None,
            judge_key_env: None,
            check_models: true,
            durability: Durability::default(),
        }
    }
}

/// Prices and budgets.
#[derive(Clone, Debug, Default)]
pub struct Money {
    /// What the models cost.
    pub prices: Prices,
    /// What may be spent.
    pub budget: Budget,
}
