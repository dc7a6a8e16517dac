//! What holds for the windows of any text.

use std::cell::Cell;

use ner_documents::{Limits, Plan, plan};
use proptest::prelude::*;

/// Scalar values of all of Unicode, and what texts are made of.
fn any_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<char>().prop_map(String::from),
        "[a-zé ]{0,8}",
        "[.!?。\n\r\t \u{2029}]{1,3}",
        Just("Dr. Voss said e.g. ".to_owned()),
        Just("👩‍👩‍👧 e\u{301}\u{301} 小樽 🇩🇪🇩🇪 ".to_owned()),
    ];
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn any_limits() -> impl Strategy<Value = Limits> {
    (1usize..40, 0usize..30, 0usize..20).prop_map(|(window, overlap, context)| Limits {
        window,
        overlap,
        context,
    })
}

/// Counts that are as coarse and as fine as tokenizers are.
fn counters() -> [fn(&str) -> usize; 3] {
    [
        str::len,
        |text| text.chars().count(),
        |text| text.split_whitespace().count(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// No byte is lost that is not white space, whatever the limits; windows begin and end between characters.
    #[test]
    fn windows_cover_the_text(text in any_text(), limits in any_limits()) {
        for count in counters() {
            let Plan { windows, .. } = plan(&text, &limits, &count);
            let mut end = 0;
            for window in &windows {
                prop_assert!(text.get(window.shown()).is_some(), "{window:?} of {text:?}");
                let skipped = text.get(end..window.bytes.start.max(end)).expect("a part");
                prop_assert_eq!(skipped.trim(), "");
                prop_assert!(window.bytes.end > end, "{windows:?} of {text:?}");
                prop_assert!(window.context_start <= window.bytes.start);
                end = window.bytes.end;
            }
            prop_assert_eq!(text[end..].trim(), "");
        }
    }

    /// Windows keep the limits, unless a single character is more than fits.
    #[test]
    fn windows_keep_the_limits(text in any_text(), limits in any_limits()) {
        for count in counters() {
            let Plan { windows, .. } = plan(&text, &limits, &count);
            for (idx, window) in windows.iter().enumerate() {
                let part = &text[window.bytes.clone()];
                prop_assert!(count(part) <= limits.window || part.chars().count() == 1, "{part:?}");
                let context = &text[window.context_start..window.bytes.start];
                prop_assert!(count(context.trim()) <= limits.context, "{context:?}");
                let Some(next) = windows.get(idx + 1) else { continue };
                let both = &text[next.bytes.start.min(window.bytes.end)..window.bytes.end];
                prop_assert!(count(both) <= limits.overlap, "{both:?}");
            }
        }
    }

    /// What is not longer than the overlap is whole in some window, wherever it stands: borders of sentences and words
    /// that are none lose nothing.
    #[test]
    fn a_short_name_is_whole_in_some_window(text in any_text(), window in 10usize..40, at: prop::sample::Index) {
        let overlap = window / 2;
        let limits = Limits { window, overlap, context: 0 };
        let starts: Vec<usize> = text.char_indices().map(|(start, _)| start).collect();
        prop_assume!(!starts.is_empty());
        let start = starts[at.index(starts.len())];
        let end = text.ceil_char_boundary(start + 1);
        prop_assume!(!text[start..end].trim().is_empty());
        let windows = plan(&text, &limits, &str::len).windows;
        let is_whole = |it: &ner_documents::Window| it.bytes.start <= start && end <= it.bytes.end;
        prop_assert!(windows.iter().any(is_whole));
    }
}

/// A tokenizer sees each part of a text a few times, and never a word of megabytes: the time is linear.
#[test]
fn a_tokenizer_reads_a_few_times_the_text() {
    let texts = [
        "x".repeat(2_000_000),
        "é".repeat(2_000_000),
        "小樽".repeat(200_000),
        "word ".repeat(200_000),
        "Dr. ".repeat(300_000),
        "A sentence of some words. ".repeat(150_000),
        "\n".repeat(1_000_000) + "end",
        " \n".repeat(300_000) + "end",
        ".".repeat(1_000_000),
        "a:\u{300}".repeat(300_000),
        "🇩🇪".repeat(500_000),
        "👩\u{200d}".repeat(500_000),
        "a. 1 ".repeat(200_000),
        "\u{300}".repeat(2_000_000),
    ];
    for text in texts {
        for window in [64, 4_096] {
            let limits = Limits {
                window,
                overlap: window / 8,
                context: window / 8,
            };
            let (read, longest) = (Cell::new(0), Cell::new(0));
            let count = |text: &str| {
                read.set(read.get() + text.len());
                longest.set(longest.get().max(text.len()));
                text.len().div_ceil(4)
            };
            let plan = plan(&text, &limits, &count);
            let head: String = text.chars().take(12).collect();
            assert!(plan.windows.len() > 1 || text.ends_with("end"), "{head:?}");
            let times = read.get() as f64 / text.len() as f64;
            assert!(times < 8.0, "{head:?} {window}: read {times} times");
            assert!(longest.get() <= 64 * window, "{head:?}");
        }
    }
}
