//! Which numbers a field of a configuration accepts, and the error that says so.

use crate::error::Error;

/// A condition on a number, with its words.
pub struct Range {
    expected: &'static str,
    accepts: fn(f64) -> bool,
}

/// For what is a part of something.
pub const RATIO: Range = Range {
    expected: "a number from 0 to 1",
    accepts: |x| (0.0..=1.0).contains(&x),
};

/// For what may be none, and has no upper limit.
pub const NOT_NEGATIVE: Range = Range {
    expected: "a finite number of at least 0",
    accepts: |x| x.is_finite() && x >= 0.0,
};

/// For what cannot be none.
pub const POSITIVE: Range = Range {
    expected: "a positive finite number",
    accepts: |x| x.is_finite() && x > 0.0,
};

/// For counts.
pub const AT_LEAST_ONE: Range = Range {
    expected: "a number of at least 1",
    accepts: |x| x >= 1.0,
};

impl Range {
    /// Checks the value of a field.
    ///
    /// # Errors
    /// [`Error::Config`] if the number is outside.
    pub fn check(&self, field: &'static str, value: f64) -> Result<(), Error> {
        check(field, self.expected, value, (self.accepts)(value))
    }
}

/// Refuses the value of a field unless it is `ok`.
///
/// # Errors
/// [`Error::Config`] then.
pub fn check(
    field: &'static str,
    expected: &'static str,
    found: impl ToString,
    ok: bool,
) -> Result<(), Error> {
    if ok {
        return Ok(());
    }
    Err(Error::Config {
        field,
        expected,
        found: found.to_string(),
    })
}
