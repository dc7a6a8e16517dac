//! Reasoning ends at its budget, whatever runs beside it.

use burn::backend::Flex;
use lm_model::{ChatTokenizer, Qwen3, Qwen3Config};

use super::generator::{ids, never, tiny};
use crate::{
    Generated, Generator, History, Lookup, Observer, Request, Sampling, Thought, ThoughtEnd,
    ThoughtLimit, TokenMask,
};

/// What is forced behind the end.
const BEHIND: [u32; 2] = [40, 41];

fn tokenizer() -> ChatTokenizer {
    ChatTokenizer::train_bpe(["<think> a\n</think>\n{ 小樽"], 300).expect("a tokenizer")
}

/// A model that knows nothing: left alone it never closes what it has opened.
fn model(tokenizer: &ChatTokenizer) -> Qwen3<Flex> {
    let config = Qwen3Config {
        vocab_size: tokenizer.vocab_size(),
        ..tiny().config().clone()
    };
    config.init::<Flex>(&Default::default(), 3)
}

/// Has the first tokens of every completion begin its reasoning.
struct Begin<'a>(&'a [u32], Vec<usize>);

impl Observer for Begin<'_> {
    fn allowed(&mut self, request: usize, _sample: usize) -> Option<TokenMask> {
        let id = self.0.get(self.1[request])?;
        Some(TokenMask::of([*id]))
    }

    fn on_token(&mut self, token: crate::NewToken) -> std::ops::ControlFlow<()> {
        self.1[token.request] += 1;
        std::ops::ControlFlow::Continue(())
    }
}

fn requests() -> Vec<Request> {
    let request = |seed: u64| Request {
        prompt: vec![5, 6, 7 + seed as u32],
        n: 1,
        sampling: Sampling {
            max_new_tokens: 40,
            temperature: [0.0, 0.8, 1.3][seed as usize % 3],
            seed,
            ..Sampling::default()
        },
    };
    (0..6).map(request).collect()
}

/// Completions whose reasoning has these budgets; none is not limited.
fn run(
    requests: &[Request],
    begin: &[u32],
    budgets: &[Option<usize>],
    max_batch: usize,
    has_drafts: bool,
) -> (Vec<Vec<Generated>>, Vec<Option<Thought>>) {
    let tokenizer = tokenizer();
    let inner = Begin(begin, vec![0; requests.len()]);
    let mut limit = ThoughtLimit::new(&tokenizer, inner).behind(BEHIND.to_vec());
    for (request, budget) in budgets.iter().enumerate() {
        if let Some(budget) = budget {
            limit = limit.with(request, *budget);
        }
    }
    let model = model(&tokenizer);
    let mut generator = Generator::new(&model, max_batch);
    let groups = if has_drafts {
        let mut history = History::new();
        let mut lookup = Lookup::new(requests, &mut history, &mut limit);
        generator.generate(requests, &never(), &mut lookup)
    } else {
        generator.generate(requests, &never(), &mut limit)
    };
    let thoughts = (0..requests.len()).map(|request| limit.take(request, 0));
    let thoughts = thoughts.collect();
    (groups.expect("valid requests"), thoughts)
}

/// The reasoning is as long as it may be and closed, and the completion goes on to its own end.
#[test]
fn a_model_that_never_closes_its_reasoning_is_closed_at_its_budget() {
    let tokenizer = tokenizer();
    let open = tokenizer.completion_ids("<think>")[..1].to_vec();
    let budgets = [Some(0), Some(1), Some(7), Some(1000), None, Some(20)];
    let (groups, thoughts) = run(&requests(), &open, &budgets, 4, false);
    let all = groups.iter().flatten().zip(&thoughts).zip(budgets);
    for ((one, thought), budget) in all {
        assert_eq!(one.ids.len(), 40, "nothing else is cut");
        let (Some(thought), Some(budget)) = (thought, budget) else {
            assert_eq!((thought.as_ref(), budget), (None, None));
            continue;
        };
        let forced = [&tokenizer.thought_end_ids(budget == 0)[..], &BEHIND].concat();
        if budget == 1000 {
            assert_eq!(thought.end, Some(ThoughtEnd::Open));
            assert_eq!(thought.tokens, 39);
            continue;
        }
        assert_eq!(thought.end, Some(ThoughtEnd::Forced), "{budget}");
        let late = thought.tokens - budget;
        assert!(late <= 3, "{budget}: {late} too many");
        let end = 1 + thought.tokens;
        assert_eq!(one.ids[end..end + forced.len()], forced, "{budget}");
    }
}

#[test]
fn drafts_and_neighbours_change_nothing() {
    let tokenizer = tokenizer();
    let open = tokenizer.completion_ids("<think>")[..1].to_vec();
    for budget in [0, 1, 5, 17, 1000] {
        let budgets = [Some(budget); 6];
        let (plain, thoughts) = run(&requests(), &open, &budgets, 1, false);
        for max_batch in [1, 4] {
            let (groups, same) = run(&requests(), &open, &budgets, max_batch, true);
            assert_eq!((ids(&groups), same), (ids(&plain), thoughts.clone()));
        }
        for (number, one) in requests().iter().enumerate() {
            let alone = run(std::slice::from_ref(one), &open, &budgets[..1], 1, false);
            assert_eq!(alone.0[0][0].ids, plain[number][0].ids, "{budget}");
            assert_eq!(alone.1[0], thoughts[number]);
        }
    }
}

/// Most of them: what a random model writes behind it may open reasoning again.
#[test]
fn a_completion_that_closes_in_time_or_thinks_nothing_is_left_alone() {
    let tokenizer = tokenizer();
    let all = tokenizer.completion_ids("<think>\na\n</think>\n{");
    let closed = &all[..all.len() - tokenizer.completion_ids("").len()];
    let free = [None; 6];
    for (begin, thought) in [
        (
            closed,
            Thought {
                tokens: 3,
                end: Some(ThoughtEnd::Closed),
            },
        ),
        (&[][..], Thought::default()),
    ] {
        let begin: Vec<u32> = begin.to_vec();
        let (plain, _) = run(&requests(), &begin, &free, 3, false);
        let (groups, thoughts) = run(&requests(), &begin, &[Some(1000); 6], 3, false);
        assert_eq!(ids(&groups), ids(&plain));
        let expected = thoughts.iter().filter(|it| **it == Some(thought)).count();
        assert!(expected > 3, "{thoughts:?}");
    }
}
