//! Splitting text without looking for control tokens.

use tokenizers::{
    Model, Normalizer, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer, Result,
    Tokenizer,
};

/// The ids of a text as if the vocabulary had no added tokens.
///
/// `Tokenizer::encode` always splits at added tokens first. Its switch `encode_special_tokens`
/// stops that for those marked special only, and Qwen3 does not mark `<think>` so.
pub(super) fn encode(tokenizer: &Tokenizer, text: &str) -> Result<Vec<u32>> {
    let mut text = pre_tokenize(tokenizer, text)?;
    text.tokenize(|piece| tokenizer.get_model().tokenize(piece.get()))?;
    Ok(text
        .into_encoding(None, 0, OffsetType::None)?
        .get_ids()
        .to_vec())
}

/// The pieces within which tokens form, in the byte-level alphabet.
pub(super) fn pieces(tokenizer: &Tokenizer, text: &str) -> Result<Vec<String>> {
    let text = pre_tokenize(tokenizer, text)?;
    let pieces = text.get_splits(OffsetReferential::Normalized, OffsetType::None);
    Ok(pieces
        .into_iter()
        .map(|(piece, _, _)| piece.to_owned())
        .collect())
}

fn pre_tokenize(tokenizer: &Tokenizer, text: &str) -> Result<PreTokenizedString> {
    let mut text = PreTokenizedString::from(text);
    if let Some(normalizer) = tokenizer.get_normalizer() {
        text.normalize(|piece| normalizer.normalize(piece))?;
    }
    if let Some(splitter) = tokenizer.get_pre_tokenizer() {
        splitter.pre_tokenize(&mut text)?;
    }
    Ok(text)
}
