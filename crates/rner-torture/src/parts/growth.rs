//! Readers of what others decide, at growing sizes.

use anyhow::Result;

use crate::lab::Lab;
use crate::tally::Tally;

pub(crate) fn run(_lab: &Lab, tally: &mut Tally) -> Result<()> {
    tally.skip("this part is being written");
    Ok(())
}
