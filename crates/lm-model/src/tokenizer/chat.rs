//! [`ChatTokenizer`]: prompts and targets as ids, and back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value, json};
use tokenizers::decoders::DecoderWrapper;
use tokenizers::models::ModelWrapper;
use tokenizers::models::bpe::BPE;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{AddedToken, Model, SplitDelimiterBehavior, Tokenizer};

use super::bytes::byte_chars;
use super::{bpe, plain};
use crate::error::{Error, Result};
use crate::files;

const END_OF_TEXT: &str = "<|endoftext|>";
const IM_START: &str = "<|im_start|>";
const IM_END: &str = "<|im_end|>";
const THINK: &str = "<think>";
const END_THINK: &str = "</think>";

/// How Qwen2 and Qwen3 cut text into pieces: contractions, words with one leading other character, single digits, runs
/// of punctuation, line breaks, spaces.
const QWEN_PIECES: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// The chat form of [`ChatTokenizer::prompt_ids`] for programs that render templates.
const CHAT_TEMPLATE: &str = "{% for message in messages %}\
    {{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}\
    {% endfor %}\
    {% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/// How a tokenizer in training cuts texts before it learns merges, which never cross a cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pieces {
    /// As Qwen2 and Qwen3: a word takes the space or the quotation mark before
    /// it along, so it has a token for each of its neighbours.
    #[default]
    Qwen,
    /// Words alone, and what stands between them alone: a word has the same tokens wherever it stands. A small model
    /// then copies exactly; texts become longer.
    Words,
}

impl Pieces {
    fn pattern(self) -> &'static str {
        match self {
            Self::Qwen => QWEN_PIECES,
            Self::Words => r"\p{L}+|\p{N}|[^\p{L}\p{N}]+",
        }
    }
}

/// A byte-level BPE tokenizer with the chat form of Qwen.
#[derive(Clone, Debug)]
pub struct ChatTokenizer {
    pub(super) tokenizer: Tokenizer,
    /// `tokenizer_config.json`, kept as it was read.
    config: Map<String, Value>,
    control: Control,
    /// Ids that [`ChatTokenizer::decode`] leaves out.
    pub(super) hidden: BTreeSet<u32>,
    byte_ids: Vec<u32>,
    vocab_size: usize,
}

/// The ids of the control tokens.
#[derive(Clone, Debug)]
struct Control {
    im_start: u32,
    im_end: u32,
    eos: u32,
    end_of_text: Option<u32>,
    /// The opening and closing tag of the reasoning, if the vocabulary has both.
    think: Option<[u32; 2]>,
}

impl ChatTokenizer {
    /// Reads `dir/tokenizer.json` and, if it exists, `dir/tokenizer_config.json`.
    ///
    /// The end-of-sequence token is the `eos_token` of the latter; without it `<|endoftext|>`, and
    /// without that `<|im_end|>`.
    ///
    /// # Errors
    /// When a file is absent or malformed, the model is not a byte-level BPE over all 256 bytes,
    /// or `<|im_start|>` or `<|im_end|>` is not in the vocabulary.
    pub fn load(dir: &Path) -> Result<Self> {
        let path = dir.join("tokenizer.json");
        let bytes = std::fs::read(&path).map_err(Error::io(&path, "read"))?;
        let tokenizer = Tokenizer::from_bytes(bytes).map_err(|error| bad(&path, error))?;
        let config = dir.join("tokenizer_config.json");
        let config = if config.exists() {
            let bytes = std::fs::read(&config).map_err(Error::io(&config, "read"))?;
            serde_json::from_slice(&bytes).map_err(Error::json(&config))?
        } else {
            Map::new()
        };
        Self::new(tokenizer, config, &path)
    }

    /// Trains a vocabulary of at most `vocab_size` tokens: 256 bytes, merges learned from the
    /// texts, and last `<|endoftext|>`, `<|im_start|>`, `<|im_end|>`, `<think>` and `</think>`.
    ///
    /// Texts are cut into pieces as Qwen2 does. The same texts, in any order, give the same
    /// tokenizer. It is smaller than asked when the texts hold too few repeated pairs, so size a
    /// model by [`ChatTokenizer::vocab_size`].
    ///
    /// # Errors
    /// When `vocab_size` has no room for the bytes and the control tokens.
    pub fn train_bpe<S: AsRef<str>>(
        texts: impl IntoIterator<Item = S>,
        vocab_size: usize,
    ) -> Result<Self> {
        Self::train_bpe_within(texts, vocab_size, Pieces::Qwen)
    }

    /// [`ChatTokenizer::train_bpe`] with another way of cutting texts.
    ///
    /// # Errors
    /// As [`ChatTokenizer::train_bpe`].
    pub fn train_bpe_within<S: AsRef<str>>(
        texts: impl IntoIterator<Item = S>,
        vocab_size: usize,
        pieces: Pieces,
    ) -> Result<Self> {
        let added = added_tokens();
        let Some(size) = vocab_size
            .checked_sub(added.len())
            .filter(|&size| size >= 256)
        else {
            let least = 256 + added.len();
            let reason = format!("a vocabulary of {vocab_size}, expected at least {least} tokens");
            return Err(Error::TrainTokenizer(reason));
        };
        let mut tokenizer = untrained(pieces).map_err(training)?;
        let mut counts = BTreeMap::<String, u64>::new();
        for text in texts {
            for piece in plain::pieces(&tokenizer, text.as_ref()).map_err(training)? {
                *counts.entry(piece).or_default() += 1;
            }
        }
        let trained = bpe::train(&counts, size);
        let vocabulary = trained.tokens.into_iter().zip(0..).collect();
        tokenizer.with_model(BPE::new(vocabulary, trained.merges));
        tokenizer.add_tokens(&added);
        Self::new(tokenizer, trained_config(), Path::new("<trained>"))
    }

    /// Writes `tokenizer.json` and `tokenizer_config.json` into `dir`, which is created if needed.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn save(&self, dir: &Path) -> Result<()> {
        files::create_dir(dir)?;
        files::replace_json(&dir.join("tokenizer.json"), &self.tokenizer)?;
        files::replace_json(&dir.join("tokenizer_config.json"), &self.config)
    }

    /// The ids of a text, in which nothing is taken for a control token.
    ///
    /// # Errors
    /// When the underlying tokenizer fails, which no text is known to cause.
    pub fn encode_text(&self, text: &str) -> Result<Vec<u32>> {
        plain::encode(&self.tokenizer, text).map_err(|error| Error::Encode {
            bytes: text.len(),
            reason: error.to_string(),
        })
    }

    /// `<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n` as ids. Control tokens inside
    /// `user` are ordinary text.
    pub fn prompt_ids(&self, user: &str) -> Vec<u32> {
        let control = &self.control;
        let mut ids = vec![control.im_start];
        ids.extend(self.text_ids(&format!("user\n{user}")));
        ids.push(control.im_end);
        ids.extend(self.text_ids("\n"));
        ids.extend(self.answer_header_ids());
        ids
    }

    /// `<|im_start|>assistant\n` as ids: how an answer begins, and how [`ChatTokenizer::prompt_ids`] ends.
    pub fn answer_header_ids(&self) -> Vec<u32> {
        let mut ids = vec![self.control.im_start];
        ids.extend(self.text_ids("assistant\n"));
        ids
    }

    /// `{target}<|im_end|>\n` and the end-of-sequence token as ids: what a model is trained to
    /// write after [`ChatTokenizer::prompt_ids`].
    ///
    /// A `<think>` at the very beginning of the target and the first `</think>` after it become
    /// the added tokens of that name, if the vocabulary has them. Everything else is text, so a
    /// sentence quoted in the target cannot end the turn.
    pub fn completion_ids(&self, target: &str) -> Vec<u32> {
        let mut ids = self.target_ids(target);
        ids.push(self.control.im_end);
        ids.extend(self.text_ids("\n"));
        ids.push(self.control.eos);
        ids
    }

    /// The text of generated ids, without the control tokens that frame turns, but with `<think>`
    /// and `</think>`. Ids outside the vocabulary are left out; bytes that are not UTF-8, as at
    /// the end of an interrupted answer, become U+FFFD.
    pub fn decode(&self, ids: &[u32]) -> String {
        let shown: Vec<u32> = ids
            .iter()
            .copied()
            .filter(|id| !self.hidden.contains(id))
            .collect();
        // `new` has checked that the decoder is the byte-level one, which accepts everything.
        self.tokenizer
            .decode(&shown, false)
            .unwrap_or_else(|error| {
                tracing::error!(%error, tokens = shown.len(), "cannot decode");
                String::new()
            })
    }

    /// Ids that end an answer: `<|im_end|>`, the end-of-sequence token and `<|endoftext|>`,
    /// each once.
    pub fn stop_ids(&self) -> Vec<u32> {
        let control = &self.control;
        let ids = [Some(control.im_end), Some(control.eos), control.end_of_text];
        let mut stop: Vec<u32> = Vec::new();
        for id in ids.into_iter().flatten() {
            if !stop.contains(&id) {
                stop.push(id);
            }
        }
        stop
    }

    /// One more than the highest id. A model's embedding must have at least so many rows.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// The end-of-sequence token, the last of [`ChatTokenizer::completion_ids`].
    pub fn eos_id(&self) -> u32 {
        self.control.eos
    }

    fn new(tokenizer: Tokenizer, config: Map<String, Value>, path: &Path) -> Result<Self> {
        check_byte_level(&tokenizer).map_err(|reason| bad(path, reason))?;
        let control = Control::find(&tokenizer, &config).map_err(|reason| bad(path, reason))?;
        let highest = tokenizer.get_vocab(true).into_values().max();
        Ok(Self {
            byte_ids: byte_ids(&tokenizer).map_err(|reason| bad(path, reason))?,
            hidden: hidden(&tokenizer, &control),
            vocab_size: highest.map_or(0, |id| id as usize + 1),
            control,
            config,
            tokenizer,
        })
    }

    fn target_ids(&self, target: &str) -> Vec<u32> {
        let (Some([open, close]), Some(rest)) = (self.control.think, target.strip_prefix(THINK))
        else {
            return self.text_ids(target);
        };
        let mut ids = vec![open];
        match rest.split_once(END_THINK) {
            Some((reasoning, answer)) => {
                ids.extend(self.text_ids(reasoning));
                ids.push(close);
                ids.extend(self.text_ids(answer));
            }
            None => ids.extend(self.text_ids(rest)),
        }
        ids
    }

    /// [`ChatTokenizer::encode_text`], or should that fail the bytes one by one, which is the same
    /// text in more tokens.
    fn text_ids(&self, text: &str) -> Vec<u32> {
        self.encode_text(text).unwrap_or_else(|error| {
            tracing::error!(%error, "encoding byte by byte");
            text.bytes()
                .map(|byte| self.byte_ids[usize::from(byte)])
                .collect()
        })
    }
}

impl Control {
    fn find(tokenizer: &Tokenizer, config: &Map<String, Value>) -> Result<Self, String> {
        let find = |token: &str| tokenizer.token_to_id(token);
        let need =
            |token: &str| find(token).ok_or_else(|| format!("`{token}` is not in the vocabulary"));
        let im_end = need(IM_END)?;
        let eos = match named_eos(config) {
            Some(token) => need(token)?,
            None => find(END_OF_TEXT).unwrap_or(im_end),
        };
        Ok(Self {
            im_start: need(IM_START)?,
            im_end,
            eos,
            end_of_text: find(END_OF_TEXT),
            think: find(THINK)
                .zip(find(END_THINK))
                .map(|(open, close)| [open, close]),
        })
    }
}

/// The `eos_token` of `tokenizer_config.json`: a string, or an object with its `content`.
fn named_eos(config: &Map<String, Value>) -> Option<&str> {
    let eos = config.get("eos_token")?;
    eos.as_str().or_else(|| eos.get("content")?.as_str())
}

/// Only for byte-level BPE without dropout is every text a fixed sequence of tokens and back.
fn check_byte_level(tokenizer: &Tokenizer) -> Result<(), &'static str> {
    match tokenizer.get_model() {
        ModelWrapper::BPE(bpe) if bpe.dropout.is_none_or(|dropout| dropout == 0.0) => {}
        ModelWrapper::BPE(_) => return Err("the BPE has dropout, expected none"),
        _ => return Err("the model is not BPE, the only kind that Qwen uses"),
    }
    match tokenizer.get_decoder() {
        Some(DecoderWrapper::ByteLevel(_)) => Ok(()),
        _ => Err("the decoder is not ByteLevel, the only kind that Qwen uses"),
    }
}

/// The token of every single byte.
fn byte_ids(tokenizer: &Tokenizer) -> Result<Vec<u32>, String> {
    let id = |(byte, letter): (usize, char)| {
        let id = tokenizer
            .get_model()
            .token_to_id(letter.encode_utf8(&mut [0; 4]));
        id.ok_or_else(|| format!("byte {byte:#04x} (`{letter}`) is not in the vocabulary"))
    };
    byte_chars().into_iter().enumerate().map(id).collect()
}

/// Special tokens, and those that frame turns even if they are not marked special, but never the
/// tags of the reasoning: it is part of an answer.
fn hidden(tokenizer: &Tokenizer, control: &Control) -> BTreeSet<u32> {
    let added = tokenizer.get_added_tokens_decoder();
    let special = added
        .iter()
        .filter(|(_, token)| token.special)
        .map(|(&id, _)| id);
    let framing = [control.im_start, control.im_end, control.eos];
    let mut hidden: BTreeSet<u32> = special.chain(framing).collect();
    for tag in control.think.iter().flatten() {
        hidden.remove(tag);
    }
    hidden
}

/// The control tokens of a trained tokenizer, marked as Qwen3 marks them.
fn added_tokens() -> Vec<AddedToken> {
    let special = [END_OF_TEXT, IM_START, IM_END].map(|token| AddedToken::from(token, true));
    let tags = [THINK, END_THINK].map(|token| AddedToken::from(token, false).normalized(false));
    special.into_iter().chain(tags).collect()
}

/// A tokenizer with Qwen's way of cutting text, and no vocabulary yet.
fn untrained(pieces: Pieces) -> tokenizers::Result<Tokenizer> {
    let pattern = SplitPattern::Regex(pieces.pattern().to_owned());
    let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false)?;
    let bytes = ByteLevel::new(false, false, false);
    let splitters = vec![
        PreTokenizerWrapper::Split(split),
        PreTokenizerWrapper::ByteLevel(bytes),
    ];
    let mut tokenizer = Tokenizer::new(BPE::default());
    tokenizer.with_pre_tokenizer(Some(Sequence::new(splitters)));
    tokenizer.with_decoder(Some(bytes));
    Ok(tokenizer)
}

fn trained_config() -> Map<String, Value> {
    let fields = [
        ("chat_template", json!(CHAT_TEMPLATE)),
        ("clean_up_tokenization_spaces", json!(false)),
        ("eos_token", json!(END_OF_TEXT)),
        ("pad_token", json!(END_OF_TEXT)),
        ("tokenizer_class", json!("PreTrainedTokenizerFast")),
    ];
    fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn bad(path: &Path, reason: impl ToString) -> Error {
    Error::BadTokenizer {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

fn training(error: tokenizers::Error) -> Error {
    Error::TrainTokenizer(error.to_string())
}
