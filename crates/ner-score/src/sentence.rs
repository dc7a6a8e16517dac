//! What is compared: a sentence with its two lists of entities.

use ner_types::Entity;

/// Everything that is known of one sentence when it is scored.
///
/// Entities may come without spans; presets that compare spans then place them in the sentence. Where the gold has
/// spans, as annotated data do, predictions without take the places that match it best, each gold mention once: of the
/// same text and label, then of the same text; the others take places that no other prediction has. So an answer whose
/// texts and labels are all right is right. Where the gold has none either, the k-th entity of the same text and label
/// takes the k-th place of the text on both sides, and the last place if there are fewer.
///
/// Places are the literal occurrences that begin and end at word borders, else the literal ones, else those that differ
/// in case only; an entity without any cannot be matched.
#[derive(Clone, Copy, Debug)]
pub struct Sentence<'a> {
    /// The sentence. If it is empty, it counts as unknown: nothing can be placed in it, and nothing is hallucinated.
    pub text: &'a str,
    /// The labels that were asked for. If there are none, they count as unknown: every label is in the schema.
    pub schema: &'a [String],
    /// The entities asked for.
    pub gold: &'a [Entity],
    /// The entities found.
    pub predicted: &'a [Entity],
    /// Whether the answer could not be read. Gold entities that are then missing are lost to the parse failure.
    pub parse_failure: bool,
}
