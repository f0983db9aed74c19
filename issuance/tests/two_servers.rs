//! Two servers sell the same numbers: leases, fencing, cases and messages together, under every order of crashes, expiries and
//! late writes. What the cards really hold is compared with what the journal says.

use std::collections::BTreeMap;

use cardwright_issuance::journal::Entity;
use cardwright_issuance::machine::{Change, Kept, Machine};
use cardwright_issuance::primitive::lease::{Lease, LeaseEvent, LeaseState, Token, authorize};
use cardwright_issuance::primitive::outbox::{Destination, Message};
use cardwright_issuance::quarantine::{Case, CaseEvent, Doubt, Finding, Reason};
use cardwright_issuance::store::{Journal, MemoryFaults, MemoryStore, StoreError};

const NUMBERS: usize = 2;
const LEASE_MS: u64 = 50;
const WORST_CASE_MS: u64 = 20;

/// SplitMix64: the same run for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }
}

/// What is taken out of the design, to see the checker find it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sabotage {
    None,
    /// Key material is handed out with the reservation, as the seed had it, and not for the write that is recorded.
    MaterialWithReservation,
    /// A case is settled as not done without taking the card from the writer.
    CardLeftInWriter,
}

/// What a server is about; gone when it crashes.
struct Session {
    number: Kept<Lease>,
    index: usize,
    token: Token,
    card: usize,
    /// Whether it holds the number's key material.
    material: bool,
    written: bool,
}

/// A card in a writer, as it really is.
#[derive(Clone, Copy, Default)]
struct Card {
    number: Option<usize>,
    /// Somebody took it away: nothing is written to it any more.
    taken: bool,
}

struct World {
    store: MemoryStore,
    random: Random,
    sabotage: Sabotage,
    now: u64,
    cards: Vec<Card>,
    /// Material that left the data generator and may still be written, though its server has crashed: (number, card).
    loose: Vec<(usize, usize)>,
    /// The card of each write that was begun.
    begun: BTreeMap<(usize, u64), usize>,
}

fn name(index: usize) -> Entity {
    Entity::new(&format!("number/{index}")).unwrap()
}

impl World {
    fn load<M: Machine>(&self, entity: Entity) -> Kept<M> {
        Kept::load(&self.store, entity).unwrap()
    }

    /// Whether the change is there; after a crash of the store only a look at the journal tells.
    fn commit(&mut self, make: impl FnOnce(&mut MemoryStore, u64) -> Result<(), StoreError>) -> bool {
        match make(&mut self.store, self.now) {
            Ok(()) => true,
            Err(StoreError::Crashed) => {
                let store = std::mem::take(&mut self.store);
                self.store = store.reopen().unwrap();
                false
            }
            Err(StoreError::Conflict { .. } | StoreError::Full) => false,
            Err(other) => panic!("{other}"),
        }
    }

    fn apply(&mut self, number: &mut Kept<Lease>, event: LeaseEvent) -> bool {
        let Ok(change) = Change::new().apply(number, &[event]) else { return false };
        self.commit(|store, now| change.commit(store, now).map(drop))
    }

    /// One step of a server's work; what it goes on with.
    fn serve(&mut self, session: Option<Session>) -> Option<Session> {
        match session {
            None => self.look(),
            Some(session) => self.go_on(session),
        }
    }

    /// Takes a number, or does what time or a doubt demands of one.
    fn look(&mut self) -> Option<Session> {
        let index = self.random.below(NUMBERS as u64) as usize;
        let mut number: Kept<Lease> = self.load(name(index));
        let at_ms = self.now;
        match number.state().state() {
            LeaseState::Available => {
                let token = number.state().next_token();
                let (holder, until_ms) = ("server".to_owned(), at_ms + LEASE_MS);
                let reserved = LeaseEvent::Reserved { at_ms, token, holder, until_ms, subscriber: None };
                if !self.apply(&mut number, reserved) {
                    return None;
                }
                self.cards.push(Card::default());
                let (card, material) = (self.cards.len() - 1, self.sabotage == Sabotage::MaterialWithReservation);
                Some(Session { number, index, token, card, material, written: false })
            }
            LeaseState::Quarantined => {
                self.resolve(index, &mut number);
                None
            }
            _ => {
                if let Some(due) = number.state().due(at_ms) {
                    self.apply(&mut number, due);
                }
                None
            }
        }
    }

    fn go_on(&mut self, mut session: Session) -> Option<Session> {
        let (at_ms, token) = (self.now, session.token);
        let writing = matches!(session.number.state().state(), LeaseState::Writing(_));
        if session.material && !session.written {
            self.write(session.index, session.card);
            session.written = true;
            return Some(session);
        }
        if session.written && (writing || self.sabotage == Sabotage::MaterialWithReservation) {
            let proof = [1; 32];
            let mut events = vec![LeaseEvent::Committed { at_ms, token, proof }];
            if !writing {
                events.insert(0, LeaseEvent::WriteBegun { at_ms, token, intent: [2; 32], worst_case_ms: 0 });
            }
            if let Ok(change) = Change::new().apply(&mut session.number, &events) {
                let change = change.post(&Destination::new("bss").unwrap(), b"sold").unwrap();
                self.commit(|store, now| change.commit(store, now).map(drop));
            }
            return None;
        }
        if !writing {
            let begun = LeaseEvent::WriteBegun { at_ms, token, intent: [2; 32], worst_case_ms: WORST_CASE_MS };
            if self.apply(&mut session.number, begun) {
                self.begun.insert((session.index, token.number()), session.card);
                return Some(session);
            }
            // Not begun, or nobody knows: the journal tells, and a server that asks it anew holds nothing.
            let number: Kept<Lease> = self.load(name(session.index));
            if number.state().token() == token && matches!(number.state().state(), LeaseState::Writing(_)) {
                self.begun.insert((session.index, token.number()), session.card);
            }
            return None;
        }
        // The data generator looks at the journal, not at what the server believes.
        let number: Kept<Lease> = self.load(name(session.index));
        match authorize(&number, token, at_ms) {
            Ok(_) => Some(Session { material: true, ..session }),
            Err(_) => None,
        }
    }

    fn write(&mut self, index: usize, card: usize) {
        let card = &mut self.cards[card];
        if !card.taken {
            card.number = Some(index);
        }
    }

    /// A person takes the card out of the writer and looks at it; case and number are settled in one transaction.
    fn resolve(&mut self, index: usize, number: &mut Kept<Lease>) {
        let (at_ms, mark) = (self.now, number.state().token().number());
        let Some(card) = self.begun.get(&(index, mark)).copied() else { return };
        self.cards[card].taken = self.sabotage != Sabotage::CardLeftInWriter;
        let finding = if self.cards[card].number.is_some() { Finding::Done } else { Finding::NotDone };
        let subject = number.entity().as_str().to_owned();
        let identity = [card as u8; 32];
        let reason = Reason::HolderSilent;
        let (last_proved, location, evidence) = (None, None, Vec::new());
        let doubt = Doubt { subject, mark, reason, card: Some(identity), last_proved, location, evidence };
        let mut case: Kept<Case> = self.load(doubt.case_entity().unwrap());
        let mut events = vec![CaseEvent::Probed { at_ms, card: identity, finding, evidence: [3; 32] }];
        if case.state().doubt().is_none() {
            events.insert(0, CaseEvent::Opened { at_ms, doubt });
        }
        if case.state().is_open() || case.last_seq() == 0 {
            let Ok(change) = Change::new().apply(&mut case, &events) else { return };
            if !self.commit(|store, now| change.commit(store, now).map(drop)) {
                return;
            }
        }
        let Some(resolution) = case.state().resolution() else { return };
        let cool_off_until_ms = at_ms + 10;
        self.apply(number, LeaseEvent::Resolved { at_ms, resolution, cool_off_until_ms });
    }

    /// What was handed out may be written long after its server was given up.
    fn crash(&mut self, session: Session) {
        if session.material && !session.written {
            self.loose.push((session.index, session.card));
        }
    }

    /// What is wrong between cards and journal.
    fn violation(&self) -> Option<String> {
        for index in 0..NUMBERS {
            let number: Kept<Lease> = self.load(name(index));
            let holding = self.cards.iter().filter(|card| card.number == Some(index)).count();
            let state = number.state().state();
            if holding > 1 {
                return Some(format!("{} is on {holding} cards", number.entity()));
            }
            let free = matches!(state, LeaseState::Available | LeaseState::CoolingOff { .. });
            if holding == 1 && free {
                return Some(format!("{} is on a card and {state:?}", number.entity()));
            }
            if holding == 0 && *state == LeaseState::Committed {
                return Some(format!("{} is committed and on no card", number.entity()));
            }
        }
        None
    }
}

fn run(seed: u64, sabotage: Sabotage) -> Result<World, String> {
    let store = MemoryStore::with_faults(MemoryFaults::seeded(seed, 15));
    let (random, cards, loose) = (Random(seed), Vec::new(), Vec::new());
    let mut world = World { store, random, sabotage, now: 1_000, cards, loose, begun: BTreeMap::new() };
    let mut servers = [None, None];
    for _ in 0..160 {
        match world.random.below(20) {
            0 => {
                let server = world.random.below(2) as usize;
                if let Some(session) = servers[server].take() {
                    world.crash(session);
                }
            }
            1 if !world.loose.is_empty() => {
                let place = world.random.below(world.loose.len() as u64) as usize;
                let (index, card) = world.loose.remove(place);
                world.write(index, card);
            }
            // The clock runs, and now and then it jumps.
            2..=6 => world.now += world.random.below(25),
            7 => world.now = (world.now + world.random.below(400)).saturating_sub(200),
            turn => {
                let server = (turn % 2) as usize;
                let session = servers[server].take();
                servers[server] = world.serve(session);
            }
        }
        if let Some(violation) = world.violation() {
            return Err(violation);
        }
    }
    Ok(world)
}

#[test]
fn no_number_is_on_two_cards_and_no_unknown_is_freed() {
    let (mut sold, mut cooled) = (0, 0);
    for seed in 0..400 {
        let world = run(seed, Sabotage::None).unwrap_or_else(|violation| panic!("seed {seed}: {violation}"));
        for index in 0..NUMBERS {
            let number: Kept<Lease> = world.load(name(index));
            let committed = *number.state().state() == LeaseState::Committed;
            sold += usize::from(committed);
            cooled += usize::from(number.state().token().number() > 1);
        }
        // A sale and its message are one transaction; numbers that a case found written have no message.
        let messages = world.store.entities("outbox/bss/").unwrap();
        for message in messages {
            let message: Kept<Message> = world.load(message);
            let number: Kept<Lease> = world.load(Entity::new(message.state().posted().unwrap().source()).unwrap());
            assert_eq!(*number.state().state(), LeaseState::Committed, "seed {seed}");
        }
    }
    assert!(sold > 100 && cooled > 100, "{sold} sold, {cooled} given a second time: the run shows nothing");
}

#[test]
fn the_checker_finds_what_was_taken_out() {
    for sabotage in [Sabotage::MaterialWithReservation, Sabotage::CardLeftInWriter] {
        assert!((0..400).any(|seed| run(seed, sabotage).is_err()));
    }
}
