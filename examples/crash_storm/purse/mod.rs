//! The purse load: an account is debited, a card is credited, and neither without the other.

mod bank;
mod card;
mod check;

use cardwright::cos::purse::{
    Amount, Balance, PurseAlgorithm, PurseKeys, PurseKind, PurseProfile, TacKey, TerminalNumber, TransactionTime,
};
use cardwright::issuance::account::{AccountError, AccountId, AccountRequest, BookingStatus};
use cardwright::issuance::purse::{
    LoadError, LoadOrder, LoadReport, LoadRules, LoadTerminal, TransactionId, Waiting, load, resume,
};
use cardwright::keys::{KeyKind, KeyRef, SoftwareKeys};

use self::bank::Bank;
use self::card::PurseCard;
use crate::Setup;
use crate::chance::Chance;
use crate::report::{self, WorldReport};
use crate::world::{Job, Moment, Next, Person, Talk, Verdict, World};

const MASTER_LOAD: [u8; 16] = 0x0011_2233_4455_6677_8899_AABB_CCDD_EEFF_u128.to_be_bytes();
const MASTER_TAC: [u8; 16] = 0xFFEE_DDCC_BBAA_9988_7766_5544_3322_1100_u128.to_be_bytes();
/// Name of the key that proves loads.
pub(crate) const TAC_KEY: &str = "tac";

/// What all worlds of this job share.
pub(crate) struct Setting {
    terminal: LoadTerminal,
    keys: SoftwareKeys,
}

impl Setting {
    pub(crate) fn new() -> Self {
        let mut keys = SoftwareKeys::new();
        for (name, value) in [("load", MASTER_LOAD), (TAC_KEY, MASTER_TAC)] {
            keys.insert(name, KeyKind::Tdes, &value).expect("16 bytes are a key");
        }
        let amount = |amount| Amount::new(amount).expect("an amount that a purse can take");
        let terminal = LoadTerminal {
            application: "A00000000386980701".parse().expect("an AID"),
            profile: PurseProfile { algorithm: PurseAlgorithm::Tdes, tac: TacKey::Folded, ..PurseProfile::FMCOS },
            sm4_by_version: false,
            keys: PurseKeys { load: KeyRef::new("load"), tac: Some(KeyRef::new(TAC_KEY)) },
            levels: Some(Vec::new()),
            pin: None,
            number: TerminalNumber([0x00, 0x11, 0x22, 0x33, 0x44, 0x55]),
            rules: LoadRules { version: 1, max_amount: amount(100_000), max_balance: Balance(1_000_000) },
            time: TransactionTime::new(2024, 5, 6, 7, 8, 9).expect("a date"),
            now_ms: 0,
        };
        Self { terminal, keys }
    }
}

struct Loading {
    terminal: LoadTerminal,
    bank: Bank,
    orders: u32,
    /// The storm is over: nothing new is ordered.
    is_calm: bool,
}

/// What came of one conversation of a session.
enum Stage {
    Resumed(Result<Option<LoadReport>, LoadError>),
    Loaded(Result<LoadReport, LoadError>),
}

impl Job for Loading {
    type Card = PurseCard;
    type Ended = Stage;

    /// Whatever was cut off is finished first.
    fn begin(&mut self, at: &mut Moment<'_>) -> Talk<Stage> {
        self.is_calm = at.is_calm;
        let terminal = LoadTerminal { now_ms: at.clock_ms, ..self.terminal.clone() };
        Talk::new(resume(terminal), Stage::Resumed)
    }

    fn go_on(&mut self, ended: Stage, at: &mut Moment<'_>) -> Next<Stage> {
        match ended {
            Stage::Resumed(Ok(None)) if self.is_calm => Next::End(Verdict::Finished { changed: false }),
            Stage::Resumed(Ok(None)) => self.next_load(at),
            // As a rule the holder has another wish.
            Stage::Loaded(Ok(LoadReport { waiting: None, .. })) if !self.is_calm && at.dice.below(4) != 0 => {
                self.next_load(at)
            }
            Stage::Resumed(Ok(Some(report))) | Stage::Loaded(Ok(report)) => Next::End(verdict(&report)),
            Stage::Resumed(Err(error)) | Stage::Loaded(Err(error)) => Next::End(Verdict::Again(error.to_string())),
        }
    }

    fn account(&mut self, request: &AccountRequest, chance: &mut Chance) -> Result<BookingStatus, AccountError> {
        self.bank.ask(request, chance)
    }

    fn tick(&mut self, cards: &[PurseCard], chance: &mut Chance) -> Option<String> {
        if self.is_calm {
            while self.bank.deliver(chance) {}
        } else if chance.dice.below(16) == 0 {
            self.bank.deliver(chance);
        }
        // At any time: no money is made.
        let held: i64 = cards.iter().map(PurseCard::balance).sum();
        (held > self.bank.total()).then(|| format!("the cards hold {held}, and the bank took {}", self.bank.total()))
    }
}

impl Loading {
    fn next_load(&mut self, at: &mut Moment<'_>) -> Next<Stage> {
        self.orders += 1;
        let order = LoadOrder {
            id: TransactionId::new(&format!("T{}", self.orders)).expect("printable and short"),
            purse: PurseKind::Wallet,
            amount: Amount::new(100 + at.dice.below(900) as u64).expect("below every limit"),
            account: AccountId::new("holder").expect("printable and short"),
            terminal: LoadTerminal { now_ms: at.clock_ms, ..self.terminal.clone() },
        };
        Next::Talk(Talk::new(load(order), Stage::Loaded), None)
    }
}

fn verdict(report: &LoadReport) -> Verdict {
    match &report.waiting {
        None => Verdict::Finished { changed: true },
        Some(Waiting::Dispute { why, .. }) => Verdict::NeedsPerson(format!("dispute: {why:?}"), Person::default()),
        Some(waiting) => Verdict::Again(format!("{waiting:?}")),
    }
}

/// Runs the world of a seed.
pub(crate) fn run(setting: &Setting, seed: u64, cards: usize, setup: Setup, traced: bool) -> WorldReport {
    let chance = Chance::new(seed, traced);
    let cards = (1..=cards as u8).map(|number| PurseCard::new(number, seed ^ u64::from(number))).collect();
    let job = Loading { terminal: setting.terminal.clone(), bank: Bank::default(), orders: 0, is_calm: false };
    let mut world = World::new(job, cards, setting.keys.clone(), chance, setup);
    world.run();
    let records = world.disk.records();
    let found = check::check(&world.cards.cards, &world.job.bank, &records);
    found.into_iter().for_each(|violation| world.violation(violation));
    let commands = world.cards.cards.iter().map(|card| card.commands).sum();
    report::of(world, seed, commands, &records)
}
