//! The texts of some files, one after the other, each opened when it is its turn.

use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::inputs::Input;
use crate::texts::{Text, TextOptions, Texts};

/// The texts of some files.
pub(crate) struct Stream<'a> {
    inputs: std::slice::Iter<'a, Input>,
    options: &'a TextOptions,
    /// Whether standard input was read to its end before.
    is_second: bool,
    current: Option<(&'a Input, Texts)>,
    position: usize,
    /// Of the files that are done.
    passed_over: usize,
    notes: Vec<String>,
}

impl<'a> Stream<'a> {
    pub(crate) fn new(inputs: &'a [Input], options: &'a TextOptions, is_second: bool) -> Self {
        Self {
            inputs: inputs.iter(),
            options,
            is_second,
            current: None,
            position: 0,
            passed_over: 0,
            notes: Vec::new(),
        }
    }

    /// Rows so far.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// The file of the latest row: its path for messages, and its name.
    pub(crate) fn file(&self) -> (PathBuf, &'a str) {
        match &self.current {
            Some((input, texts)) => (texts.name().to_owned(), &input.name),
            None => (PathBuf::new(), ""),
        }
    }

    /// Rows that readers of datasets passed over so far.
    pub(crate) fn passed_over(&self) -> usize {
        let now = self.current.as_ref();
        self.passed_over + now.map_or(0, |(_, texts)| texts.passed_over())
    }

    /// What is to be said about the rows since this was called before.
    pub(crate) fn take_notes(&mut self) -> Vec<String> {
        let now = self.current.as_mut();
        let mut notes = std::mem::take(&mut self.notes);
        notes.extend(now.into_iter().flat_map(|(_, texts)| texts.take_notes()));
        notes
    }

    /// The next text, or `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Text>> {
        if self.is_at_end()? {
            return Ok(None);
        }
        self.position += 1;
        match &mut self.current {
            Some((_, texts)) => texts.next_text(),
            None => Ok(None),
        }
    }

    /// Whether there is no further text. Moves on to the next file where one ends.
    pub(crate) fn is_at_end(&mut self) -> Result<bool> {
        loop {
            if let Some((_, texts)) = &mut self.current
                && !texts.is_at_end()?
            {
                return Ok(false);
            }
            let Some(next) = self.inputs.next() else {
                return Ok(true);
            };
            let texts = self.open(next)?;
            (self.notes, self.passed_over) = (self.take_notes(), self.passed_over());
            self.current = Some((next, texts));
        }
    }

    /// Passes over so many texts at most.
    pub(crate) fn skip(&mut self, most: usize) -> Result<()> {
        let mut left = most;
        while left > 0 && !self.is_at_end()? {
            if let Some((_, texts)) = &mut self.current {
                let skipped = texts.skip(left)?;
                self.position += skipped;
                left -= skipped;
            }
        }
        Ok(())
    }

    fn open(&self, input: &Input) -> Result<Texts> {
        if input.is_stdin() && self.is_second {
            return Err(Error::usage(
                "standard input cannot be read twice, and its part is in use by another process or set aside",
            ));
        }
        Texts::of_input(input, self.options)
    }
}
