//! The bodies, by what they read.

pub(crate) mod answers;
pub(crate) mod catalogue;
pub(crate) mod chat;
pub(crate) mod journal;
#[cfg(feature = "models")]
pub(crate) mod loader;
#[cfg(feature = "models")]
pub(crate) mod models;
#[cfg(feature = "models")]
pub(crate) mod recipe;
pub(crate) mod rows;
#[cfg(feature = "models")]
pub(crate) mod server;
