//! How a setting that can be off is written in a file: `0` stands for [`None`].
//!
//! For `#[serde(with = "lm_train::zero_is_off")]` on an `Option` of a number for which zero means nothing, such as
//! "every n steps". TOML has no null, and a file that names every setting shows those that are off too. A null is read
//! as off as well; whether an absent field may be is for the struct to say (`#[serde(default)]`).

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Writes the number, or 0 for none.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<T, S>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error>
where
    T: Copy + Default + Serialize,
    S: Serializer,
{
    value.unwrap_or_default().serialize(serializer)
}

/// Reads a number; 0 and null are none.
///
/// # Errors
/// Those of the deserializer.
pub fn deserialize<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Default + PartialEq + Deserialize<'de>,
    D: Deserializer<'de>,
{
    let value = Option::<T>::deserialize(deserializer)?;
    Ok(value.filter(|value| *value != T::default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(default)]
    struct Settings {
        #[serde(with = "super")]
        every: Option<usize>,
        #[serde(with = "super")]
        cap: Option<f64>,
    }

    #[test]
    fn off_is_written_as_zero_and_read_from_zero_null_and_nothing() {
        let off = Settings::default();
        let written = serde_json::to_string(&off).unwrap();
        assert_eq!(written, r#"{"every":0,"cap":0.0}"#);
        for text in [written.as_str(), r#"{"every":null,"cap":0}"#, "{}"] {
            assert_eq!(serde_json::from_str::<Settings>(text).unwrap(), off);
        }
        let on = Settings {
            every: Some(3),
            cap: Some(0.5),
        };
        let written = serde_json::to_string(&on).unwrap();
        assert_eq!(written, r#"{"every":3,"cap":0.5}"#);
        assert_eq!(serde_json::from_str::<Settings>(&written).unwrap(), on);
        assert!(serde_json::from_str::<Settings>(r#"{"every":-1}"#).is_err());
    }
}
