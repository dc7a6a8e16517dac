//! Numbers as the plan writes them.

/// Items separated by commas.
pub(super) fn join(items: impl Iterator<Item = u64>) -> String {
    items.map(|i| i.to_string()).collect::<Vec<_>>().join(", ")
}

/// The name of a variant in lower case.
pub(super) fn lower(name: impl std::fmt::Debug) -> String {
    format!("{name:?}").to_lowercase()
}

/// `45,787 rows`, or `all rows`.
pub(super) fn count(n: Option<usize>, what: &str) -> String {
    match n {
        Some(n) => format!("{} {what}", thousands(n as u64)),
        None => format!("all {what}"),
    }
}

/// Bytes in GiB or MiB.
pub(super) fn gib(bytes: u64) -> String {
    let gib = bytes as f64 / (1u64 << 30) as f64;
    if gib >= 1.0 {
        format!("{gib:.1} GiB")
    } else {
        format!("{:.0} MiB", gib * 1024.0)
    }
}

/// Tokens, in millions where there are many.
pub(super) fn millions(tokens: f64) -> String {
    if tokens >= 1e7 {
        format!("{:.0} million", tokens / 1e6)
    } else {
        thousands(tokens as u64)
    }
}

/// A whole number with commas: 45787 → 45,787.
pub(super) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
