//! MILENAGE: what a SIM or USIM computes to authenticate (3GPP TS 35.206), and the GSM keys of it (TS 33.102 6.8.1.2, TS 55.205).
//!
//! ```text
//! OPc  = OP xor E_K(OP)
//! TEMP = E_K(RAND xor OPc)
//! IN1  = SQN ‖ AMF ‖ SQN ‖ AMF
//! OUT1 = E_K(TEMP xor rot(IN1 xor OPc, r1) xor c1) xor OPc        f1  = OUT1[0..63]   MAC-A   f1* = OUT1[64..127] MAC-S
//! OUT2 = E_K(rot(TEMP xor OPc, r2) xor c2) xor OPc                f2  = OUT2[64..127] RES     f5  = OUT2[0..47]   AK
//! OUT3 = E_K(rot(TEMP xor OPc, r3) xor c3) xor OPc                f3  = OUT3          CK
//! OUT4 = E_K(rot(TEMP xor OPc, r4) xor c4) xor OPc                f4  = OUT4          IK
//! OUT5 = E_K(rot(TEMP xor OPc, r5) xor c5) xor OPc                f5* = OUT5[0..47]   AK of AUTS
//! r1..r5 = 64, 0, 32, 64, 96 (to the left);  c1..c5 = 0, 1, 2, 4, 8;  E = AES-128
//!
//! AUTN = (SQN xor AK) ‖ AMF ‖ MAC-A                               TS 33.102 6.3.2
//! AUTS = (SQN_MS xor AK*) ‖ MAC-S, with AMF 0000                  TS 33.102 6.3.3
//! SRES = RES[0..31] xor RES[32..63]                               TS 33.102 6.8.1.2 (c2)
//! Kc   = CK[0..63] xor CK[64..127] xor IK[0..63] xor IK[64..127]  TS 33.102 6.8.1.2 (c3)
//! ```

use alloc::vec::Vec;
use core::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::cipher::Aes;
use crate::{KeyCheckValue, KeyError, KeyRef, KeyValue};

/// Which of MILENAGE's secrets a key is. Each has 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MilenageKey {
    /// K, the subscriber key, also called Ki.
    K,
    /// OP, one for all subscribers of an operator.
    Op,
    /// OPc, made of OP and one subscriber's K.
    Opc,
}

impl fmt::Display for MilenageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::K => "K",
            Self::Op => "OP",
            Self::Opc => "OPc",
        })
    }
}

macro_rules! secrets {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $($(#[$doc])*
        #[derive(Zeroize, ZeroizeOnDrop)]
        pub struct $name([u8; 16]);

        impl $name {
            /// Takes its 16 bytes.
            #[must_use]
            pub fn new(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The bytes. Whoever calls this keeps them secret.
            #[must_use]
            pub fn expose_bytes(&self) -> &[u8; 16] {
                &self.0
            }

            pub(crate) fn of(value: &KeyValue) -> Result<Self, KeyError> {
                let bytes = value.expose_bytes();
                bytes.try_into().map(Self).map_err(|_| KeyError::Length { actual: bytes.len() })
            }
        }

        impl fmt::Debug for $name {
            fmt_name!($name);
        })*
    };
}

macro_rules! fmt_name {
    ($name:ident) => {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(stringify!($name))
        }
    };
}

secrets! {
    /// K, the subscriber key (Ki). Wiped on drop, never printed.
    SubscriberKey;
    /// OP, the operator's variant of the algorithm. Wiped on drop, never printed.
    Op;
    /// OPc, which a card has in place of OP. Wiped on drop, never printed.
    Opc;
}

impl Opc {
    /// `OPc = OP xor E_K(OP)` (TS 35.206 4.1).
    ///
    /// # Errors
    /// None in practice: K has the length of an AES-128 key.
    pub fn derive(k: &SubscriberKey, op: &Op) -> Result<Self, KeyError> {
        let mut opc = Zeroizing::new(aes(k)?.encrypt_block(&op.0));
        opc.iter_mut().zip(op.0).for_each(|(byte, op)| *byte ^= op);
        Ok(Self(*opc))
    }
}

/// The secrets of one subscriber, by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SubscriberKeys {
    /// K.
    pub k: KeyRef,
    /// OP or OPc.
    pub operator: OperatorKey,
}

/// What a network keeps of an operator's variant: OP for all subscribers, or OPc for this one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum OperatorKey {
    /// OP; OPc is computed of it and K.
    Op(KeyRef),
    /// OPc.
    Opc(KeyRef),
}

/// A piece of what a card's key file holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KeyFilePart {
    /// These bytes: a configuration, an identity.
    Bytes(Vec<u8>),
    /// K.
    K,
    /// OP.
    Op,
    /// OPc.
    Opc,
}

/// What a card's key file holds, for the one command that writes it. Wiped on drop, never printed.
#[derive(Clone)]
pub struct KeyFile {
    bytes: Zeroizing<Vec<u8>>,
    /// Check values of K and OPc, each as of an AES key.
    pub check_values: [KeyCheckValue; 2],
}

impl KeyFile {
    /// Content and check values of K and OPc.
    #[must_use]
    pub fn new(bytes: Zeroizing<Vec<u8>>, check_values: [KeyCheckValue; 2]) -> Self {
        Self { bytes, check_values }
    }

    /// The content. Whoever calls this keeps it secret.
    #[must_use]
    pub fn expose_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [k, opc] = self.check_values;
        write!(f, "KeyFile({} bytes, KCV {k} {opc})", self.bytes.len())
    }
}

/// What a network keeps for one authentication of a USIM (TS 33.102 6.3.2); the challenge RAND is with whoever drew it.
#[derive(Clone, Debug)]
pub struct AuthenticationVector {
    /// AUTN, by which the card knows the network.
    pub autn: [u8; 16],
    /// XRES, what the card has to answer.
    pub xres: [u8; 8],
    /// CK, the cipher key.
    pub ck: KeyValue,
    /// IK, the integrity key.
    pub ik: KeyValue,
}

/// What a SIM answers in the GSM context (TS 51.011 9.2.16).
#[derive(Clone, Debug)]
pub struct GsmTriplet {
    /// SRES, what the card has to answer.
    pub sres: [u8; 4],
    /// Kc, the cipher key, 8 bytes.
    pub kc: KeyValue,
}

/// The algorithm set with the secrets of one subscriber, expanded.
pub struct Milenage {
    aes: Aes,
    opc: Zeroizing<u128>,
}

/// TEMP of one RAND.
struct Challenge(Zeroizing<u128>);

impl Milenage {
    /// Expands K.
    ///
    /// # Errors
    /// None in practice: K has the length of an AES-128 key.
    pub fn new(k: &SubscriberKey, opc: &Opc) -> Result<Self, KeyError> {
        Ok(Self { aes: aes(k)?, opc: Zeroizing::new(u128::from_be_bytes(opc.0)) })
    }

    /// AUTN, XRES, CK and IK for a challenge.
    ///
    /// # Errors
    /// None in practice: the session keys have the length of a key.
    pub fn vector(&self, rand: &[u8; 16], sqn: &[u8; 6], amf: &[u8; 2]) -> Result<AuthenticationVector, KeyError> {
        let challenge = self.challenge(rand);
        let (res, ak) = self.f2_f5(&challenge);
        let (mac, _) = self.f1(&challenge, sqn, amf);
        let mut autn = [0; 16];
        autn[..6].copy_from_slice(&mix(sqn, &ak));
        autn[6..8].copy_from_slice(amf);
        autn[8..].copy_from_slice(&mac);
        let (ck, ik) = (self.f3(&challenge), self.f4(&challenge));
        Ok(AuthenticationVector { autn, xres: res, ck: KeyValue::new(&ck[..])?, ik: KeyValue::new(&ik[..])? })
    }

    /// SRES and Kc for a challenge.
    ///
    /// # Errors
    /// None in practice: Kc has the length of a key.
    pub fn triplet(&self, rand: &[u8; 16]) -> Result<GsmTriplet, KeyError> {
        let challenge = self.challenge(rand);
        let (res, _) = self.f2_f5(&challenge);
        let sres = core::array::from_fn(|i| res[i] ^ res[i + 4]);
        let (ck, ik) = (self.f3(&challenge), self.f4(&challenge));
        let kc = Zeroizing::new(core::array::from_fn::<_, 8, _>(|i| ck[i] ^ ck[i + 8] ^ ik[i] ^ ik[i + 8]));
        Ok(GsmTriplet { sres, kc: KeyValue::new(&kc[..])? })
    }

    /// SQN of the card out of its AUTS; `None` when MAC-S is not that of these keys: the card has others.
    #[must_use]
    pub fn resynchronize(&self, rand: &[u8; 16], auts: &[u8; 14]) -> Option<[u8; 6]> {
        let challenge = self.challenge(rand);
        let [concealed @ .., _, _, _, _, _, _, _, _] = *auts;
        let sqn = mix(&concealed, &self.f5_star(&challenge));
        let (_, mac) = self.f1(&challenge, &sqn, &[0, 0]);
        bool::from(mac[..].ct_eq(&auts[6..])).then_some(sqn)
    }

    fn challenge(&self, rand: &[u8; 16]) -> Challenge {
        Challenge(self.encrypt(u128::from_be_bytes(*rand) ^ *self.opc))
    }

    /// MAC-A and MAC-S.
    fn f1(&self, challenge: &Challenge, sqn: &[u8; 6], amf: &[u8; 2]) -> ([u8; 8], [u8; 8]) {
        let half = u64::from_be_bytes([sqn[0], sqn[1], sqn[2], sqn[3], sqn[4], sqn[5], amf[0], amf[1]]);
        let in1 = u128::from(half) << 64 | u128::from(half);
        let out = *self.encrypt(*challenge.0 ^ (in1 ^ *self.opc).rotate_left(64)) ^ *self.opc;
        (((out >> 64) as u64).to_be_bytes(), (out as u64).to_be_bytes())
    }

    /// RES and AK.
    fn f2_f5(&self, challenge: &Challenge) -> ([u8; 8], [u8; 6]) {
        let out = self.out(challenge, 0, 1);
        (core::array::from_fn(|i| out[8 + i]), core::array::from_fn(|i| out[i]))
    }

    /// CK.
    fn f3(&self, challenge: &Challenge) -> Zeroizing<[u8; 16]> {
        self.out(challenge, 32, 2)
    }

    /// IK.
    fn f4(&self, challenge: &Challenge) -> Zeroizing<[u8; 16]> {
        self.out(challenge, 64, 4)
    }

    /// AK of AUTS.
    fn f5_star(&self, challenge: &Challenge) -> [u8; 6] {
        let out = self.out(challenge, 96, 8);
        core::array::from_fn(|i| out[i])
    }

    /// OUT2 to OUT5.
    fn out(&self, challenge: &Challenge, r: u32, c: u128) -> Zeroizing<[u8; 16]> {
        let out = self.encrypt((*challenge.0 ^ *self.opc).rotate_left(r) ^ c);
        Zeroizing::new((*out ^ *self.opc).to_be_bytes())
    }

    fn encrypt(&self, block: u128) -> Zeroizing<u128> {
        Zeroizing::new(u128::from_be_bytes(self.aes.encrypt_block(&block.to_be_bytes())))
    }
}

impl fmt::Debug for Milenage {
    fmt_name!(Milenage);
}

fn aes(k: &SubscriberKey) -> Result<Aes, KeyError> {
    Aes::new(&KeyValue::new(&k.0)?)
}

fn mix(a: &[u8; 6], b: &[u8; 6]) -> [u8; 6] {
    core::array::from_fn(|i| a[i] ^ b[i])
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    fn bytes<const N: usize>(digits: &str) -> [u8; N] {
        hex::decode(digits).unwrap().try_into().unwrap()
    }

    /// Test sets 1 and 3 of TS 35.208 chapter 5, and the GSM values of TS 55.205 for set 1.
    struct Set {
        k: &'static str,
        op: &'static str,
        opc: &'static str,
        rand: &'static str,
        sqn: &'static str,
        amf: &'static str,
        f1: &'static str,
        f1_star: &'static str,
        f2: &'static str,
        f3: &'static str,
        f4: &'static str,
        f5: &'static str,
        f5_star: &'static str,
    }

    const SETS: [Set; 2] = [
        Set {
            k: "465B5CE8B199B49FAA5F0A2EE238A6BC",
            op: "CDC202D5123E20F62B6D676AC72CB318",
            opc: "CD63CB71954A9F4E48A5994E37A02BAF",
            rand: "23553CBE9637A89D218AE64DAE47BF35",
            sqn: "FF9BB4D0B607",
            amf: "B9B9",
            f1: "4A9FFAC354DFAFB3",
            f1_star: "01CFAF9EC4E871E9",
            f2: "A54211D5E3BA50BF",
            f3: "B40BA9A3C58B2A05BBF0D987B21BF8CB",
            f4: "F769BCD751044604127672711C6D3441",
            f5: "AA689C648370",
            f5_star: "451E8BECA43B",
        },
        Set {
            k: "FEC86BA6EB707ED08905757B1BB44B8F",
            op: "DBC59ADCB6F9A0EF735477B7FADF8374",
            opc: "1006020F0A478BF6B699F15C062E42B3",
            rand: "9F7C8D021ACCF4DB213CCFF0C7F71A6A",
            sqn: "9D0277595FFC",
            amf: "725C",
            f1: "9CABC3E99BAF7281",
            f1_star: "95814BA2B3044324",
            f2: "8011C48C0C214ED2",
            f3: "5DBDBB2954E8F3CDE665B046179A5098",
            f4: "59A92D3B476A0443487055CF88B2307B",
            f5: "33484DC2136B",
            f5_star: "DEACDD848CC6",
        },
    ];

    fn milenage(set: &Set) -> Milenage {
        let k = SubscriberKey::new(bytes(set.k));
        Milenage::new(&k, &Opc::derive(&k, &Op::new(bytes(set.op))).unwrap()).unwrap()
    }

    #[test]
    fn computes_the_published_test_sets() {
        for set in &SETS {
            let k = SubscriberKey::new(bytes(set.k));
            let opc = Opc::derive(&k, &Op::new(bytes(set.op))).unwrap();
            assert_eq!(opc.expose_bytes(), &bytes(set.opc));
            let milenage = milenage(set);
            let challenge = milenage.challenge(&bytes(set.rand));
            assert_eq!(milenage.f1(&challenge, &bytes(set.sqn), &bytes(set.amf)), (bytes(set.f1), bytes(set.f1_star)));
            assert_eq!(milenage.f2_f5(&challenge), (bytes(set.f2), bytes(set.f5)));
            assert_eq!(*milenage.f3(&challenge), bytes(set.f3));
            assert_eq!(*milenage.f4(&challenge), bytes(set.f4));
            assert_eq!(milenage.f5_star(&challenge), bytes(set.f5_star));
        }
    }

    #[test]
    fn a_vector_conceals_the_sequence_number() {
        let set = &SETS[0];
        let vector = milenage(set).vector(&bytes(set.rand), &bytes(set.sqn), &bytes(set.amf)).unwrap();
        // FF9BB4D0B607 xor AA689C648370, AMF, MAC-A.
        assert_eq!(hex::encode_upper(vector.autn), "55F328B43577B9B94A9FFAC354DFAFB3");
        assert_eq!(vector.xres, bytes(set.f2));
        assert!(vector.ck.is_equal(&KeyValue::new(&bytes::<16>(set.f3)).unwrap()));
        assert!(vector.ik.is_equal(&KeyValue::new(&bytes::<16>(set.f4)).unwrap()));
    }

    #[test]
    fn the_gsm_context_has_half_the_answer() {
        let triplet = milenage(&SETS[0]).triplet(&bytes(SETS[0].rand)).unwrap();
        assert_eq!(hex::encode_upper(triplet.sres), "46F8416A");
        assert_eq!(hex::encode_upper(triplet.kc.expose_bytes()), "EAE4BE823AF9A08B");
    }

    /// AUTS as a card makes it, of f1* and f5* written down from the formulas.
    #[test]
    fn a_synchronization_failure_gives_the_cards_number_or_shows_another_key() {
        let (set, other) = (&SETS[0], milenage(&SETS[1]));
        let milenage = milenage(set);
        let sqn = [0, 0, 0, 0, 0x12, 0x34];
        let challenge = milenage.challenge(&bytes(set.rand));
        let (_, mac) = milenage.f1(&challenge, &sqn, &[0, 0]);
        let mut auts = [0; 14];
        auts[..6].copy_from_slice(&mix(&sqn, &bytes(set.f5_star)));
        auts[6..].copy_from_slice(&mac);
        assert_eq!(milenage.resynchronize(&bytes(set.rand), &auts), Some(sqn));
        assert_eq!(other.resynchronize(&bytes(set.rand), &auts), None);
        for i in 0..14 {
            let mut damaged = auts;
            damaged[i] ^= 1;
            assert_eq!(milenage.resynchronize(&bytes(set.rand), &damaged), None, "byte {i}");
        }
    }

    #[test]
    fn nothing_secret_is_printed() {
        let set = &SETS[0];
        let k = SubscriberKey::new(bytes(set.k));
        let milenage = milenage(set);
        let vector = milenage.vector(&bytes(set.rand), &bytes(set.sqn), &bytes(set.amf)).unwrap();
        let triplet = milenage.triplet(&bytes(set.rand)).unwrap();
        let opc = Opc::new(bytes(set.opc));
        let shown = format!("{k:?} {opc:?} {milenage:?} {:?} {:?} {:?}", vector.ck, vector.ik, triplet.kc);
        assert_eq!(shown, "SubscriberKey Opc Milenage KeyValue(16 bytes) KeyValue(16 bytes) KeyValue(8 bytes)");
    }
}
