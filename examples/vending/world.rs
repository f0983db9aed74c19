//! The simulation: customers come to points, choose, pay or do not; programs crash; time goes by.

use std::collections::BTreeMap;
use std::error::Error;

use cardwright::issuance::journal::Entity;
use cardwright::issuance::machine::{Change, Kept};
use cardwright::issuance::primitive::outbox::Destination;
use cardwright::issuance::store::{MemoryFaults, MemoryStore, StoreError};
use cardwright::issuance::system::vending::{
    Desk, DeskError, ListedNumber, Next, NumberState, Order, OrderState, Terms, read_list,
};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

use crate::outside::TheOutside;
use crate::{Options, Sabotage};

/// The simulation begins then, in milliseconds since 1970-01-01 UTC.
const BEGIN_MS: u64 = 1_700_000_000_000;
const PRICE: u64 = 5_000;
/// Steps of one customer's order before the simulation gives up on it.
const STEPS: u32 = 2_000;

/// What a customer does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Customer {
    /// Pays after so many looks at the order; never with 0.
    pays_after: u32,
    /// Pays at the very moment when the payment is being closed.
    pays_late: bool,
    /// Leaves before paying.
    leaves: bool,
}

pub(crate) struct World {
    pub(crate) outside: TheOutside,
    store: Option<MemoryStore>,
    listed: Vec<ListedNumber>,
    customers: Vec<Customer>,
    points: u32,
    now_ms: u64,
    dice: ChaCha20Rng,
    has_faults: bool,
    sabotage: Option<Sabotage>,
    crashes: u64,
    taken: u64,
    seed: u64,
    /// Every order with its customer, in the order in which they came.
    pub(crate) orders: Vec<Entity>,
}

impl World {
    pub(crate) fn new(options: &Options) -> Result<Self, Box<dyn Error>> {
        let mut dice = ChaCha20Rng::seed_from_u64(options.seed);
        let mut roll = |n: u32| dice.next_u32() % n;
        // The operator's list; some numbers on it are not to be had.
        let mut list = "number,imsi,state\n".to_owned();
        for n in 0..options.customers * 2 + 20 {
            let state = ["unsold", "unsold", "unsold", "unsold", "sold", "active"][roll(6) as usize];
            list += &format!("86138{n:08},460001{n:09},{state}\n");
        }
        let customer = |_| Customer {
            pays_after: if options.faults { roll(12) } else { 1 },
            pays_late: options.faults && roll(6) == 0,
            leaves: options.faults && roll(10) == 0,
        };
        let customers = (0..options.customers).map(customer).collect();
        let cards_each = 3 * options.customers / options.kiosks + 8;
        let faults = if options.faults { MemoryFaults::seeded(options.seed, 60) } else { MemoryFaults::none() };
        Ok(Self {
            outside: TheOutside::new(options.kiosks, cards_each, options.faults, options.seed),
            store: Some(MemoryStore::with_faults(faults)),
            listed: read_list(list.as_bytes())?,
            customers,
            points: options.kiosks,
            now_ms: BEGIN_MS,
            dice,
            has_faults: options.faults,
            sabotage: options.sabotage,
            crashes: 0,
            taken: 0,
            seed: options.seed,
            orders: Vec::new(),
        })
    }

    /// One order at each point at a time, a step of one of them after the other.
    pub(crate) fn run(&mut self) -> Result<(), Box<dyn Error>> {
        let mut waiting: Vec<(usize, Customer)> = self.customers.clone().into_iter().enumerate().rev().collect();
        let mut active: BTreeMap<u32, (Entity, Customer, u32)> = BTreeMap::new();
        while !waiting.is_empty() || !active.is_empty() {
            let point = 1 + self.dice.next_u32() % self.points;
            self.outside.point = point;
            self.now_ms += u64::from(1 + self.dice.next_u32() % (60_000 / self.points).max(1));
            // Now and then a point stands still until numbers and payments are over.
            if self.has_faults && self.dice.next_u32().is_multiple_of(200) {
                self.now_ms += 700_000;
            }
            let Some((order, customer, steps)) = active.get_mut(&point) else {
                if let Some((n, customer)) = waiting.pop() {
                    let order = Order::entity(&format!("point-{point}"), n as u64)?;
                    self.orders.push(order.clone());
                    active.insert(point, (order, customer, 0));
                }
                continue;
            };
            *steps += 1;
            let (order, customer, steps) = (order.clone(), *customer, *steps);
            if steps > STEPS {
                return Err(format!("{order} does not come to an end").into());
            }
            match self.step(&order, customer, steps) {
                Ok(true) => drop(active.remove(&point)),
                Ok(false) => {}
                // The program dies and starts again; all it knows is what is in the journal.
                Err(DeskError::Store(error)) => self.restart(&error)?,
                Err(error) => self.survive(error)?,
            }
        }
        self.meddle()
    }

    fn survive(&mut self, error: DeskError) -> Result<(), Box<dyn Error>> {
        use cardwright::issuance::machine::MachineError::Store;
        match error {
            DeskError::Order(Store(error)) | DeskError::Number(Store(error)) | DeskError::Case(Store(error)) => {
                self.restart(&error)
            }
            error => Err(error.into()),
        }
    }

    fn restart(&mut self, error: &StoreError) -> Result<(), Box<dyn Error>> {
        let mut store = self.store.take().ok_or("no store")?;
        if !matches!(error, StoreError::Full) {
            store.crash();
        }
        self.store = Some(store.reopen()?);
        self.crashes += 1;
        Ok(())
    }

    /// `true` when the order is over.
    fn step(&mut self, order: &Entity, customer: Customer, steps: u32) -> Result<bool, DeskError> {
        let now_ms = self.now_ms;
        let Some(store) = self.store.as_mut() else { return Ok(true) };
        let state = Kept::<Order>::load(store, order.clone())?;
        let operator = Destination::new("operator")?;
        let number = match state.state().state() {
            OrderState::IdentityCaptured => self.listed_number(),
            _ => None,
        };
        if customer.pays_late && state.state().state() == OrderState::Closing {
            // The race: the money may come before the provider closes.
            self.outside.customer_pays(state.state().payment().unwrap_or_default());
        }
        let is_given = state.state().state() == OrderState::Forgotten && self.is_given(state.state().card());
        let Some(store) = self.store.as_mut() else { return Ok(true) };
        let mut desk = Desk { store, outside: &mut self.outside, terms: Terms::default(), operator };
        let state = state.state();
        match state.state() {
            OrderState::Draft => {
                let subscriber = Sha256::digest(order.as_str()).into();
                desk.identify(order, "point", subscriber, now_ms).map(|()| false)
            }
            OrderState::IdentityCaptured => {
                let Some(number) = number else { return desk.abandon(order, now_ms).map(|()| false) };
                match desk.select(order, &Entity::new(&number)?, "prepaid", PRICE, now_ms) {
                    Err(DeskError::Taken { .. }) => {
                        self.taken += 1;
                        Ok(false)
                    }
                    other => other.map(|()| false),
                }
            }
            OrderState::Selected if customer.leaves => desk.abandon(order, now_ms).map(|()| false),
            OrderState::Selected => desk.pay(order, now_ms).map(|()| false),
            OrderState::AwaitingPayment => {
                let payment = state.payment().unwrap_or_default().to_owned();
                let is_over = now_ms >= state.payable_until_ms();
                if self.sabotage == Some(Sabotage::BlindExpiry) && is_over {
                    self.outside.customer_pays(&payment);
                    return Ok(true);
                }
                let next = desk.advance(order, now_ms)?;
                if customer.pays_after > 0 && steps > 3 + customer.pays_after && !customer.pays_late {
                    self.outside.customer_pays(&payment);
                }
                Ok(next == Next::Over)
            }
            OrderState::Closing => Ok(desk.advance(order, now_ms)? == Next::Over),
            OrderState::Forgotten if is_given => desk.hand_over(order, "clerk", now_ms).map(|()| true),
            OrderState::Forgotten => desk.give_up(order, now_ms).map(|()| false),
            _ => match desk.advance(order, now_ms)? {
                Next::Over => Ok(true),
                Next::Persons if state.state() == OrderState::Reconciling => self.decide(order).map(|()| false),
                _ => Ok(false),
            },
        }
    }

    /// A clerk gives a forgotten card to the customer who comes for it, and then records that; again when the record got lost.
    fn is_given(&mut self, card: Option<&str>) -> bool {
        let Some(card) = card else { return false };
        let is_given = self.outside.is_in_hand(card) || self.dice.next_u32().is_multiple_of(2);
        if is_given {
            self.outside.give_out(card);
        }
        is_given
    }

    /// Any number of the list that may be offered; others may have it already.
    fn listed_number(&mut self) -> Option<String> {
        let offered: Vec<_> = self.listed.iter().filter(|listed| listed.state() == NumberState::Unsold).collect();
        // The few that everybody likes are asked for by many.
        let liked = if self.dice.next_u32().is_multiple_of(3) { 5 } else { offered.len().max(1) };
        let chosen = offered.get(self.dice.next_u32() as usize % liked)?;
        Some(format!("number/{}", chosen.number()))
    }

    /// Somebody puts the captured card into a reader and looks.
    fn decide(&mut self, order: &Entity) -> Result<(), DeskError> {
        use cardwright::issuance::quarantine::{Case, CaseEvent, Doubt, Finding, Reason};
        let Some(store) = self.store.as_mut() else { return Ok(()) };
        let order = Kept::<Order>::load(store, order.clone())?;
        let (Some((number, token)), Some(card)) = (order.state().number(), order.state().card()) else { return Ok(()) };
        if self.sabotage == Some(Sabotage::DispenseDoubtful) {
            self.outside.give_out(card);
        }
        let finding = match self.outside.holds_number(card) {
            true => Finding::Done,
            false => Finding::Spoilt,
        };
        let doubt = Doubt {
            subject: number.to_owned(),
            mark: token.number(),
            reason: Reason::NotTold,
            card: None,
            last_proved: None,
            location: None,
            evidence: Vec::new(),
        };
        let mut case = Kept::<Case>::load(store, doubt.case_entity()?)?;
        let probed = CaseEvent::Probed {
            at_ms: self.now_ms,
            card: Sha256::digest(card.as_bytes()).into(),
            finding,
            evidence: Sha256::digest(b"looked at in the back office").into(),
        };
        Change::new().apply(&mut case, &[probed])?.commit(store, self.now_ms)?;
        Ok(())
    }

    /// What happens behind the back of all of them.
    fn meddle(&mut self) -> Result<(), Box<dyn Error>> {
        if self.sabotage == Some(Sabotage::BlindRefund)
            && let Some((refund, what)) =
                self.outside.refunds.iter().next().map(|(id, what)| (id.clone(), what.clone()))
        {
            self.outside.refunds.insert(format!("{refund}-again"), what);
        }
        if self.sabotage == Some(Sabotage::NoFencing) {
            self.outside.write_late();
        }
        Ok(())
    }

    pub(crate) fn store(&self) -> Result<&MemoryStore, &'static str> {
        self.store.as_ref().ok_or("no store")
    }

    pub(crate) fn is_offered(&self, number: &str) -> bool {
        let is_it = |listed: &&ListedNumber| number.strip_prefix("number/") == Some(listed.number());
        self.listed.iter().find(is_it).is_some_and(|listed| listed.state() == NumberState::Unsold)
    }

    pub(crate) fn print(&self) {
        use crate::outside::Place;
        let state_of = |order: &Entity| {
            let store = self.store.as_ref()?;
            Kept::<Order>::load(store, order.clone()).ok().map(|order| order.state().state())
        };
        let mut states: BTreeMap<String, u32> = BTreeMap::new();
        for order in &self.orders {
            *states.entry(state_of(order).map_or("?".to_owned(), |state| format!("{state:?}"))).or_default() += 1;
        }
        println!("seed {}: {} orders at {} points", self.seed, self.orders.len(), self.points);
        for (state, count) in states {
            println!("  {state:20} {count:6}");
        }
        let in_place = |place| self.outside.cards.values().filter(|card| card.place == place).count();
        println!(
            "cards: {} in hands, {} in bins, {} rejected",
            in_place(Place::Hand),
            in_place(Place::Bin),
            in_place(Place::Rejects)
        );
        let paid: u64 = self.outside.payments.values().map(|payment| payment.paid).sum();
        let back: u64 = self.outside.refunds.values().map(|(_, amount)| amount).sum();
        println!("money: {paid} came, {back} went back, {} for cards", paid.saturating_sub(back));
        let counts = &self.outside.counts;
        println!(
            "met:   {} answers lost, {} crashes, {} cards torn, {} in doubt, {} refused by the operator, {} numbers taken by others",
            counts.lost_answers, self.crashes, counts.tears, counts.doubtful, counts.refused, self.taken
        );
    }
}
