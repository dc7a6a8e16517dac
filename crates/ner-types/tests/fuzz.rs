//! The bodies of the fuzz targets over mutations of a corpus: what the fuzzer checks is checked in every run of the
//! tests, although less long.

#[path = "../fuzz/src/checks.rs"]
#[allow(
    unreachable_pub,
    reason = "public for the fuzz targets, which are another package"
)]
mod checks;
mod mutate;

use checks::{check_ground, check_parse};
use mutate::mutated;
use proptest::prelude::*;

const ANSWERS: &[&[u8]] = &[
    b"<think>\nTwo ports.\n</think>\n{\"entities\": {\"city\": [\"Port Halvek\", \"Os\\u006d\"], \"p\": []}}",
    b"```json\n{\n  \"entities\": {\n    \"person\": [\n      \"Ann \\\"A\\\" Holt\"\n    ]\n  }\n}\n```",
    b"<answer>{\"entities\": {\"a\": \"xy\", \"b\": {\"k\": 1}, \"a\": [\"z\", NaN, [1e5, -Infinity]]}}</answer>",
    b"Here: {\"entities\": {\"a\": [\"x\"]}} no, {\"entities\": {\"a\": [\"y\", \"\\ud83d\\ude00\"",
    b"</think>{\"entities\": null, \"entities\": {\"\xe5\xb0\x8f\": [\" \xc3\xa9 \", \"\"]}}<think>",
    b"[\"a\", \"b\"] and so on",
];
const TEXTS: &[&[u8]] = &[
    "Zoë\nZoe met Zoë in Ko\u{308}ln.".as_bytes(),
    b"the port\nThe  Port of the port-the PORT",
    "ﬁn½\nfin 1/2 ﬁn½ İi ß ss".as_bytes(),
    "小樽\n小樽 から 小 樽 へ".as_bytes(),
    b"abcabcabd\nabcabcabcabdabcabcabd",
    b"\n",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_answer_is_read(bytes in mutated(ANSWERS)) {
        check_parse(&bytes);
    }

    #[test]
    fn any_name_is_placed(bytes in mutated(TEXTS)) {
        check_ground(&String::from_utf8_lossy(&bytes));
    }
}

/// Labels beyond those that are looked for one by one, some of them twice.
#[test]
fn many_labels_are_read() {
    for n_labels in [15, 16, 17, 18, 40] {
        let group = |i: usize| format!("\"l{}\": [\"t{i}\"]", i % n_labels);
        let groups: Vec<String> = (0..n_labels + 5).map(group).collect();
        let answer = format!("{{\"entities\": {{{}}}}}", groups.join(", "));
        check_parse(answer.as_bytes());
        let read = ner_types::parse(&answer);
        let last = |i: usize| if i < 5 { i + n_labels } else { i };
        let expected: Vec<_> = (0..n_labels)
            .map(|i| ner_types::Entity::new(format!("t{}", last(i)), format!("l{i}")))
            .collect();
        assert_eq!(read.entities, expected);
    }
}
