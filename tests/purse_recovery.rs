//! Unload, new overdraft limit and purchase on the software CPU card, torn at the command that moves money: what came of it is found
//! out, and is what the card holds.

use cardwright::apdu::{CommandApdu, Transport, TransportError, block_on};
use cardwright::cos::purse::{
    self, Amount, Balance, Dispute, OverdraftLimit, Purchase, PurseAccess, PurseAlgorithm, PurseKeys, PurseKind,
    PurseProfile, Recovered, RecoveredBy, TacKey, TerminalNumber, Transaction, TransactionTime, TransactionType,
};
use cardwright::keys::{KeyKind, KeyRef, SoftwareKeys};
use cardwright_sim::{CpuCard, Fault, SimReader};

const DEPOSIT: [u16; 3] = [0x3F00, 0x3F01, 0x0001];
const WALLET: [u16; 3] = [0x3F00, 0x3F01, 0x0002];
const TERMINAL: TerminalNumber = TerminalNumber([0, 0, 0, 0, 0, 1]);
/// A number that nobody could foresee.
const CHALLENGE: TerminalNumber = TerminalNumber([0xA1, 0xB2, 0xC3, 0xD4, 0xE5, 0xF6]);

fn time() -> TransactionTime {
    TransactionTime::new(2024, 5, 6, 7, 8, 9).unwrap()
}

fn keys() -> SoftwareKeys {
    let mut keys = SoftwareKeys::new();
    for (name, value) in [
        ("load", "3F013F013F013F01"),
        ("purchase", "3E013E013E013E01"),
        ("unload", "3D013D013D013D013D013D013D013D01"),
        ("overdraft", "3C013C013C013C013C013C013C013C01"),
        ("tac", "34343434343434343434343434343434"),
        // Of the keys above some are the same for DES, which leaves out the last bit of each byte.
        ("other", "1122334455667788"),
        ("other-tac", "00112233445566778899AABBCCDDEEFF"),
    ] {
        keys.insert(name, KeyKind::Tdes, &hex::decode(value).unwrap()).unwrap();
    }
    keys
}

/// The manual's keys for loads and purchases are for single DES, those of unloads and limits are not.
fn profile(algorithm: PurseAlgorithm) -> PurseProfile {
    PurseProfile { algorithm, tac: TacKey::Folded, overdraft_tac: TacKey::Whole, ..PurseProfile::FMCOS }
}

fn session(reader: &mut SimReader<CpuCard>) {
    Transport::reset(reader).unwrap();
    for command in ["00A4040009A00000000386980701", "002000000312345F"] {
        let command = CommandApdu::parse(&hex::decode(command).unwrap()).unwrap();
        assert!(reader.exchange(&command).unwrap().sw().is_ok());
    }
}

/// A card whose purses hold 500, ready for a transaction.
fn card() -> SimReader<CpuCard> {
    let mut reader = SimReader::new(CpuCard::builder().seed(3).sample().unwrap());
    session(&mut reader);
    for purse in [PurseKind::Deposit, PurseKind::Wallet] {
        let access = PurseAccess {
            purse,
            profile: profile(PurseAlgorithm::Des),
            keys: PurseKeys { load: KeyRef::new("load"), tac: Some(KeyRef::new("tac")) },
        };
        let amount = Amount::new(500).unwrap();
        block_on(async {
            let session =
                purse::initialize_for_load(&mut reader, &mut keys(), &access, amount, TERMINAL).await.unwrap();
            let credit = purse::prepare_credit(&mut keys(), &access, &session, time()).await.unwrap();
            purse::credit_for_load(&mut reader, &mut keys(), &access, &credit).await.unwrap();
        });
    }
    reader
}

/// Whether the command after the next one, which completes the transaction, is executed when its answer is lost.
fn tear(reader: &mut SimReader<CpuCard>, executed: bool) {
    let at = reader.commands() + 2;
    reader.plan(at, if executed { Fault::CutAfter } else { Fault::CutBefore });
}

fn back(reader: &mut SimReader<CpuCard>) {
    reader.reinsert();
    session(reader);
}

fn expected(executed: bool) -> Recovered {
    if executed { Recovered::Done(RecoveredBy::Proof) } else { Recovered::NotDone }
}

/// Without a proof of the card's: every GET TRANSACTION PROVE is answered 9406.
struct Forgetful<'r>(&'r mut SimReader<CpuCard>);

impl Transport for Forgetful<'_> {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), TransportError> {
        if command[..2] == [0x80, 0x5A] {
            *response = vec![0x94, 0x06];
            return Ok(());
        }
        self.0.transmit(command, response)
    }

    fn reset(&mut self) -> Result<Vec<u8>, TransportError> {
        self.0.reset()
    }
}

#[test]
fn an_unload_that_was_torn_is_found_out() {
    let (key, profile) = (KeyRef::new("unload"), profile(PurseAlgorithm::Tdes));
    let what = (Amount::new(120).unwrap(), TERMINAL, time());
    for executed in [false, true] {
        let mut reader = card();
        tear(&mut reader, executed);
        let open = block_on(async {
            let open = purse::initialize_for_unload(&mut reader, &mut keys(), &profile, &key, what).await.unwrap();
            let torn = purse::debit_for_unload(&mut reader, &mut keys(), &key, &open).await;
            assert!(torn.unwrap_err().is_in_doubt());
            open
        });
        assert_eq!((open.balance, open.new_balance()), (Balance(500), Some(Balance(380))));
        back(&mut reader);
        let balance = if executed { 380 } else { 500 };
        assert_eq!(reader.card().balance(&DEPOSIT), Some(balance));
        let resolve = |card: &mut dyn Transport, challenge| {
            block_on(purse::resolve_unload(&mut { card }, &mut keys(), &profile, &key, &open, challenge)).unwrap()
        };
        assert_eq!(resolve(&mut reader, CHALLENGE), expected(executed));
        // Without the proof MAC1 tells as well.
        let by_mac1 = if executed { Recovered::Done(RecoveredBy::Mac1) } else { Recovered::NotDone };
        assert_eq!(resolve(&mut Forgetful(&mut reader), CHALLENGE), by_mac1);
    }
}

#[test]
fn a_limit_that_was_torn_is_found_out() {
    let (key, tac, profile) = (KeyRef::new("overdraft"), KeyRef::new("tac"), profile(PurseAlgorithm::Tdes));
    let what = (OverdraftLimit::new(70).unwrap(), TERMINAL, time());
    for executed in [false, true] {
        let mut reader = card();
        tear(&mut reader, executed);
        let own = (&key, Some(&tac));
        let open = block_on(async {
            let open = purse::initialize_for_update(&mut reader, &mut keys(), &profile, &key, what).await.unwrap();
            let torn = purse::complete_overdraft(&mut reader, &mut keys(), &profile, own, &open).await;
            assert!(torn.unwrap_err().is_in_doubt());
            open
        });
        assert_eq!(open.new_balance(), Some(Balance(570)));
        back(&mut reader);
        assert_eq!(reader.card().balance(&DEPOSIT), Some(if executed { 570 } else { 500 }));
        let resolve = |card: &mut dyn Transport, own: (&KeyRef, Option<&KeyRef>)| {
            block_on(purse::resolve_overdraft(&mut { card }, &mut keys(), &profile, own, &open, CHALLENGE)).unwrap()
        };
        assert_eq!(resolve(&mut reader, own), expected(executed));
        let by_mac1 = if executed { Recovered::Done(RecoveredBy::Mac1) } else { Recovered::NotDone };
        assert_eq!(resolve(&mut reader, (&key, None)), by_mac1, "without the TAC key");
        assert_eq!(resolve(&mut Forgetful(&mut reader), own), by_mac1);
    }
}

#[test]
fn a_purchase_that_was_torn_is_found_out() {
    let (key, tac, profile) = (KeyRef::new("purchase"), KeyRef::new("tac"), profile(PurseAlgorithm::Des));
    for (transaction_type, path) in [
        (TransactionType::WALLET_PURCHASE, &WALLET),
        (TransactionType::DEPOSIT_PURCHASE, &DEPOSIT),
        (TransactionType::WITHDRAWAL, &DEPOSIT),
    ] {
        let transaction = Transaction { transaction_type, amount: Amount::new(30).unwrap(), terminal: TERMINAL };
        let purchase = Purchase { transaction, terminal_serial: 0x0102_0304, time: time() };
        for executed in [false, true] {
            let mut reader = card();
            tear(&mut reader, executed);
            let open = block_on(async {
                let open = purse::initialize_for_purchase(&mut reader, &profile, purchase).await.unwrap();
                let torn = purse::debit_for_purchase(&mut reader, &mut keys(), &key, &open).await;
                assert!(torn.unwrap_err().is_in_doubt());
                purse::PurchaseSession::recorded(open.purchase(), *open.initialization())
            });
            back(&mut reader);
            assert_eq!(reader.card().balance(path), Some(if executed { 470 } else { 500 }));
            let resolve = |card: &mut dyn Transport, own: (&str, Option<&KeyRef>)| {
                let purchase_key = KeyRef::new(own.0);
                let own = (&purchase_key, own.1);
                block_on(purse::resolve_purchase(&mut { card }, &mut keys(), &profile, own, &open)).unwrap()
            };
            assert_eq!(resolve(&mut reader, ("purchase", Some(&tac))), expected(executed), "{transaction_type:?}");
            assert_eq!(resolve(&mut reader, ("purchase", None)), expected(executed));
            // A proof that does not verify, or none, and a purse that moved: nobody can say that it was this purchase.
            let unproved = if executed { Recovered::Disputed(Dispute::MovedOn) } else { Recovered::NotDone };
            assert_eq!(resolve(&mut reader, ("other", Some(&tac))), unproved, "MAC2 of another key");
            assert_eq!(
                resolve(&mut reader, ("purchase", Some(&KeyRef::new("other-tac")))),
                unproved,
                "another TAC key"
            );
            assert_eq!(resolve(&mut Forgetful(&mut reader), ("purchase", Some(&tac))), unproved);
        }
    }
}

#[test]
fn another_transaction_in_between_is_a_dispute() {
    let (key, profile) = (KeyRef::new("unload"), profile(PurseAlgorithm::Tdes));
    let what = (Amount::new(120).unwrap(), TERMINAL, time());
    let mut reader = card();
    let open = block_on(purse::initialize_for_unload(&mut reader, &mut keys(), &profile, &key, what)).unwrap();
    // The same amount, another unload: its MAC3 is not the one of the record, and the purse is where the record says.
    block_on(purse::unload(&mut reader, &mut keys(), &profile, &key, what)).unwrap();
    let resolve = |reader: &mut SimReader<CpuCard>| {
        block_on(purse::resolve_unload(reader, &mut keys(), &profile, &key, &open, CHALLENGE)).unwrap()
    };
    assert_eq!(resolve(&mut reader), Recovered::Disputed(Dispute::OtherLoad));
    block_on(purse::unload(&mut reader, &mut keys(), &profile, &key, what)).unwrap();
    assert_eq!(resolve(&mut reader), Recovered::Disputed(Dispute::MovedOn));
    // An answer that was recorded before the unload is under the MAC of another terminal number.
    let mut lies = card();
    let open = block_on(purse::initialize_for_unload(&mut lies, &mut keys(), &profile, &key, what)).unwrap();
    let (mut keys, other) = (keys(), KeyRef::new("other"));
    let old = purse::resolve_unload(&mut lies, &mut keys, &profile, &other, &open, CHALLENGE);
    assert_eq!(block_on(old).unwrap(), Recovered::Disputed(Dispute::Mac1));
}
