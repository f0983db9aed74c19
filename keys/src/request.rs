use alloc::vec::Vec;
use core::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::milenage::{AuthenticationVector, GsmTriplet, KeyFile, KeyFilePart, SubscriberKeys};
use crate::pboc::{MacSuite, PurseMac};
use crate::scp11::{EphemeralSeed, Scp11Answer};
use crate::{EcCurve, EcPublicKey, KeyCheckValue, KeyError, KeyKind, KeyRef, KeySet, KeyValue, SessionKeys};

/// One question to a key service.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum KeyRequest {
    /// Session keys of SCP01 (GPCS 2.3.1 D.3.1). Answer: [`KeyAnswer::Session`].
    Scp01Session {
        /// The static keys; the Key-DEK is not used.
        keys: KeySet,
        /// Host challenge.
        host_challenge: [u8; 8],
        /// Card challenge.
        card_challenge: [u8; 8],
    },
    /// Session keys of SCP02 (GPCS 2.3.1 E.4.1). Answer: [`KeyAnswer::Session`].
    Scp02Session {
        /// The static keys.
        keys: KeySet,
        /// Sequence counter of the key set.
        sequence_counter: [u8; 2],
    },
    /// Session keys of SCP03 (Amd D 6.2.1). Answer: [`KeyAnswer::Session`].
    Scp03Session {
        /// The static keys; the Key-DEK is not used.
        keys: KeySet,
        /// Host challenge ‖ card challenge.
        context: Vec<u8>,
        /// Inputs of the card challenge, where it is to be computed as well (Amd D 6.2.2.1).
        challenge: Option<PseudoRandomChallenge>,
    },
    /// The host's ephemeral public key for SCP11, ePK.OCE. Answer: [`KeyAnswer::PublicKey`].
    Scp11Ephemeral {
        /// Curve of the card's key.
        curve: EcCurve,
        /// Where the key pair comes from.
        seed: EphemeralSeed,
    },
    /// Keys of a session of SCP11. Answer: [`KeyAnswer::Scp11`].
    Scp11Session {
        /// SK.OCE; SCP11b has none.
        own_static: Option<KeyRef>,
        /// The same seed as that of [`KeyRequest::Scp11Ephemeral`].
        seed: EphemeralSeed,
        /// PK.SD, as the verified certificate of the card gives it.
        card_static: EcPublicKey,
        /// ePK.SD, as the card answered it.
        card_ephemeral: EcPublicKey,
        /// Key usage ‖ key type ‖ key length.
        shared_info: Vec<u8>,
        /// Length of each key, in bytes: 16, 24 or 32.
        key_length: usize,
    },
    /// A key enciphered for PUT KEY. Answer: [`KeyAnswer::Wrapped`].
    Wrap {
        /// The key that goes to the card.
        key: KeyRef,
        /// What it is enciphered under.
        under: KeyEncryptionKey,
    },
    /// A challenge enciphered for EXTERNAL AUTHENTICATE of a PBOC card. Answer: [`KeyAnswer::Cryptogram`].
    Cryptogram {
        /// The card's authentication key.
        key: KeyRef,
        /// The card's challenge: 4 or 8 bytes, for an SM4 key also 16.
        challenge: Vec<u8>,
    },
    /// A key, enciphered and with MAC, for WRITE KEY of a PBOC card. Answer: [`KeyAnswer::KeyCommand`].
    KeyCommand {
        /// How the card computes MACs; what enciphers is the same cipher.
        suite: MacSuite,
        /// The key that enciphers and authenticates: the card's present master key.
        under: KeyRef,
        /// CLA INS P1 P2 of the command.
        header: [u8; 4],
        /// What precedes the key in the plain data: type, rights, counter.
        key_header: Vec<u8>,
        /// The key that goes to the card.
        key: KeyRef,
        /// First MAC input block: the card's challenge, filled up with zeros.
        iv: [u8; 8],
    },
    /// A MAC of PBOC secure messaging. Answer: [`KeyAnswer::Mac`].
    Mac {
        /// How the card computes MACs.
        suite: MacSuite,
        /// The card's MAC key.
        key: KeyRef,
        /// First MAC input block: the card's challenge, filled up with zeros.
        iv: [u8; 8],
        /// Header, with an Lc that counts the MAC, and data.
        data: Vec<u8>,
    },
    /// Data of a command enciphered under a card's key, `LD ‖ data ‖ 80 00 ..` in ECB mode: contents of a file, a PIN. Answer:
    /// [`KeyAnswer::Data`].
    Encipher {
        /// The card's key, DES or SM4.
        key: KeyRef,
        /// The data.
        data: CardData,
    },
    /// Data of a response deciphered, the reverse of [`KeyRequest::Encipher`]. Answer: [`KeyAnswer::Data`].
    Decipher {
        /// The card's key, DES or SM4.
        key: KeyRef,
        /// The enciphered data.
        data: Vec<u8>,
    },
    /// A MAC of a purse transaction that goes to the card. MAC2 of a load is money: whoever has it can load the card once. Answer:
    /// [`KeyAnswer::Mac`].
    PurseMac(PurseMac),
    /// Whether a MAC or TAC of a purse transaction is the right one. Answer: [`KeyAnswer::Verified`].
    VerifyPurseMac {
        /// What it should be.
        mac: PurseMac,
        /// What the card gave.
        received: [u8; 4],
    },
    /// A Load File Data Block enciphered with a DES or AES key of the security domain, padded with 80 00 .. and in CBC mode (GPCS 2.3.1
    /// C.6). Answer: [`KeyAnswer::Data`]. Tokens do not answer it.
    CipherLoadFile {
        /// The key.
        key: KeyRef,
        /// First block, 8 or 16 bytes, or empty for zeros.
        icv: Vec<u8>,
        /// The Load File Data Block.
        data: CardData,
    },
    /// A token, receipt or DAP signature over whole data, by the scheme that belongs to the key (GPCS 2.3.1 table C-1). Answer:
    /// [`KeyAnswer::Signature`].
    ///
    /// A service that holds RSA or ECC keys answers it as well, with the scheme's hash over the data: RSASSA-PKCS1-v1_5 and
    /// SHA-1 under 1024 bits (B.3.1.1), RSASSA-PSS and SHA-256 under more (B.3.2.1), plain `r ‖ s` of ECDSA (B.4.3).
    Signature {
        /// The token, receipt or DAP key.
        key: KeyRef,
        /// What is signed.
        data: Vec<u8>,
    },
    /// What a SIM has to answer to a challenge (TS 51.011 9.2.16). Answer: [`KeyAnswer::Gsm`].
    GsmAuthentication {
        /// The subscriber's keys.
        keys: SubscriberKeys,
        /// RAND.
        rand: [u8; 16],
    },
    /// An authentication vector for a USIM (TS 33.102 6.3.2). Answer: [`KeyAnswer::Vector`].
    ///
    /// The sequence number is the caller's: a card that accepts it takes none below it any more.
    UmtsAuthentication {
        /// The subscriber's keys.
        keys: SubscriberKeys,
        /// RAND.
        rand: [u8; 16],
        /// SQN.
        sqn: [u8; 6],
        /// AMF.
        amf: [u8; 2],
    },
    /// Whether an AUTS was made with these keys, and the card's sequence number in it (TS 33.102 6.3.5). Answer:
    /// [`KeyAnswer::Resynchronization`].
    Resynchronization {
        /// The subscriber's keys.
        keys: SubscriberKeys,
        /// RAND that the card answered with AUTS.
        rand: [u8; 16],
        /// AUTS.
        auts: [u8; 14],
    },
    /// The content of a card's key file, plain: no SIM takes its keys otherwise, except by secure messaging around the command. Only
    /// keys of MILENAGE leave a service in this way. Answer: [`KeyAnswer::KeyFile`].
    KeyFile {
        /// The subscriber's keys.
        keys: SubscriberKeys,
        /// What the file holds, in order.
        parts: Vec<KeyFilePart>,
    },
}

/// Inputs of a pseudo-random card challenge of SCP03 (Amd D 6.2.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PseudoRandomChallenge {
    /// Sequence counter of the key set.
    pub sequence_counter: [u8; 3],
    /// AID of the security domain, as its FCI gives it.
    pub aid: Vec<u8>,
    /// Length of the challenge: 8 or 16 bytes.
    pub length: usize,
}

/// What a key for a card is enciphered under.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum KeyEncryptionKey {
    /// The session DEK of SCP02: triple DES, ECB mode (GPCS 2.3.1 E.4.7).
    Session(KeyValue),
    /// The session DEK of an implicitly initiated SCP02: triple DES, CBC mode, ICV of zeros (GPCS 2.3.1 E.3.1, E.4.7).
    SessionCbc(KeyValue),
    /// The session DEK of SCP11: AES, CBC mode, IV of zeros, as under SCP03.
    SessionAes(KeyValue),
    /// The static Key-DEK: of SCP03 AES, CBC mode, IV of zeros (Amd D 6.2.8); of SCP01 triple DES, ECB mode (GPCS 2.3.1
    /// D.3.5).
    Static(KeyRef),
}

/// Answer to a [`KeyRequest`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum KeyAnswer {
    /// Session keys.
    Session(SessionAnswer),
    /// A public key.
    PublicKey(EcPublicKey),
    /// Keys of a session of SCP11.
    Scp11(Scp11Answer),
    /// A key enciphered for PUT KEY.
    Wrapped(WrappedKey),
    /// A cryptogram.
    Cryptogram([u8; 8]),
    /// Data field of a WRITE KEY command.
    KeyCommand(EncipheredKeyCommand),
    /// A MAC.
    Mac([u8; 4]),
    /// Data enciphered, or deciphered.
    Data(CardData),
    /// Whether a MAC is the right one.
    Verified(bool),
    /// A token, receipt or DAP signature.
    Signature(Vec<u8>),
    /// What a SIM has to answer.
    Gsm(GsmTriplet),
    /// An authentication vector.
    Vector(AuthenticationVector),
    /// The card's sequence number; `None` when the AUTS was made with other keys.
    Resynchronization(Option<[u8; 6]>),
    /// The content of a key file.
    KeyFile(KeyFile),
}

/// Session keys and, where asked for, the card challenge that the card should have given.
#[derive(Clone, Debug)]
pub struct SessionAnswer {
    /// The session keys.
    pub keys: SessionKeys,
    /// The pseudo-random card challenge.
    pub card_challenge: Option<Vec<u8>>,
}

/// A key enciphered for PUT KEY.
#[derive(Clone)]
pub struct WrappedKey {
    /// Which algorithm the key is for.
    pub kind: KeyKind,
    /// Length of the key itself, in bytes.
    pub length: usize,
    /// The enciphered key.
    pub cipher: Vec<u8>,
    /// Its check value.
    pub kcv: KeyCheckValue,
}

impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WrappedKey({:?}, {} bytes, KCV {})", self.kind, self.length, self.kcv)
    }
}

/// Data field of WRITE KEY: enciphered key block and MAC.
#[derive(Clone)]
pub struct EncipheredKeyCommand {
    /// `cipher ‖ MAC4`.
    pub data: Vec<u8>,
    /// Check value of the key inside.
    pub kcv: KeyCheckValue,
}

impl fmt::Debug for EncipheredKeyCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncipheredKeyCommand({} bytes, KCV {})", self.data.len(), self.kcv)
    }
}

/// Data of a command or response. Wiped on drop, never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct CardData(Vec<u8>);

impl CardData {
    /// Takes the bytes.
    #[must_use]
    pub fn new(data: Vec<u8>) -> Self {
        Self(data)
    }

    /// The bytes. When they are deciphered, whoever calls this keeps them secret.
    #[must_use]
    pub fn expose_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for CardData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CardData({} bytes)", self.0.len())
    }
}

macro_rules! into {
    ($($(#[$doc:meta])* $name:ident: $variant:ident -> $type:ty;)*) => {
        impl KeyAnswer {
            $($(#[$doc])*
            ///
            /// # Errors
            /// [`KeyError::WrongAnswer`] when the answer is of another kind.
            pub fn $name(self) -> Result<$type, KeyError> {
                match self {
                    Self::$variant(answer) => Ok(answer),
                    _ => Err(KeyError::WrongAnswer),
                }
            })*
        }
    };
}

into! {
    /// The session keys.
    into_session: Session -> SessionAnswer;
    /// The public key.
    into_public_key: PublicKey -> EcPublicKey;
    /// The keys of a session of SCP11.
    into_scp11: Scp11 -> Scp11Answer;
    /// The enciphered key.
    into_wrapped: Wrapped -> WrappedKey;
    /// The cryptogram.
    into_cryptogram: Cryptogram -> [u8; 8];
    /// The data field of WRITE KEY.
    into_key_command: KeyCommand -> EncipheredKeyCommand;
    /// The MAC.
    into_mac: Mac -> [u8; 4];
    /// The data enciphered, or deciphered.
    into_data: Data -> CardData;
    /// Whether the MAC is the right one.
    into_verified: Verified -> bool;
    /// The token, receipt or DAP signature.
    into_signature: Signature -> Vec<u8>;
    /// What a SIM has to answer.
    into_gsm: Gsm -> GsmTriplet;
    /// The authentication vector.
    into_vector: Vector -> AuthenticationVector;
    /// The card's sequence number.
    into_resynchronization: Resynchronization -> Option<[u8; 6]>;
    /// The content of the key file.
    into_key_file: KeyFile -> KeyFile;
}
