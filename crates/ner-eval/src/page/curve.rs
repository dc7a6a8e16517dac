//! F1 against reasoning, as a page.

use serde_json::{Value, json};

use super::axis::Axis;
use super::figures::{ABSENT, interval, plain};
use crate::curve::{Curve, CurvePoint};

/// Size of the drawing and its margins, in SVG units.
const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 280.0;
const LEFT: f64 = 48.0;
const RIGHT: f64 = 36.0;
const TOP: f64 = 20.0;
const BOTTOM: f64 = 44.0;

/// Everything on the page.
pub(super) fn view(curve: &Curve) -> Value {
    let points = &curve.points;
    let across = Axis::around(points.iter().map(|p| p.reasoning_tokens).chain([0.0]), 6.0);
    let ends = points
        .iter()
        .flat_map(|p| [p.interval.low, p.f1, p.interval.high]);
    let up = Axis::around(ends, 5.0);
    let tick =
        |axis: &Axis, value: f64, at: f64| json!({"at": short(at), "label": axis.label(value)});
    let below = across
        .ticks()
        .map(|value| tick(&across, value, x(&across, value)));
    let beside = up.ticks().map(|value| tick(&up, value, y(&up, value)));
    let drawn = points.iter().map(|point| drawn(point, &across, &up));
    let mut line: Vec<[f64; 2]> = points.iter().map(|p| [p.reasoning_tokens, p.f1]).collect();
    line.sort_by(|a, b| a[0].total_cmp(&b[0]));
    let line = line.iter().map(|[tokens, f1]| {
        let (x, y) = (short(x(&across, *tokens)), short(y(&up, *f1)));
        format!("{x},{y}")
    });
    json!({
        "system": curve.system,
        "resamples": curve.resamples,
        "seed": curve.seed,
        "points": drawn.collect::<Vec<_>>(),
        "line": line.collect::<Vec<_>>().join(" "),
        "below": below.collect::<Vec<_>>(),
        "beside": beside.collect::<Vec<_>>(),
        "width": WIDTH, "height": HEIGHT,
        "left": LEFT, "right": WIDTH - RIGHT, "top": TOP, "bottom": HEIGHT - BOTTOM,
        "middle": (LEFT + WIDTH - RIGHT) / 2.0,
    })
}

fn drawn(point: &CurvePoint, across: &Axis, up: &Axis) -> Value {
    let (low, high) = (point.interval.low, point.interval.high);
    let milliseconds = point.seconds.map(|seconds| plain(seconds * 1e3, 1));
    json!({
        "budget": point.budget,
        "f1": plain(point.f1, 2),
        "interval": interval(low, high, 1),
        "reasoning": plain(point.reasoning_tokens, 1),
        "tokens": plain(point.tokens, 1),
        "milliseconds": milliseconds.unwrap_or_else(|| ABSENT.to_owned()),
        "sentences": point.sentences,
        "forced": point.forced,
        "never": point.never_closed,
        "truncated": point.truncated,
        "x": short(x(across, point.reasoning_tokens)),
        "y": short(y(up, point.f1)),
        "low": short(y(up, low)),
        "high": short(y(up, high)),
    })
}

fn x(axis: &Axis, value: f64) -> f64 {
    LEFT + axis.part(value) * (WIDTH - LEFT - RIGHT)
}

fn y(axis: &Axis, value: f64) -> f64 {
    HEIGHT - BOTTOM - axis.part(value) * (HEIGHT - TOP - BOTTOM)
}

fn short(at: f64) -> String {
    format!("{at:.1}")
}
