//! Systems: what the machines of this crate are composed to.
//!
//! | system | module |
//! |---|---|
//! | self-service top-up: readers admitted, cards bound to accounts, purses loaded | [`top_up`] |
//! //!
//! What several of them use: [`admission`] of readers, [`presence`] of whatever has to be heard of, [`alarm`]s that are told once and
//! clear themselves.

pub mod admission;
pub mod alarm;
pub mod presence;

pub mod top_up;
