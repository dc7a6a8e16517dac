//! The lines of a chart before they are drawn: thinned, smoothed, grouped, and the height that they need.

use super::chart::{Chart, Series};

/// A line of more points is drawn pale, with its moving average on top.
pub(super) const NOISY: usize = 8;
/// More points than this cannot be told apart at the width of a chart.
const MOST_POINTS: usize = 400;
/// The moving average reaches this part of the line to both sides.
const REACH: usize = 12;
/// The first part of a line that may leave the drawing at the top: one in so many points, at least one.
const BEGINNING: usize = 20;
/// It leaves it only if it is so many times as high as the rest.
const DWARFS: f64 = 1.5;

/// A line that is ready to be drawn.
pub(super) struct Line {
    pub(super) points: Vec<[f64; 2]>,
    /// Number of its group, which decides its colour and its dashes.
    pub(super) group: usize,
}

/// The lines of a chart.
pub(super) struct Lines {
    pub(super) lines: Vec<Line>,
    /// What the groups are called: the stages, whose seeds are drawn alike.
    pub(super) groups: Vec<String>,
    /// Highest value that is drawn.
    pub(super) top: f64,
    /// Highest value that the beginning of a line reaches above that.
    pub(super) above: Option<f64>,
}

impl Lines {
    pub(super) fn of(chart: &Chart) -> Self {
        let mut groups: Vec<String> = Vec::new();
        let mut lines = Vec::new();
        for series in &chart.series {
            let name = stage(series);
            let known = groups.iter().position(|group| group == name);
            let group = known.unwrap_or(groups.len());
            if known.is_none() {
                groups.push(name.to_owned());
            }
            let points = thinned(&series.points);
            lines.push(Line { points, group });
        }
        let (top, above) = top(&lines);
        Self {
            lines,
            groups,
            top,
            above,
        }
    }
}

/// The name of a series without its seed.
fn stage(series: &Series) -> &str {
    let name = series.name.as_str();
    name.split_once(", seed").map_or(name, |(stage, _)| stage)
}

/// The height that the lines need without their beginning, and how high that reaches if it dwarfs the rest.
fn top(lines: &[Line]) -> (f64, Option<f64>) {
    let highest = |values: &mut dyn Iterator<Item = &[f64; 2]>| {
        values
            .map(|point| point[1])
            .fold(f64::NEG_INFINITY, f64::max)
    };
    let all = highest(&mut lines.iter().flat_map(|line| &line.points));
    let later = lines.iter().flat_map(|line| {
        let beginning = (line.points.len() / BEGINNING).max(1);
        line.points.iter().skip(beginning)
    });
    let rest = highest(&mut { later });
    if rest > 0.0 && all > DWARFS * rest {
        return (rest, Some(all));
    }
    (all, None)
}

/// At most [`MOST_POINTS`] points: neighbours are averaged. Points that are not finite are left out.
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

/// A centred moving average over about a sixth of the line.
pub(super) fn smooth(line: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let half = (line.len() / REACH).max(1);
    (0..line.len())
        .map(|i| {
            // The window shrinks towards both ends, so that it stays centred.
            let reach = half.min(i).min(line.len() - 1 - i);
            [line[i][0], mean(&line[i - reach..=i + reach])[1]]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn a_high_first_step_does_not_decide_the_height() {
        let line = |values: &[f64]| Line {
            points: values
                .iter()
                .enumerate()
                .map(|(i, v)| [i as f64, *v])
                .collect(),
            group: 0,
        };
        assert_eq!(top(&[line(&[9.0, 2.0, 1.0])]), (2.0, Some(9.0)));
        assert_eq!(top(&[line(&[2.5, 2.0, 1.0])]), (2.5, None));
        assert_eq!(top(&[line(&[9.0])]), (9.0, None));
        // A high value later is shown.
        assert_eq!(top(&[line(&[1.0, 9.0, 1.0])]), (9.0, None));
    }

    #[test]
    fn seeds_of_a_stage_are_one_group() {
        let series = |name: &str| Series {
            name: name.into(),
            points: vec![[0.0, 1.0]],
        };
        let lines = Lines::of(&Chart {
            title: String::new(),
            x_label: String::new(),
            y_label: String::new(),
            series: ["sft-cot, seed 1", "sft-plain, seed 1", "sft-cot, seed 2"]
                .map(series)
                .into(),
        });
        assert_eq!(lines.groups, ["sft-cot", "sft-plain"]);
        let groups: Vec<usize> = lines.lines.iter().map(|line| line.group).collect();
        assert_eq!(groups, [0, 1, 0]);
    }
}
