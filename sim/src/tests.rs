//! How the card behaves towards a host.

mod content;
mod host;
mod keys;
mod payment;
mod robustness;
mod session;
