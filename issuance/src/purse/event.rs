use cardwright_cos::purse::{Dispute, LoadProof};
use minicbor::{Decode, Encode};

use crate::quarantine::{Reason, Resolution};

/// Body of a journal record of a purse: what happened to its load. Numbers are never reused.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum PurseEvent {
    /// A load was ordered and the card read, its answer under a MAC1 that verifies.
    #[n(96)]
    Opened {
        /// Id of the transaction.
        #[n(0)]
        id: String,
        /// Which purse: P2.
        #[n(1)]
        purse: u8,
        /// How much, in the smallest unit of the currency.
        #[n(2)]
        amount: u32,
        /// Who pays.
        #[n(3)]
        account: String,
    },
    /// The rules allow it.
    #[n(97)]
    Matched {
        /// Version of the rules.
        #[n(0)]
        rules: u32,
    },
    /// It ended without a debit that stands.
    #[n(98)]
    Closed {
        /// Why.
        #[n(0)]
        why: ClosedBecause,
    },
    /// The card was initialized for it; MAC1 verifies.
    #[n(99)]
    Initialized {
        /// Online transaction serial number.
        #[n(0)]
        serial: u16,
        /// Balance.
        #[n(1)]
        balance: u32,
        /// Version of the load key.
        #[n(2)]
        key_version: u8,
        /// Algorithm of the load key.
        #[n(3)]
        algorithm: u8,
        /// Terminal number.
        #[cbor(n(4), with = "minicbor::bytes")]
        terminal: [u8; 6],
        /// The card's random number.
        #[cbor(n(5), with = "minicbor::bytes")]
        random: [u8; 4],
        /// MAC1.
        #[cbor(n(6), with = "minicbor::bytes")]
        mac1: [u8; 4],
    },
    /// The debit goes out once this is durable.
    #[n(100)]
    DebitRequested,
    /// No answer to the debit.
    #[n(101)]
    DebitUnknown,
    /// The account was debited.
    #[n(102)]
    Debited {
        /// The keeper's number.
        #[n(0)]
        reference: String,
    },
    /// CREDIT FOR LOAD goes out once this is durable.
    #[n(103)]
    CreditSent {
        /// Serial number before, as initialized.
        #[n(0)]
        serial: u16,
        /// Balance before, as initialized.
        #[n(1)]
        balance: u32,
        /// Terminal number.
        #[cbor(n(2), with = "minicbor::bytes")]
        terminal: [u8; 6],
        /// Date and time.
        #[cbor(n(3), with = "minicbor::bytes")]
        time: [u8; 7],
        /// MAC2.
        #[cbor(n(4), with = "minicbor::bytes")]
        mac2: [u8; 4],
    },
    /// No answer to CREDIT FOR LOAD that proves anything.
    #[n(104)]
    CreditUnknown {
        /// The card's status, where it gave one.
        #[n(0)]
        sw: Option<u16>,
    },
    /// The card has the money.
    #[n(105)]
    Loaded {
        /// What shows it.
        #[n(0)]
        by: LoadedBy,
        /// The TAC of the answer, where there was one.
        #[cbor(n(1), with = "minicbor::bytes")]
        tac: Option<[u8; 4]>,
    },
    /// The card does not have it, as MAC1 proves.
    #[n(106)]
    NotLoaded,
    /// It cannot be told.
    #[n(107)]
    Disputed {
        /// Why.
        #[n(0)]
        why: DisputedBecause,
    },
    /// It is tried again with the same debit.
    #[n(108)]
    Retried,
    /// The reversal goes out once this is durable.
    #[n(109)]
    ReversalRequested,
    /// The account has its money back.
    #[n(110)]
    Reversed {
        /// The keeper's number.
        #[n(0)]
        reference: String,
    },
    /// Persons decided the case of the dispute.
    #[n(111)]
    Resolved {
        /// From the case: [`crate::quarantine::Case::resolution`].
        #[n(0)]
        resolution: Resolution,
    },
}

/// Body of the one journal record of a transaction id: the purse that it is used for.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) enum ClaimEvent {
    /// A load was opened with it.
    #[n(112)]
    Claimed {
        /// Name of the purse's entity.
        #[n(0)]
        purse: String,
    },
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $number:literal;)* })*) => {
        $($(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
        #[cbor(index_only)]
        pub enum $type {
            $($(#[$variant_doc])* #[n($number)] $variant,)*
        })*
    };
}

reasons! {
    /// Why a load ended without a debit.
    ClosedBecause {
        /// The rules do not allow it.
        Rules = 0;
        /// The account was not debited.
        DebitRefused = 1;
        /// It was given up before the debit was asked for.
        GivenUp = 2;
    }
    /// What shows that the card has the money.
    LoadedBy {
        /// The answer to CREDIT FOR LOAD: its TAC verifies.
        Answer = 0;
        /// GET TRANSACTION PROVE: its TAC verifies.
        Proof = 1;
        /// MAC1 of a later initialization.
        Mac1 = 2;
        /// Persons who settled its case.
        Persons = 3;
    }
    /// Why it cannot be told what came of a load.
    DisputedBecause {
        /// MAC1 is wrong.
        Mac1 = 0;
        /// The card's proof is that of another load of the same amount.
        OtherLoad = 1;
        /// Serial number or balance are neither those before nor those after.
        MovedOn = 2;
        /// The card refuses to be initialized.
        Refused = 3;
        /// The card did not come back.
        CardGone = 4;
        /// The account's keeper refuses the reversal.
        ReversalRefused = 5;
    }
}

impl From<Dispute> for DisputedBecause {
    fn from(why: Dispute) -> Self {
        match why {
            Dispute::Mac1 => Self::Mac1,
            Dispute::OtherLoad => Self::OtherLoad,
            Dispute::MovedOn => Self::MovedOn,
            Dispute::Refused => Self::Refused,
        }
    }
}

impl From<LoadProof> for LoadedBy {
    fn from(proof: LoadProof) -> Self {
        match proof {
            LoadProof::Tac => Self::Proof,
            LoadProof::Mac1 => Self::Mac1,
        }
    }
}

impl DisputedBecause {
    /// The reason that its case is opened with.
    pub(super) fn reason(self) -> Reason {
        match self {
            Self::Mac1 | Self::OtherLoad | Self::MovedOn => Reason::Contradiction,
            Self::Refused => Reason::NotTold,
            Self::CardGone => Reason::CardGone,
            Self::ReversalRefused => Reason::Other("the account's keeper refuses the reversal".into()),
        }
    }
}
