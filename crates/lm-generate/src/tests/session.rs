//! Requests that come and go one by one, and a cache with a limit.

use std::collections::BTreeMap;

use burn::backend::Flex;
use lm_model::{Qwen3, Qwen3Config};

use super::generator::{generate, ids, mixed, never, prompt, tiny};
use super::plain;
use crate::{CachePool, Error, Generated, Generator, Request, Sampling, Session};

/// Everything that a session gives until it is idle.
fn finish(session: &mut Session<'_, Flex>) -> BTreeMap<usize, Result<Vec<Generated>, Error>> {
    let mut all = BTreeMap::new();
    while !session.is_idle() {
        all.extend(session.step(&mut ()).expect("the backend works"));
    }
    all
}

fn groups(outcomes: BTreeMap<usize, Result<Vec<Generated>, Error>>) -> Vec<Vec<Generated>> {
    let group = |outcome: Result<Vec<Generated>, Error>| outcome.expect("completions");
    outcomes.into_values().map(group).collect()
}

/// A request whose logits overflow at the first token.
fn poison() -> Request {
    Request {
        prompt: prompt(5, 3),
        n: 3,
        sampling: Sampling {
            temperature: 1e-44,
            ..plain(20)
        },
    }
}

/// [`tiny`] for longer sequences.
fn roomy(positions: usize) -> Qwen3<Flex> {
    let config = Qwen3Config {
        max_position_embeddings: positions,
        ..tiny().config().clone()
    };
    config.init::<Flex>(&Default::default(), 11)
}

#[test]
fn requests_that_come_one_by_one_get_what_they_get_together() {
    let model = tiny();
    let together = generate(&model, 64, &mixed());
    for max_batch in [1, 2, 3, 5, 8] {
        let mut generator = Generator::new(&model, max_batch);
        let mut session = generator.session().expect("a slot");
        let mut outcomes = BTreeMap::new();
        for request in mixed() {
            session.add(request).expect("valid");
            outcomes.extend(session.step(&mut ()).expect("the backend works"));
        }
        outcomes.extend(finish(&mut session));
        assert_eq!(ids(&groups(outcomes)), ids(&together), "{max_batch} slots");
    }
}

#[test]
fn under_a_limit_the_youngest_leave_and_all_get_the_same() {
    let model = roomy(1000);
    let request = |i: usize| Request {
        prompt: prompt(3 + i, i),
        n: 1 + i % 3,
        sampling: Sampling {
            temperature: 1.3,
            seed: i as u64,
            ..plain(600)
        },
    };
    let requests: Vec<Request> = (0..7).map(request).collect();
    let expected = generate(&model, 64, &requests);
    let per_position = model.cache_bytes_per_position();
    for positions in [610, 1000, 2000, 8000] {
        // Half a layer more, of two, is for the change of shapes.
        let limit = positions * per_position * 3 / 2;
        let pool = CachePool::with_limit(limit);
        assert_eq!(pool.positions(&model), positions);
        let mut generator = Generator::with_pool(&model, 8, pool);
        let mut session = generator.session().expect("slots");
        for request in &requests {
            session.add(request.clone()).expect("fits alone");
        }
        let found = groups(finish(&mut session));
        assert_eq!(ids(&found), ids(&expected), "{positions} positions");
        assert_eq!(session.preemptions() > 0, positions < 8000, "{positions}");
        let pool = generator.into_pool();
        assert!(pool.bytes(&model) <= positions * per_position);
        let mut generator = Generator::with_pool(&model, 8, pool);
        let found = generator.generate(&requests, &never(), &mut ());
        assert_eq!(ids(&found.expect("completions")), ids(&expected));
    }
}

#[test]
fn a_request_that_could_not_fit_alone_is_refused() {
    let model = tiny();
    let limit = 100 * model.cache_bytes_per_position() * 3 / 2;
    let mut generator = Generator::with_pool(&model, 4, CachePool::with_limit(limit));
    let request = |new| Request {
        prompt: prompt(4, 0),
        n: 1,
        sampling: plain(new),
    };
    let mut session = generator.session().expect("slots");
    let error = session.add(request(97)).expect_err("too long");
    assert!(matches!(
        error,
        Error::NoRoom {
            wanted: 101,
            room: 100,
            ..
        }
    ));
    session.add(request(96)).expect("fits");
    assert_eq!(groups(finish(&mut session))[0][0].ids.len(), 96);
}

#[test]
fn a_request_that_fails_ends_alone() {
    let model = tiny();
    let mut requests = mixed();
    requests.insert(2, poison());
    let expected = generate(&model, 8, &mixed());
    for max_batch in [1, 4, 64] {
        let mut generator = Generator::new(&model, max_batch);
        let mut session = generator.session().expect("slots");
        for request in &requests {
            session.add(request.clone()).expect("valid");
        }
        let mut outcomes = finish(&mut session);
        let failed = outcomes.remove(&2);
        assert!(
            matches!(failed, Some(Err(Error::NonFiniteLogits { request: 2, .. }))),
            "{failed:?}"
        );
        assert_eq!(ids(&groups(outcomes)), ids(&expected));
    }
    let error = Generator::new(&model, 4).generate(&requests, &never(), &mut ());
    assert!(matches!(
        error,
        Err(Error::NonFiniteLogits { request: 2, .. })
    ));
}

#[test]
fn a_cancelled_request_takes_no_more_steps() {
    let model = tiny();
    let expected = generate(&model, 8, &mixed());
    for steps in 0..6 {
        let mut generator = Generator::new(&model, 3);
        let mut session = generator.session().expect("slots");
        for request in mixed() {
            session.add(request).expect("valid");
        }
        let mut outcomes = BTreeMap::new();
        for _ in 0..steps {
            outcomes.extend(session.step(&mut ()).expect("the backend works"));
        }
        for request in [0, 2, 5] {
            session.cancel(request);
        }
        outcomes.extend(finish(&mut session));
        for request in [1, 3, 4] {
            let found = outcomes.remove(&request).expect("an outcome");
            let found = found.expect("completions");
            assert_eq!(ids(&[found]), ids(&expected[request..=request]));
        }
        assert!(outcomes.keys().all(|request| [0, 2, 5].contains(request)));
    }
    let mut generator = Generator::new(&model, 3);
    let mut session = generator.session().expect("slots");
    let number = session.add(mixed().swap_remove(5)).expect("valid");
    session.step(&mut ()).expect("the backend works");
    session.cancel(number);
    assert!(session.is_idle());
}

#[test]
fn a_long_prompt_enters_in_pieces() {
    let model = roomy(5000);
    let long = |n| Request {
        prompt: prompt(4500, 1),
        n,
        sampling: plain(6),
    };
    let short = Request {
        prompt: prompt(9, 2),
        n: 1,
        sampling: plain(30),
    };
    let alone = generate(&model, 1, std::slice::from_ref(&short));
    let mut generator = Generator::new(&model, 8);
    let mut session = generator.session().expect("slots");
    session.add(short).expect("valid");
    session.step(&mut ()).expect("the backend works");
    session.add(long(2)).expect("valid");
    // 4500 tokens take three steps, in which the neighbour goes on.
    for tokens in [2, 3, 5] {
        let before = session.progress().tokens;
        session.step(&mut ()).expect("the backend works");
        assert_eq!(
            session.progress().tokens - before,
            if tokens == 5 { 3 } else { 1 }
        );
    }
    let found = groups(finish(&mut session));
    assert_eq!(ids(&found[..1]), ids(&alone));
    assert_eq!(found[1].len(), 2);
    // A prompt that is half in the cache can be cancelled.
    let mut session = generator.session().expect("slots");
    let number = session.add(long(3)).expect("valid");
    session.step(&mut ()).expect("the backend works");
    session.cancel(number);
    assert!(session.is_idle());
    session.add(long(1)).expect("valid");
    assert_eq!(groups(finish(&mut session)).len(), 1);
}
