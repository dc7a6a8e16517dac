//! Which parts are whose, where several processes share the work.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// One of several processes: it works on the parts whose number, divided by `count`, leaves `index`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: u64,
    count: u64,
}

impl Default for Shard {
    /// All parts.
    fn default() -> Self {
        Self { index: 0, count: 1 }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = Error;

    /// `2/8` is the third of eight.
    fn from_str(text: &str) -> Result<Self> {
        let numbers = text.split_once('/');
        let numbers = numbers.and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        match numbers {
            Some((index, count)) => Self::new(index, count),
            None => Err(Error::usage(format!(
                "expected a shard such as 0/8, found {text:?}"
            ))),
        }
    }
}

impl Shard {
    /// The shard of this index, counted from 0.
    ///
    /// # Errors
    /// An index that is not below the count.
    pub fn new(index: u64, count: u64) -> Result<Self> {
        if index < count {
            return Ok(Self { index, count });
        }
        Err(Error::usage(format!(
            "expected a shard from 0/{count} to {}/{count}, found {index}/{count}",
            count.saturating_sub(1)
        )))
    }

    /// The shard that a Slurm array or an indexed job of Kubernetes gives this process, and the words for it;
    /// `variable` looks into the environment, `count` is the number of shards where it is known.
    ///
    /// With a count the index is the task's number itself, so that `--array=3` alone is the same shard as in the whole
    /// array. Without one it is the place of the task among those of its array.
    ///
    /// # Errors
    /// A job of Kubernetes without a count, which its environment does not tell; an array with gaps; a number that is
    /// none.
    pub fn of_environment(
        variable: impl Fn(&str) -> Option<String>,
        count: Option<u64>,
    ) -> Result<Option<(Self, String)>> {
        let number = |name: &str| number(name, variable(name));
        let (name, index) = if let Some(task) = number("SLURM_ARRAY_TASK_ID")? {
            ("SLURM_ARRAY_TASK_ID", task)
        } else if let Some(pod) = number("JOB_COMPLETION_INDEX")? {
            ("JOB_COMPLETION_INDEX", pod)
        } else {
            return Ok(None);
        };
        let said = |shard: Self| Some((shard, format!("shard {shard}, by {name}={index}")));
        if let Some(count) = count {
            return Self::new(index, count).map(said);
        }
        if name == "JOB_COMPLETION_INDEX" {
            return Err(Error::usage(
                "JOB_COMPLETION_INDEX is set: expected --shards N too, the completions of the job (or --shard 0/1 for \
                 all parts)",
            ));
        }
        let first = number("SLURM_ARRAY_TASK_MIN")?.unwrap_or(0);
        let step = number("SLURM_ARRAY_TASK_STEP")?.unwrap_or(1).max(1);
        let place = index.saturating_sub(first) / step;
        match number("SLURM_ARRAY_TASK_COUNT")? {
            Some(count) if place < count => Self::new(place, count).map(said),
            found => Err(Error::usage(format!(
                "SLURM_ARRAY_TASK_ID={index}: expected an array without gaps and its SLURM_ARRAY_TASK_COUNT, found \
                 {}; --shards N says how many there are",
                found.map_or_else(|| "none".to_owned(), |count| count.to_string())
            ))),
        }
    }

    /// Whether the part of this number belongs to this process.
    pub fn has(self, part: u64) -> bool {
        part % self.count == self.index
    }
}

fn number(name: &str, found: Option<String>) -> Result<Option<u64>> {
    let Some(text) = found.filter(|text| !text.trim().is_empty()) else {
        return Ok(None);
    };
    match text.trim().parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) => Err(Error::usage(format!(
            "{name}: expected a number, found {text:?}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)], count: Option<u64>) -> Result<String, String> {
        let look = |name: &str| {
            let mut all = variables.iter();
            let found = all.find(|(known, _)| *known == name)?;
            Some(found.1.to_owned())
        };
        let shard = Shard::of_environment(look, count).map_err(|error| error.to_string())?;
        Ok(shard.map_or_else(|| "none".into(), |(shard, _)| shard.to_string()))
    }

    fn slurm<'a>(
        id: &'a str,
        min: &'a str,
        step: &'a str,
        count: &'a str,
    ) -> [(&'a str, &'a str); 4] {
        [
            ("SLURM_ARRAY_TASK_ID", id),
            ("SLURM_ARRAY_TASK_MIN", min),
            ("SLURM_ARRAY_TASK_STEP", step),
            ("SLURM_ARRAY_TASK_COUNT", count),
        ]
    }

    #[test]
    fn each_part_belongs_to_one_shard() {
        let shards: Vec<Shard> = (0..3).map(|i| Shard::new(i, 3).expect("one")).collect();
        for part in 0..20 {
            let owners = shards.iter().filter(|shard| shard.has(part)).count();
            assert_eq!(owners, 1, "{part}");
        }
        assert!((0..9).all(|part| Shard::default().has(part)));
        assert_eq!("2/8".parse::<Shard>().expect("one").to_string(), "2/8");
        for (wrong, words) in [
            ("8/8", "from 0/8 to 7/8"),
            ("1", "such as 0/8"),
            ("a/b", "0/8"),
        ] {
            let said = wrong.parse::<Shard>().expect_err(wrong).to_string();
            assert!(said.contains(words), "{said}");
        }
        assert!(Shard::new(0, 0).is_err());
    }

    #[test]
    fn a_batch_system_says_which_shard_it_is() {
        assert_eq!(found(&[], None), Ok("none".into()));
        assert_eq!(found(&[], Some(8)), Ok("none".into()));
        assert_eq!(found(&slurm("3", "1", "1", "4"), None), Ok("2/4".into()));
        assert_eq!(found(&slurm("8", "0", "4", "4"), None), Ok("2/4".into()));
        assert_eq!(found(&slurm("3", "3", "1", "1"), Some(8)), Ok("3/8".into()));
        assert_eq!(
            found(&[("JOB_COMPLETION_INDEX", "5")], Some(6)),
            Ok("5/6".into())
        );
        for (variables, count, words) in [
            (&slurm("7", "1", "1", "3")[..], None, "without gaps"),
            (&slurm("8", "0", "1", "9")[..1], None, "--shards N"),
            (&[("JOB_COMPLETION_INDEX", "5")], None, "--shards N"),
            (&[("JOB_COMPLETION_INDEX", "5")], Some(4), "from 0/4 to 3/4"),
            (
                &[("SLURM_ARRAY_TASK_ID", "x")],
                Some(4),
                "expected a number",
            ),
        ] {
            let said = found(variables, count).expect_err("refused");
            assert!(said.contains(words), "{said}");
        }
    }
}
