//! How well a confidence tells true entities from false ones.

use crate::scored::Row;

/// The probability that a true entity has a higher confidence than a false one; equal ones count half. `None` if all
/// are true or all are false. (The area under the ROC curve, by the ranks of Mann and Whitney.)
pub fn auroc(rows: &[Row]) -> Option<f64> {
    let mut all: Vec<(f64, bool)> = pairs(rows).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut rank, mut sum, mut n_true) = (0.0, 0.0, 0.0);
    for same in all.chunk_by(|a, b| a.0 == b.0) {
        let (n, true_ones) = (
            same.len() as f64,
            same.iter().filter(|it| it.1).count() as f64,
        );
        sum += true_ones * (rank + (n + 1.0) / 2.0);
        (rank, n_true) = (rank + n, n_true + true_ones);
    }
    let n_false = rank - n_true;
    let area = (sum - n_true * (n_true + 1.0) / 2.0) / (n_true * n_false);
    area.is_finite().then_some(area)
}

/// The share of false entities among the k surest, in the mean over all k: the area under the curve of risk and
/// coverage (Geifman et al. 2019, arXiv 1805.08206). Lower is better; entities of equal confidence come in their order.
/// `None` without entities.
pub fn aurc(rows: &[Row]) -> Option<f64> {
    let mut all: Vec<(f64, bool)> = pairs(rows).collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut wrong, mut sum) = (0.0, 0.0);
    for (at, it) in all.iter().enumerate() {
        wrong += f64::from(u8::from(!it.1));
        sum += wrong / (at + 1) as f64;
    }
    (!all.is_empty()).then(|| sum / all.len() as f64)
}

fn pairs(rows: &[Row]) -> impl Iterator<Item = (f64, bool)> {
    rows.iter().flatten().map(|it| (it.confidence, it.is_true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scored::Scored;

    fn rows(of: &[(f64, bool)]) -> Vec<Row> {
        let scored = |&(confidence, is_true): &(f64, bool)| {
            vec![Scored {
                label: "city".into(),
                confidence,
                is_true,
            }]
        };
        of.iter().map(scored).collect()
    }

    #[test]
    fn areas_are_those_counted_by_hand() {
        let some = rows(&[(0.9, true), (0.5, true), (0.5, false), (0.2, false)]);
        // Of four pairs three are in order and one is equal.
        assert_eq!(auroc(&some), Some(3.5 / 4.0));
        assert_eq!(aurc(&some), Some((0.0 + 0.0 + 1.0 / 3.0 + 0.5) / 4.0));
        assert_eq!(auroc(&rows(&[(0.9, true)])), None);
        assert_eq!((auroc(&[]), aurc(&[])), (None, None));
    }
}
