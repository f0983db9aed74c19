//! A software card with faults.
#![allow(dead_code)]
mod channel;
mod crypto;
mod scp02;
mod scp03;
