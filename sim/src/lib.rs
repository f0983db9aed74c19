//! A software card with faults.
