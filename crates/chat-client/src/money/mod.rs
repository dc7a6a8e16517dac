//! What answers cost, and the budget that ends a run before it costs more.

mod bound;
mod ledger;
mod price;

pub use bound::Bound;
pub(crate) use ledger::Reservation;
pub use ledger::{Ledger, Unknown};
pub use price::{Budget, Peak, Price};
