//! What a client asks for, as requests of the generator: checked before anything is allocated for it.

use lm_generate::{Request, Sampling};
use lm_model::{ChatTokenizer, StopMatcher};

use crate::failure::{Failure, wrong};
use crate::limits::{Limits, STOP_BYTES, STOP_IDS, STOP_TEXTS};
use crate::prompts::Prompts;
use crate::protocol::{ChatBody, SamplingParams, Stop};

/// A text whose tokens are counted before all of it is taken apart, in bytes, and the pieces for that.
const LONG_TEXT: usize = 64 << 10;
const PIECE: usize = 16 << 10;

/// What is known of the model away from the thread with the weights.
pub(crate) struct Known {
    pub(crate) tokenizer: ChatTokenizer,
    /// Tokens of a sequence, those of its prompt included: what the model and its cache allow.
    pub(crate) positions: usize,
    pub(crate) vocabulary: usize,
    pub(crate) limits: Limits,
}

/// Requests of one client, and the texts that end their completions.
pub(crate) struct Asked {
    pub(crate) requests: Vec<Request>,
    pub(crate) stops: StopMatcher,
}

impl Known {
    /// Refuses a long text that has far more tokens than a sequence may, at the cost of those alone: all of it would
    /// take hundreds of times its memory. It is counted in pieces, which may have some tokens more than the whole; so
    /// only one beyond twice the limit is refused here.
    fn check_length(&self, text: &str) -> Result<(), Failure> {
        if text.len() <= LONG_TEXT {
            return Ok(());
        }
        let (mut left, mut count) = (text, 0);
        while !left.is_empty() {
            let (piece, rest) = left.split_at(left.floor_char_boundary(PIECE));
            let ids = self.tokenizer.encode_text(piece);
            count += ids.map_err(|error| wrong(error.to_string()))?.len();
            let (most, far) = (self.positions, self.positions.saturating_mul(2));
            if count > far {
                return Err(wrong(format!(
                    "the prompt: expected at most {most} tokens with the new ones, found more than {far}"
                )));
            }
            left = rest;
        }
        Ok(())
    }

    /// The token ids of prompts. A text has at least a token for each of its words, so a body within its limit has no
    /// more tokens than bytes.
    pub(crate) fn prompts(&self, prompts: Prompts) -> Result<Vec<Vec<u32>>, Failure> {
        let encode = |text: String| {
            self.check_length(&text)?;
            let ids = self.tokenizer.begin_text(&text);
            ids.map_err(|error| wrong(error.to_string()))
        };
        match prompts {
            Prompts::Text(text) => Ok(vec![encode(text)?]),
            Prompts::Texts(texts) => {
                self.check_completions(texts.len(), 1)?;
                texts.into_iter().map(encode).collect()
            }
            Prompts::Ids(ids) => Ok(vec![ids]),
            Prompts::ManyIds(ids) => Ok(ids),
        }
    }

    /// The token ids of the one message of a chat.
    pub(crate) fn chat_prompt(&self, body: &ChatBody) -> Result<Vec<u32>, Failure> {
        let [message] = body.messages.as_slice() else {
            return Err(wrong(format!(
                "expected one message of the user, found {} messages: this server knows single turns only",
                body.messages.len()
            )));
        };
        if message.role != "user" {
            let role = &message.role;
            return Err(wrong(format!(
                "expected a message of the user, found one of {role:?}"
            )));
        }
        if let Some(name) = &message.other {
            return Err(wrong(format!(
                "messages: {name:?} of a message would have no effect; leave it out"
            )));
        }
        let text = &message.content.0;
        self.check_length(text)?;
        Ok(self.tokenizer.prompt_ids(text))
    }

    /// One request for each prompt. Where the client says no number of new tokens, it gets at most `default_tokens`.
    pub(crate) fn requests(
        &self,
        prompts: Vec<Vec<u32>>,
        mut params: SamplingParams,
        default_tokens: usize,
    ) -> Result<Asked, Failure> {
        if params.stream == Some(true) {
            return Err(wrong("stream: this server answers in one piece"));
        }
        // 0 and -1 are the protocol's words for no limit.
        if let Some(k) = params.top_k.filter(|k| *k < -1) {
            return Err(wrong(format!("top_k: expected -1 or more, found {k}")));
        }
        let n = params.n.unwrap_or(1);
        params.others.check(n).map_err(wrong)?;
        self.check_completions(prompts.len(), n)?;
        let stops = stops(params.stop.take())?;
        let ids = params.stop_token_ids.as_ref().map_or(0, Vec::len);
        if ids > STOP_IDS {
            return Err(wrong(format!(
                "stop_token_ids: expected at most {STOP_IDS}, found {ids}"
            )));
        }
        let share = self.limits.tokens / (prompts.len() * n).max(1);
        let mut left = self.limits.tokens;
        let requests = prompts.into_iter().map(|prompt| {
            let default_tokens = default_tokens.min(share.saturating_sub(prompt.len()));
            let request = self.request(prompt, n, &params, default_tokens)?;
            left = self.spend(left, &request)?;
            Ok(request)
        });
        let requests = requests.collect::<Result<_, Failure>>()?;
        Ok(Asked { requests, stops })
    }

    fn check_completions(&self, prompts: usize, n: usize) -> Result<(), Failure> {
        let most = self.limits.completions;
        if n == 0 || n > most {
            return Err(wrong(format!("n: expected 1 to {most}, found {n}")));
        }
        if prompts.saturating_mul(n) > most {
            return Err(wrong(format!(
                "expected at most {most} completions in a request, found {prompts} prompts with {n} each: ask in parts"
            )));
        }
        Ok(())
    }

    /// What is left of the tokens of all requests of a client.
    fn spend(&self, left: usize, request: &Request) -> Result<usize, Failure> {
        let new = request.n.saturating_mul(request.sampling.max_new_tokens);
        let all = new.saturating_add(request.prompt.len());
        left.checked_sub(all).ok_or_else(|| {
            wrong(format!(
                "expected at most {} tokens in a request, the most new ones of all its completions included: ask in \
                 parts, or for fewer",
                self.limits.tokens
            ))
        })
    }

    fn request(
        &self,
        prompt: Vec<u32>,
        n: usize,
        params: &SamplingParams,
        default_tokens: usize,
    ) -> Result<Request, Failure> {
        let room = self.positions.saturating_sub(prompt.len());
        let wanted = params.max_tokens.unwrap_or(default_tokens.min(room));
        if prompt.is_empty() || wanted == 0 || wanted > room {
            return Err(wrong(format!(
                "expected a prompt and new tokens that are {} together at most, found {} and {wanted}",
                self.positions,
                prompt.len()
            )));
        }
        if let Some(id) = prompt.iter().find(|id| **id as usize >= self.vocabulary) {
            let last = self.vocabulary - 1;
            return Err(wrong(format!(
                "expected token ids up to {last}, found {id}"
            )));
        }
        let sampling = self.sampling(params, wanted);
        Ok(Request {
            prompt,
            n,
            sampling,
        })
    }

    fn sampling(&self, params: &SamplingParams, max_new_tokens: usize) -> Sampling {
        let mut stop = self.tokenizer.stop_ids();
        stop.extend(params.stop_token_ids.iter().flatten());
        Sampling {
            max_new_tokens,
            temperature: params.temperature.unwrap_or(1.0),
            top_k: params
                .top_k
                .and_then(|k| usize::try_from(k).ok())
                .filter(|k| *k > 0),
            top_p: params.top_p,
            min_p: params.min_p,
            repetition_penalty: params.repetition_penalty,
            stop,
            seed: params.seed.unwrap_or_else(unseeded),
        }
    }
}

fn stops(stop: Option<Stop>) -> Result<StopMatcher, Failure> {
    let texts = stop.map(Stop::texts).unwrap_or_default();
    let longest = texts.iter().map(String::len).max().unwrap_or(0);
    if texts.len() > STOP_TEXTS || longest > STOP_BYTES {
        return Err(wrong(format!(
            "stop: expected at most {STOP_TEXTS} texts of {STOP_BYTES} bytes, found {} of up to {longest}",
            texts.len()
        )));
    }
    StopMatcher::new(texts).map_err(|error| wrong(format!("stop: {error}")))
}

/// A seed for a client that gives none, and so wants another answer each time.
#[expect(
    clippy::disallowed_methods,
    reason = "the protocol wants unseeded requests to differ"
)]
fn unseeded() -> u64 {
    rand::random()
}
