//! How the card behaves towards a host.

mod content;
mod host;
mod keys;
mod native_faults;
mod payment;
mod robustness;
mod session;
