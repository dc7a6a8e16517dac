//! Line charts as SVG that a style sheet can colour.

use ner_eval::page::axis::Axis;
use std::fmt::Write;

use super::chart::Chart;
use super::lines::{Line, Lines, NOISY, smooth};

/// Size of the drawing and its margins, in SVG units.
const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 230.0;
const LEFT: f64 = 68.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 40.0;

/// Colours of the style sheet.
const COLOURS: usize = 6;
/// Names of y axes whose values are shares.
const SHARES: [&str; 2] = ["share", "F1"];

/// A drawing and what has to be said beneath it.
pub(super) struct Drawing {
    pub(super) svg: String,
    /// Names of the lines, in the order of their colours; none if one name says nothing.
    pub(super) legend: Vec<String>,
    pub(super) notes: Vec<String>,
}

/// The drawing. Points that are not finite are left out.
///
/// Heights begin at 0, and those of shares end at 1, so that a small change looks small. Where the first steps would
/// flatten all others, they leave the drawing, and a note says how high they reach.
pub(super) fn drawing(chart: &Chart) -> Drawing {
    let lines = Lines::of(chart);
    let (x, y) = axes_of(chart, &lines);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        escape(&chart.title)
    );
    // Writing to a string cannot fail.
    let _ = axes(&mut svg, chart, &x, &y);
    for line in &lines.lines {
        let _ = draw(&mut svg, line, &x, &y);
    }
    svg.push_str("</svg>");
    Drawing {
        svg,
        notes: notes(&lines, &y),
        legend: if lines.groups.len() > 1 {
            lines.groups
        } else {
            Vec::new()
        },
    }
}

fn axes_of(chart: &Chart, lines: &Lines) -> (Axis, Axis) {
    let points = || lines.lines.iter().flat_map(|line| &line.points);
    let x = Axis::around(points().map(|p| p[0]), 6.0);
    if SHARES.contains(&chart.y_label.as_str()) {
        return (x, Axis::around([0.0, 1.0].into_iter(), 4.0));
    }
    let heights = points().map(|p| p[1].min(lines.top));
    (x, Axis::around(heights.chain([0.0]), 4.0))
}

/// What a reader of this one chart has to know.
fn notes(lines: &Lines, y: &Axis) -> Vec<String> {
    let above = lines.above.filter(|above| *above > y.high);
    let above = above.map(|above| {
        format!(
            "the first steps begin above the drawing, at {}",
            short(above)
        )
    });
    above.into_iter().collect()
}

/// A height with two digits that say something.
fn short(height: f64) -> String {
    let digits = 1.0 - height.abs().max(1e-9).log10().floor();
    format!("{height:.*}", digits.clamp(0.0, 9.0) as usize)
}

fn place(point: [f64; 2], x: &Axis, y: &Axis) -> (f64, f64) {
    let across = LEFT + x.part(point[0]) * (WIDTH - LEFT - RIGHT);
    let height = y.part(point[1]).clamp(0.0, 1.0);
    let down = HEIGHT - BOTTOM - height * (HEIGHT - TOP - BOTTOM);
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
        "<text class=\"axis\" text-anchor=\"middle\" transform=\"translate(13 {down}) rotate(-90)\">{name}</text>"
    )
}

fn draw(out: &mut String, line: &Line, x: &Axis, y: &Axis) -> std::fmt::Result {
    let colour = line.group % COLOURS;
    match line.points.as_slice() {
        [] => Ok(()),
        [only] => {
            let (across, down) = place(*only, x, y);
            write!(
                out,
                "<circle class=\"dot c{colour}\" cx=\"{across:.1}\" cy=\"{down:.1}\" r=\"3\"/>"
            )
        }
        points if points.len() > NOISY => {
            polyline(out, points, &format!("raw c{colour}"), x, y)?;
            polyline(out, &smooth(points), &format!("line c{colour}"), x, y)
        }
        points => polyline(out, points, &format!("line c{colour}"), x, y),
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

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::chart::Series;

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

    fn svg_of(chart: Chart) -> String {
        drawing(&chart).svg
    }

    #[test]
    fn a_height_has_two_digits() {
        let shown = [0.0238, 3.12, 27.6, 1234.5].map(short);
        assert_eq!(shown, ["0.024", "3.1", "28", "1234"]);
    }

    #[test]
    fn degenerate_data_still_draws() {
        for points in [vec![], vec![[1.0, 5.0]], vec![[1.0, 5.0], [2.0, 5.0]]] {
            let text = svg_of(chart(points));
            assert!(text.starts_with("<svg") && !text.contains("NaN") && !text.contains("inf"));
        }
        let text = svg_of(chart(vec![
            [0.0, f64::NAN],
            [1.0, 2.0],
            [2.0, f64::INFINITY],
        ]));
        assert!(text.contains("<circle") && !text.contains("NaN"), "{text}");
    }

    #[test]
    fn corners_lie_in_the_corners() {
        let text = svg_of(chart(vec![[0.0, 0.0], [10.0, 1.0]]));
        let (left, bottom) = (LEFT, HEIGHT - BOTTOM);
        let (right, top) = (WIDTH - RIGHT, TOP);
        let expected = format!("points=\"{left:.1},{bottom:.1} {right:.1},{top:.1}\"");
        assert!(text.contains(&expected), "{text}");
        assert!(text.contains("aria-label=\"&lt;b&gt;&amp;\""));
    }

    #[test]
    fn heights_begin_at_nothing_and_shares_end_at_all() {
        let narrow = vec![[0.0, 0.52], [1.0, 0.55]];
        let of = |y_label: &str| {
            let chart = Chart {
                y_label: y_label.into(),
                ..chart(narrow.clone())
            };
            let (_, y) = axes_of(&chart, &Lines::of(&chart));
            (y.low, y.high)
        };
        assert_eq!(of("share"), (0.0, 1.0));
        assert_eq!(of("F1"), (0.0, 1.0));
        let (low, high) = of("reward");
        assert!(low == 0.0 && (0.55..0.7).contains(&high), "{high}");
    }

    #[test]
    fn a_first_step_above_the_drawing_is_told() {
        let drawing = drawing(&chart(vec![[1.0, 9.81], [2.0, 2.0], [3.0, 1.0]]));
        assert_eq!(
            drawing.notes,
            ["the first steps begin above the drawing, at 9.8"]
        );
        // It stands at the upper edge, not beyond.
        assert!(
            drawing
                .svg
                .contains(&format!("points=\"{LEFT:.1},{TOP:.1} ")),
            "{}",
            drawing.svg
        );
    }

    #[test]
    fn one_line_needs_no_legend() {
        let mut two = chart(vec![[0.0, 1.0], [1.0, 2.0]]);
        assert!(drawing(&two).legend.is_empty());
        let second = Series {
            name: "b".into(),
            ..two.series[0].clone()
        };
        two.series.push(second);
        assert_eq!(drawing(&two).legend, ["a", "b"]);
        two.series[0].name = "grpo, seed 1".into();
        two.series[1].name = "grpo, seed 2".into();
        assert!(drawing(&two).legend.is_empty());
    }
}
