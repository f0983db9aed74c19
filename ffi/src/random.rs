//! Random bytes from the system's generator.

use crate::failure::Failure;
use crate::status::CW_INTERNAL;

pub(crate) fn challenge() -> Result<[u8; 8], Failure> {
    let mut bytes = [0; 8];
    match getrandom::fill(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) => Err(Failure::new(CW_INTERNAL, format!("the system gives no random bytes: {error}"))),
    }
}
