//! Remote-authorised self-service issuing of IC cards: a code, typed at any of a school's kiosks, gives one card exactly once.
//!
//! | part | what it is |
//! |---|---|
//! | [`frame`] | transfers of files in frames that a client and a server check |
//! | [`import`] | a transfer that is staged, echoed, confirmed, and only then visible |
//! | [`archive`] | provinces, schools, classes and students: pick-lists, and the verification in order |
//! | [`application`] | an application, verified field by field in order |
//! | [`roster`] | a school's students, row by row, taken as a whole or not at all |
//! | [`layout`] | a student's fields as a card holds them |
//! | [`student`] | a student's record, a version for every change |
//! | [`code`] | the code that a person types, and the keyed hash that is stored |
//! | [`voucher`] | the right to one card, exactly once across kiosks |
//! | [`kiosk`] | what a kiosk keeps of its own, so that it can say what came of a claim |
//! | [`authority`] | the server's half: what a kiosk asks, each in one transaction |
//!
//! What a kiosk checks by itself is a filter. The authority decides, and what it decides is durable before the kiosk hears of it.

pub mod application;
pub mod archive;
pub mod authority;
pub mod code;
pub mod frame;
pub mod import;
pub mod kiosk;
pub mod layout;
pub mod roster;
pub mod student;
pub mod voucher;
