//! Remote issuing through a virtual reader: every byte goes over a socket.

mod support;

use std::thread::{self, JoinHandle};
use std::time::Duration;

use cardwright::apdu::transport::vpcd::{VirtualCard, VirtualReader};
use cardwright::issuance::remote::{self, Outcome};
use cardwright::issuance::store::MemoryStore;
use cardwright_sim::{AesKeyLength, Fault, Faults, JavaCard, SecureChannelProtocol, SimReader};
use support::{card, drive, is_complete, order, snapshot};

fn reader() -> VirtualReader {
    VirtualReader::bind(0).unwrap().with_timeout(Duration::from_secs(20))
}

/// Puts the card into the reader; it comes back when it is out again.
fn insert(card: JavaCard, reader: &VirtualReader, faults: Faults) -> JoinHandle<SimReader> {
    let link = VirtualCard::connect(reader.local_addr().unwrap()).unwrap();
    let mut card = SimReader::new(card).with_faults(faults);
    thread::spawn(move || {
        let _ = link.serve(&mut card);
        card
    })
}

#[test]
fn a_card_is_issued_and_torn_out_anywhere_it_is_finished() {
    let scp02 = SecureChannelProtocol::Scp02 { i: 0x55 };
    let scp03 = SecureChannelProtocol::Scp03 { i: 0x70, key_length: AesKeyLength::Aes128 };
    for protocol in [scp02, scp03] {
        let mut whole = reader();
        let served = insert(card(protocol), &whole, Faults::none());
        let outcome = drive(remote::issue(order(500)), &mut whole, &mut MemoryStore::new());
        assert!(is_complete(&outcome), "{outcome:?}");
        drop(whole);
        let undisturbed = served.join().unwrap();

        for n in (1..=undisturbed.commands()).step_by(4) {
            for fault in [Fault::CutBefore, Fault::CutAfter] {
                let (mut reader, mut store) = (reader(), MemoryStore::new());
                let torn = insert(card(protocol), &reader, Faults::none().at(n, fault));
                let outcome = drive(remote::issue(order(500)), &mut reader, &mut store);
                assert!(matches!(outcome, Ok(Outcome::Interrupted(_))), "{n}: {outcome:?}");
                let torn = torn.join().unwrap();
                assert_eq!(torn.commands(), n);

                let finished = insert(torn.card().twin(), &reader, Faults::none());
                let outcome = drive(remote::issue(order(500)), &mut reader, &mut store);
                assert!(is_complete(&outcome), "{n}: {outcome:?}");
                drop(reader);
                assert_eq!(snapshot(finished.join().unwrap().card()), snapshot(undisturbed.card()), "{n}");
            }
        }
    }
}
