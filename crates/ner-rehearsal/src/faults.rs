//! What goes wrong on the way of a file, on demand.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// How often what goes wrong with each file. The default is that nothing does.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Seed of the places at which connections break.
    pub seed: u64,
    /// So many requests for a file are refused first, with 429 and 503 in turn and `Retry-After: 0`.
    pub refusals: usize,
    /// So many bodies break off, each at a byte drawn by the seed.
    pub breaks: usize,
    /// So many of the first bodies are of another version of the file, with another tag, and break off: what is asked
    /// for next is not the rest of it. A commit of the Hub does not change, so this is for the other homes.
    pub changes: usize,
    /// So many bodies have one wrong byte.
    pub damages: usize,
    /// Faults meet the files whose address contains one of these; every file if there are none.
    pub only: Vec<String>,
    /// Bytes of a second of each connection; as many as it takes if left out.
    pub bytes_per_second: Option<u64>,
}

/// What happens to one request for a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Served,
    Refused(u16),
    /// Broken off behind this share of the body, in thousandths.
    Broken(usize),
    /// The same, and of another version.
    Changed(usize),
    /// One byte is wrong.
    Damaged,
}

/// The faults that are left for each file.
#[derive(Debug)]
pub(crate) struct FaultBook {
    faults: Faults,
    /// Requests for each file so far.
    seen: Mutex<HashMap<String, usize>>,
}

impl FaultBook {
    pub(crate) fn new(faults: Faults) -> Self {
        Self {
            faults,
            seen: Mutex::default(),
        }
    }

    pub(crate) fn bytes_per_second(&self) -> Option<u64> {
        self.faults.bytes_per_second
    }

    /// The fate of the next request for the body of a file. `may_change`: its home may replace it.
    pub(crate) fn next(&self, name: &str, may_change: bool) -> Fate {
        let faults = &self.faults;
        let is_met = faults.only.is_empty() || faults.only.iter().any(|part| name.contains(part));
        if !is_met {
            return Fate::Served;
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let count = seen.entry(name.to_owned()).or_default();
        let nth = *count;
        *count += 1;
        let changes = if may_change { faults.changes } else { 0 };
        let ends = [faults.refusals, changes, faults.breaks, faults.damages];
        let mut left = nth;
        for (kind, length) in ends.into_iter().enumerate() {
            if left < length {
                return self.fate(kind, name, nth);
            }
            left -= length;
        }
        Fate::Served
    }

    fn fate(&self, kind: usize, name: &str, nth: usize) -> Fate {
        let share = self.share(name, nth);
        match kind {
            0 if nth.is_multiple_of(2) => Fate::Refused(429),
            0 => Fate::Refused(503),
            1 => Fate::Changed(share),
            2 => Fate::Broken(share),
            _ => Fate::Damaged,
        }
    }

    /// Thousandths of a body, drawn anew for each file and each of its requests.
    fn share(&self, name: &str, nth: usize) -> usize {
        let mut rng = ChaCha8Rng::seed_from_u64(self.faults.seed);
        let mut stream = [0; 8];
        let hash = blake3::hash(format!("{name} {nth}").as_bytes());
        stream.copy_from_slice(&hash.as_bytes()[..8]);
        rng.set_stream(u64::from_le_bytes(stream));
        rng.random_range(1..1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_meets_its_faults_once_and_in_order() {
        let book = FaultBook::new(Faults {
            refusals: 2,
            breaks: 1,
            changes: 1,
            damages: 1,
            only: vec!["b".into()],
            ..Faults::default()
        });
        assert_eq!(book.next("a", true), Fate::Served);
        let fates: Vec<Fate> = (0..6).map(|_| book.next("b", true)).collect();
        assert_eq!(fates[..2], [Fate::Refused(429), Fate::Refused(503)]);
        assert!(matches!(fates[2], Fate::Changed(1..1000)));
        assert!(matches!(fates[3], Fate::Broken(1..1000)));
        assert_eq!(fates[4..], [Fate::Damaged, Fate::Served]);
        let other: Vec<Fate> = (0..4).map(|_| book.next("bb", false)).collect();
        assert_eq!(other[3], Fate::Damaged, "a commit does not change");
    }
}
