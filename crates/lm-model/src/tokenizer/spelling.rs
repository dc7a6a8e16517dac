//! How the tokens of a vocabulary spell bytes.

use tokenizers::decoders::DecoderWrapper;
use tokenizers::models::ModelWrapper;
use tokenizers::{Model, Tokenizer};

use super::bytes::{byte_chars, token_bytes};

/// The character that stands for a space in vocabularies of SentencePiece.
const SPACE: char = '▁';

/// How the tokens of a vocabulary spell bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// A visible character for each of the 256 bytes, as in GPT-2, Qwen and Llama 3.
    ByteLevel,
    /// Characters as they are, a mark for spaces, and tokens such as `<0x0A>` for what is in no other: SentencePiece,
    /// as in Llama 2. A text begins with a space that is not shown.
    ByteFallback,
}

impl Spelling {
    /// Only for BPE without dropout that knows all bytes is every text a fixed sequence of tokens and back.
    pub(super) fn of(tokenizer: &Tokenizer) -> Result<Self, &'static str> {
        let bpe = match tokenizer.get_model() {
            ModelWrapper::BPE(bpe) if bpe.dropout.is_none_or(|dropout| dropout == 0.0) => bpe,
            ModelWrapper::BPE(_) => return Err("the BPE has dropout, expected none"),
            _ => return Err("the model is not BPE, the only kind that is read"),
        };
        match tokenizer.get_decoder() {
            Some(DecoderWrapper::ByteLevel(_)) => Ok(Self::ByteLevel),
            Some(DecoderWrapper::Sequence(_) | DecoderWrapper::Metaspace(_))
                if bpe.byte_fallback =>
            {
                Ok(Self::ByteFallback)
            }
            _ => Err(
                "the decoder is not ByteLevel, and the model is not one of SentencePiece with byte_fallback",
            ),
        }
    }

    /// The token of every single byte.
    pub(super) fn byte_ids(self, tokenizer: &Tokenizer) -> Result<Vec<u32>, String> {
        let letters = byte_chars();
        let name = |byte: u8| match self {
            Self::ByteLevel => letters[usize::from(byte)].to_string(),
            Self::ByteFallback => format!("<0x{byte:02X}>"),
        };
        let id = |byte: u8| {
            let name = name(byte);
            let id = tokenizer.get_model().token_to_id(&name);
            id.ok_or_else(|| format!("byte {byte:#04x} (`{name}`) is not in the vocabulary"))
        };
        (0..=u8::MAX).map(id).collect()
    }

    /// The bytes of a token.
    pub(super) fn bytes(self, token: &str) -> Vec<u8> {
        match self {
            Self::ByteLevel => token_bytes(token),
            Self::ByteFallback => match single_byte(token) {
                Some(byte) => vec![byte],
                None => token.replace(SPACE, " ").into_bytes(),
            },
        }
    }
}

/// The byte of a token such as `<0x0A>`.
fn single_byte(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    u8::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::Spelling;

    #[test]
    fn bytes_of_tokens_of_sentencepiece() {
        let bytes = |token| Spelling::ByteFallback.bytes(token);
        assert_eq!(bytes("▁an"), b" an");
        assert_eq!(bytes("<0xE5>"), [0xe5]);
        assert_eq!(bytes("<0xE5"), b"<0xE5");
        assert_eq!(bytes("小"), "小".as_bytes());
    }
}
