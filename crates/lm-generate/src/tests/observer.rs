//! What an observer is told, and what it can do: streaming and stop strings.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use lm_model::{ChatTokenizer, StopMatcher, TextStream};
use tokio_util::sync::CancellationToken;

use super::generator::{generate, ids, mixed, never, prompt, tiny};
use super::plain;
use crate::{Error, Finish, Generated, Generator, NewToken, Observer, Progress, Request, Sampling};

/// Writes down everything.
#[derive(Default)]
struct Recorder {
    tokens: BTreeMap<(usize, usize), Vec<NewToken>>,
    finished: BTreeMap<(usize, usize), Generated>,
    steps: usize,
    most_steps: Option<usize>,
    stop: CancellationToken,
}

impl Observer for Recorder {
    fn on_token(&mut self, token: NewToken) -> ControlFlow<()> {
        let key = (token.request, token.sample);
        assert!(!self.finished.contains_key(&key), "{token:?} after the end");
        self.tokens.entry(key).or_default().push(token);
        ControlFlow::Continue(())
    }

    fn on_finish(&mut self, request: usize, sample: usize, generated: &Generated) {
        let earlier = self.finished.insert((request, sample), generated.clone());
        assert_eq!(earlier, None);
    }

    fn on_step(&mut self, progress: Progress) {
        self.steps += 1;
        let tokens: usize = self.tokens.values().map(Vec::len).sum();
        assert_eq!(progress.tokens, tokens);
        if self.most_steps == Some(self.steps) {
            self.stop.cancel();
        }
    }
}

#[test]
fn every_token_is_told_in_order_and_then_the_end() {
    let model = tiny();
    for max_batch in [1, 4, 64] {
        let mut recorder = Recorder::default();
        let groups = Generator::new(&model, max_batch)
            .generate(&mixed(), &never(), &mut recorder)
            .expect("valid requests");
        assert_eq!(ids(&groups), ids(&generate(&model, 64, &mixed())));
        for (request, group) in groups.iter().enumerate() {
            for (sample, generated) in group.iter().enumerate() {
                let key = (request, sample);
                assert_eq!(recorder.finished.remove(&key).as_ref(), Some(generated));
                let tokens = recorder.tokens.remove(&key).expect("tokens");
                let told = tokens.iter().map(|t| (t.index, t.id, t.log_prob));
                let expected = generated.ids.iter().zip(&generated.log_probs).enumerate();
                assert!(told.eq(expected.map(|(i, (id, log_prob))| (i, *id, *log_prob))));
            }
        }
        assert!(recorder.tokens.is_empty() && recorder.finished.is_empty());
    }
}

#[test]
fn an_observer_can_stop_the_call() {
    let mut recorder = Recorder {
        most_steps: Some(2),
        ..Recorder::default()
    };
    let stop = recorder.stop.clone();
    let error = Generator::new(&tiny(), 6)
        .generate(&mixed(), &stop, &mut recorder)
        .expect_err("stopped");
    assert!(matches!(error, Error::Stopped { total: 20, .. }), "{error}");
    assert_eq!(recorder.steps, 2);
}

/// Ends completions at stop strings.
struct StopStrings<'a> {
    tokenizer: &'a ChatTokenizer,
    stops: StopMatcher,
    streams: BTreeMap<(usize, usize), (TextStream<'a>, String)>,
}

impl<'a> StopStrings<'a> {
    fn new(tokenizer: &'a ChatTokenizer, stops: &[&str]) -> Self {
        Self {
            tokenizer,
            stops: StopMatcher::new(stops.iter().copied()).expect("stop strings"),
            streams: BTreeMap::new(),
        }
    }

    /// The texts and the stop strings that ended them.
    fn texts(self) -> Vec<(String, Option<String>)> {
        let streams = self.streams.into_values();
        let text = |(stream, text): (TextStream<'_>, String)| {
            let stop = stream.stopped().map(str::to_owned);
            (text + &stream.finish(), stop)
        };
        streams.map(text).collect()
    }
}

impl Observer for StopStrings<'_> {
    fn on_token(&mut self, token: NewToken) -> ControlFlow<()> {
        let new = || {
            (
                TextStream::new(self.tokenizer, self.stops.clone()),
                String::new(),
            )
        };
        let key = (token.request, token.sample);
        let (stream, text) = self.streams.entry(key).or_insert_with(new);
        text.push_str(&stream.push(token.id));
        match stream.stopped() {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        }
    }
}

/// Requests whose random tokens are read as text: bytes 0 to 60 of the alphabet are the printable ones from `!` on.
fn wordy() -> Vec<Request> {
    let request = |i: usize| Request {
        prompt: prompt(4 + 3 * i, i),
        n: 1 + i % 3,
        sampling: Sampling {
            temperature: 2.0,
            repetition_penalty: (i % 2 == 1).then_some(1.2),
            seed: i as u64,
            ..plain(40)
        },
    };
    (0..6).map(request).collect()
}

#[test]
fn stop_strings_end_a_completion_whatever_runs_beside_it() {
    let model = tiny();
    let tokenizer = ChatTokenizer::train_bpe([""; 0], 261).expect("a tokenizer of bytes");
    let stops = ["0", "5", "A1"];
    let run = |requests: &[Request], max_batch| {
        let mut observer = StopStrings::new(&tokenizer, &stops);
        let groups = Generator::new(&model, max_batch)
            .generate(requests, &never(), &mut observer)
            .expect("valid requests");
        (groups, observer.texts())
    };
    let requests = wordy();
    let (together, texts) = run(&requests, 64);
    for max_batch in [1, 3, 5] {
        let (groups, found) = run(&requests, max_batch);
        assert_eq!((ids(&groups), &found), (ids(&together), &texts));
    }
    let alone: Vec<_> = requests
        .iter()
        .map(|r| run(std::slice::from_ref(r), 2))
        .collect();
    let alone: Vec<_> = alone.into_iter().flat_map(|(_, texts)| texts).collect();
    assert_eq!(alone, texts);

    // Without the observer the same tokens come, and go on.
    let whole = generate(&model, 64, &requests);
    let pairs = together.iter().flatten().zip(whole.iter().flatten());
    for ((ended, whole), (text, stop)) in pairs.zip(&texts) {
        assert!(whole.ids.starts_with(&ended.ids));
        assert_eq!(ended.finish == Finish::Observer, stop.is_some());
        let expected = text.clone() + stop.as_deref().unwrap_or_default();
        assert_eq!(tokenizer.decode(&ended.ids), expected);
        assert!(stops.iter().all(|stop| !text.contains(stop)), "{text}");
    }
    let stopped = texts.iter().filter(|(_, stop)| stop.is_some()).count();
    assert!(
        0 < stopped && stopped < texts.len(),
        "{stopped} of {}",
        texts.len()
    );
}

#[test]
fn a_stop_token_counts_before_the_observer_and_the_observer_before_the_length() {
    struct Never;
    impl Observer for Never {
        fn on_token(&mut self, _: NewToken) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
    }
    let model = tiny();
    let request = |stop| Request {
        prompt: prompt(5, 0),
        n: 2,
        sampling: Sampling { stop, ..plain(1) },
    };
    let requests = [request((0..61).collect()), request(Vec::new())];
    let groups = Generator::new(&model, 4)
        .generate(&requests, &never(), &mut Never)
        .expect("valid requests");
    let finishes = |group: &Vec<Generated>| group.iter().map(|g| g.finish).collect::<Vec<_>>();
    assert_eq!(finishes(&groups[0]), [Finish::Stop; 2]);
    assert_eq!(finishes(&groups[1]), [Finish::Observer; 2]);
}
