//! The example runs and shows what its head promises.

#[allow(dead_code, reason = "its main only calls `run`")]
#[path = "../examples/promise.rs"]
mod promise;

#[test]
fn the_sure_city_is_shown_and_the_unsure_one_held_back() {
    assert_eq!(promise::run(), [true, false]);
}
