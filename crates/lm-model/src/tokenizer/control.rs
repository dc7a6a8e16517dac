//! Chat forms: which one a vocabulary has, its control tokens, and what stands where in a turn.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use tokenizers::Tokenizer;

use super::spelling::Spelling;

pub(super) const END_OF_TEXT: &str = "<|endoftext|>";
pub(super) const IM_START: &str = "<|im_start|>";
pub(super) const IM_END: &str = "<|im_end|>";
pub(super) const THINK: &str = "<think>";
pub(super) const END_THINK: &str = "</think>";

/// The control tokens of Llama 3.
mod llama3 {
    pub(super) const BEGIN: &str = "<|begin_of_text|>";
    pub(super) const START_HEADER: &str = "<|start_header_id|>";
    pub(super) const END_HEADER: &str = "<|end_header_id|>";
    /// Ends a turn.
    pub(super) const EOT: &str = "<|eot_id|>";
    /// Ends a message that a tool is to answer; since Llama 3.1.
    pub(super) const EOM: &str = "<|eom_id|>";
    pub(super) const END: &str = "<|end_of_text|>";
}

/// The control tokens of Llama 2.
mod llama2 {
    pub(super) const BEGIN: &str = "<s>";
    pub(super) const END: &str = "</s>";
}

/// A part of a turn.
pub(super) enum Piece {
    /// A control token.
    Token(u32),
    /// Ordinary text.
    Text(String),
}

/// A chat form with the ids of the tokens that frame its turns.
#[derive(Clone, Debug)]
enum Form {
    ChatMl {
        start: u32,
        end: u32,
    },
    Llama3 {
        bos: u32,
        /// Before and after the name of a role.
        header: [u32; 2],
        eot: u32,
    },
    Llama2 {
        bos: u32,
    },
}

/// The chat form of a tokenizer, and the ids of its control tokens.
#[derive(Clone, Debug)]
pub(super) struct Control {
    form: Form,
    /// Ends a sequence.
    pub(super) eos: u32,
    /// Others that end a text in this form.
    others: Vec<u32>,
    /// The opening and closing tag of the reasoning, if the vocabulary has both.
    pub(super) think: Option<[u32; 2]>,
}

impl Control {
    /// The form that the vocabulary has tokens for. ChatML goes first: it is what others add to a vocabulary.
    pub(super) fn find(
        tokenizer: &Tokenizer,
        spelling: Spelling,
        config: &Map<String, Value>,
    ) -> Result<Self, String> {
        let find = |token: &str| tokenizer.token_to_id(token);
        let has = |tokens: [&str; 2]| tokens.into_iter().any(|token| find(token).is_some());
        let need =
            |token: &str| find(token).ok_or_else(|| format!("`{token}` is not in the vocabulary"));
        let (form, ends) = if has([IM_START, IM_END]) {
            let (start, end) = (need(IM_START)?, need(IM_END)?);
            (Form::ChatMl { start, end }, vec![END_OF_TEXT])
        } else if has([llama3::START_HEADER, llama3::EOT]) {
            let form = Form::Llama3 {
                bos: need(llama3::BEGIN)?,
                header: [need(llama3::START_HEADER)?, need(llama3::END_HEADER)?],
                eot: need(llama3::EOT)?,
            };
            (form, vec![llama3::END, llama3::EOM])
        } else if spelling == Spelling::ByteFallback && find("[INST]").is_none() {
            let bos = need(llama2::BEGIN)?;
            (Form::Llama2 { bos }, vec![llama2::END])
        } else {
            return Err(unknown_form());
        };
        let others: Vec<u32> = ends.iter().filter_map(|token| find(token)).collect();
        let eos = match named(config, "eos_token") {
            Some(token) => Some(need(token)?),
            None => ends.first().and_then(|token| find(token)),
        };
        let eos = eos.or(form.end_of_turn());
        Ok(Self {
            eos: eos.ok_or_else(|| format!("`{}` is not in the vocabulary", llama2::END))?,
            form,
            others,
            think: find(THINK)
                .zip(find(END_THINK))
                .map(|(open, close)| [open, close]),
        })
    }

    /// The token that begins every text.
    pub(super) fn bos(&self) -> Option<u32> {
        match self.form {
            Form::ChatMl { .. } => None,
            Form::Llama3 { bos, .. } | Form::Llama2 { bos } => Some(bos),
        }
    }

    /// A message of the user and the header of the answer.
    pub(super) fn prompt(&self, user: &str) -> Vec<Piece> {
        use Piece::{Text, Token};
        let mut pieces = match self.form {
            Form::ChatMl { start, end } => vec![
                Token(start),
                Text(format!("user\n{user}")),
                Token(end),
                Text("\n".into()),
            ],
            Form::Llama3 {
                bos,
                header: [open, close],
                eot,
            } => vec![
                Token(bos),
                Token(open),
                Text("user".into()),
                Token(close),
                Text(format!("\n\n{}", user.trim())),
                Token(eot),
            ],
            Form::Llama2 { bos } => {
                vec![Token(bos), Text(format!("[INST] {} [/INST]", user.trim()))]
            }
        };
        pieces.extend(self.answer_header());
        pieces
    }

    /// What stands before an answer and belongs to its turn.
    pub(super) fn answer_header(&self) -> Vec<Piece> {
        use Piece::{Text, Token};
        match self.form {
            Form::ChatMl { start, .. } => vec![Token(start), Text("assistant\n".into())],
            Form::Llama3 {
                header: [open, close],
                ..
            } => vec![
                Token(open),
                Text("assistant".into()),
                Token(close),
                Text("\n\n".into()),
            ],
            Form::Llama2 { .. } => Vec::new(),
        }
    }

    /// An answer with the text behind it that is no piece of its own: in the form of Llama 2 a space, which forms
    /// tokens with what is before it.
    pub(super) fn target(&self, answer: &str) -> String {
        let behind = match self.form {
            Form::Llama2 { .. } => " ",
            Form::ChatMl { .. } | Form::Llama3 { .. } => "",
        };
        format!("{answer}{behind}")
    }

    /// What follows an answer.
    pub(super) fn end(&self) -> Vec<Piece> {
        let eos = Piece::Token(self.eos);
        match self.form {
            Form::ChatMl { end, .. } => vec![Piece::Token(end), Piece::Text("\n".into()), eos],
            Form::Llama3 { eot, .. } if eot == self.eos => vec![eos],
            Form::Llama3 { eot, .. } => vec![Piece::Token(eot), eos],
            Form::Llama2 { .. } => vec![eos],
        }
    }

    /// The ids that end an answer, each once.
    pub(super) fn stop_ids(&self) -> Vec<u32> {
        let turn = self.form.end_of_turn();
        let mut stop = Vec::new();
        for id in turn
            .into_iter()
            .chain([self.eos])
            .chain(self.others.clone())
        {
            if !stop.contains(&id) {
                stop.push(id);
            }
        }
        stop
    }

    /// Special tokens, and those that frame turns even if they are not marked special, but never the
    /// tags of the reasoning: it is part of an answer.
    pub(super) fn hidden(&self, tokenizer: &Tokenizer) -> BTreeSet<u32> {
        let added = tokenizer.get_added_tokens_decoder();
        let special = added.iter().filter(|(_, token)| token.special);
        let mut hidden: BTreeSet<u32> = special.map(|(&id, _)| id).collect();
        hidden.extend(self.form.framing());
        hidden.insert(self.eos);
        for tag in self.think.iter().flatten() {
            hidden.remove(tag);
        }
        hidden
    }
}

impl Form {
    /// The token that ends a turn, if it is another than the one that ends a text.
    fn end_of_turn(&self) -> Option<u32> {
        match *self {
            Self::ChatMl { end, .. } => Some(end),
            Self::Llama3 { eot, .. } => Some(eot),
            Self::Llama2 { .. } => None,
        }
    }

    /// The tokens that frame turns.
    fn framing(&self) -> Vec<u32> {
        match *self {
            Self::ChatMl { start, end } => vec![start, end],
            Self::Llama3 {
                bos,
                header: [open, close],
                eot,
            } => vec![bos, open, close, eot],
            Self::Llama2 { bos } => vec![bos],
        }
    }
}

fn unknown_form() -> String {
    format!(
        "the vocabulary has the tokens of no chat form, expected `{IM_START}` and `{IM_END}` (Qwen), or `{}`, `{}`, \
         `{}` and `{}` (Llama 3), or the bytes, `{}` and `{}` of Llama 2",
        llama3::BEGIN,
        llama3::START_HEADER,
        llama3::END_HEADER,
        llama3::EOT,
        llama2::BEGIN,
        llama2::END,
    )
}

/// A token of `tokenizer_config.json`, such as `eos_token`: a string, or an object with its `content`.
pub(super) fn named<'a>(config: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    let token = config.get(key)?;
    token.as_str().or_else(|| token.get("content")?.as_str())
}
