//! The examples run.

#[path = "../examples/long_text.rs"]
#[allow(dead_code, reason = "the test calls what `main` calls")]
mod long_text;

#[test]
fn a_long_text_has_each_name_once_at_each_place() {
    let text = "Ada Brel left Port Halvek. Nobody saw Dr. Zoë Voss. ".repeat(100);
    let found = long_text::read(&text, &["Ada Brel", "Zoë Voss"]);
    assert!(found.windows.len() > 20);
    assert_eq!(found.entities.len(), 200);
    assert_eq!(found.problems, []);
}
