//! Random bytes from the system's generator.

use crate::failure::Failure;
use crate::status::CW_NO_RANDOM;

pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    match getrandom::fill(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) => Err(Failure::new(CW_NO_RANDOM, format!("the system gives no random bytes: {error}"))),
    }
}
