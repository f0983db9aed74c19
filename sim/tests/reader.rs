//! A reader and its faults, from outside.

use cardwright_apdu::{CommandApdu, Delivery, Ne, StatusWord, Transport, TransportErrorKind};
use cardwright_sim::{CardFile, Chip, Fault, Faults, JavaCard, SimReader};

const SELECT: [u8; 5] = [0x00, 0xA4, 0x04, 0x00, 0x00];
const INITIALIZE_UPDATE: [u8; 14] = [0x80, 0x50, 0x00, 0x00, 0x08, 1, 2, 3, 4, 5, 6, 7, 8, 0x00];

fn transmit(reader: &mut SimReader, command: &[u8]) -> Result<Vec<u8>, (TransportErrorKind, Delivery)> {
    let mut response = vec![0xEE];
    reader.transmit(command, &mut response).map(|()| response).map_err(|error| (error.kind, error.delivery))
}

fn serial(reader: &mut SimReader) -> Vec<u8> {
    transmit(reader, &[0x80, 0xCA, 0x9F, 0x7F, 0x00]).unwrap()[15..19].to_vec()
}

#[test]
fn a_card_pulled_out_before_a_command_has_not_executed_it() {
    for (fault, executed) in [(Fault::CutBefore, 1), (Fault::CutAfter, 2)] {
        let mut reader = SimReader::new(JavaCard::builder().build()).with_faults(Faults::none().at(2, fault));
        transmit(&mut reader, &SELECT).unwrap();
        let removed = (TransportErrorKind::CardRemoved, Delivery::Unknown);
        assert_eq!(transmit(&mut reader, &INITIALIZE_UPDATE), Err(removed));
        assert_eq!(reader.card().executed(), executed);
        assert_eq!(reader.card().key_sets()[0].sequence_counter, executed as u32 - 1);
        let gone = (TransportErrorKind::NoCard, Delivery::NotSent);
        assert_eq!(transmit(&mut reader, &SELECT), Err(gone));
        assert_eq!(reader.reset().unwrap_err().delivery, Delivery::NotSent);
        assert_eq!(reader.commands(), 2);
        reader.reinsert();
        assert_eq!(transmit(&mut reader, &SELECT).unwrap()[0], 0x6F);
        assert!(reader.reset().unwrap().starts_with(&[0x3B]));
    }
}

#[test]
fn a_java_card_torn_while_it_writes_is_as_before() {
    let faults = Faults::none().at(1, Fault::CutWriting(1));
    let mut reader = SimReader::new(JavaCard::builder().build()).with_faults(faults);
    let removed = (TransportErrorKind::CardRemoved, Delivery::Unknown);
    assert_eq!(transmit(&mut reader, &INITIALIZE_UPDATE), Err(removed));
    assert!(!reader.is_inserted());
    reader.reinsert();
    assert_eq!(reader.card().key_sets()[0].sequence_counter, 0);
}

#[test]
fn answers_are_replaced_and_altered() {
    let mut reader = SimReader::new(JavaCard::builder().build());
    let good = transmit(&mut reader, &SELECT).unwrap();
    reader.plan(2, Fault::Status(StatusWord(0x6F00)));
    reader.plan(3, Fault::Respond(vec![1, 2, 3]));
    reader.plan(4, Fault::FlipBit(8));
    assert_eq!(transmit(&mut reader, &SELECT).unwrap(), [0x6F, 0x00]);
    assert_eq!(reader.card().executed(), 1);
    assert_eq!(transmit(&mut reader, &SELECT).unwrap(), [1, 2, 3]);
    let altered = transmit(&mut reader, &SELECT).unwrap();
    assert_eq!((altered[1] ^ good[1], &altered[2..]), (0x80, &good[2..]));
    assert_eq!(transmit(&mut reader, &SELECT).unwrap(), good);
    assert_eq!((reader.card().executed(), reader.pending_faults()), (4, 0));
}

#[test]
fn a_card_is_swapped_without_notice() {
    let other = JavaCard::builder().seed(2).build();
    let faults = Faults::none().at(2, Fault::Swap(Box::new(other)));
    let mut reader = SimReader::new(JavaCard::builder().seed(1).build()).with_faults(faults);
    assert_eq!(serial(&mut reader), [0, 0, 0, 1]);
    assert_eq!(serial(&mut reader), [0, 0, 0, 2]);
    assert_eq!(reader.swapped_out()[0].card().executed(), 1);
}

#[test]
fn a_card_that_speaks_t0_is_understood_by_the_exchange() {
    let mut t0 = SimReader::new(JavaCard::builder().t0(true).build());
    let mut t1 = SimReader::new(JavaCard::builder().build());
    let select = CommandApdu::new(0x00, 0xA4, 0x04, 0x00).with_ne(Ne::MAX_SHORT);
    let initialize_update = CommandApdu::new(0x80, 0x50, 0, 0).with_data([7; 8]).with_ne(Ne::MAX_SHORT);
    for command in [select, initialize_update] {
        let (left, right) = (t0.exchange(&command).unwrap(), t1.exchange(&command).unwrap());
        assert_eq!(left, right);
    }
    assert_eq!((t0.commands(), t1.commands()), (4, 2));
}

#[test]
fn a_stored_card_survives_its_reader() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("card");
    for round in 1..=3 {
        let card = CardFile::open_or_create(&path, || JavaCard::builder().build()).unwrap();
        let mut reader = SimReader::new(card).with_faults(Faults::none().at(1, Fault::CutAfter));
        transmit(&mut reader, &INITIALIZE_UPDATE).unwrap_err();
        assert_eq!(reader.card().key_sets()[0].sequence_counter, round);
        let Chip::File(card) = reader.into_chip() else { panic!("the card is a file") };
        assert_eq!(card.path(), path);
    }
}
