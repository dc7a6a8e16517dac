//! The text of ids as another program would have to write it: with the control tokens.

use super::ChatTokenizer;
use super::characters::Characters;

impl ChatTokenizer {
    /// The text of ids in which control tokens stand by their names, such as `<|im_start|>`; what
    /// [`ChatTokenizer::decode`] leaves out is shown.
    pub fn decode_with_control(&self, ids: &[u32]) -> String {
        let mut text = String::new();
        let mut characters = Characters::new(self.spelling);
        for &id in ids {
            let bytes = self.bytes_of(id);
            if bytes.is_empty() {
                text +=
                    &std::mem::replace(&mut characters, Characters::new(self.spelling)).finish();
                text += &self.name_of(id).unwrap_or_default();
            } else {
                text += &characters.push(&bytes);
            }
        }
        text + &characters.finish()
    }
}
