//! Not written yet.

use anyhow::{Result, bail};

use crate::lab::Lab;
use crate::tally::Tally;

pub(crate) fn run(_lab: &Lab, _tally: &mut Tally) -> Result<()> {
    bail!("not written yet")
}
