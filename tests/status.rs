//! SET STATUS and STORE DATA against the software card.

mod support;

use cardwright::apdu::block_on;
use cardwright::gp::command::{self, StatusTarget};
use cardwright::gp::procedure::{OpenOptions, list};
use cardwright::gp::{LifeCycle, SecurityLevel};
use cardwright::issuance::store::MemoryStore;
use cardwright_sim::{Faults, SimReader};
use support::{SCP03, card, instance, issue, keys, order};

#[test]
fn an_application_is_locked_and_unlocked_and_the_domain_takes_data() {
    let order = order(300);
    let (_, reader) = issue(&order, card(SCP03), &mut MemoryStore::new(), Faults::none());
    let mut reader = SimReader::new(reader.card().twin());
    block_on(async {
        let options = OpenOptions::new(SecurityLevel::FULL);
        let (mut opened, _) = list(&mut reader, &mut keys(), &order.new_keys, [3; 8], options).await.unwrap();
        let channel = &mut opened.channel;
        let aid = instance();
        let before = reader.card().application_life_cycle(&aid).unwrap();
        channel.call(&mut reader, &command::set_status(StatusTarget::Application(aid), LifeCycle(0x80))).await.unwrap();
        assert!(LifeCycle(reader.card().application_life_cycle(&aid).unwrap()).is_locked());
        channel.call(&mut reader, &command::set_status(StatusTarget::Application(aid), LifeCycle(0x00))).await.unwrap();
        assert_eq!(reader.card().application_life_cycle(&aid), Some(before));
        // Issuer identification number, as BER-TLV (P1 bits 5 and 4 = 10).
        channel.call(&mut reader, &command::store_data(0x10, 0, true, &[0x42, 2, 0x12, 0x34])).await.unwrap();
        let iin = channel.call(&mut reader, &command::get_data(cardwright::gp::card_data::IIN)).await.unwrap();
        assert!(iin.data().ends_with(&[0x12, 0x34]));
        // The card's states go forward only.
        channel.call(&mut reader, &command::set_status(StatusTarget::Card, LifeCycle::SELECTABLE)).await.unwrap();
        let back =
            channel.call(&mut reader, &command::set_status(StatusTarget::Card, LifeCycle::OP_READY)).await.unwrap_err();
        assert!(back.to_string().contains("SET STATUS: 6985"), "{back}");
    });
}
