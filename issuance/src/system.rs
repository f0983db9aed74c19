//! Systems: what the machines of this crate are composed to.
//!
//! | system | module |
//! |---|---|
//! | self-service top-up: readers admitted, cards bound to accounts, purses loaded | [`top_up`] |
//! | daily settlement: bank file, own journal and card evidence compared | [`settlement`] |
//! | SIM vending: identity, number, money, card, hand | [`vending`] |
//! | self-service pick-up: one card for a code, exactly once across kiosks | [`pick_up`] |
//!
//! What several of them use: [`admission`] of readers, [`presence`] of whatever has to be heard of, [`alarm`]s that are told once and
//! clear themselves, and a [`monitor`] that shows how everything stands and tells what happens.

pub mod admission;
pub mod alarm;
pub mod monitor;
pub mod presence;

pub mod pick_up;
pub mod settlement;
pub mod top_up;
pub mod vending;
