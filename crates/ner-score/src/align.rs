//! Which predicted item stands for which gold item: an optimal one-to-one assignment.
//!
//! Pairs are chosen so that these are as large as possible, the earlier before the later:
//!
//! 1. the number of pairs that agree in label and place (for presets that compare texts: in label and text),
//! 2. the number of pairs that agree in place,
//! 3. the number of pairs that overlap and agree in label,
//! 4. the number of pairs that overlap,
//! 5. the number of characters in which they overlap.
//!
//! Every score and every class of errors follows from the first four numbers, so none depends on the order in which
//! the entities are given; nervaluate, which pairs greedily, depends on it. Where the fifth leaves a choice, items are
//! taken in ascending order.
//!
//! Equal items are interchangeable, so the first number is reached by pairing them off, which leaves little. The rest
//! falls into groups connected by overlaps, mostly of one or two items; a group is solved by the Hungarian method
//! (Kuhn 1955, Munkres 1957; the crate `pathfinding`), in time (smaller side)² · (larger side).

use std::cmp::Ordering;

use pathfinding::kuhn_munkres::kuhn_munkres;
use pathfinding::matrix::Matrix;

use crate::view::{Item, What};

/// A gold and a predicted item, by position, and how they agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) gold: usize,
    pub(crate) predicted: usize,
    pub(crate) same_label: bool,
    pub(crate) same_place: bool,
}

/// A possible pair of items that are not equal.
#[derive(Clone, Copy)]
struct Edge {
    pair: Pair,
    overlap: usize,
}

/// Pairs the items of both sides. `has_text` tells whether the sentence is known; if not, texts overlap in the words
/// they share.
pub(crate) fn align(gold: &[Item], predicted: &[Item], has_text: bool) -> Vec<Pair> {
    let mut pairs = equal_pairs(gold, predicted);
    let mut is_free = [vec![true; gold.len()], vec![true; predicted.len()]];
    for pair in &pairs {
        is_free[0][pair.gold] = false;
        is_free[1][pair.predicted] = false;
    }
    let [free_gold, free_predicted] = is_free.map(|free| positions(&free));
    let mut edges = Vec::new();
    for &g in &free_gold {
        for &p in &free_predicted {
            edges.extend(edge(g, &gold[g], p, &predicted[p], has_text));
        }
    }
    for group in groups(edges, gold.len(), predicted.len()) {
        pairs.extend(assign(&group));
    }
    pairs.sort_unstable_by_key(|pair| (pair.gold, pair.predicted));
    pairs
}

fn positions(free: &[bool]) -> Vec<usize> {
    let free = free.iter().enumerate().filter(|(_, free)| **free);
    free.map(|(at, _)| at).collect()
}

/// Pairs equal items off, in one pass over the two sorted lists.
fn equal_pairs(gold: &[Item], predicted: &[Item]) -> Vec<Pair> {
    let mut pairs = Vec::new();
    let (mut g, mut p) = (0, 0);
    while let (Some(a), Some(b)) = (gold.get(g), predicted.get(p)) {
        match (&a.label, &a.what).cmp(&(&b.label, &b.what)) {
            Ordering::Less => g += 1,
            Ordering::Greater => p += 1,
            Ordering::Equal => {
                if a.matches(b) {
                    pairs.push(Pair {
                        gold: g,
                        predicted: p,
                        same_label: true,
                        same_place: true,
                    });
                }
                (g, p) = (g + 1, p + 1);
            }
        }
    }
    pairs
}

fn edge(g: usize, gold: &Item, p: usize, predicted: &Item, has_text: bool) -> Option<Edge> {
    let same_place = gold.is_at(predicted);
    let overlap = overlap(gold, predicted, has_text);
    (same_place || overlap > 0).then_some(Edge {
        pair: Pair {
            gold: g,
            predicted: p,
            same_label: gold.label == predicted.label,
            same_place,
        },
        overlap,
    })
}

fn overlap(gold: &Item, predicted: &Item, has_text: bool) -> usize {
    match (&gold.what, &predicted.what) {
        (What::Text(a), What::Text(b)) if !has_text => shared_words(a, b),
        _ => {
            let places = gold.places.iter();
            let overlaps = places.flat_map(|a| predicted.places.iter().map(|b| a.overlap(*b)));
            overlaps.max().unwrap_or(0)
        }
    }
}

/// Bytes of the words of `a` that are words of `b`.
fn shared_words(a: &str, b: &str) -> usize {
    let words: Vec<&str> = b.split_whitespace().collect();
    a.split_whitespace()
        .filter(|word| words.contains(word))
        .map(str::len)
        .sum()
}

/// The edges by connected group, in order of the groups' first gold items.
fn groups(edges: Vec<Edge>, n_gold: usize, n_predicted: usize) -> Vec<Vec<Edge>> {
    let mut sets = DisjointSets::new(n_gold + n_predicted);
    for edge in &edges {
        sets.join(edge.pair.gold, n_gold + edge.pair.predicted);
    }
    let mut groups: Vec<Vec<Edge>> = vec![Vec::new(); n_gold + n_predicted];
    for edge in edges {
        groups[sets.root(edge.pair.gold)].push(edge);
    }
    groups.retain(|group| !group.is_empty());
    groups
}

struct DisjointSets(Vec<usize>);

impl DisjointSets {
    fn new(len: usize) -> Self {
        DisjointSets((0..len).collect())
    }

    fn root(&mut self, mut at: usize) -> usize {
        while self.0[at] != at {
            self.0[at] = self.0[self.0[at]];
            at = self.0[at];
        }
        at
    }

    /// The smaller root wins, so that a group is named after its first gold item.
    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = a.min(b);
    }
}

/// The best one-to-one choice among the edges of a group.
fn assign(edges: &[Edge]) -> Vec<Pair> {
    if let [edge] = edges {
        return vec![edge.pair];
    }
    let gold = distinct(edges.iter().map(|edge| edge.pair.gold));
    let predicted = distinct(edges.iter().map(|edge| edge.pair.predicted));
    // The method wants no more rows than columns.
    let is_turned = gold.len() > predicted.len();
    let (rows, columns) = if is_turned {
        (&predicted, &gold)
    } else {
        (&gold, &predicted)
    };
    let place = |edge: &Edge| {
        let (g, p) = (edge.pair.gold, edge.pair.predicted);
        let (row, column) = if is_turned { (p, g) } else { (g, p) };
        let find = |list: &[usize], wanted| list.binary_search(&wanted).unwrap_or_default();
        (find(rows, row), find(columns, column))
    };
    let weigh = Weights::new(edges, rows.len());
    let mut weights = Matrix::new(rows.len(), columns.len(), 0);
    for edge in edges {
        weights[place(edge)] = weigh.weight(edge);
    }
    let (_, chosen) = kuhn_munkres(&weights);
    let is_chosen = |edge: &&Edge| {
        let (row, column) = place(edge);
        chosen[row] == column
    };
    edges
        .iter()
        .filter(is_chosen)
        .map(|edge| edge.pair)
        .collect()
}

fn distinct(positions: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut positions: Vec<usize> = positions.collect();
    positions.sort_unstable();
    positions.dedup();
    positions
}

/// The four criteria as digits of one number: the base of a digit is above any sum of it over an assignment.
struct Weights {
    pairs: i128,
    overlaps: i128,
}

impl Weights {
    fn new(edges: &[Edge], n_pairs: usize) -> Self {
        let longest = edges.iter().map(|edge| edge.overlap).max().unwrap_or(0);
        Weights {
            pairs: n_pairs as i128 + 1,
            overlaps: (n_pairs * longest) as i128 + 1,
        }
    }

    fn weight(&self, edge: &Edge) -> i128 {
        let digit = |yes: bool| i128::from(yes);
        let kind = digit(edge.pair.same_place) * self.pairs + digit(edge.pair.same_label);
        (kind * self.pairs + 1) * self.overlaps + edge.overlap as i128
    }
}
