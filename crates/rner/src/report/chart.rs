//! Line charts as SVG that a style sheet can colour.

use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// A line chart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chart {
    /// Heading.
    pub title: String,
    /// Name of the x axis.
    pub x_label: String,
    /// Name of the y axis.
    pub y_label: String,
    /// Its lines.
    pub series: Vec<Series>,
}

/// One line of a chart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Name in the legend.
    pub name: String,
    /// Points `[x, y]` in the order of x.
    pub points: Vec<[f64; 2]>,
}

/// Size of the drawing and its margins, in SVG units.
const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 230.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 40.0;

/// Colours of the style sheet.
const COLOURS: usize = 6;
/// A line of more points is drawn pale, with its moving average on top.
const NOISY: usize = 40;
/// More points than this cannot be told apart at this width.
const MOST_POINTS: usize = 400;

/// The range of an axis with round ends.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Axis {
    low: f64,
    high: f64,
    step: f64,
}

impl Axis {
    /// The smallest range of multiples of 1, 2 or 5 times a power of ten around the values.
    fn around(values: impl Iterator<Item = f64>, ticks: f64) -> Self {
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| {
            (l.min(v), h.max(v))
        });
        if low > high {
            return Self {
                low: 0.0,
                high: 1.0,
                step: 0.5,
            };
        }
        let span = if high > low {
            high - low
        } else {
            low.abs().max(1.0)
        };
        let step = round_step(span / ticks);
        // Rounding must not push a value that is a tick already to the next one.
        let low = (low / step + 1e-9).floor() * step;
        let high = ((high / step - 1e-9).ceil() * step).max(low + step);
        Self { low, high, step }
    }

    fn ticks(&self) -> impl Iterator<Item = f64> + use<> {
        let Self { low, high, step } = *self;
        let count = ((high - low) / step).round() as usize;
        (0..=count).map(move |i| low + i as f64 * step)
    }

    /// Where a value lies, from 0 to 1.
    fn part(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    fn label(&self, value: f64) -> String {
        let decimals = (-self.step.log10().floor()).clamp(0.0, 9.0) as usize;
        let text = format!("{value:.decimals$}");
        if text
            .trim_start_matches('-')
            .chars()
            .all(|c| c == '0' || c == '.')
        {
            return "0".to_owned();
        }
        text
    }
}

fn round_step(rough: f64) -> f64 {
    let power = 10f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|f| f * power >= rough * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

/// The drawing. Points that are not finite are left out.
pub(super) fn svg(chart: &Chart) -> String {
    let lines: Vec<Vec<[f64; 2]>> = chart.series.iter().map(|s| thinned(&s.points)).collect();
    let points = || lines.iter().flatten();
    let x = Axis::around(points().map(|p| p[0]), 6.0);
    let y = Axis::around(points().map(|p| p[1]), 4.0);
    let mut out = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        escape(&chart.title)
    );
    // Writing to a string cannot fail.
    let _ = axes(&mut out, chart, &x, &y);
    for (i, line) in lines.iter().enumerate() {
        let _ = draw(&mut out, line, i % COLOURS, &x, &y);
    }
    out.push_str("</svg>");
    out
}

fn place(point: [f64; 2], x: &Axis, y: &Axis) -> (f64, f64) {
    let across = LEFT + x.part(point[0]) * (WIDTH - LEFT - RIGHT);
    let down = HEIGHT - BOTTOM - y.part(point[1]) * (HEIGHT - TOP - BOTTOM);
    (across, down)
}

fn axes(out: &mut String, chart: &Chart, x: &Axis, y: &Axis) -> std::fmt::Result {
    for tick in y.ticks() {
        let (_, down) = place([x.low, tick], x, y);
        let (from, to) = (LEFT, WIDTH - RIGHT);
        write!(
            out,
            "<line class=\"grid\" x1=\"{from}\" x2=\"{to}\" y1=\"{down:.1}\" y2=\"{down:.1}\"/>"
        )?;
        let (at, base) = (LEFT - 6.0, down + 4.0);
        write!(
            out,
            "<text class=\"tick\" text-anchor=\"end\" x=\"{at}\" y=\"{base:.1}\">{}</text>",
            y.label(tick)
        )?;
    }
    for tick in x.ticks() {
        let (across, _) = place([tick, y.low], x, y);
        let base = HEIGHT - BOTTOM + 16.0;
        write!(
            out,
            "<text class=\"tick\" text-anchor=\"middle\" x=\"{across:.1}\" y=\"{base}\">{}</text>",
            x.label(tick)
        )?;
    }
    let (middle, base) = ((LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 6.0);
    let name = escape(&chart.x_label);
    write!(
        out,
        "<text class=\"axis\" text-anchor=\"middle\" x=\"{middle}\" y=\"{base}\">{name}</text>"
    )?;
    let (down, name) = ((TOP + HEIGHT - BOTTOM) / 2.0, escape(&chart.y_label));
    write!(
        out,
        "<text class=\"axis\" text-anchor=\"middle\" transform=\"translate(11 {down}) rotate(-90)\">{name}</text>"
    )
}

fn draw(
    out: &mut String,
    line: &[[f64; 2]],
    colour: usize,
    x: &Axis,
    y: &Axis,
) -> std::fmt::Result {
    match line {
        [] => Ok(()),
        [only] => {
            let (across, down) = place(*only, x, y);
            write!(
                out,
                "<circle class=\"dot c{colour}\" cx=\"{across:.1}\" cy=\"{down:.1}\" r=\"3\"/>"
            )
        }
        _ if line.len() > NOISY => {
            polyline(out, line, &format!("raw c{colour}"), x, y)?;
            polyline(out, &smooth(line), &format!("line c{colour}"), x, y)
        }
        _ => polyline(out, line, &format!("line c{colour}"), x, y),
    }
}

fn polyline(
    out: &mut String,
    line: &[[f64; 2]],
    class: &str,
    x: &Axis,
    y: &Axis,
) -> std::fmt::Result {
    write!(out, "<polyline class=\"{class}\" points=\"")?;
    for (i, point) in line.iter().enumerate() {
        let (across, down) = place(*point, x, y);
        let space = if i == 0 { "" } else { " " };
        write!(out, "{space}{across:.1},{down:.1}")?;
    }
    write!(out, "\"/>")
}

/// At most [`MOST_POINTS`] points: neighbours are averaged.
fn thinned(points: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let finite: Vec<[f64; 2]> = points
        .iter()
        .copied()
        .filter(|p| p.iter().all(|v| v.is_finite()))
        .collect();
    let bin = finite.len().div_ceil(MOST_POINTS).max(1);
    finite.chunks(bin).map(mean).collect()
}

fn mean(points: &[[f64; 2]]) -> [f64; 2] {
    let n = points.len().max(1) as f64;
    [0, 1].map(|i| points.iter().map(|p| p[i]).sum::<f64>() / n)
}

/// A centred moving average over about a tenth of the line.
fn smooth(line: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let half = (line.len() / 20).max(1);
    (0..line.len())
        .map(|i| {
            // The window shrinks towards both ends, so that it stays centred.
            let reach = half.min(i).min(line.len() - 1 - i);
            [line[i][0], mean(&line[i - reach..=i + reach])[1]]
        })
        .collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: Vec<[f64; 2]>) -> Chart {
        let series = vec![Series {
            name: "a".into(),
            points,
        }];
        Chart {
            title: "<b>&".into(),
            x_label: "x".into(),
            y_label: "y".into(),
            series,
        }
    }

    #[test]
    fn axes_end_at_round_numbers() {
        let axis = Axis::around([0.13, 0.94].into_iter(), 4.0);
        assert_eq!((axis.low, axis.high, axis.step), (0.0, 1.0, 0.5));
        let axis = Axis::around([3.0, 97.0].into_iter(), 6.0);
        assert_eq!((axis.low, axis.high, axis.step), (0.0, 100.0, 20.0));
        let labels: Vec<String> = axis.ticks().map(|t| axis.label(t)).collect();
        assert_eq!(labels, ["0", "20", "40", "60", "80", "100"]);
        let small = Axis::around([0.0012, 0.0018].into_iter(), 4.0);
        assert_eq!(small.label(small.low), "0.0012");
    }

    #[test]
    fn degenerate_data_still_draws() {
        for points in [vec![], vec![[1.0, 5.0]], vec![[1.0, 5.0], [2.0, 5.0]]] {
            let text = svg(&chart(points));
            assert!(text.starts_with("<svg") && !text.contains("NaN") && !text.contains("inf"));
        }
        let text = svg(&chart(vec![
            [0.0, f64::NAN],
            [1.0, 2.0],
            [2.0, f64::INFINITY],
        ]));
        assert!(text.contains("<circle") && !text.contains("NaN"), "{text}");
    }

    #[test]
    fn corners_lie_in_the_corners() {
        let text = svg(&chart(vec![[0.0, 0.0], [10.0, 1.0]]));
        let (left, bottom) = (LEFT, HEIGHT - BOTTOM);
        let (right, top) = (WIDTH - RIGHT, TOP);
        let expected = format!("points=\"{left:.1},{bottom:.1} {right:.1},{top:.1}\"");
        assert!(text.contains(&expected), "{text}");
        assert!(text.contains("aria-label=\"&lt;b&gt;&amp;\""));
    }

    #[test]
    fn long_lines_are_thinned_and_smoothed_without_moving() {
        let line: Vec<[f64; 2]> = (0..4800).map(|i| [f64::from(i), f64::from(i)]).collect();
        let thin = thinned(&line);
        assert!(thin.len() <= MOST_POINTS);
        for (a, b) in thin.iter().zip(smooth(&thin)) {
            assert!(
                (a[1] - b[1]).abs() < 1e-9,
                "a straight line is its own average"
            );
        }
    }
}
