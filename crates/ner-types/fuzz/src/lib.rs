//! The bodies of the fuzz targets.

mod checks;

pub use checks::{check_ground, check_parse};
