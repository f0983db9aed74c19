//! A CPU card is issued and its wallet loaded, torn out at every command: the card is whole, the wallet holds the amount, and the
//! account has paid for it once. Judged by the software card and the account alone.

use std::collections::BTreeMap;

use cardwright::cos::profile::CardProfile;
use cardwright::cos::purse::{
    Amount, Balance, PurseAlgorithm, PurseKeys, PurseKind, PurseProfile, TacKey, TerminalNumber, TransactionTime,
};
use cardwright::cos::script::{Script, Values};
use cardwright::gp;
use cardwright::issuance::account::{
    AccountError, AccountId, AccountPort, AccountRequest, BookingReference, BookingStatus,
};
use cardwright::issuance::purse::{LoadError, LoadOrder, LoadReport, LoadRules, LoadTerminal, TransactionId, load};
use cardwright::issuance::remote::Outcome;
use cardwright::issuance::script::{CardSource, ScriptOrder, run_script};
use cardwright::issuance::store::MemoryStore;
use cardwright::issuance::{Driver, purse};
use cardwright::keys::{KeyKind, KeyRef, SoftwareKeys};
use cardwright_sim::{CpuCard, Fault, Faults, SimReader};

const AMOUNT: u32 = 200;
const WALLET: [u16; 3] = [0x3F00, 0x3F01, 0x0002];

/// An account's keeper: what was debited and given back, by id.
#[derive(Default)]
struct Bank {
    debits: BTreeMap<String, u32>,
    given_back: BTreeMap<String, u32>,
}

impl AccountPort for Bank {
    fn ask(&mut self, request: &AccountRequest) -> Result<BookingStatus, AccountError> {
        let booked = || BookingStatus::Booked { reference: BookingReference::new("1").unwrap() };
        Ok(match request {
            AccountRequest::Debit { booking, amount, .. } => {
                let before = *self.debits.entry(booking.to_string()).or_insert(*amount);
                if before == *amount { booked() } else { BookingStatus::Refused }
            }
            AccountRequest::Reverse { debit, amount, .. } => {
                self.given_back.insert(debit.to_string(), *amount);
                booked()
            }
            AccountRequest::Query { booking } if self.debits.contains_key(booking.as_str()) => booked(),
            _ => BookingStatus::NotSeen,
        })
    }
}

/// What stays when a card is torn out.
struct Counter {
    reader: SimReader<CpuCard>,
    store: MemoryStore,
    bank: Bank,
    random: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum Ended {
    Complete,
    Interrupted,
}

impl Counter {
    fn new(faults: Faults<CpuCard>) -> Self {
        let atr = hex::decode("3B8B8001209000112233445566778812").unwrap();
        let card = CpuCard::builder().atr(&atr).seed(7).build();
        let reader = SimReader::new(card).with_faults(faults);
        Self { reader, store: MemoryStore::new(), bank: Bank::default(), random: 0 }
    }

    fn drive<T>(&mut self, run: impl FnOnce(&mut Driver<'_>, &mut Bank) -> T) -> T {
        let mut keys = SoftwareKeys::new();
        for (name, value) in [
            ("card-master", "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"),
            ("tac", "34343434343434343434343434343434"),
            ("maintenance", "36363636363636363636363636363636"),
            ("application-master", "39393939393939393939393939393939"),
            ("load", "3F013F013F013F01"),
        ] {
            keys.insert(name, KeyKind::Tdes, &hex::decode(value).unwrap()).unwrap();
        }
        let random = &mut self.random;
        let mut driver = Driver {
            card: &mut self.reader,
            keys: &mut keys,
            store: &mut self.store,
            clock: &mut || 1,
            random: &mut || {
                *random += 1;
                random.to_be_bytes()
            },
            notice: &mut |_| {},
        };
        run(&mut driver, &mut self.bank)
    }

    /// Everything that is left to do: the script, then the load.
    fn run(&mut self) -> Ended {
        let script = Script::fmcos_sample(&Values::new()).unwrap();
        let profile = CardProfile::built_in("fmcos-2.0").unwrap();
        let order = ScriptOrder { script, profile, identity: CardSource::Profile, release: None };
        match self.drive(|driver, _| driver.run(run_script(order)).unwrap()) {
            Ok(Outcome::Complete(_)) => {}
            Ok(Outcome::Interrupted(_)) => return Ended::Interrupted,
            other => panic!("{other:?}"),
        }
        match self.drive(|driver, bank| driver.run_with_account(load(load_order()), bank).unwrap()) {
            Ok(LoadReport { waiting: None, load, .. }) => {
                assert!(matches!(load.state, purse::LoadState::Loaded(_)), "{load:?}");
                Ended::Complete
            }
            Ok(LoadReport { waiting: Some(purse::Waiting::Card { .. }), .. })
            | Err(
                LoadError::Gp(gp::Error::Transport { .. }) | LoadError::Cos(cardwright::cos::Error::Transport { .. }),
            ) => Ended::Interrupted,
            other => panic!("{other:?}"),
        }
    }

    fn wallet(&self) -> Option<u32> {
        self.reader.card().balance(&WALLET)
    }

    /// The money is in one place, and all of it.
    fn assert_loaded_once(&self, what: &str) {
        assert_eq!(self.wallet(), Some(AMOUNT), "{what}");
        assert_eq!(self.bank.debits, BTreeMap::from([("load-1".into(), AMOUNT)]), "{what}");
        assert!(self.bank.given_back.is_empty(), "{what}");
        let log = self.reader.card().records(&[0x3F00, 0x3F01, 0x0018]).unwrap();
        assert_eq!(log.iter().filter(|record| record[5..9] == AMOUNT.to_be_bytes()).count(), 1, "{what}: in the log");
    }
}

fn load_order() -> LoadOrder {
    LoadOrder {
        id: TransactionId::new("load-1").unwrap(),
        purse: PurseKind::Wallet,
        amount: Amount::new(AMOUNT.into()).unwrap(),
        account: AccountId::new("holder").unwrap(),
        terminal: LoadTerminal {
            application: "A00000000386980701".parse().unwrap(),
            profile: PurseProfile { algorithm: PurseAlgorithm::Des, tac: TacKey::Folded, ..PurseProfile::FMCOS },
            sm4_by_version: false,
            keys: PurseKeys { load: KeyRef::new("load"), tac: Some(KeyRef::new("tac")) },
            levels: None,
            pin: None,
            number: TerminalNumber([0, 0, 0, 0, 0, 1]),
            rules: LoadRules { version: 1, max_amount: Amount::new(1000).unwrap(), max_balance: Balance(10_000) },
            time: TransactionTime::new(2024, 5, 6, 7, 8, 9).unwrap(),
            now_ms: 0,
        },
    }
}

fn faults() -> [fn() -> Fault<CpuCard>; 3] {
    [|| Fault::CutBefore, || Fault::CutAfter, || Fault::CutWriting(1)]
}

fn whole() -> u64 {
    let mut counter = Counter::new(Faults::none());
    assert_eq!(counter.run(), Ended::Complete);
    counter.assert_loaded_once("whole");
    counter.reader.commands()
}

#[test]
fn torn_at_any_command_the_card_is_issued_and_loaded_once() {
    let total = whole();
    assert!(total > 45, "{total}");
    for n in 1..=total {
        for (which, fault) in faults().into_iter().enumerate() {
            let what = format!("command {n}, cut {which}");
            let mut counter = Counter::new(Faults::none().at(n, fault()));
            assert_eq!(counter.run(), Ended::Interrupted, "{what}");
            // Never more on the card than was paid for.
            assert!(counter.wallet().unwrap_or(0) <= counter.bank.debits.values().sum(), "{what}");
            counter.reader.reinsert();
            assert_eq!(counter.run(), Ended::Complete, "{what}");
            counter.assert_loaded_once(&what);
            assert_eq!(counter.run(), Ended::Complete, "{what}, once more");
            counter.assert_loaded_once(&what);
        }
    }
}

#[test]
fn torn_twice_while_it_is_loaded_it_is_loaded_once() {
    let total = whole();
    for first in total - 3..=total {
        for second in 1..=20 {
            for (a, b) in [(0, 1), (1, 0), (1, 1), (1, 2), (2, 1)] {
                let what = format!("command {first}, cut {a}, then {second}, cut {b}");
                let mut counter = Counter::new(Faults::none().at(first, faults()[a]()));
                assert_eq!(counter.run(), Ended::Interrupted, "{what}");
                counter.reader.reinsert();
                counter.reader.plan(counter.reader.commands() + second, faults()[b]());
                let mut runs = 0;
                while counter.run() == Ended::Interrupted {
                    runs += 1;
                    assert!(runs < 4, "{what}");
                    counter.reader.reinsert();
                }
                counter.assert_loaded_once(&what);
            }
        }
    }
}
