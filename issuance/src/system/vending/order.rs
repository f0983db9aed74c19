//! One order at a vending point, from the identity document to the card in the hand (machine B).
//!
//! | from | event | guard | to | effect |
//! |---|---|---|---|---|
//! | Draft | IdentityCaptured(point, subscriber) | | IdentityCaptured | |
//! | IdentityCaptured | Selected(number, token, service, price) | the price is not nil | Selected | |
//! | Selected | PaymentOrdered(payment, until) | | AwaitingPayment | wake |
//! | AwaitingPayment, Closing | Paid(payment, amount) | this payment, this price | Paid | |
//! | AwaitingPayment | Closing | its time is over, or the customer gave up | Closing | close the payment, then ask for it |
//! | Closing | NotPaid | the payment is closed, and the provider says that nothing was paid | PaymentExpired | release the number |
//! | PaymentExpired | Paid | as above: it came all the same | RefundPending | refund |
//! | Paid | Reselected(number, token) | the number before was lost | Paid | |
//! | Paid, DataWanted | DataRequested(request) | another request than those before | DataRequested | |
//! | DataRequested | DataReady(request, data) | this request | DataReady | |
//! | DataReady | WriteBegun(card) | a card that this order did not try before | Writing | |
//! | Writing, Reconciling | Written(card, proof) | this card | Written | |
//! | Writing | NotWritten(card) | fewer than two cards failed before | DataWanted | reject the card |
//! | Writing | NotWritten(card) | two did | RefundPending | reject the card, release, refund |
//! | Writing | Doubted(card) | | Reconciling | capture the card |
//! | Reconciling | Resolved | by the case of this number and token | RefundPending | refund |
//! | Written | DispenseBegun | | Dispensing | |
//! | Dispensing | Taken | | Completed | activate, notify |
//! | Dispensing | Forgotten | the card is in the bin | Forgotten | |
//! | Forgotten | HandedOver(by) | | Completed | activate, notify |
//! | Paid, DataWanted, DataRequested, DataReady, Forgotten | Failed(why) | | RefundPending | release or cancel, refund |
//! | RefundPending | RefundRequested(refund) | | Refunding | |
//! | Refunding | Refunded(refund) | this refund | Refunded | notify |
//! | Draft, IdentityCaptured, Selected | Abandoned | | Aborted | release, wipe the identity |
//!
//! Money that came is either a card in the hand or a refund. A payment is closed before the number is released, and asked for after
//! that: what was paid in between wins. Data of one request are for one card alone, so that no two cards ever share a key. A card of
//! which nobody can tell what is on it is never handed out. A refund has one id: one whose outcome is not known is asked for under it,
//! never made anew. The number is active only when the card is in the hand.

use minicbor::{Decode, Encode};
use thiserror::Error;

use crate::journal::{Entity, EntityError};
use crate::machine::Machine;
use crate::primitive::lease::Token;
use crate::quarantine::Resolution;

/// Cards that may fail before the money is given back.
pub const MAX_FAILED_CARDS: usize = 2;

/// What happens to an order. Times are milliseconds since 1970-01-01 UTC; amounts are in the smallest unit of the currency.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum OrderEvent {
    /// A person stands there and is who the document says.
    #[n(1536)]
    IdentityCaptured {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// Serial number of the vending point.
        #[n(1)]
        point: String,
        /// Keyed hash of the subscriber's data ([`crate::sealed`]).
        #[cbor(n(2), with = "minicbor::bytes")]
        subscriber: [u8; 32],
    },
    /// The number is theirs for a while.
    #[n(1537)]
    Selected {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// Entity of the number's lease.
        #[n(1)]
        number: String,
        /// Its token.
        #[n(2)]
        token: Token,
        /// Name of the service.
        #[n(3)]
        service: String,
        /// What it costs.
        #[n(4)]
        price: u64,
    },
    /// The provider expects the money. Durable before it is asked to.
    #[n(1538)]
    PaymentOrdered {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// Id of the payment, given by us.
        #[n(1)]
        payment: String,
        /// Until when.
        #[n(2)]
        until_ms: u64,
    },
    /// The money is there: the provider was asked, or its notice was verified.
    #[n(1539)]
    Paid {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// Id of the payment.
        #[n(1)]
        payment: String,
        /// How much.
        #[n(2)]
        amount: u64,
    },
    /// No more money is wanted.
    #[n(1540)]
    Closing {
        /// When.
        #[n(0)]
        at_ms: u64,
    },
    /// The provider has closed the payment, and was asked after that: nothing came.
    #[n(1541)]
    NotPaid {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// Id of the payment.
        #[n(1)]
        payment: String,
    },
    /// The number was lost while the money came: another one.
    #[n(1542)]
    Reselected {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// Entity of the number's lease.
        #[n(1)]
        number: String,
        /// Its token.
        #[n(2)]
        token: Token,
    },
    /// The operator is to make the card's data. Durable before it is asked to.
    #[n(1543)]
    DataRequested {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// Id of the request, given by us.
        #[n(1)]
        request: String,
    },
    /// They are there, sealed.
    #[n(1544)]
    DataReady {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// Id of the request.
        #[n(1)]
        request: String,
        /// Hash of the sealed data.
        #[cbor(n(2), with = "minicbor::bytes")]
        data: [u8; 32],
    },
    /// They are about to go onto a card.
    #[n(1545)]
    WriteBegun {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// Identity of the card.
        #[n(1)]
        card: String,
    },
    /// They are on it, and that is proved.
    #[n(1546)]
    Written {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// Identity of the card.
        #[n(1)]
        card: String,
        /// Hash of the proof.
        #[cbor(n(2), with = "minicbor::bytes")]
        proof: [u8; 32],
    },
    /// They are not, and that is proved.
    #[n(1547)]
    NotWritten {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// Identity of the card.
        #[n(1)]
        card: String,
    },
    /// Nobody can tell.
    #[n(1548)]
    Doubted {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// Identity of the card.
        #[n(1)]
        card: String,
    },
    /// The case of the number was decided; the card is in the bin whatever came of it.
    #[n(1549)]
    Resolved {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// From the case.
        #[n(1)]
        resolution: Resolution,
    },
    /// The card is about to be pushed out.
    #[n(1550)]
    DispenseBegun {
        /// When.
        #[n(0)]
        at_ms: u64,
    },
    /// The sensor saw it taken.
    #[n(1551)]
    Taken {
        /// When.
        #[n(0)]
        at_ms: u64,
    },
    /// It was not taken, and drawn back into the bin.
    #[n(1552)]
    Forgotten {
        /// When.
        #[n(0)]
        at_ms: u64,
    },
    /// Somebody gave it to the customer by hand.
    #[n(1553)]
    HandedOver {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// Who.
        #[n(1)]
        by: String,
    },
    /// It cannot be done.
    #[n(1554)]
    Failed {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// Why.
        #[n(1)]
        why: FailedBecause,
    },
    /// The money is to go back. Durable before the provider is asked to.
    #[n(1555)]
    RefundRequested {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// Id of the refund, given by us.
        #[n(1)]
        refund: String,
    },
    /// It went.
    #[n(1556)]
    Refunded {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// Id of the refund.
        #[n(1)]
        refund: String,
    },
    /// The customer left, or gave up, before anything was to be paid.
    #[n(1557)]
    Abandoned {
        /// When.
        #[n(0)]
        at_ms: u64,
    },
}

/// Why a paid order cannot be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum FailedBecause {
    /// The operator refuses.
    #[n(0)]
    Operator,
    /// There is no number left that the customer wants.
    #[n(1)]
    Number,
    /// There is no card left, or the machine does not work.
    #[n(2)]
    Machine,
    /// Nobody came for the card.
    #[n(3)]
    Forgotten,
}

/// What is to be done about an order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OrderEffect {
    /// Look again at this time.
    Wake {
        /// Milliseconds since 1970-01-01 UTC.
        at_ms: u64,
    },
    /// Have the provider close this payment, then ask what came.
    ClosePayment {
        /// Its id.
        payment: String,
    },
    /// The number is not wanted any more, as far as its lease lets it go.
    Release {
        /// Entity of the lease.
        number: String,
        /// The order's token.
        token: Token,
    },
    /// What is known of the person is to be erased.
    WipeIdentity,
    /// The card in the writer goes to the rejects.
    Reject {
        /// Its identity.
        card: String,
    },
    /// The card in the writer goes to the bin that only persons open.
    Capture {
        /// Its identity.
        card: String,
    },
    /// The money is to go back.
    Refund {
        /// Id of the payment.
        payment: String,
        /// How much.
        amount: u64,
    },
    /// The number may be used.
    Activate {
        /// Entity of the lease.
        number: String,
    },
    /// The customer is to be told.
    Notify,
}

/// Where an order stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OrderState {
    /// Nothing yet.
    #[default]
    Draft,
    /// It is known who it is for.
    IdentityCaptured,
    /// A number is reserved.
    Selected,
    /// The customer pays.
    AwaitingPayment,
    /// The payment is being closed.
    Closing,
    /// The money is there.
    Paid,
    /// A card failed: data for another one are wanted.
    DataWanted,
    /// The operator was asked for data.
    DataRequested,
    /// They are there.
    DataReady,
    /// A card is being written.
    Writing,
    /// Nobody can tell what is on the card.
    Reconciling,
    /// The card is right.
    Written,
    /// The card is on its way out.
    Dispensing,
    /// It was not taken.
    Forgotten,
    /// The customer has it.
    Completed,
    /// The money is to go back.
    RefundPending,
    /// The provider was asked to give it back.
    Refunding,
    /// It went back.
    Refunded,
    /// Nothing was paid.
    PaymentExpired,
    /// Nothing was to be paid.
    Aborted,
}

/// One order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    state: OrderState,
    number: Option<(String, Token)>,
    price: u64,
    payment: Option<String>,
    until_ms: u64,
    requests: Vec<String>,
    cards: Vec<String>,
    refund: Option<String>,
}

/// An event of an order that cannot follow.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OrderError {
    /// It does not fit the state.
    #[error("that cannot follow: the order is {state:?}")]
    Illegal {
        /// The state.
        state: OrderState,
    },
    /// Nothing is given away.
    #[error("a service has a price")]
    NoPrice,
    /// Money for something else, or another amount.
    #[error("{amount} under payment {payment}: the order costs {price} under payment {expected}")]
    OtherPayment {
        /// Id of the payment.
        payment: String,
        /// Amount.
        amount: u64,
        /// Id of the order's payment.
        expected: String,
        /// Price of the order.
        price: u64,
    },
    /// An id that was used, or another one than the order's.
    #[error("{what} {id} is not this order's, or was used before")]
    Id {
        /// Payment, request, card or refund.
        what: &'static str,
        /// The id.
        id: String,
    },
    /// A decision about another number, or another holder's write of it.
    #[error("the case was about another write")]
    OtherCase,
}

impl Order {
    /// The entity of an order, by the point's own number of it: whoever presses twice has one order.
    ///
    /// # Errors
    /// [`EntityError`] when a name is not printable or too long.
    pub fn entity(point: &str, number: u64) -> Result<Entity, EntityError> {
        Entity::new(&format!("order/{point}/{number}"))
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> OrderState {
        self.state
    }

    /// Entity and token of its number's lease.
    #[must_use]
    pub fn number(&self) -> Option<(&str, Token)> {
        self.number.as_ref().map(|(number, token)| (number.as_str(), *token))
    }

    /// Id of its payment.
    #[must_use]
    pub fn payment(&self) -> Option<&str> {
        self.payment.as_deref()
    }

    /// What it costs.
    #[must_use]
    pub fn price(&self) -> u64 {
        self.price
    }

    /// Until when it may be paid, in milliseconds since 1970-01-01 UTC.
    #[must_use]
    pub fn payable_until_ms(&self) -> u64 {
        self.until_ms
    }

    /// The id of its request for data that counts.
    #[must_use]
    pub fn request(&self) -> Option<&str> {
        self.requests.last().map(String::as_str)
    }

    /// How many requests for data there were.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.requests.len()
    }

    /// The card that it was written to last.
    #[must_use]
    pub fn card(&self) -> Option<&str> {
        self.cards.last().map(String::as_str)
    }

    /// Id of its refund.
    #[must_use]
    pub fn refund(&self) -> Option<&str> {
        self.refund.as_deref()
    }

    fn is_paid_by(&self, payment: &str, amount: u64) -> Result<(), OrderError> {
        let expected = self.payment.as_deref().unwrap_or_default();
        if payment == expected && amount == self.price {
            return Ok(());
        }
        let (payment, expected) = (payment.to_owned(), expected.to_owned());
        Err(OrderError::OtherPayment { payment, amount, expected, price: self.price })
    }

    fn is_of_case(&self, resolution: &Resolution) -> Result<(), OrderError> {
        let is_ours = self
            .number()
            .is_some_and(|(number, token)| resolution.subject() == number && resolution.mark() == token.number());
        if is_ours { Ok(()) } else { Err(OrderError::OtherCase) }
    }

    fn release(&self) -> Option<OrderEffect> {
        self.number.clone().map(|(number, token)| OrderEffect::Release { number, token })
    }

    fn pay_back(&self) -> Option<OrderEffect> {
        self.payment.clone().map(|payment| OrderEffect::Refund { payment, amount: self.price })
    }

    fn activate(&self) -> Option<OrderEffect> {
        self.number.clone().map(|(number, _)| OrderEffect::Activate { number })
    }
}

/// The id that an event names has to be the one that the order has.
fn same(what: &'static str, id: &str, expected: Option<&str>) -> Result<(), OrderError> {
    if Some(id) == expected { Ok(()) } else { Err(OrderError::Id { what, id: id.to_owned() }) }
}

/// The id that an event brings must not have been used.
fn fresh(what: &'static str, id: &str, used: &[String]) -> Result<(), OrderError> {
    let is_used = id.is_empty() || used.iter().any(|other| other == id);
    if is_used { Err(OrderError::Id { what, id: id.to_owned() }) } else { Ok(()) }
}

impl Machine for Order {
    const NAME: &'static str = "order";
    type Event = OrderEvent;
    type Effect = OrderEffect;
    type Error = OrderError;

    fn apply(mut self, event: &OrderEvent) -> Result<(Self, Vec<OrderEffect>), OrderError> {
        use OrderState::{
            Aborted, AwaitingPayment, Closing, Completed, DataReady, DataRequested, DataWanted, Dispensing, Draft,
            Forgotten, IdentityCaptured, Paid, PaymentExpired, Reconciling, RefundPending, Refunded, Refunding,
            Selected, Writing, Written,
        };
        let mut effects = Vec::new();
        let state = match (self.state, event) {
            (Draft, OrderEvent::IdentityCaptured { .. }) => IdentityCaptured,
            (IdentityCaptured, OrderEvent::Selected { number, token, price, .. }) => {
                if *price == 0 {
                    return Err(OrderError::NoPrice);
                }
                (self.number, self.price) = (Some((number.clone(), *token)), *price);
                Selected
            }
            (Selected, OrderEvent::PaymentOrdered { payment, until_ms, .. }) => {
                fresh("payment", payment, &[])?;
                (self.payment, self.until_ms) = (Some(payment.clone()), *until_ms);
                effects.push(OrderEffect::Wake { at_ms: *until_ms });
                AwaitingPayment
            }
            (AwaitingPayment | Closing, OrderEvent::Paid { payment, amount, .. }) => {
                self.is_paid_by(payment, *amount)?;
                Paid
            }
            (AwaitingPayment, OrderEvent::Closing { .. }) => {
                effects.extend(self.payment.clone().map(|payment| OrderEffect::ClosePayment { payment }));
                Closing
            }
            (Closing, OrderEvent::NotPaid { payment, .. }) => {
                same("payment", payment, self.payment())?;
                effects.extend(self.release());
                PaymentExpired
            }
            (PaymentExpired, OrderEvent::Paid { payment, amount, .. }) => {
                self.is_paid_by(payment, *amount)?;
                effects.extend(self.pay_back());
                RefundPending
            }
            (Paid, OrderEvent::Reselected { number, token, .. }) => {
                self.number = Some((number.clone(), *token));
                Paid
            }
            (Paid | DataWanted, OrderEvent::DataRequested { request, .. }) => {
                fresh("request", request, &self.requests)?;
                self.requests.push(request.clone());
                DataRequested
            }
            (DataRequested, OrderEvent::DataReady { request, .. }) => {
                same("request", request, self.request())?;
                DataReady
            }
            (DataReady, OrderEvent::WriteBegun { card, .. }) => {
                fresh("card", card, &self.cards)?;
                self.cards.push(card.clone());
                Writing
            }
            (Writing | Reconciling, OrderEvent::Written { card, .. }) => {
                same("card", card, self.card())?;
                Written
            }
            (Writing, OrderEvent::NotWritten { card, .. }) => {
                same("card", card, self.card())?;
                effects.push(OrderEffect::Reject { card: card.clone() });
                if self.cards.len() <= MAX_FAILED_CARDS {
                    DataWanted
                } else {
                    effects.extend(self.release().into_iter().chain(self.pay_back()));
                    RefundPending
                }
            }
            (Writing, OrderEvent::Doubted { card, .. }) => {
                same("card", card, self.card())?;
                effects.push(OrderEffect::Capture { card: card.clone() });
                Reconciling
            }
            (Reconciling, OrderEvent::Resolved { resolution, .. }) => {
                self.is_of_case(resolution)?;
                effects.extend(self.pay_back());
                RefundPending
            }
            (Written, OrderEvent::DispenseBegun { .. }) => Dispensing,
            (Dispensing, OrderEvent::Taken { .. }) | (Forgotten, OrderEvent::HandedOver { .. }) => {
                effects.extend(self.activate().into_iter().chain([OrderEffect::Notify]));
                Completed
            }
            (Dispensing, OrderEvent::Forgotten { .. }) => Forgotten,
            (Paid | DataWanted | DataRequested | DataReady | Forgotten, OrderEvent::Failed { .. }) => {
                effects.extend(self.release().into_iter().chain(self.pay_back()));
                RefundPending
            }
            (RefundPending, OrderEvent::RefundRequested { refund, .. }) => {
                fresh("refund", refund, &[])?;
                self.refund = Some(refund.clone());
                Refunding
            }
            (Refunding, OrderEvent::Refunded { refund, .. }) => {
                same("refund", refund, self.refund())?;
                effects.push(OrderEffect::Notify);
                Refunded
            }
            (Draft | IdentityCaptured | Selected, OrderEvent::Abandoned { .. }) => {
                effects.extend(self.release().into_iter().chain([OrderEffect::WipeIdentity]));
                Aborted
            }
            (state, _) => return Err(OrderError::Illegal { state }),
        };
        self.state = state;
        Ok((self, effects))
    }

    fn is_open(&self) -> bool {
        use OrderState::{Aborted, Completed, Draft, PaymentExpired, Refunded};
        !matches!(self.state, Draft | Completed | PaymentExpired | Refunded | Aborted)
    }
}

#[cfg(test)]
mod tests;
