//! What a CPU card is made like: the points where its manuals leave room, or contradict each other or the field.

use minicbor::{Decode, Encode};

/// What an access byte `XY` asks of the security states, 0 to F, of the current directory and of the MF.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub enum AccessRule {
    /// Current directory between `Y` and `X`, never where `X < Y`: the issue script of the special manual, chapter 2.
    #[default]
    #[n(0)]
    Interval,
    /// `FY`: MF at least `Y`, else as [`AccessRule::Interval`]: general manual 5.2.
    #[n(1)]
    MfWhereF,
    /// `0Y`: MF at least `Y`, `F0` always, else as [`AccessRule::Interval`]: cards of the field.
    #[n(2)]
    MfWhere0,
}

impl AccessRule {
    pub(super) fn allows(self, right: u8, directory: u8, mf: u8) -> bool {
        let (upper, lower) = (right >> 4, right & 0x0F);
        match self {
            Self::MfWhereF if upper == 0xF => mf >= lower,
            Self::MfWhere0 if upper == 0x0 => mf >= lower,
            _ => lower <= directory && directory <= upper,
        }
    }
}

/// The transaction number that GET TRANSACTION PROVE finds a transaction by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub enum ProveNumber {
    /// The number that the transaction had (general manual 8.13.2).
    #[default]
    #[n(0)]
    Before,
    /// The number that the purse had after it, as some cards of the field want it.
    #[n(1)]
    After,
}

/// The key of the TAC of UPDATE OVERDRAW LIMIT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub enum OverdraftTac {
    /// The TAC key itself (general manual 8.12.2.4).
    #[default]
    #[n(0)]
    Direct,
    /// Left half xor right half, as for all other transactions.
    #[n(1)]
    Folded,
}

#[derive(Clone, Encode, Decode)]
pub(super) struct Config {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(super) atr: Vec<u8>,
    #[n(1)]
    pub(super) t0: bool,
    #[n(2)]
    pub(super) seed: u64,
    /// Memory for files, in bytes.
    #[n(3)]
    pub(super) memory: u32,
    #[n(4)]
    pub(super) directory_space: bool,
    #[cbor(n(5), with = "minicbor::bytes")]
    pub(super) transport_code: [u8; 8],
    #[n(6)]
    pub(super) access: AccessRule,
    #[n(7)]
    pub(super) prove: ProveNumber,
    #[n(8)]
    pub(super) overdraft_tac: OverdraftTac,
    #[n(9)]
    pub(super) sm4: bool,
    #[n(10)]
    pub(super) fill_aligned: bool,
    #[n(11)]
    pub(super) one_counter: bool,
    #[n(12)]
    pub(super) pin_for_load: bool,
}

/// How a [`CpuCard`](crate::CpuCard) is made.
#[derive(Clone)]
pub struct CpuCardBuilder(pub(super) Config);

impl Default for CpuCardBuilder {
    fn default() -> Self {
        Self(Config {
            // T=1, historical bytes "FMCOS".
            atr: b"\x3B\x85\x01FMCOS\xD0".to_vec(),
            t0: false,
            seed: 0,
            memory: 7 * 1024,
            directory_space: false,
            transport_code: [0xFF; 8],
            access: AccessRule::default(),
            prove: ProveNumber::default(),
            overdraft_tac: OverdraftTac::default(),
            sm4: false,
            fill_aligned: true,
            one_counter: false,
            pin_for_load: true,
        })
    }
}

impl CpuCardBuilder {
    /// Answer to reset.
    #[must_use]
    pub fn atr(mut self, atr: &[u8]) -> Self {
        self.0.atr = atr.to_vec();
        self
    }

    /// Whether the card speaks T=0 (`61xx`, `6Cxx`), and not T=1.
    #[must_use]
    pub fn t0(mut self, t0: bool) -> Self {
        self.0.t0 = t0;
        self
    }

    /// Where the card's random bytes start from.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.0.seed = seed;
        self
    }

    /// Memory for files, in bytes; 7 KB without.
    #[must_use]
    pub fn memory(mut self, bytes: u32) -> Self {
        self.0.memory = bytes;
        self
    }

    /// Whether what is in a directory has to fit the size it was created with. It does not without, since the issue
    /// script of the special manual puts a photo of 1500 bytes into a directory of 879.
    #[must_use]
    pub fn directory_space(mut self, enforced: bool) -> Self {
        self.0.directory_space = enforced;
        self
    }

    /// What the creation of the MF has to bring; `FF` eight times without. The manual asks for 8 bytes and shows 7:
    /// both are taken.
    #[must_use]
    pub fn transport_code(mut self, code: [u8; 8]) -> Self {
        self.0.transport_code = code;
        self
    }

    /// What access bytes mean.
    #[must_use]
    pub fn access_rule(mut self, rule: AccessRule) -> Self {
        self.0.access = rule;
        self
    }

    /// What GET TRANSACTION PROVE finds a transaction by.
    #[must_use]
    pub fn prove_number(mut self, number: ProveNumber) -> Self {
        self.0.prove = number;
        self
    }

    /// The key of the TAC of UPDATE OVERDRAW LIMIT.
    #[must_use]
    pub fn overdraft_tac(mut self, key: OverdraftTac) -> Self {
        self.0.overdraft_tac = key;
        self
    }

    /// Whether the card knows SM4: keys with algorithm 04, and keys without an algorithm byte from identifier 40 on.
    #[must_use]
    pub fn sm4(mut self, sm4: bool) -> Self {
        self.0.sm4 = sm4;
        self
    }

    /// Whether data that end on a block get a block of filling before a MAC is computed, as they should.
    #[must_use]
    pub fn fill_aligned(mut self, fill: bool) -> Self {
        self.0.fill_aligned = fill;
        self
    }

    /// Whether on-line and off-line transactions have one counter (general manual 8.7).
    #[must_use]
    pub fn one_counter(mut self, one: bool) -> Self {
        self.0.one_counter = one;
        self
    }

    /// Whether a load asks for the right to use the purse, which is where a PIN comes in (general manual 8.7).
    #[must_use]
    pub fn pin_for_load(mut self, pin: bool) -> Self {
        self.0.pin_for_load = pin;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_bytes_by_each_rule() {
        use AccessRule::{Interval, MfWhere0, MfWhereF};
        let states = [(0, 0), (1, 0), (0, 1), (5, 5)];
        let table = [
            (Interval, 0xF0, [true, true, true, true]),
            (Interval, 0xF1, [false, true, false, true]),
            (Interval, 0x53, [false, false, false, true]),
            (Interval, 0x11, [false, true, false, false]),
            (Interval, 0xEF, [false; 4]),
            (Interval, 0x02, [false; 4]),
            (MfWhereF, 0xF1, [false, false, true, true]),
            (MfWhereF, 0x41, [false, true, false, false]),
            (MfWhere0, 0x01, [false, false, true, true]),
            (MfWhere0, 0xF0, [true; 4]),
            (MfWhere0, 0xF1, [false, true, false, true]),
        ];
        for (rule, right, allowed) in table {
            assert_eq!(
                states.map(|(directory, mf)| rule.allows(right, directory, mf)),
                allowed,
                "{rule:?} {right:02X}"
            );
        }
    }
}
