//! One run over another, as a page.

use serde_json::{Value, json};

use crate::gain::{Comparison, Gain};

/// Everything on the page.
pub(super) fn view(gains: &Comparison, first: &str, second: &str) -> Value {
    let axis = Axis::new(gains);
    let rows = gains.sets.iter().map(|gain| row(gain, &axis, false));
    let rows: Vec<Value> = rows.chain([row(&gains.mean, &axis, true)]).collect();
    json!({
        "first": first,
        "second": second,
        "scorer": gains.scorer,
        "resamples": gains.resamples,
        "seed": gains.seed,
        "mean": row(&gains.mean, &axis, true),
        "rows": rows,
        "zero": axis.at(0.0),
        "axis_low": format!("{:+.1}", axis.low),
        "axis_high": format!("{:+.1}", axis.high),
        "left_out": left_out(gains),
    })
}

/// What is not in the figures.
fn left_out(gains: &Comparison) -> Vec<String> {
    gains.left_out()
}

fn row(gain: &Gain, axis: &Axis, is_mean: bool) -> Value {
    let (low, high) = (gain.interval.low, gain.interval.high);
    json!({
        "name": gain.name,
        "is_mean": is_mean,
        "sentences": gain.sentences,
        "first": format!("{:.2}", gain.first),
        "second": format!("{:.2}", gain.second),
        "gain": format!("{:+.2}", gain.gain),
        "way": way(low, high),
        "interval": format!("{low:+.2} to {high:+.2}"),
        "p_randomization": format!("{:.4}", gain.p_randomization),
        "p_holm": format!("{:.4}", gain.p_holm),
        "p_bootstrap": format!("{:.4}", gain.p_bootstrap),
        "better": gain.better,
        "worse": gain.worse,
        "at": axis.at(gain.gain),
        "from": axis.at(low),
        "width": format!("{:.2}", (axis.place(high) - axis.place(low)).max(0.4)),
    })
}

/// Coloured only where the interval leaves no gain out.
fn way(low: f64, high: f64) -> &'static str {
    if low > 0.0 {
        "up"
    } else if high < 0.0 {
        "down"
    } else {
        ""
    }
}

/// The stretch of points of F1 that the lanes show: all intervals and 0, and at least one point on each side.
struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    fn new(gains: &Comparison) -> Self {
        let all = || gains.sets.iter().chain([&gains.mean]);
        let low = all().map(|gain| gain.interval.low.min(gain.gain));
        let high = all().map(|gain| gain.interval.high.max(gain.gain));
        Axis {
            low: low.fold(-1.0, f64::min),
            high: high.fold(1.0, f64::max),
        }
    }

    /// Where a number of points lies, from 0 to 100.
    fn place(&self, points: f64) -> f64 {
        100.0 * (points - self.low) / (self.high - self.low)
    }

    fn at(&self, points: f64) -> String {
        format!("{:.2}", self.place(points))
    }
}
