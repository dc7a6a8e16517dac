//! Requests to the server.

use lm_serve::fuzzing;

/// Any body is read or refused; one that names messages and a prompt may be several kinds at once.
pub(crate) fn bodies(data: &[u8]) {
    // The server refuses what is not UTF-8 before it reads it.
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let kinds = fuzzing::kinds(text);
    let is_json = serde_json::from_str::<serde_json::Value>(text).is_ok();
    assert!(is_json || kinds == [false; 4], "{kinds:?}");
}
