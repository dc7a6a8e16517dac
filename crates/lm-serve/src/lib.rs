#![doc = include_str!("../README.md")]

mod error;
mod http;
mod protocol;
mod server;
mod worker;

pub use error::Error;
pub use server::{BoundServer, Server};
