//! Bills and estimates as text.

use ner_cot::bill::{Bill, Prices, UnknownCost};
use ner_cot::estimate::{Estimate, Interval};

/// Tokens and dollars by model.
pub fn bill_text(bill: &Bill, prices: &Prices) -> String {
    let mut text = String::new();
    for ((part, model), billed) in &bill.0 {
        let part = format!("{part:?}").to_lowercase();
        text.push_str(&format!(
            "{part} {model}: {} answers, {} + {} tokens",
            billed.answers, billed.usage.prompt_tokens, billed.usage.completion_tokens
        ));
        if billed.unreadable > 0 {
            text.push_str(&format!(", {} unreadable", billed.unreadable));
        }
        if prices.is_known() {
            text.push_str(&format!(", ${:.2}", billed.dollars));
        }
        text.push_str(&unknown_text(&billed.unknown, prices));
        text.push('\n');
    }
    text.trim_end().into()
}

/// What may have been billed beside the answers; empty if nothing may.
fn unknown_text(unknown: &UnknownCost, prices: &Prices) -> String {
    let UnknownCost {
        requests,
        without_limit,
        tokens,
        dollars,
    } = *unknown;
    if requests == 0 {
        return String::new();
    }
    let mut text = format!("; {requests} requests whose cost is unknown: up to {tokens} tokens");
    if prices.is_known() {
        text.push_str(&format!(", ${dollars:.2}"));
    }
    if without_limit > 0 {
        text.push_str(&format!(
            ", and the answers of {without_limit} that had no limit"
        ));
    }
    text
}

/// What is known before a run.
pub fn estimate_text(estimate: &Estimate) -> String {
    let basis = match (estimate.sample, estimate.acceptance, estimate.target) {
        (0, _, None) => {
            "assumed lengths of answers (600 to 3,000 tokens); --sample N would measure them".into()
        }
        (0, _, Some(_)) => {
            "assumed lengths of answers (600 to 3,000 tokens) and shares of accepted rows (half to \
                            all); --sample N would measure them"
                .into()
        }
        (n, Some(share), _) => format!(
            "{n} rows that have their answers, {:.1} % of them accepted",
            100.0 * share
        ),
        (n, None, _) => format!("{n} rows that have their answers"),
    };
    let mut text = format!(
        "{}; from {basis}, 95 %:\n  requests {}\n  tokens   {}",
        rows_text(estimate),
        range(&estimate.requests, 0),
        range(&estimate.tokens, 0),
    );
    match &estimate.dollars {
        Some(dollars) => text.push_str(&format!("\n  dollars  {}", range(dollars, 2))),
        None => text.push_str("\n  dollars  unknown; give --price IN/OUT"),
    }
    text
}

/// What became of the rows so far, and how many are to be asked about.
fn rows_text(estimate: &Estimate) -> String {
    let Estimate {
        rows,
        accepted,
        rejected,
        open,
        ..
    } = *estimate;
    let so_far = format!("{rows} rows, {accepted} accepted, {rejected} rejected, ");
    let Some(target) = estimate.target else {
        return format!("{so_far}{open} to ask about");
    };
    let to_ask = range(&estimate.to_ask, 0);
    format!("{so_far}{open} open; {to_ask} to ask about for {target} accepted ones")
}

fn range(i: &Interval, digits: usize) -> String {
    format!(
        "{:.digits$} ({:.digits$} to {:.digits$})",
        i.mean, i.low, i.high
    )
}

#[cfg(test)]
mod tests {
    use ner_cot::bill::Billed;
    use ner_cot::journal::Part;

    use super::*;

    #[test]
    fn what_may_have_been_billed_is_said() {
        let mut billed = Billed {
            answers: 3,
            ..Billed::default()
        };
        let text = |billed| {
            let bill = Bill([((Part::Teacher, "m".to_owned()), billed)].into());
            bill_text(&bill, &Prices::default())
        };
        assert!(!text(billed).contains("unknown"), "{}", text(billed));
        billed.unknown = UnknownCost {
            requests: 2,
            without_limit: 1,
            tokens: 240,
            dollars: 0.5,
        };
        let found = text(billed);
        let expected = "; 2 requests whose cost is unknown: up to 240 tokens, and the answers of 1";
        assert!(found.contains(expected), "{found}");
    }

    #[test]
    fn rejected_rows_are_not_called_done_and_a_target_is_named() {
        let mut estimate = Estimate {
            rows: 700,
            rejected: 5,
            open: 695,
            ..Estimate::default()
        };
        let text = estimate_text(&estimate);
        let expected = "700 rows, 0 accepted, 5 rejected, 695 to ask about; from assumed";
        assert!(text.starts_with(expected), "{text}");
        estimate.target = Some(10);
        estimate.to_ask = Interval {
            low: 10.0,
            mean: 13.0,
            high: 20.0,
        };
        let text = estimate_text(&estimate);
        let expected = "695 open; 13 (10 to 20) to ask about for 10 accepted ones";
        assert!(text.contains(expected), "{text}");
    }
}
