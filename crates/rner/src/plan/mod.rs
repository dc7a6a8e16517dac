//! `--dry-run`: what a recipe would do, before it does it.
//!
//! Everything is computed from the resolved recipe and the model's dimensions,
//! without network; each estimate stands beside the assumptions it rests on.

mod dims;
mod fit;
mod memory;
mod teacher;
mod text;
mod words;
mod work;

pub use dims::dims_of;
pub use fit::{DiskUse, StageMemory, disk_of, memory_of, profile_table, remedies};
pub use teacher::{TeacherCost, teacher_cost};
pub use text::render;

#[cfg(test)]
mod tests;
