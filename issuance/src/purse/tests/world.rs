//! Two software cards, a line that fails, a bank, a journal.

use std::collections::{BTreeMap, BTreeSet};

use cardwright_apdu::{CommandApdu, Progress, ResponseApdu, StatusWord, Transport, TransportError, TransportErrorKind};
use cardwright_cos::purse::{
    Amount, Balance, PurseAlgorithm, PurseKeys, PurseKind, PurseProfile, TacKey, TransactionTime,
};
use cardwright_keys::{Diversification, KeyKind, KeyRef, KeyRequest, KeyService, KeyValue, SoftwareKeys};
use cardwright_sim::{CpuCard, SimReader, SoftwareCard};

use crate::account::{
    AccountError, AccountId, AccountPort, AccountRequest, BookingId, BookingReference, BookingStatus,
};
use crate::journal::Entity;
use crate::machine::{Change, Kept, Machine, read_event};
use crate::port::{Answer, Ask, Conversation};
use crate::primitive::approval::tests::{granted, roster};
use crate::purse::run::{Decisions, load_with};
use crate::purse::{
    self, Load, LoadError, LoadOrder, LoadReport, LoadRules, LoadState, LoadTerminal, PurseEvent, PurseHistory,
    TransactionId, Waiting,
};
use crate::quarantine::{Case, CaseEvent, Finding};
use crate::store::{Journal, MemoryStore, Store};

const MASTER_LOAD: &str = "00112233445566778899AABBCCDDEEFF";
const MASTER_TAC: &str = "FFEEDDCCBBAA99887766554433221100";
const PURSE: &[u16] = &[0x3F00, 0x3F01, 0x0002];
pub(crate) const TERMINAL: [u8; 6] = [0x00, 0x11, 0x22, 0x33, 0x44, 0x55];

pub(crate) fn amount() -> Amount {
    Amount::new(200).unwrap()
}

pub(crate) fn terminal() -> LoadTerminal {
    LoadTerminal {
        application: "A00000000386980701".parse().unwrap(),
        profile: PurseProfile { algorithm: PurseAlgorithm::Tdes, tac: TacKey::Folded, ..PurseProfile::FMCOS },
        sm4_by_version: false,
        keys: PurseKeys { load: KeyRef::new("load"), tac: Some(KeyRef::new("tac")) },
        levels: Some(Vec::new()),
        pin: None,
        number: cardwright_cos::purse::TerminalNumber(TERMINAL),
        rules: LoadRules { version: 1, max_amount: Amount::new(100_000).unwrap(), max_balance: Balance(1_000_000) },
        time: TransactionTime::new(2024, 5, 6, 7, 8, 9).unwrap(),
        now_ms: 50,
    }
}

pub(crate) fn order(id: &str) -> LoadOrder {
    LoadOrder {
        id: TransactionId::new(id).unwrap(),
        purse: PurseKind::Wallet,
        amount: amount(),
        account: AccountId::new("holder").unwrap(),
        terminal: terminal(),
    }
}

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

/// A card with its own keys, an empty wallet, and an empty deposit that wants the PIN.
fn card(number: u8) -> CpuCard {
    let factor = [0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, number];
    let own = |master: &str| {
        let key = Diversification::Pboc { factor }.apply(&KeyValue::new(&bytes(master)).unwrap()).unwrap();
        hex::encode_upper(key.expose_bytes())
    };
    let mut card = CpuCard::builder().seed(number.into()).pin_for_load(true).build();
    let information = format!("11112222333300060301AABB{}20240101203412315566", hex::encode_upper(factor));
    let script = [
        "80E03F000D38FFFFF0F001FFFFFFFFFFFFFF".into(),
        "80E03F011138036FF0F095FFFFA00000000386980701".into(),
        "00A4040009A00000000386980701".into(),
        "80E00000073F018F95F0FFFF".into(),
        format!("80D401001534F0F00100{}", own(MASTER_TAC)),
        format!("80D40101153FF0F00100{}", own(MASTER_LOAD)),
        "80D401000D3AF0EF013312345FFFFFFFFFFF".into(),
        "80E000150728001EF0F0FFFF".into(),
        format!("00D695001E{information}"),
        "80E00018072E0A17F0EFFFFF".into(),
        "80E00001072F0208F100FF18".into(),
        "80E00002072F0208F000FF18".into(),
    ];
    for command in script {
        let answer = card.process(&bytes(&command));
        assert!(answer.ends_with(&[0x90, 0x00]), "{command}: {}", hex::encode(answer));
    }
    let _atr = card.reset();
    card
}

/// What happens to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineFault {
    /// The card is pulled out before.
    CutBefore,
    /// It is pulled out after it executed the command.
    CutAfter,
    /// It is pulled out while it writes.
    Torn,
    /// The answer is lost; the card stays.
    Lost,
    /// The command is executed twice; the second answer arrives.
    Doubled,
    /// It is not executed; this status comes back.
    Status(u16),
    /// It is executed; this status comes back in the place of the answer.
    ExecutedStatus(u16),
    /// A bit of the answer is flipped.
    Flip(usize),
    /// The other card is in the reader from now on.
    OtherCard,
    /// It is not executed; 9000 comes back with a TAC that somebody made up.
    Forged,
    /// Not executed: the card's first answer to INITIALIZE FOR LOAD is played back.
    Replay,
}

/// An account's keeper, as its port asks it to be.
#[derive(Clone, Default)]
pub(crate) struct Bank {
    bookings: BTreeMap<BookingId, (AccountRequest, BookingStatus)>,
    cancelled: BTreeSet<BookingId>,
    taken: i64,
    calls: u32,
    /// Calls whose request is lost, and whose answer is.
    lost_requests: BTreeSet<u32>,
    lost_answers: BTreeSet<u32>,
    under_way: Vec<AccountRequest>,
    refuses_reversals: bool,
    refuses_debits: bool,
}

impl Bank {
    /// What is booked in all.
    pub(crate) fn taken(&self) -> i64 {
        self.taken
    }

    pub(crate) fn lose_request(&mut self, call: u32) {
        self.lost_requests.insert(call);
    }

    pub(crate) fn answer_late(&mut self, call: u32) {
        self.lost_answers.insert(call);
    }

    pub(crate) fn refuse_debits(&mut self) {
        self.refuses_debits = true;
    }

    pub(crate) fn refuse_reversals(&mut self) {
        self.refuses_reversals = true;
    }

    /// Requests that were under way come at last.
    pub(crate) fn deliver_lost(&mut self) {
        for request in std::mem::take(&mut self.under_way) {
            let _nobody_hears = self.book(&request);
        }
    }

    fn book(&mut self, request: &AccountRequest) -> BookingStatus {
        let booking = match request {
            AccountRequest::Query { booking } => {
                return self.bookings.get(booking).map_or(BookingStatus::NotSeen, |(_, status)| status.clone());
            }
            AccountRequest::Debit { booking, .. } | AccountRequest::Reverse { booking, .. } => booking,
        };
        if let Some((before, status)) = self.bookings.get(booking) {
            return if before == request { status.clone() } else { BookingStatus::Refused };
        }
        let booked = || BookingStatus::Booked { reference: BookingReference::new("R").unwrap() };
        let status = match request {
            AccountRequest::Debit { account, booking, .. }
                if account.as_str() == "nobody" || self.refuses_debits || self.cancelled.contains(booking) =>
            {
                BookingStatus::Refused
            }
            AccountRequest::Debit { amount, .. } => {
                self.taken += i64::from(*amount);
                booked()
            }
            AccountRequest::Reverse { .. } if self.refuses_reversals => BookingStatus::Refused,
            AccountRequest::Reverse { debit, .. } => {
                if let Some((AccountRequest::Debit { amount, .. }, BookingStatus::Booked { .. })) =
                    self.bookings.get(debit)
                    && !self.cancelled.contains(debit)
                {
                    self.taken -= i64::from(*amount);
                }
                self.cancelled.insert(debit.clone());
                booked()
            }
            AccountRequest::Query { .. } => BookingStatus::NotSeen,
        };
        self.bookings.insert(booking.clone(), (request.clone(), status.clone()));
        status
    }
}

impl AccountPort for Bank {
    fn ask(&mut self, request: &AccountRequest) -> Result<BookingStatus, AccountError> {
        self.calls += 1;
        if self.lost_requests.contains(&self.calls) {
            self.under_way.push(request.clone());
            return Err(AccountError::NoAnswer);
        }
        let status = self.book(request);
        if self.lost_answers.contains(&self.calls) { Err(AccountError::NoAnswer) } else { Ok(status) }
    }
}

/// Says of every MAC1 that it is right.
pub(crate) struct Liar(pub(crate) SoftwareKeys);

impl KeyService for Liar {
    fn answer(&mut self, request: &KeyRequest) -> Result<cardwright_keys::KeyAnswer, cardwright_keys::KeyError> {
        match request {
            KeyRequest::VerifyPurseMac { mac, .. } if mac.key.name() == "load" => {
                Ok(cardwright_keys::KeyAnswer::Verified(true))
            }
            other => self.0.answer(other),
        }
    }
}

/// Somebody else writes.
pub(crate) type Meddle = fn(&mut MemoryStore);

pub(crate) struct World {
    cards: [CpuCard; 2],
    inserted: Option<usize>,
    count: u64,
    plan: BTreeMap<u64, LineFault>,
    refuses_credits: bool,
    /// First answers of cards to INITIALIZE FOR LOAD, by command.
    initializations: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) bank: Bank,
    pub(crate) store: MemoryStore,
    /// Asks of all runs, and where the program is killed: before the answer is sought, or after.
    asked: u64,
    pub(crate) kill_before: Option<u64>,
    pub(crate) kill_after: Option<u64>,
    pub(crate) believes_everything: bool,
    /// What is drawn when the machine asks for random bytes, where it is always the same.
    pub(crate) random: Option<[u8; 8]>,
    /// What somebody else writes before an ask is answered.
    pub(crate) meddler: Option<(u64, Meddle)>,
}

/// How a run ended.
pub(crate) enum Ended<T> {
    With(T),
    Killed,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            cards: [card(1), card(2)],
            inserted: Some(0),
            count: 0,
            plan: BTreeMap::new(),
            refuses_credits: false,
            initializations: BTreeMap::new(),
            bank: Bank::default(),
            store: MemoryStore::new(),
            asked: 0,
            kill_before: None,
            kill_after: None,
            believes_everything: false,
            random: None,
            meddler: None,
        }
    }

    pub(crate) fn deposit(&self) -> Option<u32> {
        self.cards[0].balance(&[0x3F00, 0x3F01, 0x0001])
    }

    /// The same world once more.
    pub(crate) fn clone_world(&self) -> Self {
        let mut twin = Self::new();
        twin.cards = [self.cards[0].twin(), self.cards[1].twin()];
        twin.inserted = self.inserted;
        twin.bank = self.bank.clone();
        twin.store = MemoryStore::from_log(self.store.log().to_vec(), crate::store::MemoryFaults::none()).unwrap();
        twin
    }

    pub(crate) fn plan(&mut self, command: u64, fault: LineFault) {
        self.plan.insert(command, fault);
    }

    pub(crate) fn refuse_credits(&mut self) {
        self.refuses_credits = true;
    }

    /// Puts a card in, fresh from a reset.
    pub(crate) fn insert(&mut self, card: usize) {
        let _atr = self.cards[card].reset();
        self.inserted = Some(card);
    }

    pub(crate) fn reinsert(&mut self) {
        self.insert(0);
    }

    pub(crate) fn commands(&self) -> u64 {
        self.count
    }

    pub(crate) fn asks(&self) -> u64 {
        self.asked
    }

    pub(crate) fn bank_calls(&self) -> u32 {
        self.bank.calls
    }

    pub(crate) fn commits(&self) -> u64 {
        let mut commits = BTreeSet::new();
        let records = self.store.records(0, 1000).unwrap();
        commits.extend(records.iter().map(|record| record.time_ms));
        commits.len() as u64
    }

    pub(crate) fn balance(&self, card: usize) -> i64 {
        self.cards[card].balance(PURSE).unwrap().into()
    }

    /// All loads of both cards, as the journal tells them.
    pub(crate) fn loads(&self) -> Vec<Load> {
        let entities = self.store.entities("purse/").unwrap();
        let of =
            |entity: &Entity| Kept::<PurseHistory>::load(&self.store, entity.clone()).unwrap().state().loads().to_vec();
        entities.iter().flat_map(of).collect()
    }

    /// What is wrong with the money, if anything is: cards hold what was debited and not reversed, but for loads that have not ended.
    pub(crate) fn wrong(&self) -> Option<String> {
        let loads = self.loads();
        let is_open = |load: &&Load| !load.is_ended();
        let held = self.balance(0) + self.balance(1);
        let loaded: i64 = loads
            .iter()
            .filter(|load| matches!(load.state, LoadState::Loaded(_)))
            .map(|load| i64::from(load.amount.get()))
            .sum();
        let open: i64 = loads.iter().filter(is_open).map(|load| i64::from(load.amount.get())).sum();
        let taken = self.bank.taken();
        let states: Vec<_> = loads.iter().map(|load| (load.id.to_string(), load.state)).collect();
        if !(loaded..=loaded + open).contains(&held) {
            return Some(format!("cards hold {held}, loads say {loaded} and {open} open: {states:?}"));
        }
        if !(loaded..=loaded + open).contains(&taken) || held > taken {
            return Some(format!("{taken} were debited, cards hold {held}: {states:?}"));
        }
        None
    }

    pub(crate) fn load(&mut self, order: &LoadOrder) -> Result<LoadReport, LoadError> {
        self.load_by(order, Decisions::REAL)
    }

    pub(crate) fn load_by(&mut self, order: &LoadOrder, decisions: Decisions) -> Result<LoadReport, LoadError> {
        match self.run(load_with(order.clone(), decisions)) {
            Ended::With(report) => report,
            Ended::Killed => panic!("killed"),
        }
    }

    pub(crate) fn resume(&mut self) -> Result<Option<LoadReport>, LoadError> {
        match self.run(purse::resume(terminal())) {
            Ended::With(report) => report,
            Ended::Killed => panic!("killed"),
        }
    }

    pub(crate) fn give_up(&mut self, id: &str) -> Result<LoadReport, LoadError> {
        match self.run(purse::give_up(TransactionId::new(id).unwrap(), 55)) {
            Ended::With(report) => report,
            Ended::Killed => panic!("killed"),
        }
    }

    /// Two persons decide the case of a load in dispute.
    pub(crate) fn decide(&mut self, waiting: Option<Waiting>, finding: Finding) {
        let Some(Waiting::Dispute { case, .. }) = waiting else { panic!("{waiting:?}") };
        let mut case = Kept::<Case>::load(&self.store, case).unwrap();
        let what = case.state().doubt().unwrap().matter(finding);
        let grant = granted(what, 2).grant(&what, &roster(2, 3), 60).unwrap();
        let decided = CaseEvent::Decided { at_ms: 60, finding, grant };
        Change::new().apply(&mut case, &[decided]).unwrap().commit(&mut self.store, 60).unwrap();
    }

    /// The card is loaded elsewhere, by a terminal with another journal.
    pub(crate) fn load_behind_the_back(&mut self) {
        let mut other = self.clone_world();
        other.store = MemoryStore::new();
        other.bank = Bank::default();
        other.insert(0);
        other.load(&order("elsewhere")).unwrap();
        self.cards[0] = other.cards[0].twin();
        self.insert(0);
    }

    pub(crate) fn drive_without_account(&mut self, order: &LoadOrder) -> Result<LoadReport, LoadError> {
        let mut reader = SimReader::new(self.cards[0].twin());
        let mut keys = keys();
        crate::Driver {
            card: &mut reader as &mut dyn Transport,
            keys: &mut keys,
            store: &mut self.store,
            clock: &mut || 1,
            random: &mut || [1; 8],
            notice: &mut |_| {},
        }
        .run(purse::load(order.clone()))
        .unwrap()
    }

    pub(crate) fn run<T>(&mut self, mut machine: Conversation<T>) -> Ended<T> {
        let mut progress = machine.start().unwrap();
        loop {
            let ask = match progress {
                Progress::Done(result) => return Ended::With(result),
                Progress::Ask(ask) => ask,
            };
            self.asked += 1;
            if self.kill_before == Some(self.asked) {
                return Ended::Killed;
            }
            if let Some((ask, meddle)) = self.meddler
                && ask == self.asked
            {
                meddle(&mut self.store);
            }
            let answer = match ask {
                Ask::Transmit(command) => Answer::Response(self.transmit(&command)),
                Ask::Keys(request) => Answer::Keys(match self.believes_everything {
                    true => Liar(keys()).answer(&request),
                    false => keys().answer(&request),
                }),
                Ask::History(entity) => Answer::History(self.store.history(&entity)),
                Ask::Commit(transaction) => Answer::Committed(self.store.commit(transaction, self.asked)),
                Ask::Random => {
                    let drawn = self.asked.wrapping_add(1 << 40).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
                    Answer::Random(self.random.unwrap_or(drawn))
                }
                Ask::Account(request) => {
                    self.check_intent(&request);
                    Answer::Account(self.bank.ask(&request))
                }
                other => panic!("{other:?}"),
            };
            if self.kill_after == Some(self.asked) {
                return Ended::Killed;
            }
            progress = machine.answer(answer).unwrap();
        }
    }

    /// What was recorded last of any purse.
    fn last_event(&self) -> Option<PurseEvent> {
        let records = self.store.records(0, 1000).unwrap_or_default();
        records.iter().rev().find_map(|record| read_event(PurseHistory::NAME, record).ok())
    }

    /// No booking without its intent on stable storage.
    fn check_intent(&self, request: &AccountRequest) {
        let last = self.last_event();
        match request {
            AccountRequest::Debit { .. } => assert!(
                matches!(last, Some(PurseEvent::DebitRequested | PurseEvent::DebitUnknown)),
                "a debit after {last:?}"
            ),
            AccountRequest::Reverse { .. } => assert_eq!(last, Some(PurseEvent::ReversalRequested)),
            AccountRequest::Query { .. } => {}
        }
    }

    fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, TransportError> {
        self.count += 1;
        let raw = command.to_bytes().unwrap();
        let is_credit = raw[..2] == [0x80, 0x52];
        if is_credit {
            let Some(PurseEvent::CreditSent { mac2, .. }) = self.last_event() else {
                panic!("CREDIT FOR LOAD without its intent");
            };
            assert_eq!(raw[12..16], mac2);
        }
        let mut fault = self.plan.remove(&self.count);
        if is_credit && self.refuses_credits {
            fault = Some(LineFault::Status(0x9302));
        }
        if fault == Some(LineFault::OtherCard) {
            self.insert(1);
        }
        let Some(place) = self.inserted else {
            return Err(TransportError::not_sent(TransportErrorKind::NoCard));
        };
        let card = &mut self.cards[place];
        let removed = || Err(TransportError::unknown(TransportErrorKind::CardRemoved));
        let status = |sw| Ok(ResponseApdu::new([], StatusWord(sw)));
        let mut answer = match fault {
            Some(LineFault::CutBefore) => {
                self.inserted = None;
                return removed();
            }
            Some(LineFault::CutAfter) => {
                let _lost = card.process(&raw);
                self.inserted = None;
                return removed();
            }
            Some(LineFault::Torn) => {
                card.process_torn(&raw, 3);
                self.inserted = None;
                return removed();
            }
            Some(LineFault::Lost) => {
                let _lost = card.process(&raw);
                return Err(TransportError::unknown(TransportErrorKind::Timeout));
            }
            Some(LineFault::Status(sw)) => return status(sw),
            Some(LineFault::Forged) => return Ok(ResponseApdu::new([1, 2, 3, 4], StatusWord::OK)),
            Some(LineFault::ExecutedStatus(sw)) => {
                let _lost = card.process(&raw);
                return status(sw);
            }
            Some(LineFault::Replay) if !self.initializations.is_empty() => {
                let same = self.initializations.get(&raw);
                same.or(self.initializations.values().next()).cloned().unwrap_or_default()
            }
            Some(LineFault::Doubled) => {
                let _first = card.process(&raw);
                card.process(&raw)
            }
            _ => card.process(&raw),
        };
        if raw[..2] == [0x80, 0x50] && fault.is_none() {
            self.initializations.entry(raw).or_insert_with(|| answer.clone());
        }
        if let Some(LineFault::Flip(bit)) = fault {
            let bit = bit % (answer.len() * 8);
            answer[bit / 8] ^= 0x80 >> (bit % 8);
        }
        Ok(ResponseApdu::parse(&answer).unwrap())
    }
}

fn keys() -> SoftwareKeys {
    let mut keys = SoftwareKeys::new();
    keys.insert("load", KeyKind::Tdes, &bytes(MASTER_LOAD)).unwrap();
    keys.insert("tac", KeyKind::Tdes, &bytes(MASTER_TAC)).unwrap();
    keys
}
