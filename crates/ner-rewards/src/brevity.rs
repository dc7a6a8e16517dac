//! A reward for thinking no longer than the others of a group.

use ner_types::{Completion, ReadMode, parse_with};

/// The length reward of Kimi k1.5 (Kimi Team 2025, arXiv 2501.12599, section 2.3.3) for the completions of one prompt:
/// with λ = ½ − (l − min) / (max − min), where l is the length of the reasoning and `min` and `max` are those of the
/// group, a right completion earns λ and a wrong one min(0, λ); all earn 0 where max = min. Values are in [−½, ½].
///
/// An answer is right by degrees here: it earns F1·max(0, λ) + min(0, λ), which is the above where the F1 is 0 or 1.
///
/// `lengths` and `f1` belong together, one each for a completion; the longer one is cut.
///
/// ```
/// use ner_rewards::brevity;
///
/// assert_eq!(brevity(&[10, 30, 20], &[1.0, 1.0, 0.0]), [0.5, -0.5, 0.0]);
/// assert_eq!(brevity(&[10, 30], &[0.0, 1.0]), [0.0, -0.5]);
/// assert_eq!(brevity(&[7, 7], &[1.0, 1.0]), [0.0, 0.0]);
/// ```
pub fn brevity(lengths: &[usize], f1: &[f64]) -> Vec<f64> {
    let least = lengths.iter().min().copied().unwrap_or(0);
    let most = lengths.iter().max().copied().unwrap_or(0);
    let one = |(length, f1): (&usize, &f64)| {
        if most == least {
            return 0.0;
        }
        let lambda = 0.5 - (length - least) as f64 / (most - least) as f64;
        f1 * lambda.max(0.0) + lambda.min(0.0)
    };
    lengths.iter().zip(f1).map(one).collect()
}

/// Characters of the reasoning of a completion; all of it where the reasoning is not closed.
///
/// ```
/// use ner_rewards::reasoning_length;
///
/// assert_eq!(reasoning_length("<think>\nA port.\n</think>\n{}"), 7);
/// assert_eq!(reasoning_length("{}"), 0);
/// assert_eq!(reasoning_length("<think>\nAnd"), 11);
/// ```
pub fn reasoning_length(completion: &str) -> usize {
    let Completion {
        reasoning,
        problems,
        ..
    } = parse_with(completion, ReadMode::Reference);
    if problems.contains(&ner_types::Problem::UnclosedThink) {
        return completion.chars().count();
    }
    reasoning.map_or(0, |text| text.chars().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: lengths 0, 25, 50, 75, 100 give λ = ½, ¼, 0, −¼, −½.
    #[test]
    fn values_by_hand() {
        let lengths = [0, 25, 50, 75, 100];
        let right = brevity(&lengths, &[1.0; 5]);
        assert_eq!(right, [0.5, 0.25, 0.0, -0.25, -0.5]);
        let wrong = brevity(&lengths, &[0.0; 5]);
        assert_eq!(wrong, [0.0, 0.0, 0.0, -0.25, -0.5]);
        let half = brevity(&lengths, &[0.5; 5]);
        assert_eq!(half, [0.25, 0.125, 0.0, -0.25, -0.5]);
        assert_eq!(brevity(&[4], &[1.0]), [0.0]);
        assert_eq!(brevity(&[], &[]), [0.0; 0]);
    }

    #[test]
    fn only_reasoning_counts() {
        let long_answer = "<think>\nab\n</think>\n{\"entities\": {\"city\": [\"Brel\", \"Osk\"]}}";
        assert_eq!(reasoning_length(long_answer), 2);
        assert_eq!(reasoning_length("<think>\n小樽\n</think>\n{}"), 2);
        assert_eq!(reasoning_length("<think>\n</think>\n{}"), 0);
        assert_eq!(reasoning_length(""), 0);
    }
}
