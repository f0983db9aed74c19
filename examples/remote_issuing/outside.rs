//! What is not ours: cards and readers, those who carry the cards, the shops that report uses, and the ledger of balances.

use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cardwright::apdu::Transport;
use cardwright::relay::{Identity, PublicKey, Stay, TerminalClient, TerminalLimits};
use cardwright_sim::{AesKeyLength, Fault, JavaCard, SecureChannelProtocol, SimReader};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Commands of a card's whole life here, about: faults are planned among them.
const COMMANDS: u32 = 160;
/// How often a card may be put in again.
const STAYS: u32 = 40;

/// A card at the end, with what it executed.
pub(crate) struct CardAtEnd {
    pub(crate) number: u32,
    pub(crate) card: JavaCard,
    pub(crate) commands: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What the shops and the bank say of one card's applications.
#[derive(Clone, Copy, Default)]
pub(crate) struct Fate {
    /// Uses that are reported.
    pub(crate) uses: u32,
    /// Balance of its purse.
    pub(crate) balance: u64,
    /// Transactions that are not settled.
    pub(crate) unsettled: u32,
    /// Whether its holder wants it deleted.
    pub(crate) unwanted: bool,
}

pub(crate) struct Outside {
    seed: u64,
    has_faults: bool,
    waiting: Mutex<VecDeque<u32>>,
    fates: BTreeMap<(u32, u8), Fate>,
    in_reader: Mutex<BTreeMap<[u8; 8], u32>>,
    done: Mutex<BTreeMap<u32, bool>>,
    pub(crate) tears: AtomicU64,
    pub(crate) stays: AtomicU64,
}

impl Outside {
    pub(crate) fn new(cards: u32, applications: u8, has_faults: bool, seed: u64) -> Self {
        let mut dice = ChaCha20Rng::seed_from_u64(seed);
        let mut one_in = |n: u32| dice.next_u32().is_multiple_of(n);
        let mut fates = BTreeMap::new();
        for card in 1..=cards {
            for application in 1..=applications {
                let fate = Fate {
                    uses: u32::from(one_in(2)) + u32::from(one_in(4)),
                    balance: if one_in(3) { 1_250 } else { 0 },
                    unsettled: u32::from(one_in(5)),
                    unwanted: one_in(4),
                };
                fates.insert((card, application), fate);
            }
        }
        Self {
            seed,
            has_faults,
            waiting: Mutex::new((1..=cards).collect()),
            fates,
            in_reader: Mutex::default(),
            done: Mutex::default(),
            tears: AtomicU64::new(0),
            stays: AtomicU64::new(0),
        }
    }

    pub(crate) fn fate(&self, card: u32, application: u8) -> Fate {
        self.fates.get(&(card, application)).copied().unwrap_or_default()
    }

    /// Which card is in the reader: known to the example alone, so that it can say what shops and bank know of it.
    pub(crate) fn card_of(&self, stay: &Stay) -> Option<u32> {
        lock(&self.in_reader).get(&stay.insertion).copied()
    }

    /// The office wants no more of this card.
    pub(crate) fn release(&self, card: u32, is_right: bool) {
        lock(&self.done).insert(card, is_right);
    }

    /// Puts every card into a reader until the office is done with it.
    pub(crate) fn work(
        &self,
        readers: u8,
        server: SocketAddr,
        key: &[u8; 32],
        pinned: PublicKey,
    ) -> Result<Vec<CardAtEnd>, Box<dyn Error>> {
        let limits = TerminalLimits {
            heartbeat: Duration::from_millis(300),
            retry: Duration::from_millis(5),
            give_up: Duration::from_secs(30),
            ..TerminalLimits::default()
        };
        let client = TerminalClient::new(Identity::new(key), vec![pinned], limits);
        let results: Vec<_> = std::thread::scope(|scope| {
            let readers: Vec<_> = (0..readers)
                .map(|slot| (slot, &client))
                .map(|(slot, client)| scope.spawn(move || self.reader(slot, client, server)))
                .collect();
            readers.into_iter().map(|reader| reader.join()).collect()
        });
        let mut chips = Vec::new();
        for result in results {
            chips
                .extend(result.map_err(|_| "a reader ended in a panic")?.map_err(|error| -> Box<dyn Error> { error })?);
        }
        chips.sort_by_key(|chip| chip.number);
        Ok(chips)
    }

    fn reader(
        &self,
        slot: u8,
        client: &TerminalClient,
        server: SocketAddr,
    ) -> Result<Vec<CardAtEnd>, Box<dyn Error + Send + Sync>> {
        let mut chips = Vec::new();
        loop {
            let Some(number) = lock(&self.waiting).pop_front() else { return Ok(chips) };
            let mut dice =
                ChaCha20Rng::seed_from_u64(self.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ u64::from(number));
            let mut reader = SimReader::new(blank(number));
            reader.set_log(true);
            if self.has_faults {
                for _ in 0..dice.next_u32() % 4 {
                    let fault = if dice.next_u32().is_multiple_of(2) { Fault::CutBefore } else { Fault::CutAfter };
                    reader.plan(u64::from(1 + dice.next_u32() % COMMANDS), fault);
                }
            }
            let planned = reader.pending_faults();
            for _ in 0..STAYS {
                if lock(&self.done).contains_key(&number) {
                    break;
                }
                reader.reinsert();
                let mut insertion = [0; 8];
                dice.fill_bytes(&mut insertion);
                lock(&self.in_reader).insert(insertion, number);
                self.stays.fetch_add(1, SeqCst);
                let stay = Stay { slot, insertion, atr: reader.reset()? };
                // A line that breaks is built anew; what cannot be helped ends the run.
                client.serve(server, &stay, &mut reader, |_| {})?;
                lock(&self.in_reader).remove(&insertion);
            }
            self.tears.fetch_add((planned - reader.pending_faults()) as u64, SeqCst);
            let commands =
                reader.take_log().into_iter().map(|entry| (entry.plain_command, entry.plain_response)).collect();
            chips.push(CardAtEnd { number, card: reader.card().twin(), commands });
        }
    }

    pub(crate) fn released(&self) -> BTreeMap<u32, bool> {
        lock(&self.done).clone()
    }
}

/// Every other card speaks SCP02.
fn blank(number: u32) -> JavaCard {
    let protocol = match number % 2 {
        0 => SecureChannelProtocol::Scp02 { i: 0x55 },
        _ => SecureChannelProtocol::Scp03 { i: 0x70, key_length: AesKeyLength::Aes128 },
    };
    JavaCard::builder().protocol(protocol).seed(number.into()).build()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
