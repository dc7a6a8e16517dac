//! One run over another, as a page.

use serde_json::{Value, json};

use super::axis::Axis;
use super::figures::{p_text, p_value, p_words, plain, signed, signed_interval};
use crate::gain::{Comparison, Gain};

/// Everything on the page.
pub(super) fn view(gains: &Comparison, first: &str, second: &str) -> Value {
    let axis = axis(gains);
    let row = |gain, is_mean| row(gain, gains.resamples, &axis, is_mean);
    let mut rows: Vec<Value> = gains.sets.iter().map(|gain| row(gain, false)).collect();
    // The mean of one set is that set again.
    if rows.len() > 1 {
        rows.push(row(&gains.mean, true));
    }
    let ticks = axis
        .ticks()
        .map(|tick| json!({"at": at(&axis, tick), "label": axis.label(tick)}));
    json!({
        "first": first,
        "second": second,
        "title": title(first, second),
        "scorer": gains.scorer,
        "resamples": gains.resamples,
        "seed": gains.seed,
        "measure": if gains.sets.len() > 1 { "mean F1" } else { "F1" },
        "mean": row(&gains.mean, true),
        "rows": rows,
        "zero": at(&axis, 0.0),
        "ticks": ticks.collect::<Vec<_>>(),
        "floor": p_text(1.0 / (gains.resamples as f64 + 1.0)),
        "left_out": left_out(gains),
    })
}

/// The two names without the folders that they share.
fn title(first: &str, second: &str) -> [String; 2] {
    let same = first
        .bytes()
        .zip(second.bytes())
        .take_while(|(a, b)| a == b)
        .count();
    // Up to a slash in both, so that the place is between two characters.
    let start = first.as_bytes()[..same].iter().rposition(|b| *b == b'/');
    let start = start.map_or(0, |slash| slash + 1);
    [first, second].map(|name| {
        let rest = name.get(start..).unwrap_or_default();
        if rest.is_empty() { name } else { rest }.to_owned()
    })
}

/// What is not in the figures.
fn left_out(gains: &Comparison) -> Vec<String> {
    gains.left_out()
}

fn row(gain: &Gain, rounds: usize, axis: &Axis, is_mean: bool) -> Value {
    let (low, high) = (gain.interval.low, gain.interval.high);
    let way = Way::of(gain);
    let p = gain.p_randomization;
    json!({
        "name": gain.name,
        "is_mean": is_mean,
        "sentences": gain.sentences,
        "first": plain(gain.first, 2),
        "second": plain(gain.second, 2),
        "gain": signed(gain.gain, 2),
        "way": way.class(),
        "sign": way.sign(),
        "verdict": way.verdict(),
        "interval": signed_interval(low, high, 2),
        "p_words": p_words(p, p, rounds),
        "p_randomization": p_value(p, p, rounds),
        "p_holm": p_value(gain.p_holm, p, rounds),
        "p_bootstrap": p_value(gain.p_bootstrap, gain.p_bootstrap, rounds),
        "better": gain.better,
        "worse": gain.worse,
        "at": at(axis, gain.gain),
        "from": at(axis, low),
        "width": format!("{:.2}", (100.0 * (axis.part(high) - axis.part(low))).max(0.4)),
    })
}

/// Corrected p-values from here on show nothing.
const LEVEL: f64 = 0.05;

/// What a gain shows. Interval and p-value have to agree, as on few sentences they may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Up,
    Down,
    NotShown,
}

impl Way {
    fn of(gain: &Gain) -> Self {
        let (low, high) = (gain.interval.low, gain.interval.high);
        if gain.p_holm >= LEVEL || (low <= 0.0 && high >= 0.0) {
            Self::NotShown
        } else if low > 0.0 {
            Self::Up
        } else {
            Self::Down
        }
    }

    /// Class of the style sheet: coloured only where a difference is shown.
    fn class(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::NotShown => "",
        }
    }

    /// The same for those who see no colour.
    fn sign(self) -> &'static str {
        match self {
            Self::Up => "▲",
            Self::Down => "▼",
            Self::NotShown => "○",
        }
    }

    fn verdict(self) -> &'static str {
        match self {
            Self::Up => "B is better",
            Self::Down => "B is worse",
            Self::NotShown => "no difference is shown",
        }
    }
}

/// The points of F1 that the lanes show: all intervals and 0, and at least one point on each side.
fn axis(gains: &Comparison) -> Axis {
    let all = gains.sets.iter().chain([&gains.mean]);
    let ends = all.flat_map(|gain| [gain.interval.low, gain.gain, gain.interval.high]);
    Axis::around(ends.chain([-1.0, 1.0]), 6.0)
}

/// Where a number of points lies, in percent of the lane.
fn at(axis: &Axis, points: f64) -> String {
    format!("{:.2}", 100.0 * axis.part(points))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_leaves_out_the_folders_that_both_names_share() {
        for (first, second, expected) in [
            ("runs/x/old", "runs/x/new", ["old", "new"]),
            ("runs/é1/a", "runs/é2/a", ["é1/a", "é2/a"]),
            ("a", "b", ["a", "b"]),
            ("runs/same", "runs/same", ["same", "same"]),
            ("runs/", "runs/b", ["runs/", "b"]),
        ] {
            assert_eq!(title(first, second), expected);
        }
    }

    #[test]
    fn a_difference_is_shown_only_where_interval_and_p_value_agree() {
        let gain = |low: f64, high: f64, p: f64| Gain {
            name: String::new(),
            sentences: 4,
            first: 0.0,
            second: 0.0,
            gain: 0.0,
            interval: ner_score::Interval { low, high },
            p_bootstrap: p,
            p_randomization: p,
            p_holm: p,
            better: 0,
            worse: 0,
        };
        for (low, high, p, expected) in [
            (1.0, 3.0, 0.01, Way::Up),
            (-3.0, -1.0, 0.01, Way::Down),
            (-100.0, -62.5, 0.1078, Way::NotShown),
            (-1.0, 1.0, 0.01, Way::NotShown),
        ] {
            assert_eq!(Way::of(&gain(low, high, p)), expected, "{low} {high} {p}");
        }
    }
}
