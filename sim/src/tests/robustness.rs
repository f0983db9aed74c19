use proptest::prelude::*;

use super::content::{INSTANCE, block, load_file};
use super::host::{Host, each_protocol, hex};
use crate::memory::Memory;

/// Commands that look like commands of this card, with any data.
fn commands() -> impl Strategy<Value = Vec<u8>> {
    let cla = prop::sample::select(vec![0x00, 0x80, 0x80, 0x80, 0x84]);
    let ins = prop::sample::select(vec![
        0x50, 0x82, 0x84, 0xA4, 0xB0, 0xC0, 0xCA, 0xD4, 0xD8, 0xE2, 0xE4, 0xE6, 0xE8, 0xF0, 0xF2,
    ]);
    let p1 = prop::sample::select(vec![0x00, 0x01, 0x02, 0x04, 0x08, 0x0C, 0x10, 0x20, 0x40, 0x80, 0x95, 0xF9, 0x9F]);
    let p2 = prop::sample::select(vec![0x00, 0x01, 0x02, 0x03, 0x42, 0x66, 0x7F, 0x80, 0x81, 0xE0]);
    let lists = vec!["4F00", "4F05A000000386", "D00101", "D20101", "88110000", "05A000000386", "0000", "C90A", "C4FF"];
    let data = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..60),
        (prop::sample::select(lists), prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(start, rest)| [
            hex(start),
            rest
        ]
        .concat()),
    ];
    let well_formed = (cla, ins, p1, p2, data, any::<bool>()).prop_map(|(cla, ins, p1, p2, data, le)| {
        let mut bytes = vec![cla, ins, p1, p2];
        if !data.is_empty() {
            bytes.push(data.len() as u8);
            bytes.extend(data);
        }
        bytes.extend(le.then_some(0));
        bytes
    });
    prop_oneof![4 => well_formed, 1 => prop::collection::vec(any::<u8>(), 0..40)]
}

fn check(host: &mut Host, command: &[u8]) {
    let response = host.card.process(command);
    assert!((2..=258).contains(&response.len()));
    assert!(matches!(response[response.len() - 2], 0x61..=0x6F | 0x90 | 0x93));
}

proptest! {
    #[test]
    fn any_commands_get_a_status_word(commands in prop::collection::vec(commands(), 1..40), t0: bool) {
        for mut host in each_protocol() {
            host.card.memory.config.t0 = t0;
            commands.iter().for_each(|command| check(&mut host, command));
        }
    }

    // At level 00 the commands go through the open session as they are.
    #[test]
    fn any_commands_in_an_open_session_get_a_status_word(
        commands in prop::collection::vec(commands(), 1..40),
        page in 1u16..256,
    ) {
        let mut host = Host::with_instance();
        host.card.memory.config.page = page;
        for command in &commands {
            check(&mut host, command);
            if command.get(1) == Some(&0x50) {
                host.authenticate(0x00);
            }
        }
    }

    #[test]
    fn any_plain_commands_behind_a_right_mac_get_a_status_word(
        commands in prop::collection::vec((any::<u8>(), any::<[u8; 2]>(), prop::collection::vec(any::<u8>(), 0..80)), 1..20),
        level in prop::sample::select(vec![0x01, 0x03, 0x11, 0x13, 0x33]),
    ) {
        for mut host in each_protocol() {
            if host.authenticate(level) != 0x9000 {
                continue;
            }
            for (ins, [p1, p2], data) in &commands {
                if host.secured(&format!("80{ins:02X}{p1:02X}{p2:02X}"), data).1 == 0x6982 {
                    host.authenticate(level);
                }
            }
        }
    }

    #[test]
    fn any_commands_to_the_payment_application_get_a_status_word(
        commands in prop::collection::vec(commands(), 1..40),
    ) {
        let mut host = Host::with_instance();
        host.sw("00A40400", &hex(INSTANCE));
        commands.iter().for_each(|command| check(&mut host, command));
    }

    #[test]
    fn a_changed_load_file_never_breaks_the_card(at in 0usize..60, value: u8, cut in 0usize..60) {
        let mut file = load_file(&block());
        file[at] = value;
        file.truncate(file.len() - cut);
        let mut host = Host::open();
        host.sw("80E60200", &super::content::for_load(&[]));
        host.load(&file);
    }

    #[test]
    fn no_memory_image_breaks_the_decoder(at: prop::sample::Index, value: u8) {
        let mut image = minicbor::to_vec(&Host::with_instance().card.memory).unwrap();
        let at = at.index(image.len());
        image[at] = value;
        if let Ok(memory) = minicbor::decode::<Memory>(&image) {
            let mut card = crate::JavaCard::from_memory(memory);
            for command in ["00A4040000", "80CA006600", "80CA00E000", "8050000008000000000000000000"] {
                card.process(&hex(command));
            }
        }
    }
}

#[test]
fn the_same_commands_give_the_same_bytes() {
    let run = || {
        let mut host = Host::with_instance();
        host.sw("00A40400", &hex(INSTANCE));
        let challenge = host.bare(&hex("0084000008")).0;
        (challenge, host.card.take_log())
    };
    assert!(run() == run());
}

#[test]
fn the_log_has_commands_in_the_clear() {
    let mut host = each_protocol().remove(0);
    assert_eq!(host.authenticate(0x01), 0x9000);
    host.secured("80F28002", &hex("4F00"));
    let entry = host.card.log().last().unwrap();
    assert_eq!(entry.plain_command, hex("80F28002024F0000"));
    assert_eq!((entry.command.len(), entry.response == entry.plain_response), (16, true));
}
