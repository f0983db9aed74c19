//! Durable steps, journal stores and the machines of issuing.

pub mod journal;
pub mod store;
