use minicbor::{Decode, Encode};
use thiserror::Error;

use crate::primitive::lease::Authorization;

/// No definite answer: it may have happened or not. The same is asked again, under the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no definite answer")]
pub struct Unknown;

/// What is outside of a vending point's decisions. Every request has an id that we give: one that is asked for twice is done once.
pub trait Outside {
    /// Payment provider: expects this amount. Asking again changes nothing.
    ///
    /// # Errors
    /// [`Unknown`].
    fn order_payment(&mut self, payment: &str, amount: u64) -> Result<(), Unknown>;

    /// Payment provider: takes no more money under this id.
    ///
    /// # Errors
    /// [`Unknown`].
    fn close_payment(&mut self, payment: &str) -> Result<(), Unknown>;

    /// Payment provider: what came under this id. Notices of payments are only a reason to ask.
    ///
    /// # Errors
    /// [`Unknown`].
    fn payment(&mut self, payment: &str) -> Result<PaymentStatus, Unknown>;

    /// Payment provider: gives money back; asked again, tells what came of it.
    ///
    /// # Errors
    /// [`Unknown`].
    fn refund(&mut self, refund: &str, payment: &str, amount: u64) -> Result<RefundStatus, Unknown>;

    /// Operator: makes the data of a card, for the holder of the number alone, and seals them to the point; asked again, gives the same.
    ///
    /// # Errors
    /// [`Unknown`].
    fn card_data(&mut self, request: &str, number: &str, leave: Authorization) -> Result<DataAnswer, Unknown>;

    /// Machine: the card in the writer, one that was not tried before; `None` when there is none.
    fn next_card(&mut self) -> Option<String>;

    /// Machine: writes the data of this request to the card in the writer, or finishes what was begun, and proves it. Asked again after a
    /// crash, it looks at the card first.
    fn write(&mut self, card: &str, request: &str) -> CardOutcome;

    /// Machine: the card in the writer goes to the rejects, or to the bin that only persons open.
    fn take_out(&mut self, card: &str, captured: bool);

    /// Machine: pushes the card out, or tells what the sensor saw of it.
    ///
    /// # Errors
    /// [`Unknown`]: it is on its way.
    fn hand_out(&mut self, card: &str) -> Result<HandOut, Unknown>;
}

/// What came under a payment's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PaymentStatus {
    /// Nothing yet.
    Open,
    /// Nothing, and nothing will.
    Closed,
    /// This much.
    Paid {
        /// In the smallest unit of the currency.
        amount: u64,
    },
}

/// What came of a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefundStatus {
    /// It is on its way.
    Pending,
    /// It went.
    Done,
}

/// The operator's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DataAnswer {
    /// The data are at the point, sealed.
    Ready {
        /// Their hash.
        digest: [u8; 32],
    },
    /// No.
    Refused,
}

/// What came of writing a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CardOutcome {
    /// It holds all of it.
    Proved {
        /// Hash of the proof.
        proof: [u8; 32],
    },
    /// It is proved to hold nothing that counts, and is no good.
    NotWritten {
        /// Hash of the evidence.
        evidence: [u8; 32],
    },
    /// Nobody can tell.
    Doubtful,
}

/// What became of a card that was pushed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandOut {
    /// Somebody took it.
    Taken,
    /// Nobody did, and it is in the bin.
    Retracted,
}

/// What the operator hears of a number: messages of the transactions that they tell of.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Report {
    /// An order has it. With what is known of the subscriber, kept elsewhere under this hash.
    #[n(0)]
    Selected {
        /// Entity of the order.
        #[n(0)]
        order: String,
        /// Entity of the number.
        #[n(1)]
        number: String,
        /// Name of the service.
        #[n(2)]
        service: String,
    },
    /// It is free again.
    #[n(1)]
    Released {
        /// Entity of the number.
        #[n(0)]
        number: String,
    },
    /// It is on a card.
    #[n(2)]
    Written {
        /// Entity of the number.
        #[n(0)]
        number: String,
        /// Identity of the card.
        #[n(1)]
        card: String,
    },
    /// The card is in the customer's hand.
    #[n(3)]
    Activate {
        /// Entity of the number.
        #[n(0)]
        number: String,
    },
}
