//! What `rner extract` writes: `{"line", "sentence", "entities": [{"text", "label", "start", "end"}], "offsets",
//! "reasoning", "problems", …}`. A mention has the text that stands at its place, whatever the answer spells.

use crate::export::row::ExportRow;
use crate::fault::{FaultKind, excerpt};
use crate::formats::draft::{Draft, NotARow};

pub(super) fn decode(bytes: &[u8]) -> Result<Draft, NotARow> {
    let row = ExportRow::read(bytes).map_err(NotARow::new)?;
    let mut draft = Draft::default();
    if let Some(error) = &row.error {
        draft.note(FaultKind::Unanswered, excerpt(error));
        draft.is_left_out = true;
    }
    for mention in &row.mentions {
        draft.row.push(&mention.text, &mention.label, mention.span);
    }
    let example = &mut draft.row.example;
    example.guid = row.id;
    example.sentence = row.sentence;
    example.cot = row.reasoning;
    Ok(draft)
}
