//! Scheduling: who enters which slot.

use super::plain;
use crate::Request;
use crate::slots::{Admission, Fork, Prefill, Slots};

fn requests(groups: &[(usize, usize)]) -> Vec<Request> {
    let request = |&(length, n): &(usize, usize)| Request {
        prompt: vec![1; length],
        n,
        sampling: plain(4),
    };
    groups.iter().map(request).collect()
}

fn prefills(slots: &mut Slots<'_>) -> Vec<Prefill> {
    match slots.admit() {
        Admission::Prefills(prefills) => prefills,
        Admission::Fork(fork) => panic!("expected prefills, found {fork:?}"),
    }
}

fn fork(slots: &mut Slots<'_>) -> Fork {
    match slots.admit() {
        Admission::Fork(fork) => fork,
        Admission::Prefills(prefills) => panic!("expected a fork, found {prefills:?}"),
    }
}

#[test]
fn groups_enter_together_and_the_last_one_partly() {
    let requests = requests(&[(3, 2), (5, 0), (4, 3)]);
    let mut slots = Slots::new(&requests, 4);
    let expected = [
        Prefill {
            request: 0,
            first_sample: 0,
            slots: vec![0, 1],
            left: 0,
        },
        Prefill {
            request: 2,
            first_sample: 0,
            slots: vec![2, 3],
            left: 1,
        },
    ];
    assert_eq!(prefills(&mut slots), expected);
    slots.share(2);
    assert_eq!(prefills(&mut slots), []);
    slots.release(1);
    let expected = Fork {
        request: 2,
        first_sample: 2,
        slots: vec![1],
        home: 2,
    };
    assert_eq!(fork(&mut slots), expected);
    slots.release(0);
    assert_eq!(prefills(&mut slots), []);
}

#[test]
fn a_freed_home_is_taken_first() {
    let requests = requests(&[(3, 5), (3, 1)]);
    let mut slots = Slots::new(&requests, 2);
    assert_eq!(prefills(&mut slots)[0].slots, [0, 1]);
    slots.share(0);
    slots.release(0);
    slots.release(1);
    let first = fork(&mut slots);
    assert_eq!(
        (first.first_sample, first.slots, first.home),
        (2, vec![0, 1], 0)
    );
    slots.release(1);
    let second = fork(&mut slots);
    assert_eq!(
        (second.first_sample, second.slots, second.home),
        (4, vec![1], 0)
    );
    slots.release(0);
    assert_eq!(prefills(&mut slots)[0].request, 1);
}

#[test]
fn a_step_takes_a_bounded_number_of_prompt_tokens() {
    let requests = requests(&[(1500, 1), (500, 1), (500, 1), (9000, 1), (10, 1)]);
    let mut slots = Slots::new(&requests, 8);
    let entered = |p: Vec<Prefill>| p.iter().map(|p| p.request).collect::<Vec<_>>();
    assert_eq!(entered(prefills(&mut slots)), [0, 1]);
    assert_eq!(entered(prefills(&mut slots)), [2]);
    assert_eq!(entered(prefills(&mut slots)), [3]);
    assert_eq!(entered(prefills(&mut slots)), [4]);
}
