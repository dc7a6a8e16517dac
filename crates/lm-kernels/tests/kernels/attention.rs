//! Causal attention over packed sequences.

use lm_kernels::{SeqBounds, ops, reference};

use crate::util::{close, close_gradients, close_values, gradients, leaf, random, read};

const CASES: &[(&[usize], usize, usize, usize)] = &[
    (&[1], 1, 1, 2),
    (&[2], 2, 1, 3),
    (&[1, 2, 1], 2, 2, 5),
    (&[3, 0, 7], 3, 1, 8),
    (&[64, 65, 1], 4, 2, 32),
    (&[130, 5, 300], 4, 1, 16),
    (&[129, 200], 6, 3, 33),
];

/// The definition in 64 bits, one query at a time.
fn by_definition(
    [q, k, v]: [&[f32]; 3],
    lengths: &[usize],
    [hq, hkv, dim]: [usize; 3],
    scale: f64,
) -> Vec<f32> {
    let mut out = vec![0.0; q.len()];
    for (start, end) in SeqBounds::from_lengths(lengths).iter() {
        for t in start..end {
            for h in 0..hq {
                let row = |x: &[f32], t: usize, heads: usize, head: usize| {
                    let at = (t * heads + head) * dim;
                    x[at..at + dim]
                        .iter()
                        .map(|&x| f64::from(x))
                        .collect::<Vec<_>>()
                };
                let query = row(q, t, hq, h);
                let kv = h / (hq / hkv);
                let score = |s: usize| {
                    let key = row(k, s, hkv, kv);
                    query.iter().zip(key).map(|(a, b)| a * b).sum::<f64>() * scale
                };
                let weights: Vec<f64> = (start..=t).map(|s| score(s).exp()).collect();
                let sum: f64 = weights.iter().sum();
                for (s, weight) in (start..=t).zip(&weights) {
                    for (d, value) in row(v, s, hkv, kv).into_iter().enumerate() {
                        out[(t * hq + h) * dim + d] += (weight / sum * value) as f32;
                    }
                }
            }
        }
    }
    out
}

#[test]
fn attention_follows_its_definition() {
    for &(lengths, hq, hkv, dim) in CASES {
        let total: usize = lengths.iter().sum();
        let (q, k, v) = (
            random(1, [total, hq, dim]) * 2.0,
            random(2, [total, hkv, dim]) * 2.0,
            random(3, [total, hkv, dim]),
        );
        let expected = by_definition(
            [&read(&q), &read(&k), &read(&v)],
            lengths,
            [hq, hkv, dim],
            0.4,
        );
        let bounds = SeqBounds::from_lengths(lengths);
        let what = format!("attention {lengths:?} {hq}/{hkv} {dim}");
        let found = ops::attention(q.clone(), k.clone(), v.clone(), &bounds, 0.4);
        close_values(&what, &read(&found), &expected);
        let (body, _) = reference::attention(q, k, v, &bounds, 0.4);
        close_values(&format!("default body of {what}"), &read(&body), &expected);
    }
}

#[test]
fn gradients_match_those_of_the_default_body() {
    for &(lengths, hq, hkv, dim) in CASES {
        let total: usize = lengths.iter().sum();
        let q = random(4, [total, hq, dim]) * 2.0;
        let (k, v) = (
            random(5, [total, hkv, dim]) * 2.0,
            random(6, [total, hkv, dim]),
        );
        let bounds = SeqBounds::from_lengths(lengths);
        let (a, b, c) = (leaf(&q), leaf(&k), leaf(&v));
        let out = ops::attention(a.clone(), b.clone(), c.clone(), &bounds, 0.4);
        let found = gradients(out, &[&a, &b, &c]);
        let (a, b, c) = (leaf(&q), leaf(&k), leaf(&v));
        let (out, lse) = reference::attention(a.clone(), b.clone(), c.clone(), &bounds, 0.4);
        let (saved_out, saved_lse) = (out.clone().inner(), lse.inner());
        let expected = gradients(out, &[&a, &b, &c]);
        let what = format!("attention {lengths:?} {hq}/{hkv} {dim}");
        close_gradients(&what, &found, &expected);

        // The default backward body, which other backends run.
        let saved = reference::SavedAttention {
            qkv: [q, k, v],
            out: saved_out,
            lse: saved_lse,
        };
        let grad = random(99, [total, hq, dim]);
        let body = reference::attention_bwd(saved, &bounds, 0.4, grad);
        let body: Vec<_> = body.iter().map(|x| Some(read(x))).collect();
        close_gradients(&format!("default body of {what}"), &body, &expected);
    }
}

#[test]
fn sequences_do_not_see_each_other() {
    let (q, k, v) = (
        random(7, [9, 2, 4]),
        random(8, [9, 1, 4]),
        random(9, [9, 1, 4]),
    );
    let both = SeqBounds::from_lengths(&[4, 5]);
    let together = ops::attention(q.clone(), k.clone(), v.clone(), &both, 0.5);
    let one = SeqBounds::from_lengths(&[5]);
    let second = |x: burn::tensor::Tensor<_, 3>| x.narrow(0, 4, 5);
    let alone = ops::attention(second(q), second(k), second(v), &one, 0.5);
    close("the second sequence", &second(together), &alone);
}

#[test]
#[should_panic(expected = "attention: total of bounds: expected 2, found 3")]
fn bounds_must_cover_the_tokens() {
    let x = random(1, [2, 1, 2]);
    ops::attention(x.clone(), x.clone(), x, &SeqBounds::from_lengths(&[3]), 1.0);
}

type Sequences = &'static [(usize, usize)];

/// Sequences with `(context, length)`: attention from the last `length` tokens only.
const CONTEXTS: &[(Sequences, usize, usize, usize)] = &[
    (&[(1, 1)], 1, 1, 2),
    (&[(0, 3), (3, 2), (3, 1)], 2, 1, 4),
    (&[(5, 0), (0, 2), (2, 0), (70, 3)], 4, 2, 8),
    (&[(0, 130), (130, 65), (130, 1), (1, 300)], 4, 2, 16),
];

#[test]
fn a_context_is_seen_by_all_queries_and_asks_nothing() {
    for &(sequences, hq, hkv, dim) in CONTEXTS {
        let lengths: Vec<usize> = sequences.iter().map(|(c, n)| c + n).collect();
        let (whole, part) = (
            SeqBounds::from_lengths(&lengths),
            SeqBounds::with_context(sequences),
        );
        let total = whole.total();
        let (q, k, v) = (
            random(21, [total, hq, dim]) * 2.0,
            random(22, [total, hkv, dim]) * 2.0,
            random(23, [total, hkv, dim]),
        );
        let rows: Vec<i64> = whole
            .iter()
            .zip(sequences)
            .flat_map(|((start, end), (context, _))| start + context..end)
            .map(|row| row as i64)
            .collect();
        let what = format!("attention {sequences:?} {hq}/{hkv} {dim}");

        let (a, b, c) = (leaf(&q), leaf(&k), leaf(&v));
        let rows = burn::tensor::Tensor::<_, 1, burn::tensor::Int>::from_ints(
            rows.as_slice(),
            &q.device(),
        );
        let out =
            ops::attention(a.clone(), b.clone(), c.clone(), &whole, 0.4).select(0, rows.clone());
        let expected_out = read(&out.clone().inner());
        let expected = gradients(out, &[&a, &b, &c]);

        // The gradient of all queries is that of the chosen ones, so they are chosen before it is asked for.
        let (a, b, c) = (leaf(&q), leaf(&k), leaf(&v));
        let out = ops::attention(
            a.clone().select(0, rows.clone()),
            b.clone(),
            c.clone(),
            &part,
            0.4,
        );
        close_values(&what, &read(&out.clone().inner()), &expected_out);
        close_gradients(&what, &gradients(out, &[&a, &b, &c]), &expected);

        let (a, b, c) = (leaf(&q), leaf(&k), leaf(&v));
        let queries = a.clone().select(0, rows.clone());
        let (out, lse) = reference::attention(queries, b.clone(), c.clone(), &part, 0.4);
        let (saved_out, saved_lse) = (out.clone().inner(), lse.inner());
        close_values(
            &format!("default body of {what}"),
            &read(&saved_out),
            &expected_out,
        );
        close_gradients(
            &format!("default body of {what}"),
            &gradients(out, &[&a, &b, &c]),
            &expected,
        );

        let grad = random(99, [part.total(), hq, dim]);
        let saved = reference::SavedAttention {
            qkv: [q.select(0, rows.inner()), k, v],
            out: saved_out,
            lse: saved_lse,
        };
        let body = reference::attention_bwd(saved, &part, 0.4, grad);
        let body: Vec<_> = body[1..].iter().map(|x| Some(read(x))).collect();
        close_gradients(
            &format!("default backward body of {what}"),
            &body,
            &expected[1..],
        );
    }
}
