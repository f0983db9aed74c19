//! The chip's non-volatile memory: all that outlives a reset. It is written to a [`CardFile`](crate::CardFile) as it is.

use std::collections::BTreeMap;

use cardwright_apdu::Aid;
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};

use crate::config::CardConfig;
use crate::keys::KeyStore;
use crate::registry::{Application, LoadFile};

/// Everything that outlives a reset.
#[derive(Clone, Encode, Decode)]
pub(crate) struct Memory {
    #[n(0)]
    pub(crate) config: CardConfig,
    /// How often random bytes were drawn.
    #[n(1)]
    draws: u64,
    /// Card life cycle state (GPCS table 11-6).
    #[n(2)]
    pub(crate) life_cycle: u8,
    #[cbor(n(3), with = "aid")]
    pub(crate) isd: Aid,
    #[n(4)]
    pub(crate) keys: KeyStore,
    /// Data objects of the issuer security domain, by tag.
    #[n(5)]
    pub(crate) data: BTreeMap<u32, minicbor::bytes::ByteVec>,
    #[n(6)]
    pub(crate) load_files: Vec<LoadFile>,
    #[n(7)]
    pub(crate) applications: Vec<Application>,
    /// Confirmation counter of receipts (GPCS C.5).
    #[n(8)]
    pub(crate) confirmations: Option<u16>,
}

impl Memory {
    pub(crate) fn new(config: CardConfig, life_cycle: u8, isd: Aid, keys: KeyStore) -> Self {
        Self {
            config,
            draws: 0,
            life_cycle,
            isd,
            keys,
            data: BTreeMap::new(),
            load_files: Vec::new(),
            applications: Vec::new(),
            confirmations: None,
        }
    }

    /// Random bytes, the same for the same seed and number of draws: `SHA-256(seed ‖ draw)`, up to 32.
    pub(crate) fn random<const N: usize>(&mut self) -> [u8; N] {
        const { assert!(N <= 32) };
        self.draws = self.draws.wrapping_add(1);
        let digest = Sha256::new()
            .chain_update(b"card randomness")
            .chain_update(self.config.seed.to_be_bytes())
            .chain_update(self.draws.to_be_bytes())
            .finalize();
        digest.first_chunk().copied().unwrap_or([0; N])
    }

    /// Memory not taken by load files and applications, in bytes.
    pub(crate) fn free(&self) -> u32 {
        let taken = self.load_files.iter().map(|file| u64::from(file.size));
        let taken: u64 = taken.chain(self.applications.iter().map(|application| u64::from(application.size))).sum();
        u64::from(self.config.memory).saturating_sub(taken) as u32
    }

    /// Whether the AID names the issuer security domain, an application or a load file.
    pub(crate) fn knows(&self, aid: &[u8]) -> bool {
        self.isd.as_bytes() == aid
            || self.applications.iter().any(|application| application.aid.as_bytes() == aid)
            || self.load_files.iter().any(|file| file.aid.as_bytes() == aid)
    }
}

/// [`Aid`] as a CBOR byte string.
pub(crate) mod aid {
    use cardwright_apdu::Aid;
    use minicbor::decode::Error;
    use minicbor::encode::{self, Write};
    use minicbor::{Decoder, Encoder};

    pub(crate) fn encode<Ctx, W: Write>(
        aid: &Aid,
        encoder: &mut Encoder<W>,
        _: &mut Ctx,
    ) -> Result<(), encode::Error<W::Error>> {
        encoder.bytes(aid.as_bytes())?.ok()
    }

    pub(crate) fn decode<Ctx>(decoder: &mut Decoder<'_>, _: &mut Ctx) -> Result<Aid, Error> {
        Aid::new(decoder.bytes()?).map_err(|_| Error::message("an AID has 5 to 16 bytes"))
    }
}

/// A list of [`Aid`] as an array of CBOR byte strings.
pub(crate) mod aids {
    use cardwright_apdu::Aid;
    use minicbor::decode::Error;
    use minicbor::encode::{self, Write};
    use minicbor::{Decoder, Encoder};

    pub(crate) fn encode<Ctx, W: Write>(
        aids: &[Aid],
        encoder: &mut Encoder<W>,
        _: &mut Ctx,
    ) -> Result<(), encode::Error<W::Error>> {
        encoder.array(aids.len() as u64)?;
        aids.iter().try_for_each(|aid| encoder.bytes(aid.as_bytes()).map(|_| ()))
    }

    pub(crate) fn decode<Ctx>(decoder: &mut Decoder<'_>, ctx: &mut Ctx) -> Result<Vec<Aid>, Error> {
        let count = decoder.array()?.ok_or_else(|| Error::message("an array of definite length"))?;
        (0..count).map(|_| super::aid::decode(decoder, ctx)).collect()
    }
}
