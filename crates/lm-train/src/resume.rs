//! Which checkpoint a run goes on from, and those that it cannot go on from.

use std::fmt;
use std::path::PathBuf;

/// Which checkpoint a run goes on from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Resume {
    /// None: the run begins anew.
    #[default]
    Never,
    /// The newest of [`RunFiles::checkpoints`](crate::RunFiles::checkpoints) that proves to be whole. Damaged ones are
    /// renamed, see [`SetAside`]. If there is no checkpoint the run begins anew; if none is whole it ends with
    /// [`Error::AllDamaged`](crate::Error::AllDamaged).
    Latest,
    /// The one in this directory. Damage to it ends the run, and nothing is renamed.
    From(PathBuf),
}

impl From<Option<PathBuf>> for Resume {
    fn from(dir: Option<PathBuf>) -> Self {
        dir.map_or(Self::Never, Self::From)
    }
}

/// A checkpoint that was passed over because it is damaged, and now has a name that no run reads. It is not removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// The name that it had.
    pub from: PathBuf,
    /// The name that it has now: `damaged-` and the former one, with a number behind it if that exists already.
    pub to: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for SetAside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, reason } = self;
        let name = from.file_name().unwrap_or_default().to_string_lossy();
        write!(f, "{name} is now {} ({reason})", to.display())
    }
}
