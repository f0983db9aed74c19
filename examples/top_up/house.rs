//! The house: readers, cards, bank and journal, and the days on which holders come.

use std::collections::BTreeMap;
use std::error::Error;

use cardwright::apdu::Progress;
use cardwright::cos::purse::PurseKind;
use cardwright::cos::purse::TransactionTime;
use cardwright::issuance::account::{AccountId, AccountRequest, BookingId, BookingStatus};
use cardwright::issuance::journal::{CheckpointSigner, Entity, SoftwareSigner};
use cardwright::issuance::machine::{Change, Kept};
use cardwright::issuance::primitive::outbox::{Destination, Outbox};
use cardwright::issuance::purse::{LoadOrder, TransactionId, Waiting};
use cardwright::issuance::store::{Journal, MemoryStore, Store};
use cardwright::issuance::system::admission::{Reader, ReaderEvent, ReaderIdentity, Scope};
use cardwright::issuance::system::alarm::watch;
use cardwright::issuance::system::presence::{Patience, Presence, PresenceEvent, Standing};
use cardwright::issuance::system::settlement::BusinessDate;
use cardwright::issuance::system::top_up::{
    Binding, BindingEvent, CodeKey, NotWritten, Outcome, Rules, TopUpError, TopUpOrder, TopUpReport, finish, give_up,
    requested, top_up, try_code,
};
use cardwright::issuance::{Answer, Ask, Conversation};
use cardwright::keys::{KeyAnswer, KeyRequest, KeyService, SoftwareKeys};

use crate::bank::{Bank, Mishap};
use crate::card::{self, Plastic};
use crate::check::check;
use crate::dice::Dice;
use crate::evening::settle;
use crate::options::{Options, Sabotage};
use crate::persons::Persons;
use crate::reader::{Archive, Line, Trouble};

/// 2024-05-06 00:00:00 UTC.
const FIRST_DAY_MS: u64 = 1_714_953_600_000;
const HOUR_MS: u64 = 3_600_000;
const READERS: usize = 8;
/// The reader that falls silent for most of the second day.
const SILENT: usize = 6;
const FIRMWARE: [u8; 32] = [0xF1; 32];

pub(crate) struct House {
    pub(crate) store: MemoryStore,
    pub(crate) keys: SoftwareKeys,
    pub(crate) bank: Bank,
    pub(crate) cards: Vec<Plastic>,
    pub(crate) archive: Archive,
    pub(crate) persons: Persons,
    pub(crate) dice: Dice,
    pub(crate) now_ms: u64,
    seen: BTreeMap<(usize, Vec<u8>), Vec<u8>>,
    sabotage: Option<Sabotage>,
    /// By what a sabotaged program calls them.
    renamed: BTreeMap<String, BookingId>,
    /// Debits that a sabotaged program makes later.
    later: Vec<AccountRequest>,
    faults: bool,
    orders: u32,
    outcomes: BTreeMap<String, u32>,
    troubles: BTreeMap<Trouble, u32>,
    alarms: u32,
}

/// Runs all days; gives what the checker found.
pub(crate) fn run(options: &Options) -> Result<Vec<String>, Box<dyn Error>> {
    let mut house = House::open(options)?;
    println!("top-up: {} cards, {READERS} readers, {} days, seed {}", options.cards, options.days, options.seed);
    println!(
        "\n{:<12}{:>8}{:>9}{:>11}{:>11}{:>10}  exceptions",
        "day", "asked", "matched", "debited", "reversed", "in doubt"
    );
    let mut before = None;
    let mut disputes = Vec::new();
    for n in 0..=options.days {
        let date = BusinessDate::new(2024, 5, 6 + n)?;
        let asked = house.orders;
        // On the day after the last one everybody who still has a card comes, and nothing fails any more.
        if n == options.days {
            house.come_again(n)?;
        } else {
            house.day(n)?;
        }
        house.now_ms = FIRST_DAY_MS + u64::from(n + 1) * 24 * HOUR_MS - 1;
        let (day, settled) = settle(&mut house, date, before.as_ref())?;
        let totals = day.state().totals();
        let classes: Vec<String> =
            settled.classes.iter().map(|(class, count)| format!("{count} {}", class.name())).collect();
        let words = if classes.is_empty() { "none".into() } else { classes.join(", ") };
        println!(
            "{date:<12}{:>8}{:>9}{:>11}{:>11}{:>10}  {words}",
            house.orders - asked,
            settled.matched,
            totals.debited,
            totals.reversed,
            settled.disputes.len(),
            date = date.to_string(),
        );
        if options.statements {
            print!("{}", settled.statement);
        }
        disputes = settled.disputes;
        before = Some(day);
    }
    Ok(house.summary(&disputes))
}

impl House {
    fn open(options: &Options) -> Result<Self, Box<dyn Error>> {
        let cards = (1..=options.cards).map(|n| Plastic::new(n, options.seed)).collect::<Result<_, _>>()?;
        let mut house = Self {
            store: MemoryStore::new(),
            keys: card::keys()?,
            bank: Bank::new(options.faults),
            cards,
            archive: Archive::default(),
            persons: Persons::new(),
            dice: Dice::new(options.seed),
            now_ms: FIRST_DAY_MS,
            seen: BTreeMap::new(),
            sabotage: options.sabotage,
            renamed: BTreeMap::new(),
            later: Vec::new(),
            faults: options.faults,
            orders: 0,
            outcomes: BTreeMap::new(),
            troubles: BTreeMap::new(),
            alarms: 0,
        };
        (0..READERS).try_for_each(|reader| house.register(reader))?;
        (0..house.cards.len()).try_for_each(|place| house.bind(place))?;
        Ok(house)
    }

    /// Two persons let a reader in.
    fn register(&mut self, reader: usize) -> Result<(), Box<dyn Error>> {
        let identity = ReaderIdentity { serial: serial(reader), public_key: *signer(reader).public_key().as_bytes() };
        let grant = self.persons.grant(identity.matter(), self.now_ms)?;
        let mut kept = Kept::<Reader>::load(&self.store, ReaderIdentity::entity(&serial(reader))?)?;
        let registered = ReaderEvent::Registered { at_ms: self.now_ms, identity, grant };
        Change::new().apply(&mut kept, &[registered])?.commit(&mut self.store, self.now_ms)?;
        Ok(())
    }

    /// Every morning a reader shows what runs on it.
    fn attest(&mut self, reader: usize) -> Result<(), Box<dyn Error>> {
        let at_ms = self.now_ms;
        let mut kept = Kept::<Reader>::load(&self.store, ReaderIdentity::entity(&serial(reader))?)?;
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&self.dice.bytes());
        nonce[8..].copy_from_slice(&self.dice.bytes());
        let identity = kept.state().identity().ok_or("the reader is registered")?;
        let signature =
            signer(reader).sign(&identity.attestation(&nonce, &FIRMWARE)).map_err(|error| error.to_string())?;
        let scope = Scope { purses: vec![2], max_amount: 50_000 };
        let events = [
            ReaderEvent::Challenged { at_ms, nonce },
            Reader::attested(at_ms, FIRMWARE, signature, &[FIRMWARE])?,
            ReaderEvent::Admitted { at_ms, scope },
        ];
        Change::new().apply(&mut kept, &events)?.commit(&mut self.store, at_ms)?;
        Ok(())
    }

    /// A holder binds a card with the code that came by message.
    fn bind(&mut self, place: usize) -> Result<(), Box<dyn Error>> {
        let (key, at_ms) = (CodeKey::new([0x44; 32]), self.now_ms);
        let card = Entity::new(&format!("purse/{}", self.cards[place].name()))?;
        let account = AccountId::new(&self.cards[place].account())?;
        let mut binding = Kept::<Binding>::load(&self.store, Binding::entity(&card, PurseKind::Wallet)?)?;
        let code = format!("{:06}", self.dice.below(1_000_000));
        let (name, last_four) = (account.to_string(), format!("{:04}", self.cards[place].number % 10_000));
        let sent = key.hash(&card, &account, &code);
        let challenged = BindingEvent::Challenged { at_ms, account: name, last_four, code: sent };
        Change::new().apply(&mut binding, &[challenged])?.commit(&mut self.store, at_ms)?;
        if !try_code(&mut self.store, &mut binding, &key.hash(&card, &account, &code), at_ms + 1)? {
            return Err("the code that was sent is not taken".into());
        }
        let bound = BindingEvent::Bound { at_ms: at_ms + 2, reference: format!("C{place}"), consent: [0xCC; 32] };
        Change::new().apply(&mut binding, &[bound])?.commit(&mut self.store, at_ms + 2)?;
        Ok(())
    }

    fn day(&mut self, n: u8) -> Result<(), Box<dyn Error>> {
        let start = FIRST_DAY_MS + u64::from(n) * 24 * HOUR_MS;
        for hour in 0..24 {
            self.now_ms = start + hour * HOUR_MS + 1;
            if hour == 1 {
                (0..READERS).try_for_each(|reader| self.attest(reader))?;
            }
            self.watch(n, hour)?;
            for place in 0..self.cards.len() {
                if (place * 7 + usize::from(n)) % 14 + 8 != hour as usize || self.cards[place].is_lost {
                    continue;
                }
                self.now_ms += 500;
                self.holder_comes(place, n, hour as u8)?;
                if self.dice.percent(5) {
                    self.bank.deliver();
                }
            }
        }
        Ok(())
    }

    /// Heartbeats, and who is missing.
    fn watch(&mut self, day: u8, hour: u64) -> Result<(), Box<dyn Error>> {
        let to = Destination::new("watch")?;
        for reader in 0..READERS {
            let mut presence = Kept::<Presence>::load(&self.store, Presence::entity(&serial(reader))?)?;
            let is_silent = self.is_silent(reader, day, hour);
            if !is_silent {
                let heard = PresenceEvent::Heard { at_ms: self.now_ms, boot: 1 };
                Change::new().apply(&mut presence, &[heard])?.commit(&mut self.store, self.now_ms)?;
            }
            let standing = presence.state().standing(Patience::HOURLY, self.now_ms);
            for (level, word) in [(Standing::Stale, "stale"), (Standing::Offline, "offline")] {
                let wrong = (standing >= level).then_some("no heartbeat");
                let key = format!("reader/{} {word}", serial(reader));
                self.alarms += u32::from(watch(&mut self.store, &to, &key, wrong, self.now_ms)?);
            }
        }
        Ok(())
    }

    fn is_silent(&self, reader: usize, day: u8, hour: u64) -> bool {
        self.faults && reader == SILENT && day == 1 && (2..16).contains(&hour)
    }

    /// A holder comes to a reader: what was torn before is finished first.
    fn holder_comes(&mut self, place: usize, day: u8, hour: u8) -> Result<(), Box<dyn Error>> {
        let reader = loop {
            let reader = self.dice.below(READERS);
            if !self.is_silent(reader, day, hour.into()) {
                break reader;
            }
        };
        let trouble = self.trouble();
        if self.resume(place, reader, day, hour, trouble)? {
            return Ok(());
        }
        self.orders += 1;
        let id = format!("D{}-{:04}-{}", day + 1, self.cards[place].number, self.orders);
        let Some(order) = self.order(place, reader, &id, day, hour)? else { return Ok(()) };
        for attempt in 0..3 {
            let trouble = if attempt == 0 { trouble } else { None };
            let result = self.drive(place, trouble, top_up(order.clone()))?;
            match result {
                Ok(report) => match &report.outcome {
                    Outcome::Waiting(Waiting::Card { .. }) if self.dice.percent(40) => {
                        // Some never find the card again.
                        if self.dice.percent(15) {
                            self.cards[place].is_lost = true;
                            self.count("card lost; the load is given up");
                            let given_up = self.drive(place, None, give_up(order.load.id.clone(), self.now_ms))?;
                            self.tell(&given_up?);
                        } else {
                            self.count("card taken away; finished later");
                        }
                        return Ok(());
                    }
                    Outcome::Waiting(Waiting::Card { .. }) => continue,
                    Outcome::Waiting(Waiting::Account(_)) if self.dice.percent(50) => {
                        // The holder does not wait: no MAC2 is out.
                        let given_up = self.drive(place, None, give_up(order.load.id.clone(), self.now_ms))?;
                        self.tell(&given_up?);
                        return Ok(());
                    }
                    Outcome::Waiting(Waiting::Account(_)) => continue,
                    _ => {
                        self.tell(&report);
                        return Ok(());
                    }
                },
                Err(error) => self.count(&refused(&error)),
            }
        }
        Ok(())
    }

    /// Finishes what was torn; whether there was something.
    fn resume(
        &mut self,
        place: usize,
        reader: usize,
        day: u8,
        hour: u8,
        trouble: Option<(Trouble, usize)>,
    ) -> Result<bool, Box<dyn Error>> {
        let terminal = self.cards[place].kind.terminal([0, 0, 0, 0, 1, reader as u8], time(day, hour)?, self.now_ms)?;
        match self.drive(place, trouble, finish(serial(reader), terminal, 60_000))? {
            Ok(None) => Ok(false),
            Ok(Some(report)) => {
                self.tell(&report);
                Ok(true)
            }
            Err(error) => {
                self.count(&refused(&error));
                Ok(true)
            }
        }
    }

    /// What a holder asks for: most of it can be had.
    fn order(
        &mut self,
        place: usize,
        reader: usize,
        id: &str,
        day: u8,
        hour: u8,
    ) -> Result<Option<TopUpOrder>, Box<dyn Error>> {
        let wished: i128 = match self.dice.below(60) {
            0 => 0,
            1 => -500,
            2 => 1 << 32,
            3 => 50_001,
            _ => [1_000, 2_000, 5_000][self.dice.below(3)],
        };
        let amount = match requested(wished) {
            Ok(amount) => amount,
            Err(error) => {
                self.count(&format!("refused: {error}"));
                return Ok(None);
            }
        };
        let card = &self.cards[place];
        let limits = card::limits()?;
        let load = LoadOrder {
            id: TransactionId::new(id)?,
            purse: PurseKind::Wallet,
            amount,
            account: AccountId::new(&card.account())?,
            terminal: card.kind.terminal([0, 0, 0, 0, 1, reader as u8], time(day, hour)?, self.now_ms)?,
        };
        let rules = Rules { limits, max_a_day: 60_000, black_list: Default::default(), others_load: false };
        Ok(Some(TopUpOrder { load, reader: serial(reader), rules, lease_ms: 60_000 }))
    }

    fn trouble(&mut self) -> Option<(Trouble, usize)> {
        (self.faults && self.dice.percent(30)).then(|| {
            let trouble = Trouble::ALL[self.dice.below(Trouble::ALL.len())];
            (trouble, 1 + self.dice.below(6))
        })
    }

    /// The morning after: the bank has done all that was under way, every card that is not lost is shown to an honest reader.
    fn come_again(&mut self, n: u8) -> Result<(), Box<dyn Error>> {
        self.now_ms = FIRST_DAY_MS + u64::from(n) * 24 * HOUR_MS + HOUR_MS;
        self.bank.deliver();
        self.bank.faults = false;
        (0..READERS).try_for_each(|reader| self.attest(reader))?;
        for place in 0..self.cards.len() {
            if !self.cards[place].is_lost {
                self.now_ms += 500;
                // What is not ended by then stays open, and is shown as such.
                for _ in 0..5 {
                    if !self.resume(place, 0, n, 9, None)? {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// Runs a conversation with the card, the bank and the journal.
    fn drive<T>(
        &mut self,
        place: usize,
        trouble: Option<(Trouble, usize)>,
        mut talk: Conversation<T>,
    ) -> Result<T, Box<dyn Error>> {
        let mut line = Line::new(&mut self.cards, place, trouble, &mut self.archive, &mut self.seen);
        let account = AccountId::new(&line.cards[place].account())?;
        let mut last_debit = None;
        let mut progress = talk.start()?;
        let result = loop {
            let ask = match progress {
                Progress::Done(result) => break result,
                Progress::Ask(ask) => ask,
            };
            let answer = match ask {
                Ask::Transmit(command) => {
                    let response = line.exchange(&command, &mut self.dice);
                    if self.sabotage == Some(Sabotage::RefundOnStatus)
                        && line.credit_ok.take() == Some(false)
                        && let Some((debit, amount)) = last_debit.take()
                    {
                        let booking = BookingId::new(&format!("{debit}/refund"))?;
                        self.bank
                            .book(&AccountRequest::Reverse { booking, debit, account: account.clone(), amount }, 0);
                    }
                    Answer::Response(response)
                }
                Ask::Keys(KeyRequest::VerifyPurseMac { mac, .. })
                    if self.sabotage == Some(Sabotage::SerialWithoutMac1) && mac.key.name().starts_with("load") =>
                {
                    Answer::Keys(Ok(KeyAnswer::Verified(true)))
                }
                Ask::Keys(request) => Answer::Keys(self.keys.answer(&request)),
                Ask::History(entity) => Answer::History(self.store.history(&entity)),
                Ask::Commit(transaction) => Answer::Committed(self.store.commit(transaction, self.now_ms)),
                Ask::Random => Answer::Random(self.dice.bytes()),
                Ask::Account(request) => {
                    let request = match self.sabotage {
                        Some(Sabotage::IdOfSerialAndAmount) => rename(&mut self.renamed, request, line.serial())?,
                        _ => request,
                    };
                    if let AccountRequest::Debit { booking, amount, .. } = &request {
                        last_debit = Some((booking.clone(), *amount));
                    }
                    match (&request, self.sabotage) {
                        (AccountRequest::Debit { .. }, Some(Sabotage::Mac2BeforeDebit)) => {
                            self.later.push(request);
                            let reference = cardwright::issuance::account::BookingReference::new("later")?;
                            Answer::Account(Ok(BookingStatus::Booked { reference }))
                        }
                        _ => Answer::Account(self.bank.ask(&request, &mut self.dice)),
                    }
                }
                _ => return Err("the machine asks for something that this program does not have".into()),
            };
            progress = talk.answer(answer)?;
        };
        if line.struck
            && let Some((trouble, _)) = trouble
        {
            *self.troubles.entry(trouble).or_default() += 1;
        }
        for request in std::mem::take(&mut self.later) {
            let _too_late = self.bank.ask(&request, &mut self.dice);
        }
        Ok(result)
    }

    fn tell(&mut self, report: &TopUpReport) {
        let words = match &report.outcome {
            Outcome::Written(by) => format!("loaded, shown by {by:?}"),
            Outcome::NotWritten(NotWritten::Rules(Some(error))) => {
                format!("refused: {}", error.to_string().split(':').next().unwrap_or_default())
            }
            Outcome::NotWritten(why) => format!("not loaded: {why:?}"),
            Outcome::Waiting(Waiting::Dispute { why, .. }) => format!("in dispute: {why:?}"),
            Outcome::Waiting(Waiting::Card { .. }) => "card gone again; finished later".into(),
            _ => "the bank does not answer; finished later".into(),
        };
        self.count(&words);
    }

    fn count(&mut self, words: &str) {
        *self.outcomes.entry(words.to_owned()).or_default() += 1;
    }

    fn summary(&self, disputes: &[(String, i64)]) -> Vec<String> {
        let section = |title: &str, lines: Vec<(String, u32)>| {
            println!("\n{title}");
            lines.iter().for_each(|(words, count)| println!("  {words:<70}{count:>7}"));
        };
        let owned = |(words, count): (&str, &u32)| (words.to_owned(), *count);
        section("what came of it", self.outcomes.iter().map(|(words, count)| owned((words, count))).collect());
        if self.faults {
            let mut lines: Vec<_> = self.troubles.iter().map(|(it, count)| owned((it.words(), count))).collect();
            let mishap = |it: &Mishap| self.bank.mishaps.get(it).map(|count| owned((it.words(), count)));
            lines.extend(Mishap::ALL.iter().filter_map(mishap));
            section("what went wrong", lines);
        }
        let dead = Outbox::open(&self.store).map_or(0, |outbox| outbox.dead_letters().count());
        let told = self.alarms;
        println!("\nmonitoring: {told} messages about alarms, {dead} of them dead letters");
        let checked = check(&self.cards, &self.bank, disputes);
        let Bank { debits, reversals, corrections, .. } = &self.bank;
        println!("\nmoney, by the bank's books and by looking into the cards");
        for (words, amount) in [
            ("debited", *debits),
            ("- reversed", -reversals),
            ("- corrected after settlement", -corrections),
            ("= taken from accounts", checked.taken),
            ("on the cards", checked.on_cards),
            ("not on the cards", checked.not_on_cards),
            ("open disputes (lost cards), which that is part of", checked.disputed),
        ] {
            println!("  {words:<70}{amount:>11}");
        }
        if checked.wrong.is_empty() {
            println!("\nOK: every card holds what its account paid, but for what is in dispute");
        }
        checked.wrong
    }
}

/// Calls a booking what a program of the field might.
fn rename(
    renamed: &mut BTreeMap<String, BookingId>,
    request: AccountRequest,
    serial: u16,
) -> Result<AccountRequest, Box<dyn Error>> {
    let name = |renamed: &BTreeMap<String, BookingId>, id: &BookingId| {
        let known = id.as_str().strip_suffix("/reversal").unwrap_or(id.as_str());
        renamed.get(known).cloned().unwrap_or_else(|| id.clone())
    };
    Ok(match request {
        AccountRequest::Debit { booking, account, amount } => {
            let other = BookingId::new(&format!("{account}-{serial}-{amount}"))?;
            let other = renamed.entry(booking.to_string()).or_insert(other).clone();
            AccountRequest::Debit { booking: other, account, amount }
        }
        AccountRequest::Reverse { booking, debit, account, amount } => {
            AccountRequest::Reverse { booking, debit: name(renamed, &debit), account, amount }
        }
        AccountRequest::Query { booking } if booking.as_str().ends_with("/reversal") => {
            AccountRequest::Query { booking }
        }
        AccountRequest::Query { booking } => AccountRequest::Query { booking: name(renamed, &booking) },
        other => other,
    })
}

/// An error in few words, so that alike ones are counted together.
fn refused(error: &TopUpError) -> String {
    format!("not begun or not finished: {}", error.to_string().split([':', ',']).next().unwrap_or_default())
}

fn serial(reader: usize) -> String {
    format!("R{}", reader + 1)
}

fn signer(reader: usize) -> SoftwareSigner {
    SoftwareSigner::new(&[0x80 + reader as u8; 32])
}

fn time(day: u8, hour: u8) -> Result<TransactionTime, Box<dyn Error>> {
    Ok(TransactionTime::new(2024, 5, 6 + day, hour, 0, 0)?)
}
