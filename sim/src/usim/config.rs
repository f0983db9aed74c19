//! What a USIM is made like.

use minicbor::{Decode, Encode};

use super::Usim;
use super::files::blank;
use super::memory::{Memory, PUK_TRIES, Secret, Unblock};

/// How the vendor lets Ki and OPc be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub enum UsimStyle {
    /// sysmoUSIM-SJS1: files 7F20/00FF (Ki) and 7F20/00F7 (`01 ‖ OPc`), under ADM 0A.
    #[default]
    #[n(0)]
    Sjs1,
    /// sysmoUSIM-GR1: `00 99 00 00 33 Ki ‖ OPc ‖ ICCID ‖ IMSI`, under ADM 0A.
    #[n(1)]
    Gr1,
    /// sysmoSIM-GR2: file 7F20/0001 (`00 10 00 ‖ Ki`), and `A0 D4 3A | 3B id 08 value` for PINs and PUKs, under ADM 0B. The
    /// real card is a SIM with COMP128; this one computes Milenage with the OPc that it was made with.
    #[n(2)]
    Gr2,
    /// sysmoISIM-SJA2 and SJA5: files 3F00/A515/6F20 for the class of a SIM, ADF.USIM/AF20 for 3G and ADF.USIM/AF22 for 2G, each
    /// `algorithm ‖ K ‖ OPc`, under ADM 0A. ICCID is not rewritable. The algorithm is not looked at: it is Milenage.
    #[n(3)]
    Sja2,
}

#[derive(Clone, Encode, Decode)]
pub(super) struct Config {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(super) atr: Vec<u8>,
    #[n(1)]
    pub(super) t0: bool,
    #[n(2)]
    pub(super) style: UsimStyle,
    /// Ki and OPc before any are written.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub(super) ki: [u8; 16],
    #[cbor(n(4), with = "minicbor::bytes")]
    pub(super) opc: [u8; 16],
}

/// How a [`Usim`] is made.
#[derive(Clone)]
pub struct UsimBuilder {
    config: Config,
    adm: Option<[u8; 8]>,
    adm_tries: u8,
    pin: [u8; 8],
    pin_enabled: bool,
    puk: [u8; 8],
    iccid: Option<[u8; 10]>,
}

impl Default for UsimBuilder {
    fn default() -> Self {
        Self {
            config: Config {
                // T=0, historical bytes "USIM".
                atr: b"\x3B\x04USIM".to_vec(),
                t0: true,
                style: UsimStyle::default(),
                ki: [0xFF; 16],
                opc: [0xFF; 16],
            },
            adm: None,
            adm_tries: 3,
            pin: *b"1234\xFF\xFF\xFF\xFF",
            pin_enabled: false,
            puk: *b"12345678",
            iccid: None,
        }
    }
}

/// Administrative codes that the makers print (GR1, GR2), and one for SJS1 and SJA2, whose cards have one each.
const ADM_SJS1: [u8; 8] = *b"88888888";
const ADM_GR1: [u8; 8] = *b"32213232";
const ADM_GR2: [u8; 8] = *b"88888888";

impl UsimBuilder {
    /// Answer to reset.
    #[must_use]
    pub fn atr(mut self, atr: &[u8]) -> Self {
        self.config.atr = atr.to_vec();
        self
    }

    /// Whether the card speaks T=0, as it does without, and not T=1.
    #[must_use]
    pub fn t0(mut self, t0: bool) -> Self {
        self.config.t0 = t0;
        self
    }

    /// How the vendor lets Ki and OPc be written.
    #[must_use]
    pub fn style(mut self, style: UsimStyle) -> Self {
        self.config.style = style;
        self
    }

    /// Administrative code; without, `88888888` (SJS1, SJA2, GR2) or `32213232` (GR1).
    #[must_use]
    pub fn adm(mut self, adm: [u8; 8]) -> Self {
        self.adm = Some(adm);
        self
    }

    /// How often the administrative code may be wrong; 3 without.
    #[must_use]
    pub fn adm_tries(mut self, tries: u8) -> Self {
        self.adm_tries = tries.min(15);
        self
    }

    /// PIN, and whether it is asked for; `1234` and no without.
    #[must_use]
    pub fn pin(mut self, pin: [u8; 8], enabled: bool) -> Self {
        (self.pin, self.pin_enabled) = (pin, enabled);
        self
    }

    /// PUK; `12345678` without.
    #[must_use]
    pub fn puk(mut self, puk: [u8; 8]) -> Self {
        self.puk = puk;
        self
    }

    /// EF.ICCID as the maker filled it; `FF` without.
    #[must_use]
    pub fn iccid(mut self, iccid: [u8; 10]) -> Self {
        self.iccid = Some(iccid);
        self
    }

    /// Ki and OPc that the card has before any are written; `FF` without.
    #[must_use]
    pub fn milenage(mut self, ki: [u8; 16], opc: [u8; 16]) -> Self {
        (self.config.ki, self.config.opc) = (ki, opc);
        self
    }

    /// The card.
    #[must_use]
    pub fn build(self) -> Usim {
        let style = self.config.style;
        let (reference, code) = match style {
            UsimStyle::Sjs1 | UsimStyle::Sja2 => (0x0A, ADM_SJS1),
            UsimStyle::Gr1 => (0x0A, ADM_GR1),
            UsimStyle::Gr2 => (0x0B, ADM_GR2),
        };
        let secret = |reference, value, tries, enabled, unblock| Secret {
            reference,
            value,
            tries,
            most_tries: tries,
            enabled,
            unblock,
        };
        let puk = Some(Unblock { value: self.puk, tries: PUK_TRIES });
        let mut secrets = vec![
            secret(0x01, self.pin, 3, self.pin_enabled, puk),
            secret(reference, self.adm.unwrap_or(code), self.adm_tries, true, None),
        ];
        if style == UsimStyle::Gr2 {
            // Code 05 of the vendor's command, which nothing here asks for.
            secrets.push(secret(0x05, code, 3, true, None));
        }
        let (directories, files) = blank(&self.config, self.iccid);
        Usim::from_memory(Memory { config: self.config, directories, files, secrets, sequences: vec![0; 32] })
    }
}
