use sha2::{Digest, Sha256};
use thiserror::Error;

use super::order::{FailedBecause, Order, OrderEffect, OrderError, OrderEvent, OrderState};
use super::port::{CardOutcome, DataAnswer, HandOut, Outside, PaymentStatus, RefundStatus, Report};
use crate::journal::{Entity, EntityError};
use crate::machine::{Change, Kept, Machine, MachineError};
use crate::primitive::approval::matter;
use crate::primitive::lease::{Lease, LeaseError, LeaseEvent, LeaseState, Token, authorize};
use crate::primitive::outbox::{Destination, PostError};
use crate::quarantine::{Case, CaseError, CaseEvent, Doubt, Reason};
use crate::store::{Store, StoreError};

/// What a vending point sells on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How long a number is held, in milliseconds.
    pub lease_ms: u64,
    /// How long may be paid, in milliseconds; never longer than the number is held.
    pub payment_ms: u64,
    /// How long a card takes at worst, in milliseconds.
    pub write_ms: u64,
    /// How long a number rests that was in doubt and is on no card, in milliseconds.
    pub cool_off_ms: u64,
}

impl Default for Terms {
    fn default() -> Self {
        Self { lease_ms: 600_000, payment_ms: 300_000, write_ms: 120_000, cool_off_ms: 24 * 3_600_000 }
    }
}

/// What an order waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Next {
    /// It has gone a step further: go on.
    Again,
    /// The customer.
    Customer,
    /// The outside: ask again later.
    Later,
    /// Persons, who decide a case or hand a card over.
    Persons,
    /// Nothing any more.
    Over,
}

/// An order cannot go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DeskError {
    /// The order.
    #[error(transparent)]
    Order(#[from] MachineError<OrderError>),
    /// Its number.
    #[error(transparent)]
    Number(#[from] MachineError<LeaseError>),
    /// The case of its number.
    #[error(transparent)]
    Case(#[from] MachineError<CaseError>),
    /// A message.
    #[error(transparent)]
    Post(#[from] PostError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A name that cannot be an entity.
    #[error(transparent)]
    Entity(#[from] EntityError),
    /// The number is not to be had.
    #[error("number {number} is taken: choose another")]
    Taken {
        /// Its entity.
        number: String,
    },
    /// The order has no number, or no payment, where its state says that it has.
    #[error("the order is {state:?} and lacks its {what}")]
    Incomplete {
        /// Its state.
        state: OrderState,
        /// What it lacks.
        what: &'static str,
    },
}

/// Takes orders further, each step one transaction. Whatever is known is in the store: a desk that is dropped anywhere is replaced by
/// another.
pub struct Desk<'a, S: Store> {
    /// The journal.
    pub store: &'a mut S,
    /// What is not ours.
    pub outside: &'a mut dyn Outside,
    /// On what terms.
    pub terms: Terms,
    /// Where the operator hears of numbers.
    pub operator: Destination,
}

impl<S: Store> Desk<'_, S> {
    /// The customer's document was read; `subscriber` is the keyed hash of what it says.
    ///
    /// # Errors
    /// [`DeskError`].
    pub fn identify(&mut self, order: &Entity, point: &str, subscriber: [u8; 32], at_ms: u64) -> Result<(), DeskError> {
        let mut order = Kept::<Order>::load(self.store, order.clone())?;
        let captured = OrderEvent::IdentityCaptured { at_ms, point: point.to_owned(), subscriber };
        Change::new().apply(&mut order, &[captured])?.commit(self.store, at_ms)?;
        Ok(())
    }

    /// The customer chose: the number is locked, and the operator is told who has it, in one transaction.
    ///
    /// # Errors
    /// [`DeskError::Taken`] when somebody else was faster; the order stays as it is.
    pub fn select(
        &mut self,
        order: &Entity,
        number: &Entity,
        service: &str,
        price: u64,
        at_ms: u64,
    ) -> Result<(), DeskError> {
        self.look_after(number, at_ms)?;
        let (mut order, mut lease) = (Kept::<Order>::load(self.store, order.clone())?, self.lease(number)?);
        let name = number.as_str().to_owned();
        if *lease.state().state() != LeaseState::Available {
            return Err(DeskError::Taken { number: name });
        }
        let (token, holder) = (lease.state().next_token(), order.entity().as_str().to_owned());
        let reserved = LeaseEvent::Reserved {
            at_ms,
            token,
            holder: holder.clone(),
            until_ms: at_ms.saturating_add(self.terms.lease_ms),
            subscriber: None,
        };
        let service = service.to_owned();
        let selected = OrderEvent::Selected { at_ms, number: name.clone(), token, service: service.clone(), price };
        let report = Report::Selected { order: holder, number: name.clone(), service };
        let change = Change::new().apply(&mut order, &[selected])?.apply(&mut lease, &[reserved])?;
        match change.post(&self.operator, &body(&report))?.commit(self.store, at_ms) {
            Err(StoreError::Conflict { .. }) => Err(DeskError::Taken { number: name }),
            other => other.map(|_| ()).map_err(Into::into),
        }
    }

    /// The customer goes on to pay. The provider is asked when the order is durable.
    ///
    /// # Errors
    /// [`DeskError`].
    pub fn pay(&mut self, order: &Entity, at_ms: u64) -> Result<(), DeskError> {
        let mut order = Kept::<Order>::load(self.store, order.clone())?;
        let lease = self.lease_of(&order)?;
        let held_until_ms = lease.state().wakes_at_ms().unwrap_or(at_ms);
        let until_ms = at_ms.saturating_add(self.terms.payment_ms).min(held_until_ms);
        let payment = id(order.entity(), "payment", 1);
        let ordered = OrderEvent::PaymentOrdered { at_ms, payment, until_ms };
        Change::new().apply(&mut order, &[ordered])?.given(&lease)?.commit(self.store, at_ms)?;
        Ok(())
    }

    /// The customer does not want to any more.
    ///
    /// # Errors
    /// [`DeskError`] where it is too late for that.
    pub fn abandon(&mut self, order: &Entity, at_ms: u64) -> Result<(), DeskError> {
        let mut order = Kept::<Order>::load(self.store, order.clone())?;
        match order.state().state() {
            OrderState::AwaitingPayment => self.record(&mut order, OrderEvent::Closing { at_ms }, at_ms),
            _ => self.record(&mut order, OrderEvent::Abandoned { at_ms }, at_ms),
        }
    }

    /// A clerk gave a forgotten card to its customer.
    ///
    /// # Errors
    /// [`DeskError`].
    pub fn hand_over(&mut self, order: &Entity, by: &str, at_ms: u64) -> Result<(), DeskError> {
        let mut order = Kept::<Order>::load(self.store, order.clone())?;
        self.activate(&mut order, OrderEvent::HandedOver { at_ms, by: by.to_owned() }, at_ms)
    }

    /// Nobody came for a forgotten card: the money goes back, and the number stays on the card in the bin.
    ///
    /// # Errors
    /// [`DeskError`].
    pub fn give_up(&mut self, order: &Entity, at_ms: u64) -> Result<(), DeskError> {
        let mut order = Kept::<Order>::load(self.store, order.clone())?;
        self.record(&mut order, OrderEvent::Failed { at_ms, why: FailedBecause::Forgotten }, at_ms)
    }

    /// Takes an order one step further.
    ///
    /// # Errors
    /// [`DeskError`]; the order stays as it is.
    pub fn advance(&mut self, order: &Entity, at_ms: u64) -> Result<Next, DeskError> {
        let mut order = Kept::<Order>::load(self.store, order.clone())?;
        let order = &mut order;
        match order.state().state() {
            OrderState::Draft | OrderState::IdentityCaptured | OrderState::Selected => Ok(Next::Customer),
            OrderState::AwaitingPayment => self.await_payment(order, at_ms),
            OrderState::Closing => self.close_payment(order, at_ms),
            OrderState::Paid | OrderState::DataWanted => self.request_data(order, at_ms),
            OrderState::DataRequested => self.fetch_data(order, at_ms),
            OrderState::DataReady => self.begin_write(order, at_ms),
            OrderState::Writing => self.write(order, at_ms),
            OrderState::Reconciling => self.reconcile(order, at_ms),
            OrderState::Written => self.record(order, OrderEvent::DispenseBegun { at_ms }, at_ms).map(|()| Next::Again),
            OrderState::Dispensing => self.hand_out(order, at_ms),
            OrderState::Forgotten => Ok(Next::Persons),
            OrderState::RefundPending => {
                let refund = id(order.entity(), "refund", 1);
                self.record(order, OrderEvent::RefundRequested { at_ms, refund }, at_ms).map(|()| Next::Again)
            }
            OrderState::Refunding => self.refund(order, at_ms),
            OrderState::PaymentExpired => self.look_for_late_money(order, at_ms),
            OrderState::Completed | OrderState::Refunded | OrderState::Aborted => Ok(Next::Over),
        }
    }

    fn await_payment(&mut self, order: &mut Kept<Order>, at_ms: u64) -> Result<Next, DeskError> {
        let (payment, price) = (payment(order)?, order.state().price());
        if self.outside.order_payment(&payment, price).is_ok()
            && let Ok(PaymentStatus::Paid { amount }) = self.outside.payment(&payment)
        {
            return self.record(order, OrderEvent::Paid { at_ms, payment, amount }, at_ms).map(|()| Next::Again);
        }
        if at_ms < order.state().payable_until_ms() {
            return Ok(Next::Customer);
        }
        self.record(order, OrderEvent::Closing { at_ms }, at_ms).map(|()| Next::Again)
    }

    /// First closed, then asked: what was paid in between wins.
    fn close_payment(&mut self, order: &mut Kept<Order>, at_ms: u64) -> Result<Next, DeskError> {
        let payment = payment(order)?;
        if self.outside.close_payment(&payment).is_err() {
            return Ok(Next::Later);
        }
        let event = match self.outside.payment(&payment) {
            Ok(PaymentStatus::Paid { amount }) => OrderEvent::Paid { at_ms, payment, amount },
            Ok(PaymentStatus::Closed) => OrderEvent::NotPaid { at_ms, payment },
            Ok(PaymentStatus::Open) | Err(_) => return Ok(Next::Later),
        };
        self.record(order, event, at_ms).map(|()| Next::Again)
    }

    /// A provider that takes money after it said that it would not: it goes back.
    fn look_for_late_money(&mut self, order: &mut Kept<Order>, at_ms: u64) -> Result<Next, DeskError> {
        let payment = payment(order)?;
        match self.outside.payment(&payment) {
            Ok(PaymentStatus::Paid { amount }) => {
                self.record(order, OrderEvent::Paid { at_ms, payment, amount }, at_ms).map(|()| Next::Again)
            }
            Ok(_) => Ok(Next::Over),
            Err(_) => Ok(Next::Later),
        }
    }

    /// From here on time alone frees the number no more.
    fn request_data(&mut self, order: &mut Kept<Order>, at_ms: u64) -> Result<Next, DeskError> {
        let (mut lease, token) = (self.lease_of(order)?, token(order)?);
        let held_until_ms = match lease.state().state() {
            LeaseState::Reserved(held) if lease.state().token() == token && at_ms < held.until_ms => held.until_ms,
            _ => return self.fail(order, FailedBecause::Number, at_ms),
        };
        let request = id(order.entity(), "data", order.state().requests() + 1);
        let mut events = Vec::new();
        let until_ms = at_ms.saturating_add(self.terms.lease_ms);
        if held_until_ms - at_ms < self.terms.write_ms {
            events.push(LeaseEvent::Renewed { at_ms, token, until_ms });
        }
        let intent = matter("vending data", &request);
        events.push(LeaseEvent::WriteBegun { at_ms, token, intent, worst_case_ms: self.terms.write_ms });
        let requested = OrderEvent::DataRequested { at_ms, request };
        Change::new().apply(order, &[requested])?.apply(&mut lease, &events)?.commit(self.store, at_ms)?;
        Ok(Next::Again)
    }

    fn fetch_data(&mut self, order: &mut Kept<Order>, at_ms: u64) -> Result<Next, DeskError> {
        let (lease, token) = (self.lease_of(order)?, token(order)?);
        let request = request(order)?;
        // Fenced where the data are made, whatever this point believes.
        let Ok(leave) = authorize(&lease, token, at_ms) else {
            return self.fail(order, FailedBecause::Number, at_ms);
        };
        match self.outside.card_data(&request, lease.entity().as_str(), leave) {
            Ok(DataAnswer::Ready { digest }) => {
                self.record(order, OrderEvent::DataReady { at_ms, request, data: digest }, at_ms)?;
                Ok(Next::Again)
            }
            Ok(DataAnswer::Refused) => self.fail(order, FailedBecause::Operator, at_ms),
            Err(_) => Ok(Next::Later),
        }
    }

    fn begin_write(&mut self, order: &mut Kept<Order>, at_ms: u64) -> Result<Next, DeskError> {
        match self.outside.next_card() {
            Some(card) => self.record(order, OrderEvent::WriteBegun { at_ms, card }, at_ms).map(|()| Next::Again),
            None => self.fail(order, FailedBecause::Machine, at_ms),
        }
    }

    fn write(&mut self, order: &mut Kept<Order>, at_ms: u64) -> Result<Next, DeskError> {
        let (mut lease, token) = (self.lease_of(order)?, token(order)?);
        let (card, request) = (card(order)?, request(order)?);
        match self.outside.write(&card, &request) {
            CardOutcome::Proved { proof } if *lease.state().state() != LeaseState::Quarantined => {
                let committed = LeaseEvent::Committed { at_ms, token, proof };
                let report = Report::Written { number: lease.entity().as_str().to_owned(), card: card.clone() };
                let written = OrderEvent::Written { at_ms, card, proof };
                let change = Change::new().apply(order, &[written])?.apply(&mut lease, &[committed])?;
                change.post(&self.operator, &body(&report))?.commit(self.store, at_ms)?;
            }
            CardOutcome::NotWritten { evidence } if *lease.state().state() != LeaseState::Quarantined => {
                let mut events = vec![LeaseEvent::NotWritten { at_ms, token, evidence }];
                let not_written = OrderEvent::NotWritten { at_ms, card: card.clone() };
                let is_over = is_releasing(order, &not_written)?;
                let report = Report::Released { number: lease.entity().as_str().to_owned() };
                events.extend(is_over.then_some(LeaseEvent::Released { at_ms, token }));
                let mut change = Change::new().apply(order, &[not_written])?.apply(&mut lease, &events)?;
                if is_over {
                    change = change.post(&self.operator, &body(&report))?;
                }
                change.commit(self.store, at_ms)?;
                self.outside.take_out(&card, false);
            }
            // What nobody can tell; or the time was over, and the case of the number is open already.
            _ => {
                let doubt = doubt(&lease, token, Some(&card));
                let mut case = Kept::<Case>::load(self.store, doubt.case_entity()?)?;
                let doubted = OrderEvent::Doubted { at_ms, card: card.clone() };
                let mut change = Change::new().apply(order, &[doubted])?;
                if *lease.state().state() != LeaseState::Quarantined {
                    change = change.apply(&mut lease, &[LeaseEvent::Doubted { at_ms, token }])?;
                }
                if case.last_seq() == 0 {
                    change = change.apply(&mut case, &[CaseEvent::Opened { at_ms, doubt }])?;
                }
                change.commit(self.store, at_ms)?;
                self.outside.take_out(&card, true);
            }
        }
        Ok(Next::Again)
    }

    /// Goes on when the case of the number is decided.
    fn reconcile(&mut self, order: &mut Kept<Order>, at_ms: u64) -> Result<Next, DeskError> {
        let (mut lease, token) = (self.lease_of(order)?, token(order)?);
        let card = card(order)?;
        // Again after a crash: it may still be in the writer.
        self.outside.take_out(&card, true);
        let case = Kept::<Case>::load(self.store, doubt(&lease, token, Some(&card)).case_entity()?)?;
        let Some(resolution) = case.state().resolution() else { return Ok(Next::Persons) };
        let resolved = OrderEvent::Resolved { at_ms, resolution: resolution.clone() };
        let mut change = Change::new().apply(order, &[resolved])?;
        if *lease.state().state() == LeaseState::Quarantined {
            let cool_off_until_ms = at_ms.saturating_add(self.terms.cool_off_ms);
            change = change.apply(&mut lease, &[LeaseEvent::Resolved { at_ms, resolution, cool_off_until_ms }])?;
        }
        change.commit(self.store, at_ms)?;
        Ok(Next::Again)
    }

    /// What time or a decided case brings for a number, apart from any order; `true` when it changed.
    ///
    /// # Errors
    /// [`DeskError`].
    pub fn look_after(&mut self, number: &Entity, at_ms: u64) -> Result<bool, DeskError> {
        let mut lease = self.lease(number)?;
        let due = match lease.state().state() {
            LeaseState::Quarantined => {
                let case = doubt(&lease, lease.state().token(), None).case_entity()?;
                let resolution = Kept::<Case>::load(self.store, case)?.state().resolution();
                let cool_off_until_ms = at_ms.saturating_add(self.terms.cool_off_ms);
                resolution.map(|resolution| LeaseEvent::Resolved { at_ms, resolution, cool_off_until_ms })
            }
            _ => lease.state().due(at_ms),
        };
        let Some(due) = due else { return Ok(false) };
        Change::new().apply(&mut lease, &[due])?.commit(self.store, at_ms)?;
        Ok(true)
    }

    fn hand_out(&mut self, order: &mut Kept<Order>, at_ms: u64) -> Result<Next, DeskError> {
        let card = card(order)?;
        match self.outside.hand_out(&card) {
            Ok(HandOut::Taken) => self.activate(order, OrderEvent::Taken { at_ms }, at_ms).map(|()| Next::Over),
            Ok(HandOut::Retracted) => {
                self.record(order, OrderEvent::Forgotten { at_ms }, at_ms).map(|()| Next::Persons)
            }
            Err(_) => Ok(Next::Later),
        }
    }

    /// The card is in the hand: only now the number may be used.
    fn activate(&mut self, order: &mut Kept<Order>, event: OrderEvent, at_ms: u64) -> Result<(), DeskError> {
        let mut lease = self.lease_of(order)?;
        let report = Report::Activate { number: lease.entity().as_str().to_owned() };
        let change = Change::new().apply(order, &[event])?.apply(&mut lease, &[LeaseEvent::Activated { at_ms }])?;
        change.post(&self.operator, &body(&report))?.commit(self.store, at_ms)?;
        Ok(())
    }

    fn refund(&mut self, order: &mut Kept<Order>, at_ms: u64) -> Result<Next, DeskError> {
        let (payment, price) = (payment(order)?, order.state().price());
        let refund = order.state().refund().ok_or_else(|| lacks(order, "refund"))?.to_owned();
        match self.outside.refund(&refund, &payment, price) {
            Ok(RefundStatus::Done) => {
                self.record(order, OrderEvent::Refunded { at_ms, refund }, at_ms).map(|()| Next::Over)
            }
            Ok(RefundStatus::Pending) | Err(_) => Ok(Next::Later),
        }
    }

    fn fail(&mut self, order: &mut Kept<Order>, why: FailedBecause, at_ms: u64) -> Result<Next, DeskError> {
        self.record(order, OrderEvent::Failed { at_ms, why }, at_ms).map(|()| Next::Again)
    }

    /// One event of the order, and the number's end with it where the order does not want it any more.
    fn record(&mut self, order: &mut Kept<Order>, event: OrderEvent, at_ms: u64) -> Result<(), DeskError> {
        if !is_releasing(order, &event)? {
            Change::new().apply(order, &[event])?.commit(self.store, at_ms)?;
            return Ok(());
        }
        let (mut lease, token) = (self.lease_of(order)?, token(order)?);
        let released = LeaseEvent::Released { at_ms, token };
        let evidence = matter("vending without a card", &order.entity().as_str());
        let events = match lease.state().state() {
            _ if lease.state().token() != token => vec![],
            LeaseState::Reserved(_) => vec![released],
            // No card was begun with these data, or that order would be writing: it is proved that none holds them.
            LeaseState::Writing(_) => vec![LeaseEvent::NotWritten { at_ms, token, evidence }, released],
            _ => vec![],
        };
        let is_in_doubt = lease.state().token() == token && *lease.state().state() == LeaseState::Quarantined;
        let doubt = doubt(&lease, token, None);
        let mut case = Kept::<Case>::load(self.store, doubt.case_entity()?)?;
        let mut change = Change::new().apply(order, &[event])?;
        if is_in_doubt && case.last_seq() == 0 {
            change = change.given(&lease)?.apply(&mut case, &[CaseEvent::Opened { at_ms, doubt }])?;
        } else if events.is_empty() {
            change = change.given(&lease)?;
        } else {
            let report = Report::Released { number: lease.entity().as_str().to_owned() };
            change = change.apply(&mut lease, &events)?.post(&self.operator, &body(&report))?;
        }
        change.commit(self.store, at_ms)?;
        Ok(())
    }

    fn lease(&self, number: &Entity) -> Result<Kept<Lease>, DeskError> {
        Ok(Kept::load(self.store, number.clone())?)
    }

    fn lease_of(&self, order: &Kept<Order>) -> Result<Kept<Lease>, DeskError> {
        let (number, _) = order.state().number().ok_or_else(|| lacks(order, "number"))?;
        self.lease(&Entity::new(number)?)
    }
}

/// Whether the order lets go of its number with this event.
fn is_releasing(order: &Kept<Order>, event: &OrderEvent) -> Result<bool, MachineError<OrderError>> {
    let refused = |reason| MachineError::Refused { machine: Order::NAME, entity: order.entity().clone(), reason };
    let (_, effects) = order.state().clone().apply(event).map_err(refused)?;
    Ok(effects.iter().any(|effect| matches!(effect, OrderEffect::Release { .. })))
}

fn doubt(lease: &Kept<Lease>, token: Token, card: Option<&str>) -> Doubt {
    Doubt {
        subject: lease.entity().as_str().to_owned(),
        mark: token.number(),
        reason: if card.is_some() { Reason::NotTold } else { Reason::HolderSilent },
        card: card.map(|card| Sha256::digest(card.as_bytes()).into()),
        last_proved: None,
        location: None,
        evidence: Vec::new(),
    }
}

/// Ids are made of the order's name, so that a program which starts again has the same.
fn id(order: &Entity, kind: &str, number: usize) -> String {
    format!("{order}/{kind}/{number}")
}

fn body(report: &Report) -> Vec<u8> {
    // Writing to memory cannot fail.
    minicbor::to_vec(report).unwrap_or_default()
}

fn lacks(order: &Kept<Order>, what: &'static str) -> DeskError {
    DeskError::Incomplete { state: order.state().state(), what }
}

fn token(order: &Kept<Order>) -> Result<Token, DeskError> {
    order.state().number().map(|(_, token)| token).ok_or_else(|| lacks(order, "number"))
}

fn payment(order: &Kept<Order>) -> Result<String, DeskError> {
    order.state().payment().map(str::to_owned).ok_or_else(|| lacks(order, "payment"))
}

fn request(order: &Kept<Order>) -> Result<String, DeskError> {
    order.state().request().map(str::to_owned).ok_or_else(|| lacks(order, "request"))
}

fn card(order: &Kept<Order>) -> Result<String, DeskError> {
    order.state().card().map(str::to_owned).ok_or_else(|| lacks(order, "card"))
}

impl<S: Store> std::fmt::Debug for Desk<'_, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").field("terms", &self.terms).finish_non_exhaustive()
    }
}
