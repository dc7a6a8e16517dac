//! Words of the expectations, and the steps of a warm-up.

use super::*;

fn expected(accumulation: &str, kind: &str, warmup_steps: usize) -> Expected {
    let step = || Step {
        lr: 1.0,
        loss: 1.0,
        grad_norm: 1.0,
    };
    Expected {
        base: String::new(),
        optimizer: AdamW {
            betas: [0.9, 0.999],
            eps: 1e-8,
            weight_decay: 0.0,
            max_grad_norm: 1.0,
        },
        schedule: Schedule {
            peak_lr: 1.0,
            warmup_steps,
            total_steps: 7,
            kind: kind.into(),
        },
        accumulation: accumulation.into(),
        trajectory: (0..7).map(|_| step()).collect(),
    }
}

#[test]
fn words_are_understood_or_refused() {
    for (text, micro_batches) in [
        ("step s uses batches (2s)%4 and (2s+1)%4", Some(2)),
        ("(3s)%6", Some(3)),
        ("step s uses batch (s)%4", Some(1)),
        ("two", None),
    ] {
        let found = expected(text, "constant", 0).accumulation().ok();
        assert_eq!(found, micro_batches, "{text}");
    }
    for (text, kind) in [
        (
            "linear warm-up (s+1)/warmup then cosine to 0",
            Some(ScheduleKind::Cosine),
        ),
        (
            "linear warm-up then linear to 0",
            Some(ScheduleKind::Linear),
        ),
        ("constant", Some(ScheduleKind::Constant)),
        ("polynomial", None),
    ] {
        let config = expected("(s)%1", text, 0).config().ok();
        assert_eq!(config.map(|config| config.optim.schedule), kind, "{text}");
    }
}

#[test]
fn the_warm_up_has_the_steps_that_are_named() {
    for warmup_steps in 0..=7 {
        let expected = expected("(s)%1", "constant", warmup_steps);
        let config = expected.config().expect("a configuration");
        let schedule = config.optim.schedule(7);
        let rising = (0..7).filter(|&step| schedule.lr(step) < 1.0).count();
        assert_eq!(rising, warmup_steps.saturating_sub(1), "{warmup_steps}");
    }
}
