//! The paper's Table 1 as data, to stand beside results of our own.

pub use crate::competitors::{COMPETITORS, CompetitorRow};

/// Where the rows of [`TABLE_1`] come from.
pub const PAPER: &str =
    "A Reasoning Paradigm for Named Entity Recognition, arXiv 2511.11978, Table 1";

/// A row of the paper's Table 1: figures that the paper reports, none of them measured by this program.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PaperRow {
    /// The system.
    pub model: &'static str,
    /// Samples it was trained on, where the paper gives them.
    pub samples: Option<u32>,
    /// Micro-F1 in percent on the seven sets, in the order of [`ner_datasets::BENCHMARK_SETS`].
    pub f1: [Option<f64>; 7],
    /// The mean of the seven as the paper prints it.
    pub average: Option<f64>,
    /// Whether the test sets were those processed by B2NER (♣ in the paper), which other rows cannot be compared with.
    pub b2ner_test_sets: bool,
}

impl PaperRow {
    /// The F1 on a benchmark set by its name.
    pub fn f1_on(&self, set: &str) -> Option<f64> {
        let at = ner_datasets::BENCHMARK_SETS
            .iter()
            .position(|name| *name == set)?;
        self.f1[at]
    }

    /// The mean of the five CrossNER sets, which the paper does not print; none unless the row has all five.
    pub fn crossner_mean(&self) -> Option<f64> {
        let sets = ner_datasets::BENCHMARK_SETS.iter().zip(self.f1);
        let crossner = sets.filter(|(name, _)| name.starts_with("CrossNER_"));
        let f1: Option<Vec<f64>> = crossner.map(|(_, f1)| f1).collect();
        f1.map(|f1| f1.iter().sum::<f64>() / f1.len() as f64)
    }
}

/// The paper's row of the model that it trained from a base model: `Qwen/Qwen3-1.7B-Base` or `Qwen/Qwen3-8B-Base`, or a
/// folder of that name; with B2NER's test sets if asked for.
pub fn row_of_base(base: &str, b2ner_test_sets: bool) -> Option<&'static PaperRow> {
    let name = base.trim_end_matches('/').rsplit('/').next()?;
    let size = name.strip_prefix("Qwen3-")?.strip_suffix("-Base")?;
    let model = format!("ReasoningNER {size}");
    TABLE_1
        .iter()
        .find(|row| row.model == model && row.b2ner_test_sets == b2ner_test_sets)
}

/// The paper's ablation of the 1.7B model: rows and their means of the seven sets, figures that the paper reports.
pub const ABLATION: [(&str, f64); 5] = [
    ("base", 31.9),
    ("SFT on Pile-NER", 40.3),
    ("SFT on NER-CoT without CoT", 60.6),
    ("with CoT", 63.0),
    ("+ RE", 65.1),
];

const fn row(
    model: &'static str,
    samples: Option<u32>,
    f1: [Option<f64>; 7],
    average: Option<f64>,
    b2ner_test_sets: bool,
) -> PaperRow {
    PaperRow {
        model,
        samples,
        f1,
        average,
        b2ner_test_sets,
    }
}

/// All rows of the paper's Table 1 (out-of-domain F1), in its order.
#[rustfmt::skip]
pub const TABLE_1: [PaperRow; 17] = [
    row("ChatGPT-3.5", None, [Some(5.3), Some(32.8), Some(52.4), Some(39.8), Some(66.6), Some(68.5), Some(67.0)], Some(47.5), false),
    row("UniNER 7B", Some(45_884), [Some(42.4), Some(31.7), Some(53.5), Some(59.4), Some(65.0), Some(60.8), Some(61.1)], Some(53.4), false),
    row("UniNER 13B", Some(45_884), [Some(48.7), Some(36.2), Some(54.2), Some(60.9), Some(64.5), Some(61.4), Some(63.5)], Some(55.6), false),
    row("InstructUIE 11B", Some(225_930), [None, None, Some(48.4), Some(48.8), Some(54.4), Some(49.9), Some(49.4)], None, false),
    row("GoLLIE 7B", Some(165_163), [Some(63.0), Some(43.4), Some(59.1), Some(62.7), Some(67.8), Some(57.2), Some(55.5)], Some(58.4), false),
    row("GoLLIE 13B", Some(165_163), [Some(62.5), Some(49.8), Some(56.7), Some(59.7), Some(65.5), Some(54.4), Some(56.2)], Some(57.8), false),
    row("KnowCoder 7B", Some(4_590_403), [Some(50.0), Some(48.2), Some(60.3), Some(61.1), Some(70.0), Some(72.2), Some(59.1)], Some(60.1), false),
    row("GPT-4", None, [Some(60.4), Some(59.7), Some(50.0), Some(55.2), Some(69.2), Some(63.4), Some(63.2)], Some(60.1), false),
    row("GLiNER-L", Some(44_889), [Some(57.2), Some(42.9), Some(57.2), Some(64.4), Some(69.6), Some(72.6), Some(62.6)], Some(60.9), false),
    row("B2NER 7B", Some(70_292), [Some(67.6), Some(53.3), Some(59.0), Some(63.7), Some(68.6), Some(67.8), Some(72.0)], Some(64.6), true),
    row("DeepSeek-R1 8B", None, [Some(60.1), Some(50.6), Some(47.6), Some(57.4), Some(53.3), Some(58.1), Some(55.3)], Some(54.6), false),
    row("DeepSeek-R1 32B", None, [Some(70.4), Some(57.5), Some(60.4), Some(52.3), Some(70.4), Some(71.1), Some(65.9)], Some(64.0), false),
    row("Qwen3 4B", None, [Some(69.6), Some(53.4), Some(59.2), Some(56.8), Some(62.3), Some(68.4), Some(65.4)], Some(62.1), false),
    row("Qwen3 8B", None, [Some(70.1), Some(57.4), Some(61.2), Some(58.0), Some(71.0), Some(71.9), Some(68.6)], Some(65.4), false),
    row("ReasoningNER 1.7B", Some(50_787), [Some(70.2), Some(52.4), Some(63.6), Some(59.1), Some(71.6), Some(68.6), Some(69.9)], Some(65.1), false),
    row("ReasoningNER 8B", Some(50_787), [Some(76.3), Some(56.8), Some(71.0), Some(69.4), Some(78.7), Some(78.8), Some(75.8)], Some(72.4), false),
    row("ReasoningNER 8B", Some(50_787), [Some(79.3), Some(67.7), Some(72.2), Some(77.1), Some(84.0), Some(79.8), Some(81.4)], Some(77.3), true),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_averages_follow_from_the_printed_rows() {
        for row in &TABLE_1 {
            let f1: Vec<f64> = row.f1.iter().copied().flatten().collect();
            if let (Some(average), 7) = (row.average, f1.len()) {
                let mean = f1.iter().sum::<f64>() / 7.0;
                assert!((mean - average).abs() < 0.11, "{}: {:.2}", row.model, mean);
            }
        }
    }

    #[test]
    fn a_figure_is_found_by_its_set() {
        let ours = TABLE_1
            .iter()
            .find(|row| row.model == "ReasoningNER 1.7B")
            .expect("in the table");
        assert_eq!(
            (
                ours.f1_on("mit-movie"),
                ours.f1_on("CrossNER_science"),
                ours.f1_on("osmere")
            ),
            (Some(70.2), Some(69.9), None)
        );
        // (63.6 + 59.1 + 71.6 + 68.6 + 69.9) / 5
        assert!((ours.crossner_mean().expect("five sets") - 66.56).abs() < 1e-9);
    }

    #[test]
    fn the_row_of_a_base_model_is_that_of_its_size() {
        let average = |base: &str, b2ner| row_of_base(base, b2ner).and_then(|row| row.average);
        assert_eq!(average("Qwen/Qwen3-1.7B-Base", false), Some(65.1));
        assert_eq!(average("models/Qwen3-8B-Base/", false), Some(72.4));
        assert_eq!(average("Qwen/Qwen3-8B-Base", true), Some(77.3));
        let others = [
            "Qwen/Qwen3-0.6B-Base",
            "Qwen/Qwen3-8B",
            "fixtures/tiny-base",
            "",
        ];
        assert!(others.iter().all(|base| row_of_base(base, false).is_none()));
        assert_eq!(average("Qwen/Qwen3-1.7B-Base", true), None);
        // The ablation ends where Table 1 begins.
        assert_eq!(ABLATION.last().map(|row| row.1), Some(65.1));
    }
}
