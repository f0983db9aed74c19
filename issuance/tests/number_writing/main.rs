//! Number writing: from a blank card, torn anywhere, with cards and orders that do not fit.

mod card;
mod guards;
#[path = "../../../examples/shared/persons.rs"]
mod persons;

use cardwright_cos::usim::{
    Iccid, Imsi, Msisdn, Part, Plmn, SecretCode, SecretWrite, SimError, SimProfile, SubscriberData, Target,
};
use cardwright_issuance::remote::{IssueError, Outcome};
use cardwright_issuance::store::{Fault as StoreFault, Journal, MemoryFaults, MemoryStore};
use cardwright_issuance::usim::{NumberOrder, NumberReport, write_number};
use cardwright_issuance::{self as issuance, Driver, DriverError};
use cardwright_keys::milenage::{OperatorKey, SubscriberKeys};
use cardwright_keys::{KeyRef, SoftwareKeys};

use crate::card::{Card, Cut, ICCID, IMSI, K, LOCI, MSISDN, OPC};

const NUMBER: &str = "8988211000001090318";

/// sysmoUSIM-SJS1, with the PUK command of another make.
fn profile() -> SimProfile {
    let mut profile = SimProfile::built_in("sysmousim-sjs1").unwrap();
    profile.name = "test".into();
    let target = Target::Command { header: [0xA0, 0xD4, 0x3B, 0x01] };
    profile.puk = vec![SecretWrite { target, content: vec![Part::Puk] }];
    profile
}

fn order() -> NumberOrder {
    let profile = profile();
    let mut data = SubscriberData::new(Imsi::new("262011106487504", &["26201".into()]).unwrap());
    data.iccid = Some(Iccid::new(NUMBER, &profile.numbering.iccid).unwrap());
    data.msisdn = Some(Msisdn::new("+4917279119183", profile.numbering.national).unwrap());
    let mut order = NumberOrder::new(profile, data);
    order.adm = Some(SecretCode::from_bytes(*b"87654321"));
    order.puk = Some(SecretCode::puk("31415926").unwrap());
    order.keys = Some(SubscriberKeys { k: KeyRef::new("k"), operator: OperatorKey::Op(KeyRef::new("op")) });
    order
}

/// TS 35.208, test set 1, and another subscriber's K.
fn keys() -> SoftwareKeys {
    let mut keys = SoftwareKeys::new();
    let file = "k K 465B5CE8B199B49FAA5F0A2EE238A6BC E4F3EA\nop OP CDC202D5123E20F62B6D676AC72CB318 6FAE8C";
    keys.insert_file(file).unwrap();
    let other = hex::decode("FEC86BA6EB707ED08905757B1BB44B8F").unwrap();
    let kind = cardwright_keys::KeyKind::Milenage(cardwright_keys::milenage::MilenageKey::K);
    keys.insert("k-2", kind, &other).unwrap();
    keys
}

fn run(card: &mut Card, store: &mut MemoryStore, order: &NumberOrder) -> Result<Outcome<NumberReport>, IssueError> {
    try_run(card, store, order).unwrap()
}

/// As [`run`], with a store that may fail.
fn try_run(
    card: &mut Card,
    store: &mut MemoryStore,
    order: &NumberOrder,
) -> Result<Result<Outcome<NumberReport>, IssueError>, DriverError> {
    let mut time = 0;
    let mut random = 0_u64;
    let mut driver = Driver {
        card,
        keys: &mut keys(),
        store,
        clock: &mut || {
            time += 1;
            time
        },
        random: &mut || {
            random += 1;
            random.to_be_bytes()
        },
        notice: &mut |_| {},
    };
    driver.run(write_number(order.clone()))
}

fn complete(result: Result<Outcome<NumberReport>, IssueError>) -> NumberReport {
    match result {
        Ok(Outcome::Complete(report)) => report,
        other => panic!("{other:?}"),
    }
}

fn quarantined(result: Result<Outcome<NumberReport>, IssueError>) -> (String, String) {
    match result {
        Ok(Outcome::Quarantined { step, reason }) => (step, reason),
        other => panic!("{other:?}"),
    }
}

fn assert_written(card: &Card) {
    let file = |file| hex::encode_upper(&card.files[&file]);
    assert_eq!(file(ICCID), "988812010000010913F8");
    assert_eq!(file(IMSI), "082926101160845740");
    assert_eq!(file(0x7FFF_6F78), "0010");
    assert_eq!(file(MSISDN)[..56], "FF".repeat(14) + "0891947172199181F3FFFFFFFFFF");
    assert_eq!(file(K), "465B5CE8B199B49FAA5F0A2EE238A6BC");
    assert_eq!(file(OPC), "01CD63CB71954A9F4E48A5994E37A02BAF");
    assert_eq!(&card.puk, b"31415926");
}

#[test]
fn a_blank_card_gets_its_subscriber_in_few_commands() {
    let (mut card, mut store) = (Card::blank(), MemoryStore::new());
    let report = complete(run(&mut card, &mut store, &order()));
    assert_written(&card);
    assert_eq!(report.written, ["iccid", "imsi", "acc", "msisdn", "puk", "keys"]);
    assert!(report.proved);
    let count = |ins: u8| card.commands.iter().filter(|header| header[1] == ins).count();
    // What changes the card: VERIFY after a look at its counter, four files, PUK, two key files.
    assert_eq!((count(0x20), count(0xD6) + count(0xDC), count(0xD4)), (2, 6, 1));
    // Each of the files is selected, written and read back; the rest says which card it is and that it has the keys.
    assert_eq!(card.commands.len(), 28, "{:02X?}", card.commands);
    // Nothing personal or secret is in the records.
    let log = store.log();
    for secret in [&b"31415926"[..], b"87654321", &card.files[&K], &card.files[&IMSI][1..], b"262011106487504"] {
        assert!(!log.windows(secret.len()).any(|window| window == secret));
    }
}

/// What the operator of a vending point calls a number write: IMSI, number, PUK and keys to a card that has its ICCID and ACC.
#[test]
fn the_number_itself_takes_about_twelve_commands() {
    let (mut card, mut store) = (Card::blank(), MemoryStore::new());
    card.files.insert(ICCID, order().data.iccid.unwrap().to_file().to_vec());
    let mut order = order();
    order.profile.iccid_rewritable = false;
    let _ = complete(run(&mut card, &mut store, &order));
    let verify = card.commands.iter().position(|header| header[1] == 0x20).unwrap();
    let proof = card.commands.iter().position(|header| header[0] == 0xA0 && header[1] == 0xA4).unwrap();
    let acc = 3;
    assert_eq!(proof - verify - acc, 13, "{:02X?}", &card.commands[verify..proof]);
}

#[test]
fn a_card_that_is_complete_is_left_alone() {
    let (mut card, mut store) = (Card::blank(), MemoryStore::new());
    complete(run(&mut card, &mut store, &order()));
    let head = store.head().unwrap();
    card.commands.clear();
    let report = complete(run(&mut card, &mut store, &order()));
    assert!(report.written.is_empty() && report.proved);
    assert!(!card.commands.iter().any(|header| matches!(header[1], 0x20 | 0xD6 | 0xDC | 0xD4)));
    assert_eq!(store.head().unwrap(), head);
}

#[test]
fn torn_anywhere_it_is_finished_by_the_next_run() {
    let mut total = Card::blank();
    complete(run(&mut total, &mut MemoryStore::new(), &order()));
    for n in 1..=total.commands.len() {
        for cut in [Cut::Before(n), Cut::Half(n), Cut::After(n)] {
            let (mut card, mut store) = (Card::blank(), MemoryStore::new());
            card.cut = Some(cut);
            let torn = run(&mut card, &mut store, &order());
            assert!(matches!(torn, Ok(Outcome::Interrupted(_))), "{cut:?}: {torn:?}");
            card.cut = None;
            complete(run(&mut card, &mut store, &order()));
            assert_written(&card);
            assert_eq!(card.tries, 3, "{cut:?}");
        }
    }
}

#[test]
fn torn_twice_in_a_row_it_is_finished_all_the_same() {
    for first in [6, 8, 12, 17, 19, 21, 23, 26, 28] {
        for second in 1..=28 {
            let (mut card, mut store) = (Card::blank(), MemoryStore::new());
            for cut in [Cut::After(first), Cut::Half(second)] {
                card.cut = Some(cut);
                let torn = run(&mut card, &mut store, &order());
                assert!(matches!(torn, Ok(Outcome::Interrupted(_) | Outcome::Complete(_))), "{cut:?}: {torn:?}");
                card.commands.clear();
            }
            card.cut = None;
            complete(run(&mut card, &mut store, &order()));
            assert_written(&card);
        }
    }
}

#[test]
fn a_wrong_adm_key_is_tried_once_and_never_with_the_last_try() {
    let mut wrong = order();
    wrong.adm = Some(SecretCode::from_bytes(*b"00000000"));
    for tells_tries in [true, false] {
        let (mut card, mut store) = (Card::blank(), MemoryStore::new());
        card.tells_tries = tells_tries;
        wrong.profile.adm.as_mut().unwrap().tells_tries = tells_tries;
        for _ in 0..3 {
            let (step, _) = quarantined(run(&mut card, &mut store, &wrong));
            assert_eq!((&step[..], card.tries), ("adm", 2));
        }
        wrong.release = Some(persons::release_all(&store, 1).unwrap());
        let _ = quarantined(run(&mut card, &mut store, &wrong));
        assert_eq!(card.tries, 1);
        if tells_tries {
            wrong.release = Some(persons::release_all(&store, 1).unwrap());
            let (_, reason) = quarantined(run(&mut card, &mut store, &wrong));
            assert!(reason.contains("nearly used up") && card.tries == 1, "{reason}");
        }
        wrong.release = None;
        assert_eq!(card.files[&IMSI], [0xFF; 9]);
    }
}

#[test]
fn where_the_card_does_not_tell_its_tries_an_attempt_that_was_lost_needs_a_person() {
    let mut order = order();
    order.profile.adm.as_mut().unwrap().tells_tries = false;
    let (mut card, mut store) = (Card::blank(), MemoryStore::new());
    card.tells_tries = false;
    let verify = {
        let mut card = card.clone();
        complete(run(&mut card, &mut MemoryStore::new(), &order));
        card.commands.iter().position(|header| header[1] == 0x20).unwrap() + 1
    };
    card.cut = Some(Cut::After(verify));
    assert!(matches!(run(&mut card, &mut store, &order), Ok(Outcome::Interrupted(_))));
    card.cut = None;
    card.commands.clear();
    let (_, reason) = quarantined(run(&mut card, &mut store, &order));
    assert!(reason.contains("one attempt"), "{reason}");
    assert!(!card.commands.iter().any(|header| header[1] == 0x20));
    order.release = Some(persons::release_all(&store, 1).unwrap());
    complete(run(&mut card, &mut store, &order));
    assert_written(&card);
}

#[test]
fn a_card_that_forgets_what_it_took_is_found_out() {
    let (mut card, mut store) = (Card::blank(), MemoryStore::new());
    card.is_broken = true;
    let error = run(&mut card, &mut store, &order()).unwrap_err();
    assert!(matches!(&error, IssueError::Sim(SimError::ReadBack { .. })), "{error}");
    // Keys are not read back: the card has to authenticate.
    let (mut card, mut store) = (Card::blank(), MemoryStore::new());
    let mut broken = order();
    broken.profile.keys.pop();
    card.files.insert(OPC, vec![1; 17]);
    let (step, reason) = quarantined(run(&mut card, &mut store, &broken));
    assert!(step == "keys" && reason.contains("does not authenticate"), "{reason}");
}

#[test]
fn a_card_never_gets_two_subscribers() {
    let (mut card, mut store) = (Card::blank(), MemoryStore::new());
    complete(run(&mut card, &mut store, &order()));
    let before = card.files.clone();
    // Another IMSI, another key, for the same ICCID.
    let mut imsi = order();
    imsi.data.imsi = Imsi::new("262011106487505", &[]).unwrap();
    let mut key = order();
    key.keys = Some(SubscriberKeys { k: KeyRef::new("k-2"), operator: OperatorKey::Op(KeyRef::new("op")) });
    // Another ICCID for a card that is somebody's.
    let mut iccid = order();
    iccid.data.iccid = Some(Iccid::new("8988211000001090326", &iccid.profile.numbering.iccid).unwrap());
    for other in [imsi, iccid] {
        let error = run(&mut card, &mut store, &other).unwrap_err();
        assert!(matches!(error, IssueError::OtherSubscriber { .. }), "{error}");
    }
    assert!(matches!(run(&mut card, &mut store, &key), Err(IssueError::NotProved { .. })));
    assert_eq!(card.files, before);
    // The subscriber's second card.
    let mut second = Card::blank();
    let error = run(&mut second, &mut store, &order()).unwrap_err();
    assert!(matches!(&error, IssueError::OtherCard { .. }), "{error}");
    assert_eq!(second.files, Card::blank().files);
}

#[test]
fn a_card_that_was_swapped_is_not_finished_as_the_first() {
    let (mut card, mut store) = (Card::blank(), MemoryStore::new());
    card.cut = Some(Cut::After(14));
    assert!(matches!(run(&mut card, &mut store, &order()), Ok(Outcome::Interrupted(_))));
    let mut other = Card::blank();
    assert!(matches!(run(&mut other, &mut store, &order()), Err(IssueError::OtherCard { .. })));
    assert_eq!(other.files, Card::blank().files);
}

#[test]
fn the_card_at_the_end_is_the_one_of_the_beginning() {
    let mut whole = Card::blank();
    complete(run(&mut whole, &mut MemoryStore::new(), &order()));
    let iccid_written = whole.commands.iter().position(|header| header[1] == 0xD6).unwrap() + 2;
    for n in iccid_written + 1..=whole.commands.len() {
        let (mut card, mut store) = (Card::blank(), MemoryStore::new());
        card.swap = Some(n);
        let error = run(&mut card, &mut store, &order()).unwrap_err();
        assert!(matches!(error, IssueError::OtherCard { .. }), "{n}: {error}");
    }
}

#[test]
fn what_others_changed_is_written_again() {
    let (mut card, mut store) = (Card::blank(), MemoryStore::new());
    complete(run(&mut card, &mut store, &order()));
    card.files.insert(IMSI, vec![0xFF; 9]);
    let report = complete(run(&mut card, &mut store, &order()));
    assert!(report.written.contains(&"imsi"));
    assert_written(&card);
}

#[test]
fn where_a_card_was_since_is_no_contradiction() {
    let mut order = order();
    order.data.reset_for = Some(Plmn::new("262-01").unwrap());
    let (mut card, mut store) = (Card::blank(), MemoryStore::new());
    let report = complete(run(&mut card, &mut store, &order));
    assert!(report.written.contains(&"loci") && report.absent.contains(&"epsloci"));
    assert_eq!(hex::encode_upper(&card.files[&LOCI]), "FFFFFFFF62F2100000FF01");
    card.files.insert(LOCI, hex::decode("7802570222F81009780000").unwrap());
    assert!(complete(run(&mut card, &mut store, &order)).written.is_empty());
}

#[test]
fn what_nobody_knows_how_to_write_is_refused_before_anything_is_sent() {
    let refused = |change: fn(&mut NumberOrder)| {
        let (mut card, mut store) = (Card::blank(), MemoryStore::new());
        let mut order = order();
        change(&mut order);
        let error = run(&mut card, &mut store, &order).unwrap_err();
        assert!(card.commands.is_empty(), "{error}");
        error.to_string()
    };
    assert!(refused(|order| order.profile.puk.clear()).contains("has no entry for a PUK"));
    assert!(refused(|order| order.pin = Some(SecretCode::from_digits("PIN", "1234").unwrap())).contains("a PIN"));
    assert!(refused(|order| order.profile.keys.clear()).contains("has no entry for keys"));
    assert!(refused(|order| order.profile.proof = None).contains("a proof of the keys"));
    assert!(refused(|order| order.adm = None).contains("ADM key"));
    let mut blank = order();
    blank.data.iccid = None;
    assert!(matches!(run(&mut Card::blank(), &mut MemoryStore::new(), &blank), Err(IssueError::NoIccid)));
}
