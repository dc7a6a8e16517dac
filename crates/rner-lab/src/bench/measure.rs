//! Medians, memory, and how a measurement is printed.

use anyhow::Result;
use rner_cli::exit::usage;
use serde::Serialize;

/// Refuses a peak that nothing can be a share of.
pub(super) fn check_peak(flag: &str, peak: Option<f64>) -> Result<()> {
    match peak {
        Some(peak) if peak <= 0.0 || !peak.is_finite() => {
            Err(usage(format!("{flag}: expected a positive number")))
        }
        _ => Ok(()),
    }
}

/// The middle one of the values; of an even number, the upper of the two.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Memory held when a measurement began.
#[derive(Clone, Copy)]
pub(super) struct Memory(u64);

impl Memory {
    /// Forgets the peak so far. `None` where the system is not Linux or does not allow it.
    pub(super) fn restart() -> Option<Self> {
        std::fs::write("/proc/self/clear_refs", "5").ok()?;
        lm_train::peak_memory_bytes().map(Self)
    }

    /// Bytes that were held.
    pub(super) fn bytes(self) -> u64 {
        self.0
    }

    /// How much higher the peak since then is.
    pub(super) fn growth(self) -> Option<u64> {
        Some(lm_train::peak_memory_bytes()?.saturating_sub(self.0))
    }
}

/// Prints a measurement as JSON, or as a line for each number.
pub(super) fn print(output: &impl Serialize, json: bool) -> Result<()> {
    let value = serde_json::to_value(output)?;
    if json {
        println!("{value:#}");
        return Ok(());
    }
    for (key, value) in value.as_object().into_iter().flatten() {
        println!("{key:28} {value}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_counts_from_the_start_of_the_measurement() {
        let Some(before) = Memory::restart() else {
            return eprintln!("skipped: this system does not say how much memory is held");
        };
        let block = std::hint::black_box(vec![1_u8; 64 << 20]);
        let growth = before.growth().unwrap_or_default();
        assert!(growth >= 60 << 20, "{growth} for {} bytes", block.len());
    }

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![3.0, 1.0, 2.0, 4.0]), 3.0);
    }
}
