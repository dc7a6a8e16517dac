//! [`ChatTokenizer`]: prompts and targets as ids, and back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value, json};
use tokenizers::models::bpe::BPE;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{AddedToken, SplitDelimiterBehavior, Tokenizer};

use super::characters::Characters;
use super::control::{Control, END_OF_TEXT, END_THINK, IM_END, IM_START, Piece, THINK, named};
use super::spelling::Spelling;
use super::{bpe, generation, plain};
use crate::error::{Error, Result};
use crate::{files, foreign};

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

/// A BPE tokenizer with the chat form that its vocabulary has tokens for.
///
/// | in the vocabulary | form | of |
/// |---|---|---|
/// | `<\|im_start\|>`, `<\|im_end\|>` | ChatML | Qwen2.5, Qwen3 |
/// | `<\|start_header_id\|>`, `<\|eot_id\|>` | headers | Llama 3 |
/// | `<s>`, `</s>` and bytes as `<0x0A>` | `[INST]` | Llama 2 |
///
/// The forms are the published ones for one message of the user, without a turn of the system.
#[derive(Clone, Debug)]
pub struct ChatTokenizer {
    tokenizer: Tokenizer,
    pub(super) spelling: Spelling,
    /// `tokenizer_config.json`, kept as it was read.
    config: Map<String, Value>,
    pub(super) control: Control,
    /// Ids that [`ChatTokenizer::decode`] leaves out.
    hidden: BTreeSet<u32>,
    /// Ids that end an answer.
    stop: Vec<u32>,
    pad: Option<u32>,
    byte_ids: Vec<u32>,
    vocab_size: usize,
}

impl ChatTokenizer {
    /// Reads `dir/tokenizer.json` and, if they exist, `dir/tokenizer_config.json` and
    /// `dir/generation_config.json`.
    ///
    /// The end-of-sequence token is the `eos_token` of the second; without it the token of the form that ends a text
    /// (`<|endoftext|>`, `<|end_of_text|>`, `</s>`), and without that the one that ends a turn. The third may name
    /// further [stop tokens](ChatTokenizer::stop_ids).
    ///
    /// # Errors
    /// When a file is absent or malformed, the model is not a BPE that can spell all 256 bytes, or the vocabulary has
    /// the tokens of no chat form.
    pub fn load(dir: &Path) -> Result<Self> {
        let path = dir.join("tokenizer.json");
        let bytes = std::fs::read(&path).map_err(Error::io(&path, "read"))?;
        let tokenizer = foreign::guarded(&path, || Tokenizer::from_bytes(bytes))?;
        let tokenizer = tokenizer.map_err(|error| bad(&path, error))?;
        let config = dir.join("tokenizer_config.json");
        let config = if config.exists() {
            let bytes = std::fs::read(&config).map_err(Error::io(&config, "read"))?;
            serde_json::from_slice(&bytes).map_err(Error::json(&config))?
        } else {
            Map::new()
        };
        let new = || Self::new(tokenizer, config, &path);
        foreign::guarded(&path, new)??.with_stops_of(dir)
    }

    /// The same tokenizer with the stop tokens of `dir/generation_config.json` added and its padding, if there is one:
    /// for a tokenizer that lies elsewhere than its model.
    ///
    /// # Errors
    /// When the file is malformed.
    pub fn with_stops_of(mut self, dir: &Path) -> Result<Self> {
        let generation = generation::read(dir)?;
        for id in generation.stop {
            if !self.stop.contains(&id) {
                self.stop.push(id);
            }
        }
        self.pad = generation.pad.or(self.pad);
        Ok(self)
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

    /// The ids of a text at the beginning of a sequence: those of [`ChatTokenizer::encode_text`] behind the token that
    /// begins every text, where the form has one (Llama).
    ///
    /// # Errors
    /// As [`ChatTokenizer::encode_text`].
    pub fn begin_text(&self, text: &str) -> Result<Vec<u32>> {
        let mut ids: Vec<u32> = self.control.bos().into_iter().collect();
        ids.extend(self.encode_text(text)?);
        Ok(ids)
    }

    /// How an answer begins, as ids, and how [`ChatTokenizer::prompt_ids`] ends: in ChatML
    /// `<|im_start|>assistant\n`; nothing in the form of Llama 2, whose prompts end with the user's turn.
    pub fn answer_header_ids(&self) -> Vec<u32> {
        self.ids_of(self.control.answer_header())
    }

    /// A message of the user and the header of the answer as ids. Control tokens inside `user` are ordinary text.
    ///
    /// - ChatML: `<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n`
    /// - Llama 3: `<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n{user}<|eot_id|>` and
    ///   `<|start_header_id|>assistant<|end_header_id|>\n\n`
    /// - Llama 2: `<s>[INST] {user} [/INST]`
    ///
    /// As in their templates, the last two take white space off both ends of the message.
    pub fn prompt_ids(&self, user: &str) -> Vec<u32> {
        self.ids_of(self.control.prompt(user))
    }

    /// The target, the tokens that end a turn, and the end-of-sequence token as ids: what a model is
    /// trained to write after [`ChatTokenizer::prompt_ids`].
    ///
    /// - ChatML: `{target}<|im_end|>\n` and the end-of-sequence token
    /// - Llama 3: `{target}<|eot_id|>`, and the end-of-sequence token unless it is that
    /// - Llama 2: `{target} </s>`
    ///
    /// A `<think>` at the very beginning of the target and the first `</think>` after it become
    /// the added tokens of that name, if the vocabulary has them. Everything else is text, so a
    /// sentence quoted in the target cannot end the turn.
    pub fn completion_ids(&self, target: &str) -> Vec<u32> {
        let mut ids = self.target_ids(&self.control.target(target));
        ids.extend(self.ids_of(self.control.end()));
        ids
    }

    /// The text of generated ids, without the control tokens that frame turns, but with `<think>`
    /// and `</think>`. Ids outside the vocabulary are left out; bytes that are not UTF-8, as at
    /// the end of an interrupted answer, become U+FFFD.
    pub fn decode(&self, ids: &[u32]) -> String {
        if self.spelling != Spelling::ByteLevel {
            let mut characters = Characters::new(self.spelling);
            let pieces = ids.iter().map(|&id| characters.push(&self.bytes_of(id)));
            let text: String = pieces.collect();
            return text + &characters.finish();
        }
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

    /// Ids that end an answer, each once: the one that ends a turn, the end-of-sequence token, others that end a text
    /// in this form (`<|endoftext|>`; `<|end_of_text|>` and `<|eom_id|>`), and the `eos_token_id` of
    /// `generation_config.json`.
    pub fn stop_ids(&self) -> Vec<u32> {
        self.stop.clone()
    }

    /// One more than the highest id. A model's embedding must have at least so many rows.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// The end-of-sequence token, the last of [`ChatTokenizer::completion_ids`].
    pub fn eos_id(&self) -> u32 {
        self.control.eos
    }

    /// The token that pads a batch for other programs: that of `generation_config.json`, else the `pad_token` of
    /// `tokenizer_config.json`.
    pub fn pad_id(&self) -> Option<u32> {
        self.pad
    }

    fn new(tokenizer: Tokenizer, config: Map<String, Value>, path: &Path) -> Result<Self> {
        let spelling = Spelling::of(&tokenizer).map_err(|reason| bad(path, reason))?;
        let control = Control::find(&tokenizer, spelling, &config);
        let control = control.map_err(|reason| bad(path, reason))?;
        let byte_ids = spelling.byte_ids(&tokenizer);
        let highest = tokenizer.get_vocab(true).into_values().max();
        Ok(Self {
            spelling,
            byte_ids: byte_ids.map_err(|reason| bad(path, reason))?,
            hidden: control.hidden(&tokenizer),
            stop: control.stop_ids(),
            pad: named(&config, "pad_token").and_then(|token| tokenizer.token_to_id(token)),
            vocab_size: highest.map_or(0, |id| id as usize + 1),
            control,
            config,
            tokenizer,
        })
    }

    /// The bytes of a token in a text; none for one that is not shown, and for an id outside of the vocabulary.
    pub fn bytes_of(&self, id: u32) -> Vec<u8> {
        if self.hidden.contains(&id) {
            return Vec::new();
        }
        let token = self.tokenizer.id_to_token(id);
        let bytes = |token: String| self.spelling.bytes(&token);
        token.map(bytes).unwrap_or_default()
    }

    /// The name of a token.
    pub(super) fn name_of(&self, id: u32) -> Option<String> {
        self.tokenizer.id_to_token(id)
    }

    fn ids_of(&self, pieces: Vec<Piece>) -> Vec<u32> {
        let ids = |piece| match piece {
            Piece::Token(id) => vec![id],
            Piece::Text(text) => self.text_ids(&text),
        };
        pieces.into_iter().flat_map(ids).collect()
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
    pub(super) fn text_ids(&self, text: &str) -> Vec<u32> {
        self.encode_text(text).unwrap_or_else(|error| {
            tracing::error!(%error, "encoding byte by byte");
            text.bytes()
                .map(|byte| self.byte_ids[usize::from(byte)])
                .collect()
        })
    }
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
