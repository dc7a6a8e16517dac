//! Flags of long texts: windows, overlap, context, groups of types, and how places are told.

use anyhow::Result;
use clap::Args;
use lm_kernels::LmOps;
use ner_datasets::Offsets;
use ner_documents::{Limits, Nesting};
use ner_types::ReadMode;
use rner::documents::Reader;
use rner::extract::{Extractor, Room};
use rner_cli::exit::usage;

/// Most tokens of an overlap that nobody asked for.
const OVERLAP: usize = 64;

/// How a text that is too long for one question is read.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct DocumentArgs {
    /// Most tokens of a text that the model sees at once; a longer one is read in windows at borders of sentences. What
    /// the model was trained with if left out, or else what it has room for beside types and answer.
    #[arg(long, value_name = "N")]
    window: Option<usize>,
    /// Tokens that a window has in common with the one before, so that no entity is cut: an eighth of a window, but at
    /// most 64, if left out.
    #[arg(long, value_name = "N")]
    overlap: Option<usize>,
    /// Tokens that are shown before a window and not asked about.
    #[arg(long, value_name = "N", default_value_t = 0)]
    context: usize,
    /// Most types in a question; a window is asked about once for each group of types.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    group: Option<u32>,
    /// Keep entities that share letters with others, as is done unless --flat is given.
    #[arg(long, overrides_with = "flat")]
    nested: bool,
    /// Of entities that share letters keep the longest; the others are named.
    #[arg(long, overrides_with = "nested")]
    flat: bool,
    /// In what places are counted: characters (Python), utf16 (JavaScript, Java) or bytes. Of JSON only; places in
    /// bytes are always there too.
    #[arg(long, value_name = "UNIT", default_value_t = Offsets::Characters)]
    pub(super) offsets: Offsets,
}

impl DocumentArgs {
    /// Reads documents as the flags say. `trained` is the longest prompt that the model was trained with, if it is
    /// known.
    ///
    /// # Errors
    /// Flags that leave no room for a text.
    pub(super) fn reader<B: LmOps>(
        &self,
        extractor: &Extractor<B>,
        types: Vec<String>,
        mode: ReadMode,
        trained: Option<usize>,
    ) -> Result<Reader> {
        let mut reader = Reader::new(types, mode).with_nesting(self.nesting());
        if let Some(n_types) = self.group {
            reader = reader.in_groups_of(n_types as usize);
        }
        let rooms = reader.groups().iter().map(|types| extractor.room(types));
        // The longest prompt leaves the least room.
        let Some(room) = rooms.min_by_key(|room| room.text) else {
            return Ok(reader);
        };
        let limits = self.limits(room, trained)?;
        Ok(reader.with_windows(limits, extractor.counter()))
    }

    /// Reads what servers answer: a text is one question, because nobody counts their tokens.
    pub(super) fn reader_of_server(&self, types: Vec<String>, mode: ReadMode) -> Reader {
        let reader = Reader::new(types, mode).with_nesting(self.nesting());
        match self.group {
            Some(n_types) => reader.in_groups_of(n_types as usize),
            None => reader,
        }
    }

    /// The flags as words, of which the answers depend.
    pub(super) fn named(&self) -> String {
        format!("{self:?}")
    }

    /// Those of the flags that were typed.
    pub(super) fn typed(&self) -> Vec<&'static str> {
        let more = [
            ("--group", self.group.is_some()),
            ("--flat", self.flat),
            ("--nested", self.nested),
            ("--offsets", self.offsets != Offsets::Characters),
        ];
        let more = more.into_iter().filter(|flag| flag.1).map(|flag| flag.0);
        self.of_model().into_iter().chain(more).collect()
    }

    /// Those of the flags that were typed and need a model in this process.
    pub(super) fn of_model(&self) -> Vec<&'static str> {
        let flags = [
            ("--window", self.window.is_some()),
            ("--overlap", self.overlap.is_some()),
            ("--context", self.context > 0),
        ];
        let typed = flags.into_iter().filter(|flag| flag.1);
        typed.map(|flag| flag.0).collect()
    }

    fn nesting(&self) -> Nesting {
        if self.flat && !self.nested {
            Nesting::Flat
        } else {
            Nesting::Nested
        }
    }

    fn limits(&self, room: Room, trained: Option<usize>) -> Result<Limits> {
        let Room {
            positions,
            prompt,
            text,
        } = room;
        if text == 0 {
            return Err(usage(format!(
                "--types: the prompt has {prompt} tokens without a text, and the model takes {positions}; ask for \
                 fewer types at once with --group"
            )));
        }
        let trained = trained.map(|longest| longest.saturating_sub(prompt).max(1));
        let own = text
            .min(trained.unwrap_or(text))
            .saturating_sub(self.context);
        let window = self.window.unwrap_or(own.max(1));
        if window == 0 || window.saturating_add(self.context) > text {
            return Err(usage(format!(
                "--window {window} with --context {}: expected 1 to {text} tokens together, because the model takes \
                 {positions}, the prompt without a text has {prompt}, and the answer needs room",
                self.context
            )));
        }
        let overlap = self.overlap.unwrap_or((window / 8).min(OVERLAP));
        if overlap > window / 2 {
            return Err(usage(format!(
                "--overlap {overlap}: expected at most half of a window of {window} tokens"
            )));
        }
        Ok(Limits {
            window,
            overlap,
            context: self.context,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: Room = Room {
        positions: 100,
        prompt: 20,
        text: 60,
    };

    #[test]
    fn a_window_is_what_the_model_was_trained_with_or_has_room_for() {
        let args = DocumentArgs::default();
        let limits = |args: &DocumentArgs, trained| {
            let limits = args.limits(ROOM, trained).expect("room");
            [limits.window, limits.overlap, limits.context]
        };
        assert_eq!(limits(&args, None), [60, 7, 0]);
        assert_eq!(limits(&args, Some(500)), [60, 7, 0]);
        assert_eq!(limits(&args, Some(50)), [30, 3, 0]);
        assert_eq!(limits(&args, Some(20)), [1, 0, 0]);
        let args = DocumentArgs {
            context: 10,
            overlap: Some(4),
            ..args
        };
        assert_eq!(limits(&args, None), [50, 4, 10]);
        let args = DocumentArgs {
            window: Some(9),
            ..args
        };
        assert_eq!(limits(&args, Some(21)), [9, 4, 10]);
    }

    #[test]
    fn flags_that_leave_no_room_say_what_does() {
        let check = |args: DocumentArgs, room: Room, words: &str| {
            let said = args.limits(room, None).expect_err(words).to_string();
            assert!(said.contains(words), "{said}");
        };
        let args = DocumentArgs::default();
        let full = Room { text: 0, ..ROOM };
        check(args.clone(), full, "fewer types at once with --group");
        for (window, overlap, context, words) in [
            (
                Some(61),
                None,
                0,
                "--window 61 with --context 0: expected 1 to 60",
            ),
            (Some(0), None, 0, "--window 0"),
            (Some(50), None, 20, "expected 1 to 60 tokens together"),
            (None, None, 60, "--window 1 with --context 60"),
            (
                Some(9),
                Some(5),
                0,
                "--overlap 5: expected at most half of a window of 9",
            ),
        ] {
            let args = DocumentArgs {
                window,
                overlap,
                context,
                ..args.clone()
            };
            check(args, ROOM, words);
        }
    }
}
