//! The faults of one file while it is read or written: counted, and by the policy turned into errors.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::fault::{Fault, FaultKind, FaultReport, Policy};

/// Counts faults of one file and turns fatal ones into errors.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    pub(crate) path: PathBuf,
    policy: Policy,
    pub(crate) report: FaultReport,
}

impl Recorder {
    pub(crate) fn new(path: &Path, policy: Policy) -> Self {
        Recorder {
            path: path.into(),
            policy,
            report: FaultReport::default(),
        }
    }

    /// Counts a fault; `found` is asked only for the few that are kept or fatal.
    pub(crate) fn record<'a>(
        &mut self,
        kind: FaultKind,
        line: usize,
        expected: impl Into<Cow<'a, str>>,
        found: impl FnOnce() -> String,
    ) -> Result<(), Error> {
        let count = self.report.counts.entry(kind).or_default();
        *count += 1;
        let is_fatal = self.policy.is_fatal(kind);
        if *count > FaultReport::KEPT && !is_fatal {
            return Ok(());
        }
        let fault = Fault {
            kind,
            path: self.path.clone(),
            line,
            expected: expected.into().into_owned(),
            found: found(),
        };
        if is_fatal {
            return Err(fault.into());
        }
        self.report.first.push(fault);
        Ok(())
    }
    /// The file begins with a byte order mark.
    pub(crate) fn note_mark(&mut self) -> Result<(), Error> {
        let found = || "a byte order mark".into();
        self.record(FaultKind::ByteOrderMark, 1, "text", found)
    }

    /// A line ends in CR LF.
    pub(crate) fn note_return(&mut self, line: usize) -> Result<(), Error> {
        let found = || "CR LF".into();
        self.record(FaultKind::CarriageReturn, line, "LF at the end", found)
    }

    /// A line or an element is not UTF-8.
    pub(crate) fn note_encoding(&mut self, line: usize) -> Result<(), Error> {
        self.record(FaultKind::NotUtf8, line, "UTF-8", || "other bytes".into())
    }

    /// A line or an element is too long.
    pub(crate) fn note_length(&mut self, line: usize, length: u64) -> Result<(), Error> {
        let found = || format!("{length}");
        self.record(FaultKind::TooLong, line, "fewer bytes", found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_stops_at_its_fatal_kinds_and_counts_the_others() {
        let policy = Policy::default().skip(FaultKind::NotARow);
        let mut recorder = Recorder::new(Path::new("a.txt"), policy);
        for line in 1..=25 {
            let recorded = recorder.record(FaultKind::NotARow, line, "a row", || "x".into());
            recorded.expect("not fatal");
        }
        assert_eq!(recorder.report.count(FaultKind::NotARow), 25);
        assert_eq!(recorder.report.first.len() as u64, FaultReport::KEPT);
        let fatal = recorder.record(FaultKind::NotUtf8, 26, "UTF-8", || "other bytes".into());
        let message = fatal.expect_err("fatal").to_string();
        assert_eq!(message, "a.txt:26: expected UTF-8, found other bytes");
        assert!(Policy::strict().is_fatal(FaultKind::ByteOrderMark));
    }
}
