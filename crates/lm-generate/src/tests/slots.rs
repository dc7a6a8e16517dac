//! Scheduling: who enters which slot.

use crate::room::Wish;
use crate::slots::{Admission, Fork, Prefill, Slots};

/// A queue of requests with prompts of some length and a number of samples.
fn queue(groups: &[(usize, usize)], free: usize) -> Slots {
    let mut slots = Slots::default();
    slots.extend(0, free);
    for (request, &(length, n)) in groups.iter().enumerate() {
        let most = length + 4;
        slots.add(request, n, Wish { length, most });
    }
    slots
}

const CAPACITY: usize = 10_000;

fn prefills(slots: &mut Slots) -> Vec<Prefill> {
    match slots.admit(CAPACITY) {
        Admission::Prefills(prefills) => prefills,
        Admission::Fork(fork) => panic!("expected prefills, found {fork:?}"),
    }
}

fn fork(slots: &mut Slots) -> Fork {
    match slots.admit(CAPACITY) {
        Admission::Fork(fork) => fork,
        Admission::Prefills(prefills) => panic!("expected a fork, found {prefills:?}"),
    }
}

#[test]
fn groups_enter_together_and_the_last_one_partly() {
    let mut slots = queue(&[(3, 2), (5, 0), (4, 3)], 4);
    let expected = [
        Prefill {
            request: 0,
            first_sample: 0,
            slots: vec![0, 1],
            shared: false,
        },
        Prefill {
            request: 2,
            first_sample: 0,
            slots: vec![2, 3],
            shared: true,
        },
    ];
    assert_eq!(prefills(&mut slots), expected);
    slots.share(2);
    assert_eq!(prefills(&mut slots), []);
    slots.release(0, 1);
    let expected = Fork {
        request: 2,
        first_sample: 2,
        slots: vec![1],
        home: 2,
    };
    assert_eq!(fork(&mut slots), expected);
    slots.release(0, 0);
    assert_eq!(prefills(&mut slots), []);
}

#[test]
fn a_freed_home_is_taken_first() {
    let mut slots = queue(&[(3, 5), (3, 1)], 2);
    assert_eq!(prefills(&mut slots)[0].slots, [0, 1]);
    slots.share(0);
    slots.release(0, 0);
    slots.release(0, 1);
    let first = fork(&mut slots);
    assert_eq!(
        (first.first_sample, first.slots, first.home),
        (2, vec![0, 1], 0)
    );
    slots.release(0, 1);
    let second = fork(&mut slots);
    assert_eq!(
        (second.first_sample, second.slots, second.home),
        (4, vec![1], 0)
    );
    slots.release(0, 0);
    assert_eq!(prefills(&mut slots)[0].request, 1);
}

#[test]
fn a_step_takes_a_bounded_number_of_prompt_tokens() {
    let mut slots = queue(&[(1500, 1), (500, 1), (500, 1), (9000, 1), (10, 1)], 8);
    let entered = |p: Vec<Prefill>| p.iter().map(|p| p.request).collect::<Vec<_>>();
    assert_eq!(entered(prefills(&mut slots)), [0, 1]);
    assert_eq!(entered(prefills(&mut slots)), [2]);
    assert_eq!(entered(prefills(&mut slots)), [3]);
    assert_eq!(entered(prefills(&mut slots)), [4]);
}

#[test]
fn of_several_callers_none_takes_all_slots_and_others_pass() {
    let mut slots = queue(&[(3, 1000), (5, 1)], 4);
    slots.share_among(3);
    let entered = |p: Vec<Prefill>| {
        p.iter()
            .map(|p| (p.request, p.slots.len()))
            .collect::<Vec<_>>()
    };
    assert_eq!(entered(prefills(&mut slots)), [(0, 3)]);
    // The fourth slot is not for the first request, and its prompt is not kept: the second passes.
    assert_eq!(entered(prefills(&mut slots)), [(1, 1)]);
    assert_eq!(prefills(&mut slots), []);
    slots.release(1, 3);
    assert_eq!(prefills(&mut slots), []);
    slots.release(0, 1);
    // Alone in the queue, it goes on within its share, and now keeps its prompt.
    let next = prefills(&mut slots);
    assert_eq!((next[0].first_sample, next[0].slots.len()), (3, 1));
    assert!(next[0].shared);
    slots.remove(0);
    assert_eq!(prefills(&mut slots), []);
}

#[test]
fn a_prompt_enters_only_where_its_first_tokens_have_room() {
    let mut slots = queue(&[(100, 1)], 2);
    assert_eq!(slots.admit(103), Admission::Prefills(Vec::new()));
    assert!(matches!(slots.admit(104), Admission::Prefills(p) if p.len() == 1));
}
