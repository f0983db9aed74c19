//! Power, and what is written when it fails.

use cardwright_apdu::StatusWord;

/// How long the power of a card lasts: for good, or for so many bytes of non-volatile memory.
#[derive(Default)]
pub(crate) struct Power {
    left: Option<usize>,
}

impl Power {
    pub(crate) fn lasting(bytes: usize) -> Self {
        Self { left: Some(bytes) }
    }

    /// Writes byte by byte: what fits before the power fails is written.
    ///
    /// The error ends the command. No host sees it, since the card is without power.
    pub(crate) fn write(&mut self, target: &mut [u8], data: &[u8]) -> Result<(), StatusWord> {
        let length = target.len().min(data.len());
        let fits = self.left.map_or(length, |left| left.min(length));
        target[..fits].copy_from_slice(&data[..fits]);
        self.left = self.left.map(|left| left - fits);
        if fits == length { Ok(()) } else { Err(StatusWord::MEMORY_FAILURE) }
    }

    /// Whether the power lasts for something that the card writes as a whole; it takes as much as a byte.
    pub(crate) fn whole(&mut self) -> Result<(), StatusWord> {
        match &mut self.left {
            Some(0) => Err(StatusWord::MEMORY_FAILURE),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Whether the next byte can be written.
    pub(crate) fn is_on(&self) -> bool {
        self.left != Some(0)
    }
}
