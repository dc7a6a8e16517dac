//! Tokenised samples, and what happens to the long ones.

use crate::config::OverLength;
use crate::error::Error;

/// One tokenised training text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The tokens: prompt, completion and stop token.
    pub ids: Vec<u32>,
    /// The loss is taken on the targets `ids[loss_from..]`; at least 1, since the first token has no
    /// predecessor that could predict it.
    pub loss_from: usize,
}

/// A sample as it is trained on: checked, and cut to the longest allowed length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequence<'a> {
    /// The tokens.
    pub ids: &'a [u32],
    /// First index of `ids` that is a target.
    pub loss_from: usize,
}

impl Sequence<'_> {
    /// Number of tokens that the loss is taken on.
    pub fn targets(&self) -> usize {
        self.ids.len() - self.loss_from
    }
}

/// How many of the given samples a run trained on, and what became of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SampleCounts {
    /// Those that some step has seen, each counted once.
    pub trained: usize,
    /// Those that no step has reached, because the run ended before its first epoch did.
    pub unreached: usize,
    /// Those with more than `max_length` tokens that were left out ([`OverLength::Skip`]).
    pub left_out: usize,
    /// Those among the first two that were cut to their last `max_length` tokens ([`OverLength::KeepLast`]).
    pub cut: usize,
}

impl SampleCounts {
    /// The counts of a run that has seen `trained` of the samples that `policy` keeps.
    pub(crate) fn new(
        samples: &[Sample],
        max_length: usize,
        policy: OverLength,
        trained: usize,
    ) -> Self {
        let is_long = |sample: &&Sample| sample.ids.len() > max_length;
        let long = samples.iter().filter(is_long).count();
        let (left_out, cut) = match policy {
            OverLength::Skip => (long, 0),
            OverLength::KeepLast => (0, long),
            OverLength::Refuse => (0, 0),
        };
        Self {
            trained,
            unreached: (samples.len() - left_out).saturating_sub(trained),
            left_out,
            cut,
        }
    }
}

/// Checks `samples` and applies the over-length policy.
///
/// # Errors
/// [`Error::Sample`] for a sample without targets, with `loss_from == 0`, with a token outside
/// `0..vocab_size`, or (under [`OverLength::Refuse`]) with more than `max_length` tokens;
/// [`Error::NoSamples`] if nothing is left.
pub fn prepare(
    samples: &[Sample],
    vocab_size: usize,
    max_length: usize,
    over_length: OverLength,
) -> Result<Vec<Sequence<'_>>, Error> {
    let mut sequences = Vec::with_capacity(samples.len());
    for (index, sample) in samples.iter().enumerate() {
        let problem = |problem| Error::Sample { index, problem };
        check(sample, vocab_size).map_err(problem)?;
        sequences.extend(fit(sample, max_length, over_length).map_err(problem)?);
    }
    let skipped = samples.len() - sequences.len();
    if sequences.is_empty() {
        return Err(Error::NoSamples { skipped });
    }
    if skipped > 0 {
        tracing::warn!(skipped, max_length, "left out samples that are too long");
    }
    let cut = samples
        .iter()
        .filter(|sample| sample.ids.len() > max_length);
    let cut = cut.count() - skipped;
    if cut > 0 {
        tracing::warn!(
            cut,
            max_length,
            "kept only the last tokens of samples that are too long"
        );
    }
    Ok(sequences)
}

fn check(sample: &Sample, vocab_size: usize) -> Result<(), String> {
    let Sample { ids, loss_from } = sample;
    if *loss_from == 0 {
        return Err("expected loss_from >= 1 (the first token has no predecessor), found 0".into());
    }
    if *loss_from >= ids.len() {
        return Err(format!(
            "expected loss_from < {} (its length), found {loss_from}: no targets",
            ids.len()
        ));
    }
    match ids.iter().position(|&id| id as usize >= vocab_size) {
        Some(at) => Err(format!(
            "token {at}: expected an id below {vocab_size}, found {}",
            ids[at]
        )),
        None => Ok(()),
    }
}

fn fit(
    sample: &Sample,
    max_length: usize,
    policy: OverLength,
) -> Result<Option<Sequence<'_>>, String> {
    let excess = sample.ids.len().saturating_sub(max_length);
    match policy {
        OverLength::Skip if excess > 0 => Ok(None),
        OverLength::Refuse if excess > 0 => Err(format!(
            "expected at most {max_length} tokens (max_length), found {}",
            sample.ids.len()
        )),
        _ => Ok(Some(Sequence {
            ids: &sample.ids[excess..],
            loss_from: sample.loss_from.saturating_sub(excess).max(1),
        })),
    }
}

/// A hash of the tokens and targets of `sequences`, in their order.
pub(crate) fn fingerprint(sequences: &[Sequence<'_>]) -> String {
    let mut hasher = blake3::Hasher::new();
    for sequence in sequences {
        hasher.update(&(sequence.ids.len() as u64).to_le_bytes());
        hasher.update(&(sequence.loss_from as u64).to_le_bytes());
        for id in sequence.ids {
            hasher.update(&id.to_le_bytes());
        }
    }
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(length: u32, loss_from: usize) -> Sample {
        Sample {
            ids: (0..length).collect(),
            loss_from,
        }
    }

    #[test]
    fn keep_last_keeps_the_completion() {
        let samples = [sample(10, 7), sample(10, 2), sample(3, 1)];
        let kept = prepare(&samples, 10, 5, OverLength::KeepLast).unwrap();
        let ids: Vec<_> = kept.iter().map(|s| s.ids.to_vec()).collect();
        assert_eq!(
            ids,
            [vec![5, 6, 7, 8, 9], vec![5, 6, 7, 8, 9], vec![0, 1, 2]]
        );
        let from: Vec<_> = kept.iter().map(|s| s.loss_from).collect();
        assert_eq!(from, [2, 1, 1]);
    }

    #[test]
    fn skip_leaves_out_and_refuse_names() {
        let samples = [sample(3, 1), sample(6, 1)];
        assert_eq!(prepare(&samples, 10, 5, OverLength::Skip).unwrap().len(), 1);
        let message = prepare(&samples, 10, 5, OverLength::Refuse)
            .unwrap_err()
            .to_string();
        assert_eq!(
            message,
            "sample 1: expected at most 5 tokens (max_length), found 6"
        );
        assert!(matches!(
            prepare(&samples[1..], 10, 5, OverLength::Skip),
            Err(Error::NoSamples { skipped: 1 })
        ));
    }

    #[test]
    fn every_sample_is_counted_once() {
        let samples = [sample(3, 1), sample(6, 1), sample(9, 1), sample(4, 1)];
        let counts = |policy, trained| SampleCounts::new(&samples, 5, policy, trained);
        let expected = |trained, unreached, left_out, cut| SampleCounts {
            trained,
            unreached,
            left_out,
            cut,
        };
        assert_eq!(counts(OverLength::Skip, 2), expected(2, 0, 2, 0));
        assert_eq!(counts(OverLength::Skip, 1), expected(1, 1, 2, 0));
        assert_eq!(counts(OverLength::KeepLast, 4), expected(4, 0, 0, 2));
        assert_eq!(counts(OverLength::KeepLast, 3), expected(3, 1, 0, 2));
    }

    #[test]
    fn samples_without_a_target_are_refused() {
        for bad in [sample(4, 0), sample(4, 4), sample(0, 1)] {
            assert!(prepare(&[bad], 10, 8, OverLength::KeepLast).is_err());
        }
        let message = prepare(&[sample(4, 1)], 3, 8, OverLength::KeepLast)
            .unwrap_err()
            .to_string();
        assert_eq!(
            message,
            "sample 0: token 3: expected an id below 3, found 3"
        );
    }

    #[test]
    fn the_fingerprint_sees_where_the_loss_starts() {
        let (a, b) = ([sample(4, 1)], [sample(4, 2)]);
        let hash = |s| fingerprint(&prepare(s, 10, 8, OverLength::KeepLast).unwrap());
        assert_ne!(hash(&a), hash(&b));
        assert_eq!(hash(&a), hash(&a.clone()));
    }
}
