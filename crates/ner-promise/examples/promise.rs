//! From scored rows to a threshold: `cargo run -p ner-promise --example promise`.

use ner_promise::{Gate, Promise, Row, Scored};

/// Rows with gold in which a model named a city: sure and true, or unsure and true half of the time.
fn calibration() -> Vec<Row> {
    let row = |at: usize| {
        let is_sure = !at.is_multiple_of(4);
        vec![Scored {
            label: "city".to_owned(),
            confidence: if is_sure { 0.95 } else { 0.4 },
            is_true: is_sure || at.is_multiple_of(8),
        }]
    };
    (0..120).map(row).collect()
}

/// Whether a city is shown that the model is sure of, and one that it is not.
pub(crate) fn run() -> [bool; 2] {
    let promise = Promise::Sure { delta: 0.05 };
    let gate = Gate::all(&calibration(), promise, 0.1);
    match &gate {
        Gate::All(Ok(threshold)) => println!(
            "shown above {:?}: {} of {} rows, {:.1} % false in calibration",
            threshold.above,
            threshold.showing,
            threshold.rows,
            100.0 * threshold.share
        ),
        other => println!("cannot promise: {other:?}"),
    }
    [0.97, 0.4].map(|confidence| gate.shows("city", Some(confidence)))
}

fn main() {
    run();
}
