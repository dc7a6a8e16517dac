//! Promises against simulated rows, of which the truth is known.

use ner_promise::{Gate, Promise, Refusal, Row, Scored, Splits, Threshold};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const SURE: Promise = Promise::Sure { delta: 0.05 };

fn scored(label: &str, confidence: f64, is_true: bool) -> Scored {
    Scored {
        label: label.to_owned(),
        confidence,
        is_true,
    }
}

/// Rows of one to three entities, each true with the probability that `truth` gives its confidence.
fn rows(n: usize, rng: &mut ChaCha8Rng, truth: impl Fn(f64) -> f64) -> Vec<Row> {
    let row = |rng: &mut ChaCha8Rng| {
        let entity = |rng: &mut ChaCha8Rng| {
            let confidence = rng.random::<f64>();
            scored("city", confidence, rng.random::<f64>() < truth(confidence))
        };
        (0..rng.random_range(1..=3)).map(|_| entity(rng)).collect()
    };
    (0..n).map(|_| row(rng)).collect()
}

/// The mean share of false entities above a threshold: over rows that show something, and over all rows.
fn shares(rows: &[Row], threshold: &Threshold) -> (f64, f64) {
    let share = |row: &Row| {
        let shown = row.iter().filter(|it| threshold.shows(Some(it.confidence)));
        let (n, wrong) = shown.fold((0, 0), |(n, wrong), it| {
            (n + 1, wrong + u32::from(!it.is_true))
        });
        (n > 0).then(|| f64::from(wrong) / f64::from(n))
    };
    let shares: Vec<f64> = rows.iter().filter_map(share).collect();
    let sum = shares.iter().sum::<f64>();
    (sum / shares.len().max(1) as f64, sum / rows.len() as f64)
}

/// The true shares of 300 calibrations of n rows, or `None` where there was a refusal.
fn calibrations(
    promise: Promise,
    n: usize,
    risk: f64,
    truth: impl Fn(f64) -> f64 + Copy,
) -> Vec<Option<(f64, f64)>> {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let world = rows(20_000, &mut rng, truth);
    let one = |rng: &mut ChaCha8Rng| {
        let threshold = promise.threshold(&rows(n, rng, truth), None, risk).ok()?;
        Some(shares(&world, &threshold))
    };
    (0..300).map(|_| one(&mut rng)).collect()
}

#[test]
fn a_sure_promise_is_broken_by_at_most_delta_of_the_calibrations() {
    // True with its confidence; always a little less; a score that says nothing; the sure ones false more often.
    let worlds: [fn(f64) -> f64; 4] = [|c| c, |c| 0.95 * c, |_| 0.93, |c| 1.0 - 0.3 * c];
    for (world, truth) in worlds.into_iter().enumerate() {
        let found = calibrations(SURE, 400, 0.1, truth);
        let broken = found.iter().flatten().filter(|it| it.0 > 0.1).count();
        // 300 · 0.05 = 15, and 2 standard deviations of 3.8.
        assert!(broken <= 22, "world {world}: {broken} of 300");
    }
    let promised = calibrations(SURE, 400, 0.1, |c| c.sqrt().sqrt());
    assert!(
        promised.iter().flatten().count() > 250,
        "a promise is possible here"
    );
}

#[test]
fn the_mean_of_the_share_of_a_new_row_is_below_the_risk_and_not_far() {
    for n in [20, 100, 400] {
        let found = calibrations(Promise::Mean, n, 0.1, |c| c);
        // A refusal shows nothing, which costs nothing.
        let of_rows = |it: &Option<(f64, f64)>| it.map_or(0.0, |it| it.1);
        let mean = found.iter().map(of_rows).sum::<f64>() / found.len() as f64;
        assert!(mean <= 0.1, "{n} rows: {mean}");
        assert!(
            n < 400 || mean > 0.07,
            "{n} rows: {mean} is far below what was allowed"
        );
    }
}

/// Without the (n + 1)-th row, eight clean rows would promise anything, and one false entity in 18 rows one in ten.
#[test]
fn the_next_row_counts_at_its_worst() {
    let row = |is_true| vec![scored("city", 0.9, is_true)];
    let clean: Vec<Row> = (0..8).map(|_| row(true)).collect();
    let refused = Promise::Mean.threshold(&clean, None, 0.1);
    assert_eq!(refused, Err(Refusal::TooFewRows { rows: 8, needed: 9 }));
    let nine: Vec<Row> = (0..9).map(|_| row(true)).collect();
    assert_eq!(
        Promise::Mean.threshold(&nine, None, 0.1).map(|it| it.above),
        Ok(None)
    );
    // 19 rows bear one false entity, (1 + 1) / 20 = 0.1; 18 do not, though 1 / 18 is below the risk.
    let with_one = |n| -> Vec<Row> { (0..n).map(|at| row(at > 0)).collect() };
    assert!(Promise::Mean.threshold(&with_one(19), None, 0.1).is_ok());
    let refused = Promise::Mean.threshold(&with_one(18), None, 0.1);
    assert_eq!(refused, Err(Refusal::TooManyFalse { rows: 18 }));
    // Tiny calibrations, of which most are clean by luck, in a world where one entity in ten is false.
    let found = calibrations(Promise::Mean, 9, 0.1, |_| 0.9);
    let mean = found
        .iter()
        .map(|it| it.map_or(0.0, |it| it.1))
        .sum::<f64>()
        / 300.0;
    assert!(mean <= 0.1, "{mean}");
}

#[test]
fn with_too_few_rows_nothing_is_promised_and_it_is_said_how_many_are_needed() {
    let clean = |n| -> Vec<Row> { (0..n).map(|_| vec![scored("city", 0.5, true)]).collect() };
    // 0.9^28 > 0.05 >= 0.9^29.
    let refused = SURE.threshold(&clean(28), None, 0.1);
    assert_eq!(
        refused,
        Err(Refusal::TooFewRows {
            rows: 28,
            needed: 29
        })
    );
    assert!(refused.unwrap_err().to_string().contains("at least 29"));
    assert!(SURE.threshold(&clean(29), None, 0.1).is_ok());
    assert_eq!(SURE.rows_needed(0.01), 299);
    // Rows that name nothing, or another type, are none.
    let mut padded = clean(20);
    padded.extend((0..50).map(|_| Row::new()));
    padded.extend((0..50).map(|_| vec![scored("river", 0.5, true)]));
    let refused = SURE.threshold(&padded, Some("city"), 0.1);
    assert_eq!(
        refused,
        Err(Refusal::TooFewRows {
            rows: 20,
            needed: 29
        })
    );
}

#[test]
fn entities_at_the_threshold_are_shown_together_or_not_at_all() {
    // 100 sure and true; of 100 that share one confidence, half are false.
    let mut rows: Vec<Row> = (0..100).map(|_| vec![scored("city", 0.9, true)]).collect();
    rows.extend((0..100_usize).map(|at| vec![scored("city", 0.5, at.is_multiple_of(2))]));
    for promise in [SURE, Promise::Mean] {
        let threshold = promise.threshold(&rows, None, 0.1).expect("a threshold");
        let shown = [0.9, 0.5, 0.4].map(|it| threshold.shows(Some(it)));
        assert_eq!(shown, [true, false, false], "{promise:?} {threshold:?}");
        assert!(!threshold.shows(None));
    }
    let all_alike: Vec<Row> = (0..200)
        .map(|at: usize| vec![scored("city", 1.0, at.is_multiple_of(2))])
        .collect();
    for promise in [SURE, Promise::Mean] {
        let refused = promise.threshold(&all_alike, None, 0.1);
        assert_eq!(refused, Err(Refusal::TooManyFalse { rows: 200 }));
    }
}

/// In the world of this test the types differ: one threshold for all keeps the mean and not that of the worse one.
#[test]
fn each_type_has_a_promise_of_its_own() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut rows: Vec<Row> = Vec::new();
    for _ in 0..1500 {
        let (one, other) = (rng.random::<f64>(), rng.random::<f64>());
        let city = scored("city", one, rng.random::<f64>() < 0.97);
        let river = scored("river", other, rng.random::<f64>() < 0.4 + 0.6 * other);
        rows.push(if rng.random::<f64>() < 0.8 {
            vec![city]
        } else {
            vec![river]
        });
    }
    let all = Gate::all(&rows, SURE, 0.1);
    let each = Gate::per_label(&rows, SURE, 0.1);
    assert!(all.shows("river", Some(0.4)), "{all:?}");
    assert!(
        each.shows("city", Some(0.01)) && !each.shows("river", Some(0.6)),
        "{each:?}"
    );
    assert!(!each.shows("lake", Some(1.0)), "no promise without rows");
    let splits = Splits {
        n: 60,
        ..Splits::default()
    };
    let kept = splits.look(&rows, Some("river"), Promise::Mean, 0.1);
    assert!(kept.mean_share_of_rows <= 0.1, "{kept:?}");
}

#[test]
fn over_200_splits_the_share_stays_below_the_risk() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let rows = rows(800, &mut rng, |c| c.powf(0.3));
    let kept = Splits::default().look(&rows, None, SURE, 0.1);
    assert!(kept.refused == 0 && kept.mean_share <= 0.1, "{kept:?}");
    assert!(
        kept.within_slack >= 0.95 && kept.true_shown > 0.3,
        "{kept:?}"
    );
    let mean = Splits::default().look(&rows, None, Promise::Mean, 0.1);
    assert!(
        mean.mean_share_of_rows <= 0.1 && mean.all_shown > kept.all_shown,
        "{mean:?}"
    );
    // A half that is too small refuses in all splits.
    let few = Splits::default().look(&rows[..50], None, SURE, 0.1);
    assert_eq!((few.refused, few.mean_share), (200, 0.0));
}
