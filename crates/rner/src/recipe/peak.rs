//! Hours of the day at which a provider costs more, as they are written in a recipe and on the command line.

use std::str::FromStr;

use chat_client::money::Peak;

/// `HH:MM-HH:MMxFACTOR`, UTC.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DailyPeak(pub Peak);

impl FromStr for DailyPeak {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (hours, factor) = text.split_once('x')?;
            let (from, to) = hours.split_once('-')?;
            let factor: f64 = factor.trim().parse().ok()?;
            (factor.is_finite() && factor > 0.0).then_some(Self(Peak {
                from_minute: minute(from)?,
                to_minute: minute(to)?,
                factor,
            }))
        };
        read().ok_or_else(|| "expected hours in UTC and a factor, such as 08:30-16:30x2".into())
    }
}

/// Minute of the day.
fn minute(text: &str) -> Option<u32> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peaks_are_read_or_refused() {
        let peak: DailyPeak = "16:30-00:30x2".parse().expect("hours");
        assert_eq!((peak.0.from_minute, peak.0.to_minute), (990, 30));
        for wrong in ["", "16:30-00:30", "24:00-01:00x2", "16:30-00:30x0", "1-2x2"] {
            assert!(wrong.parse::<DailyPeak>().is_err(), "{wrong}");
        }
    }
}
