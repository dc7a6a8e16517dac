//! `rner-lab bench score`: how many sentences a second the default scorer handles, completions in and F1 out.
//!
//! The timed part holds everything that happens to a sentence while it is scored: reading the completion's text with
//! [`ner_types::visit_entities`], normalising and sorting the predicted *and* the gold entities into sets, comparing
//! the sets, adding the counts, and starting and joining the threads. Making the sentences, which are held in memory,
//! is outside. The stages are also timed by themselves, to show where the time goes.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::Result;
use clap::Args;
use ner_score::{Counts, EntitySet, Scorer};
use ner_types::{Entity, ReadMode, parse, render_completion, visit_entities};
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use rner_cli::exit::usage;
use serde::Serialize;

/// Sentences that a thread takes at a time.
const CHUNK: usize = 1_024;

/// What the timed part holds, for the report.
const TIMED: &str = "parse of the completion text, predicted and gold set building, comparison, sum of the counts, \
                     F1, start and join of the threads; all sentences in memory";

/// Flags of `rner-lab bench score`.
#[derive(Clone, Debug, Args)]
pub(crate) struct BenchScoreArgs {
    /// Number of synthetic sentences.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    sentences: usize,
    /// Timed repetitions, at least 9.
    #[arg(long, value_name = "N", default_value_t = 9)]
    repetitions: usize,
    /// Repetitions before the timed ones, at least 3.
    #[arg(long, value_name = "N", default_value_t = 3)]
    warmups: usize,
    /// Threads; all cores if left out.
    #[arg(long, value_name = "N")]
    threads: Option<NonZero<usize>>,
    /// Seed of the sentences.
    #[arg(long, default_value_t = 42)]
    seed: u64,
}

/// What the command prints.
#[derive(Debug, Serialize)]
struct Output {
    bench: &'static str,
    scorer: Scorer,
    timed: &'static str,
    sentences: usize,
    completion_bytes: usize,
    gold_entities: usize,
    malformed_completions: usize,
    threads: usize,
    warmups: usize,
    repetitions: usize,
    sentences_per_second: f64,
    seconds: Seconds,
    stages: Stages,
    f1: f64,
}

/// Seconds of the timed repetitions.
#[derive(Debug, Serialize)]
struct Seconds {
    median: f64,
    min: f64,
    max: f64,
}

/// Sentences a second of the stages, each timed by itself with as many threads and repetitions.
#[derive(Debug, Serialize)]
struct Stages {
    parse: f64,
    sets_and_comparison: f64,
}

/// `rner-lab bench score`.
pub(crate) fn run(args: &BenchScoreArgs) -> Result<()> {
    let output = measure(args)?;
    println!("{}", serde_json::to_string_pretty(&output)?);
    Ok(())
}

fn measure(args: &BenchScoreArgs) -> Result<Output> {
    if args.repetitions < 9 || args.warmups < 3 || args.sentences == 0 {
        return Err(usage(
            "a measurement needs --sentences of 1 or more, --repetitions of 9 or more and --warmups of 3 or more",
        ));
    }
    let threads = match args.threads {
        Some(threads) => threads,
        None => std::thread::available_parallelism()?,
    };
    let items = sentences(args.sentences, args.seed);
    let bench = Bench {
        items: &items,
        threads: threads.get(),
        args,
    };
    let (seconds, counts) = bench.time(score);
    let (parse_seconds, _) = bench.time(parse_only);
    let (set_seconds, _) = bench.time(sets_only);
    let rate = |seconds: &Seconds| args.sentences as f64 / seconds.median;
    Ok(Output {
        bench: "score",
        scorer: Scorer::default(),
        timed: TIMED,
        sentences: args.sentences,
        completion_bytes: items.iter().map(|item| item.completion.len()).sum(),
        gold_entities: items.iter().map(|item| item.gold.len()).sum(),
        malformed_completions: items
            .iter()
            .filter(|item| !parse(&item.completion).is_json)
            .count(),
        threads: threads.get(),
        warmups: args.warmups,
        repetitions: args.repetitions,
        sentences_per_second: rate(&seconds),
        stages: Stages {
            parse: rate(&parse_seconds),
            sets_and_comparison: rate(&set_seconds),
        },
        seconds,
        f1: counts.f1(),
    })
}

/// A sentence's gold entities, the entities of its prediction, and that prediction as a model writes it.
struct Item {
    gold: Vec<Entity>,
    predicted: Vec<Entity>,
    completion: String,
}

struct Bench<'a> {
    items: &'a [Item],
    threads: usize,
    args: &'a BenchScoreArgs,
}

impl Bench<'_> {
    /// Runs a stage over all items, again and again.
    fn time(&self, stage: fn(&[Item]) -> Counts) -> (Seconds, Counts) {
        let mut counts = Counts::default();
        for _ in 0..self.args.warmups {
            counts = self.once(stage);
        }
        let mut seconds = Vec::with_capacity(self.args.repetitions);
        for _ in 0..self.args.repetitions {
            let start = Instant::now();
            counts = std::hint::black_box(self.once(stage));
            seconds.push(start.elapsed().as_secs_f64());
        }
        seconds.sort_unstable_by(f64::total_cmp);
        let (lower, upper) = (seconds[(seconds.len() - 1) / 2], seconds[seconds.len() / 2]);
        let seconds = Seconds {
            median: (lower + upper) / 2.0,
            min: seconds.first().copied().unwrap_or_default(),
            max: seconds.last().copied().unwrap_or_default(),
        };
        (seconds, counts)
    }

    fn once(&self, stage: fn(&[Item]) -> Counts) -> Counts {
        // Small parts, taken as they come, so that a core that is busy with something else does not hold up the rest.
        let parts: Vec<&[Item]> = self.items.chunks(CHUNK).collect();
        let next = AtomicUsize::new(0);
        let work = || {
            let parts = std::iter::from_fn(|| parts.get(next.fetch_add(1, Ordering::Relaxed)));
            parts.map(|part| stage(part)).sum::<Counts>()
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..self.threads).map(|_| scope.spawn(work)).collect();
            threads
                .into_iter()
                .filter_map(|thread| thread.join().ok())
                .sum()
        })
    }
}

fn score(items: &[Item]) -> Counts {
    let (mut gold, mut predicted) = (EntitySet::default(), EntitySet::default());
    let one = |item: &Item| {
        predicted.refill_with(|add| {
            visit_entities(&item.completion, ReadMode::Reference, add);
        });
        gold.refill(&item.gold);
        gold.compare(&predicted)
    };
    items.iter().map(one).sum()
}

fn parse_only(items: &[Item]) -> Counts {
    let mut bytes = 0;
    for item in items {
        visit_entities(&item.completion, ReadMode::Reference, |label, text| {
            bytes += label.len() + text.len();
        });
    }
    std::hint::black_box(bytes);
    Counts::default()
}

fn sets_only(items: &[Item]) -> Counts {
    let (mut gold, mut predicted) = (EntitySet::default(), EntitySet::default());
    let one = |item: &Item| {
        predicted.refill(&item.predicted);
        gold.refill(&item.gold);
        gold.compare(&predicted)
    };
    items.iter().map(one).sum()
}

const LABELS: [&str; 8] = [
    "person",
    "organisation",
    "location",
    "album",
    "award",
    "event",
    "politicalparty",
    "musicgenre",
];
const WORDS: [&str; 16] = [
    "Ardela", "Brel", "Halvek", "Port", "Osmere", "Voss", "the", "Ledger", "of", "Rain", "Nimbrel",
    "Works", "O'Dorne", "&", "Öze", "U.K.",
];

/// Sentences with one to five gold entities. Three predictions in four are right, the others have another label or
/// lack a word; one completion in fifty is cut off. Half of them have reasoning.
fn sentences(n: usize, seed: u64) -> Vec<Item> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..n).map(|_| sentence(&mut rng)).collect()
}

fn sentence(rng: &mut ChaCha8Rng) -> Item {
    let gold: Vec<Entity> = (0..rng.random_range(1..=5)).map(|_| entity(rng)).collect();
    let predicted: Vec<Entity> = gold.iter().map(|entity| guess(entity, rng)).collect();
    let cot = rng
        .random_bool(0.5)
        .then_some("Names stand at the places that the text names.");
    let mut completion = render_completion(cot, &predicted);
    if rng.random_bool(0.02) {
        completion.pop();
    }
    Item {
        gold,
        predicted,
        completion,
    }
}

fn entity(rng: &mut ChaCha8Rng) -> Entity {
    let words: Vec<&str> = (0..rng.random_range(1..=3))
        .map(|_| pick(&WORDS, rng))
        .collect();
    Entity::new(words.join(" "), pick(&LABELS, rng))
}

fn guess(entity: &Entity, rng: &mut ChaCha8Rng) -> Entity {
    match rng.random_range(0..8) {
        0 => Entity::new(entity.text.clone(), pick(&LABELS, rng)),
        1 => {
            let (_, rest) = entity.text.split_once(' ').unwrap_or(("", "Vask"));
            Entity::new(rest, entity.label.clone())
        }
        _ => entity.clone(),
    }
}

fn pick(list: &[&'static str], rng: &mut ChaCha8Rng) -> &'static str {
    list.choose(rng).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(sentences: usize, threads: usize) -> BenchScoreArgs {
        BenchScoreArgs {
            sentences,
            repetitions: 9,
            warmups: 3,
            threads: NonZero::new(threads),
            seed: 7,
        }
    }

    #[test]
    fn the_score_is_that_of_the_sentences_whatever_the_threads() {
        let items = sentences(500, 7);
        let counts: Counts = items
            .iter()
            .map(|item| ner_score::count(&item.gold, &parse(&item.completion).entities))
            .sum();
        for threads in [1, 3] {
            let output = measure(&args(500, threads)).expect("measured");
            assert_eq!(output.f1, counts.f1());
        }
        assert!(counts.f1() > 0.5 && counts.f1() < 1.0, "{counts:?}");
    }

    #[test]
    fn too_few_repetitions_are_refused() {
        let few = BenchScoreArgs {
            repetitions: 8,
            ..args(1, 1)
        };
        assert!(measure(&few).is_err());
        assert!(measure(&args(0, 1)).is_err());
    }
}
