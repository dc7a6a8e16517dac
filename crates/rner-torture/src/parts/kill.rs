//! The program dies at every call to the disk, and must go on as if nothing had been.

use anyhow::Result;

use crate::lab::Lab;
use crate::tally::Tally;

pub(crate) fn run(_lab: &Lab, tally: &mut Tally) -> Result<()> {
    tally.skip("this part is being written");
    Ok(())
}
