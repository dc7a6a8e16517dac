//! Published zero-shot figures of systems that the paper's Table 1 does not have, to stand beside results of our own.

/// A published row. Figures are micro-F1 in percent, measured by others with their own scorers and test copies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CompetitorRow {
    /// The system.
    pub model: &'static str,
    /// F1 on the seven sets, in the order of [`ner_datasets::BENCHMARK_SETS`].
    pub f1: [Option<f64>; 7],
    /// Mean of the seven.
    pub average: Option<f64>,
    /// What limits the comparison; empty if nothing is known to.
    pub remark: &'static str,
}

const fn row(
    model: &'static str,
    f1: [Option<f64>; 7],
    average: Option<f64>,
    remark: &'static str,
) -> CompetitorRow {
    CompetitorRow {
        model,
        f1,
        average,
        remark,
    }
}

/// The rows, in ascending order of their means.
#[rustfmt::skip]
pub const COMPETITORS: [CompetitorRow; 6] = [
    row("NuNER-Zero-span", [Some(55.1), Some(44.6), Some(60.1), Some(64.9), Some(69.9), Some(72.7), Some(66.4)], Some(62.0),
        "NuMind's published metrics; entity F1, not the token F1 of 68.9"),
    row("GPT-5 mini", [Some(73.3), Some(58.5), Some(64.3), Some(67.6), Some(73.3), Some(72.8), Some(68.4)], Some(68.3),
        "as reported by DiZiNER; the mean is computed from the row"),
    row("GNER-T5-xxl", [Some(63.0), Some(51.0), Some(68.2), Some(68.7), Some(81.2), Some(75.1), Some(76.7)], Some(69.1),
        "the two MIT figures are read off a chart"),
    row("B2NER best", [None, None, Some(64.7), Some(71.6), Some(82.4), Some(78.2), Some(79.4)], Some(72.1),
        "B2NER's own processed test sets; second-hand; conflicts with its row in Table 1, so no ranking follows"),
    row("JPT-8B", [Some(76.5), Some(64.4), Some(71.9), Some(72.2), Some(85.3), Some(77.0), Some(71.3)], Some(74.1),
        "second-hand"),
    row("DiZiNER (eight LLMs)", [Some(78.5), Some(68.1), Some(71.1), Some(73.8), Some(82.9), Some(80.9), Some(75.4)], Some(75.8),
        "2026; the mean is computed from the row"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_means_are_those_of_the_rows() {
        for row in COMPETITORS
            .iter()
            .filter(|row| row.f1.iter().all(Option::is_some))
        {
            let mean = row.f1.iter().flatten().sum::<f64>() / 7.0;
            assert!(
                (mean - row.average.unwrap_or(0.0)).abs() < 0.06,
                "{}: {mean}",
                row.model
            );
        }
        assert!(COMPETITORS.is_sorted_by(|a, b| a.average <= b.average));
    }
}
