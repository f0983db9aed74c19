use alloc::vec::Vec;

use crate::{CardPort, CommandApdu, ResponseApdu, TransportError};

/// A card seen through one of its logical channels: every command goes out in the class of that channel, so that any procedure runs
/// there (GPCS 2.3.1 11.1.4). The channel is opened and closed by whoever has the card (MANAGE CHANNEL).
///
/// The channel number is in no MAC of GlobalPlatform secure messaging, so that a secure channel goes through it as it is.
#[derive(Debug)]
pub struct OnChannel<P> {
    port: P,
    number: u8,
}

impl<P: CardPort> OnChannel<P> {
    /// The card behind `port` through this channel, 0 to 19; `None` for another number.
    #[must_use]
    pub fn new(port: P, number: u8) -> Option<Self> {
        (number <= 19).then_some(Self { port, number })
    }

    /// The card itself again.
    #[must_use]
    pub fn into_inner(self) -> P {
        self.port
    }
}

impl<P: CardPort> CardPort for OnChannel<P> {
    async fn transmit(&mut self, command: CommandApdu) -> Result<ResponseApdu, TransportError> {
        let class = command.class().on_channel(self.number).expect("new takes 0 to 19, and each has a class");
        self.port.transmit(command.with_class(class)).await
    }

    /// Resets the card, which ends all channels but the basic one.
    async fn reset(&mut self) -> Result<Vec<u8>, TransportError> {
        self.port.reset().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::InProcess;
    use crate::{Class, block_on};

    #[test]
    fn every_command_goes_out_on_the_channel() {
        for (number, expected) in [(0, 0x84), (3, 0x87), (4, 0xE0), (19, 0xEF)] {
            let mut seen = Vec::new();
            let card = InProcess::new(|command: &[u8]| {
                seen = command.to_vec();
                alloc::vec![0x90, 0x00]
            });
            let mut channel = OnChannel::new(card, number).unwrap();
            block_on(channel.transmit(CommandApdu::new(Class(0x84), 0xF2, 0x40, 0x02))).unwrap();
            assert_eq!(seen[0], expected, "{number}");
        }
        assert!(OnChannel::new(InProcess::new(|_: &[u8]| Vec::new()), 20).is_none());
    }
}
