//! Numbers written to software SIMs of several makes, torn at every command: each ends complete, or with a person.

#[path = "../examples/shared/persons.rs"]
mod persons;

use cardwright::cos::usim::{Iccid, Imsi, Msisdn, SecretCode, SimProfile, SubscriberData};
use cardwright::issuance::remote::{IssueError, Outcome};
use cardwright::issuance::store::MemoryStore;
use cardwright::issuance::usim::{NumberOrder, NumberReport, write_number};
use cardwright::issuance::{self, Driver};
use cardwright::keys::milenage::{OperatorKey, SubscriberKeys};
use cardwright::keys::{KeyRef, SoftwareKeys};
use cardwright_sim::{Fault, Faults, SimReader, Usim, UsimStyle};

/// Test set 1 of 3GPP TS 35.208.
const KEYS: &str = "k K 465B5CE8B199B49FAA5F0A2EE238A6BC E4F3EA\nopc OPC CD63CB71954A9F4E48A5994E37A02BAF 8D81F0";
const K: u128 = 0x465B_5CE8_B199_B49F_AA5F_0A2E_E238_A6BC;
const OPC: u128 = 0xCD63_CB71_954A_9F4E_48A5_994E_37A0_2BAF;
const IMSI: [u8; 9] = [0x08, 0x29, 0x26, 0x10, 0x11, 0x60, 0x84, 0x57, 0x40];
const ICCID: [u8; 10] = [0x98, 0x88, 0x12, 0x01, 0x00, 0x00, 0x01, 0x09, 0x13, 0xF8];

/// A make of card: its profile, and the software card that stands for it.
#[derive(Clone, Copy, Debug)]
enum Make {
    Software,
    Sjs1,
    Gr1,
}

const MAKES: [Make; 3] = [Make::Software, Make::Sjs1, Make::Gr1];

impl Make {
    fn profile(self) -> SimProfile {
        match self {
            Self::Software => {
                SimProfile::read_toml(include_str!("../examples/sim_card/software.toml")).unwrap().remove(0)
            }
            Self::Sjs1 => SimProfile::built_in("sysmousim-sjs1").unwrap(),
            Self::Gr1 => SimProfile::built_in("sysmousim-gr1").unwrap(),
        }
    }

    fn card(self) -> Usim {
        let style = match self {
            Self::Software => UsimStyle::Gr2,
            Self::Sjs1 => UsimStyle::Sjs1,
            Self::Gr1 => UsimStyle::Gr1,
        };
        Usim::builder().style(style).milenage([0xFF; 16], OPC.to_be_bytes()).build()
    }

    fn adm(self) -> [u8; 8] {
        if matches!(self, Self::Gr1) { *b"32213232" } else { *b"88888888" }
    }

    fn order(self) -> NumberOrder {
        let profile = self.profile();
        let mut data = SubscriberData::new(Imsi::new("262011106487504", &profile.numbering.networks).unwrap());
        data.iccid = Some(Iccid::new("8988211000001090318", &profile.numbering.iccid).unwrap());
        data.msisdn = Some(Msisdn::new("+4917279119183", profile.numbering.national).unwrap());
        let mut order = NumberOrder::new(profile, data);
        order.adm = Some(SecretCode::from_bytes(self.adm()));
        order.puk = (!order.profile.puk.is_empty()).then(|| SecretCode::puk("31415926").unwrap());
        order.keys = Some(SubscriberKeys { k: KeyRef::new("k"), operator: OperatorKey::Opc(KeyRef::new("opc")) });
        order
    }

    fn assert_written(self, card: &Usim) {
        assert_eq!(card.transparent(0x3F00, 0x2FE2), Some(&ICCID[..]));
        assert_eq!(card.transparent(0x7FFF, 0x6F07), Some(&IMSI[..]));
        let msisdn = card.record(0x7F10, 0x6F40, 1).unwrap();
        assert!(msisdn.ends_with(&[0x08, 0x91, 0x94, 0x71, 0x72, 0x19, 0x91, 0x81, 0xF3, 255, 255, 255, 255, 255]));
        assert_eq!(card.ki_and_opc(), (K.to_be_bytes(), OPC.to_be_bytes()));
        if matches!(self, Self::Software) {
            assert_eq!(&card.pin_and_puk().unwrap().1, b"31415926");
        }
        assert_eq!(card.tries_left(if matches!(self, Self::Software) { 0x0B } else { 0x0A }), Some(3));
    }
}

fn run(
    reader: &mut SimReader<Usim>,
    store: &mut MemoryStore,
    order: &NumberOrder,
) -> Result<Outcome<NumberReport>, IssueError> {
    let mut keys = SoftwareKeys::new();
    keys.insert_file(KEYS).unwrap();
    let (mut time, mut random) = (0, 0_u64);
    let mut driver = Driver {
        card: reader,
        keys: &mut keys,
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
    driver.run(write_number(order.clone())).unwrap()
}

/// Runs until the order ends complete; a step that waits for a person is released. How often that was needed.
fn finish(make: Make, reader: &mut SimReader<Usim>, store: &mut MemoryStore, what: &str) -> usize {
    let mut order = make.order();
    for released in 0..3 {
        match run(reader, store, &order) {
            Ok(Outcome::Complete(report)) => {
                assert!(report.proved, "{make:?} {what}");
                make.assert_written(reader.card());
                return released;
            }
            Ok(Outcome::Quarantined { .. }) => order.release = Some(persons::release_all(store, 1).unwrap()),
            other => panic!("{make:?} {what}: {other:?}"),
        }
    }
    panic!("{make:?} {what}: not finished");
}

#[test]
fn every_make_is_written_and_proved() {
    for make in MAKES {
        let mut reader = SimReader::new(make.card());
        assert_eq!(finish(make, &mut reader, &mut MemoryStore::new(), "whole"), 0);
        assert!(reader.commands() < 40, "{make:?}: {}", reader.commands());
    }
}

#[test]
fn torn_at_every_command_the_card_ends_complete_or_with_a_person() {
    for make in MAKES {
        let total = {
            let mut reader = SimReader::new(make.card());
            finish(make, &mut reader, &mut MemoryStore::new(), "whole");
            reader.commands()
        };
        let tells_tries = make.profile().adm.unwrap().tells_tries;
        let mut persons = 0;
        for n in 1..=total {
            let cuts: [fn() -> Fault<Usim>; 4] =
                [|| Fault::CutBefore, || Fault::CutAfter, || Fault::CutWriting(1), || Fault::CutWriting(11)];
            for (which, cut) in cuts.into_iter().enumerate() {
                let what = format!("command {n}, cut {which}");
                let mut reader = SimReader::new(make.card()).with_faults(Faults::none().at(n, cut()));
                let mut store = MemoryStore::new();
                let torn = run(&mut reader, &mut store, &make.order());
                assert!(matches!(torn, Ok(Outcome::Interrupted(_))), "{make:?} {what}: {torn:?}");
                reader.reinsert();
                persons += finish(make, &mut reader, &mut store, &what);
            }
        }
        // A person is needed only when VERIFY was torn: always on a card that does not tell the tries of its ADM key; else when the
        // power failed while the card compared, which has counted a try and so looks like a wrong key.
        assert_eq!(persons, if tells_tries { 1 } else { 4 }, "{make:?}");
    }
}

#[test]
fn a_damaged_answer_never_ends_complete_with_a_wrong_card() {
    let make = Make::Software;
    let mut whole = SimReader::new(make.card());
    finish(make, &mut whole, &mut MemoryStore::new(), "whole");
    for n in 1..=whole.commands() {
        for bit in (0..160).step_by(7) {
            let mut reader = SimReader::new(make.card()).with_faults(Faults::none().at(n, Fault::FlipBit(bit)));
            let mut store = MemoryStore::new();
            if let Ok(Outcome::Complete(_)) = run(&mut reader, &mut store, &make.order()) {
                make.assert_written(reader.card());
            }
            assert!(reader.card().tries_left(0x0B).unwrap() >= 2, "command {n}, bit {bit}");
        }
    }
}

#[test]
fn another_card_under_way_is_found_out() {
    let make = Make::Software;
    let mut whole = SimReader::new(make.card());
    finish(make, &mut whole, &mut MemoryStore::new(), "whole");
    let other =
        || Usim::builder().style(UsimStyle::Gr2).milenage([0xFF; 16], OPC.to_be_bytes()).iccid([0x89; 10]).build();
    for n in 1..=whole.commands() {
        let swap = Fault::Swap(Box::new(other()));
        let mut reader = SimReader::new(make.card()).with_faults(Faults::none().at(n, swap));
        let mut store = MemoryStore::new();
        let result = run(&mut reader, &mut store, &make.order());
        if let Ok(Outcome::Complete(_)) = result {
            // The whole order went to the one card or the other.
            make.assert_written(reader.card());
        }
    }
}
