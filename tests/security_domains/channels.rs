//! Logical channels: what runs on the basic one runs on another, each with its own selection and secure channel.

use cardwright::apdu::{CardPort, CommandApdu, OnChannel, StatusWord, block_on};
use cardwright::gp::command;
use cardwright::gp::procedure::{self, KeyCandidate, KeyScheme, OpenOptions};
use cardwright::gp::{Error, SecurityLevel};
use cardwright::keys::{KeyKind, KeyRef};
use cardwright_sim::{JavaCard, SimReader};

use crate::setup::{PROTOCOLS, keys, load_file, status};

async fn open(card: &mut impl CardPort) -> Result<procedure::Opened, Error> {
    let aid = procedure::select(card, None).await?.aid;
    let candidates = [(KeyKind::Aes, "test-aes"), (KeyKind::Tdes, "test-des")]
        .map(|(kind, name)| KeyCandidate::new(KeyRef::new(name), kind, KeyScheme::AsIs));
    let options = OpenOptions::new(SecurityLevel::C_DECRYPTION).with_scp02_i(Some(0x55));
    procedure::open(card, &mut keys(), aid.as_ref(), &candidates, [3; 8], options).await
}

#[test]
fn secure_channels_are_open_on_several_logical_channels_at_once() {
    for protocol in PROTOCOLS {
        let mut reader = SimReader::new(JavaCard::builder().protocol(protocol).logical_channels(20).build());
        block_on(async {
            let mut basic = open(&mut reader).await.unwrap();
            let answer = reader.transmit(command::open_channel(None).unwrap()).await.unwrap();
            assert_eq!(command::opened_channel(answer.data()).unwrap(), 1);
            assert!(reader.transmit(command::open_channel(Some(19)).unwrap()).await.unwrap().sw().is_ok());
            let mut sessions = Vec::new();
            for number in [1, 19] {
                let mut card = OnChannel::new(&mut reader, number).unwrap();
                sessions.push((number, open(&mut card).await.unwrap()));
            }
            // In turns: what one loads the others list.
            for (number, session) in &mut sessions {
                let mut card = OnChannel::new(&mut reader, *number).unwrap();
                let before = procedure::read_registry(&mut card, &mut session.channel).await.unwrap().entries.len();
                if *number == 1 {
                    let file = load_file();
                    let loaded = procedure::load(&mut card, &mut session.channel, None, &file, None, |_, _| {}).await;
                    loaded.unwrap();
                }
                assert_eq!(before, if *number == 1 { 1 } else { 2 });
                assert_eq!(procedure::read_registry(&mut reader, &mut basic.channel).await.unwrap().entries.len(), 2);
            }
            assert!(reader.transmit(command::close_channel(19).unwrap()).await.unwrap().sw().is_ok());
            let (number, closed) = &mut sessions[1];
            let mut card = OnChannel::new(&mut reader, *number).unwrap();
            let refused = procedure::read_registry(&mut card, &mut closed.channel).await;
            assert_eq!(status(refused), StatusWord::CHANNEL_NOT_SUPPORTED);
            // A command of one channel says nothing in another: its MAC is of another session.
            let wrapped = sessions[0].1.channel.wrap(&CommandApdu::new(0x80, 0xF2, 0x40, 0x02).with_data([0x4F, 0]));
            let refused = reader.transmit(wrapped.unwrap()).await.unwrap();
            assert_eq!(refused.sw(), StatusWord::SECURITY_NOT_SATISFIED);
        });
    }
}
