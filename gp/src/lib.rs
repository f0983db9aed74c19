//! GlobalPlatform secure channels, card content management and card data.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod load_file;
