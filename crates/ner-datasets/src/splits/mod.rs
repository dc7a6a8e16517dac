//! Whole files, splits and folders in memory, above the reader of single rows.

pub(crate) mod bio;
pub(crate) mod data_dir;
pub(crate) mod dataset;
pub(crate) mod examples;
pub(crate) mod folder;
pub mod instruct_uie;
pub(crate) mod labels;
pub(crate) mod on_disk;
#[cfg(test)]
mod testing;
