use super::host::{Host, SCP02, command, each_protocol, hex};
use crate::{AesKeyLength, CardLifeCycle, JavaCard, SecureChannelProtocol};

#[test]
fn every_protocol_opens_a_session_that_wants_macs() {
    for mut host in each_protocol() {
        assert_eq!(host.sw("80F28002", &hex("4F00")), 0x6982);
        assert_eq!(host.authenticate(0x01), 0x9000);
        let (isd, sw) = host.secured("80F28002", &hex("4F00"));
        assert_eq!((sw, &isd[..2]), (0x9000, &[0xE3, isd.len() as u8 - 2][..]));
        assert_eq!(host.secured("80F24002", &hex("4F00")).1, 0x6A88);
        // A command without MAC aborts the session, and it stays so until a new one (GPCS 10.2.3).
        assert_eq!(host.sw("80F28002", &hex("4F00")), 0x6982);
        assert_eq!(host.secured("80F28002", &hex("4F00")).1, 0x6982);
        assert_eq!(host.sw("80CA9F7F", &[]), 0x6982);
        assert_eq!(host.authenticate(0x01), 0x9000);
        assert_eq!(host.secured("80CA9F7F", &[]).1, 0x9000);
        // A new selection ends it without an error.
        assert_eq!(host.sw("00A40400", &[]), 0x9000);
        assert_eq!(host.sw("80CA9F7F", &[]), 0x9000);
        assert_eq!(host.sw("80F28002", &hex("4F00")), 0x6982);
    }
}

#[test]
fn failed_authentications_block_the_key_set() {
    for mut host in each_protocol() {
        host.card = JavaCard::builder().protocol(host.card.memory.config.protocol).max_failures(3).build();
        let good = std::mem::replace(&mut host.key, vec![0; 16]);
        for _ in 0..2 {
            assert_eq!(host.authenticate(0x01), 0x6300);
        }
        host.key = good.clone();
        assert_eq!(host.authenticate(0x01), 0x9000);
        host.key = vec![0; 16];
        for _ in 0..3 {
            assert_eq!(host.authenticate(0x01), 0x6300);
        }
        host.key = good;
        assert_eq!(host.authenticate(0x01), 0x6983);
    }
}

#[test]
fn scp02_counts_a_session_once_its_first_mac_is_right() {
    let mut host = Host::new(JavaCard::builder().protocol(SCP02));
    let counter = |host: &mut Host| host.bare(&command("80CA00C1", &[])).0[2..].to_vec();
    assert_eq!(counter(&mut host), [0, 0]);
    host.sw("80500000", &[0; 8]);
    assert_eq!(counter(&mut host), [0, 0]);
    assert_eq!(host.authenticate(0x00), 0x9000);
    assert_eq!(counter(&mut host), [0, 1]);
}

#[test]
fn external_authenticate_takes_only_levels_of_the_protocol_and_an_initialize_update() {
    let mut host = Host::new(JavaCard::builder().protocol(SCP02));
    assert_eq!(host.sw("84820100", &[0; 16]), 0x6985);
    assert_eq!(host.authenticate(0x11), 0x6A86);
    assert_eq!(host.sw("80500900", &[0; 8]), 0x6A88);
    assert_eq!(host.sw("80500001", &[0; 8]), 0x6A86);
    assert_eq!(host.sw("80500000", &[0; 9]), 0x6700);
    let mut host = Host::new(JavaCard::builder());
    for level in [0x02, 0x10, 0x30, 0x31, 0x32, 0x43] {
        assert_eq!(host.authenticate(level), 0x6A86, "{level:02X}");
    }
    for level in [0x00, 0x01, 0x03, 0x11, 0x13, 0x33] {
        assert_eq!(host.authenticate(level), 0x9000, "{level:02X}");
    }
}

#[test]
fn each_protocol_has_its_levels_and_its_length_of_challenges() {
    let all: [u8; 9] = [0x00, 0x01, 0x03, 0x10, 0x11, 0x13, 0x33, 0x02, 0x31];
    let scp03 = |i| SecureChannelProtocol::Scp03 { i, key_length: AesKeyLength::Aes128 };
    for (protocol, levels) in [
        (SecureChannelProtocol::Scp01 { i: 0x05 }, &[0x00, 0x01, 0x03][..]),
        (SCP02, &[0x00, 0x01, 0x03]),
        (SecureChannelProtocol::Scp02 { i: 0x35 }, &[0x00, 0x01, 0x03, 0x10, 0x11, 0x13]),
        (scp03(0x00), &[0x00, 0x01, 0x03]),
        (scp03(0x21), &[0x00, 0x01, 0x03, 0x11, 0x13]),
        (scp03(0x61), &[0x00, 0x01, 0x03, 0x11, 0x13, 0x33]),
    ] {
        let mut host = Host::new(JavaCard::builder().protocol(protocol));
        for level in all {
            let expected = if levels.contains(&level) { 0x9000 } else { 0x6A86 };
            assert_eq!(host.authenticate(level), expected, "{protocol:?} {level:02X}");
        }
        for length in [0, 7, 8, 9, 15, 16, 17] {
            let expected = if length == protocol.mac_length() { 0x9000 } else { 0x6700 };
            assert_eq!(host.sw("80500000", &[0; 17][..length]), expected, "{protocol:?} {length}");
        }
    }
}

#[test]
fn r_mac_sessions_want_a_session_and_a_protocol_that_has_them() {
    let mut host = Host::new(JavaCard::builder().protocol(SCP02));
    assert_eq!(host.authenticate(0x01), 0x9000);
    assert_eq!(host.secured("807A1001", &[0]).1, 0x6D00);
    let mut host = Host::new(JavaCard::builder().protocol(SecureChannelProtocol::Scp02 { i: 0x35 }));
    assert_eq!(host.sw("807A1001", &[0]), 0x6982);
    assert_eq!(host.sw("80780003", &[]), 0x6982);
    assert_eq!(host.authenticate(0x00), 0x9000);
    for (header, data, sw) in [
        ("80780003", "", 0x6985),
        ("807A3001", "00", 0x6A86),
        ("807A1002", "00", 0x6A86),
        ("807A1001", "", 0x6A80),
        ("807A1001", "0211", 0x6A80),
        ("807A0001", "0111", 0x9000),
        ("807A0001", "0111", 0x6985),
        ("80780002", "", 0x6A86),
        ("80780001", "", 0x9000),
        ("80780003", "", 0x9000),
        ("80780001", "", 0x6985),
    ] {
        let (answer, actual) = host.bare(&command(header, &hex(data)));
        assert_eq!((actual, answer.len()), (sw, if header[2..4] == *"78" && sw == 0x9000 { 8 } else { 0 }), "{header}");
    }
    // The R-MAC of a security level lasts as long as the session.
    assert_eq!(host.authenticate(0x10), 0x9000);
    assert_eq!(host.sw("80780003", &[]), 0x6985);
    assert_eq!(host.bare(&command("807A1001", &[0])).0.len(), 8);
}

#[test]
fn a_card_with_implicit_initiation_has_no_other_and_one_base_key_where_i_says_so() {
    let mut host = Host::new(JavaCard::builder().protocol(SecureChannelProtocol::Scp02 { i: 0x1A }).max_failures(2));
    assert_eq!(host.authenticate(0x01), 0x6D00);
    assert_eq!(host.bare(&command("80CA00E0", &[])).0, hex("E006C00401018010"));
    assert_eq!(host.bare(&command("80CA00C1", &[])).0, hex("C1020000"));
    assert_eq!(host.sw("80F28002", &hex("4F00")), 0x6982);
    assert_eq!(host.sw("84F28002", &[0; 10]), 0x6982);
    assert_eq!(host.sw("80CA9F7F", &[]), 0x9000);
    assert_eq!(host.sw("84F28002", &[0; 10]), 0x6982);
    assert_eq!(host.sw("84F28002", &[0; 10]), 0x6983);
    assert_eq!(host.bare(&command("80CA00C1", &[])).0, hex("C1020000"));
}

#[test]
fn data_objects_are_read_without_a_session() {
    let mut host = Host::new(JavaCard::builder().seed(0x0102_0304).iin([0x11, 0x22]).cin([0x33]));
    // Not what says that it has a MAC, which nobody checks: a host that missed a refusal would take the answer for a secured one.
    assert_eq!(host.sw("84CA9F7F", &[0; 8]), 0x6982);
    assert_eq!(host.sw("04CA9F7F", &[0; 8]), 0x6982);
    let mut get = |header: &str| host.bare(&command(header, &[]));
    assert_eq!(get("80CA0042"), (hex("42021122"), 0x9000));
    assert_eq!(get("00CA0045"), (hex("33"), 0x9000));
    assert_eq!(get("80CA00CF"), (hex("CF0A 0000 0000 01020304 5123"), 0x9000));
    let keys = hex("E012 C00401018810 C00402018810 C00403018810");
    assert_eq!(get("80CA00E0"), (keys, 0x9000));
    let recognition = "6631 732F 06072A864886FC6B01 600C060A2A864886FC6B02020301 630906072A864886FC6B03 \
                       640B06092A864886FC6B040370";
    assert_eq!(get("80CA0066"), (hex(recognition), 0x9000));
    assert_eq!(get("80CA9F7F").0.len(), 45);
    assert_eq!(get("80CA00C1"), (hex("C103000000"), 0x9000));
    assert_eq!(get("80CA00C2").1, 0x6A88);
    assert_eq!(get("81CA0066").1, 0x6881);
    assert_eq!(get("90CA0066").1, 0x6884);
    assert_eq!(host.card.process(&[0x80, 0xCA, 0x00]), [0x67, 0x00]);
}

#[test]
fn card_states_follow_each_other() {
    let mut host = Host::open();
    let mut set = |state: &str| host.bare(&hex(&format!("80F080{state}"))).1;
    assert_eq!(set("0F"), 0x6985);
    assert_eq!(set("01"), 0x6985);
    assert_eq!(set("07"), 0x9000);
    assert_eq!(set("7F"), 0x6985);
    assert_eq!(set("0F"), 0x9000);
    assert_eq!(set("03"), 0x6A80);
    assert_eq!(set("7F"), 0x9000);
    let (fci, sw) = host.bare(&hex("00A4040000"));
    assert_eq!((fci[0], sw), (0x6F, 0x6283));
    assert_eq!(host.authenticate(0x00), 0x9000);
    assert_eq!(host.sw("80E60200", &[0]), 0x6985);
    assert_eq!(host.bare(&hex("80F0800F")).1, 0x9000);
    assert_eq!(host.bare(&hex("80F080FF")).1, 0x9000);
    assert_eq!(host.sw("00A40400", &[]), 0x6985);
    assert_eq!(host.sw("80CA9F7F", &[]), 0x9000);
    assert_eq!(host.card.life_cycle(), CardLifeCycle::Terminated.code());
}

#[test]
fn the_issuer_stores_data_objects_in_order() {
    let mut host = Host::open();
    let mut store = |header: &str, data: &str| host.bare(&command(header, &hex(data))).1;
    assert_eq!(store("80E21001", "4202AABB"), 0x6A86);
    assert_eq!(store("80E21000", "4202AABB"), 0x9000);
    assert_eq!(store("80E21000", "4503010203"), 0x6A86);
    assert_eq!(store("80E28800", "0070054503010203"), 0x9000);
    assert_eq!(store("80E29000", "C1020000"), 0x6A80);
    assert_eq!(store("80E29000", "4205AABB"), 0x6A80);
    assert_eq!(store("80E2F000", "4202AABB"), 0x6A86);
    assert_eq!(store("80E29000", "4F09A00000015100000001"), 0x9000);
    let (fci, sw) = host.bare(&hex("00A4040009A00000015100000001"));
    assert_eq!((&fci[2..4], sw), (&hex("8409")[..], 0x9000));
    assert_eq!(host.bare(&command("80CA0042", &[])).0, hex("4202AABB"));
    assert_eq!(host.bare(&command("80CA0045", &[])).0, hex("4503010203"));
    // What was stored is there after a power failure, the session is not.
    let mut twin = host.card.twin();
    assert_eq!(twin.process(&hex("00CA004200")), hex("AABB9000"));
    assert_eq!(twin.process(&hex("80F28002024F0000")), hex("6982"));
}

#[test]
fn a_wrong_mac_or_another_order_aborts_the_session() {
    for mut host in each_protocol() {
        assert_eq!(host.authenticate(0x01), 0x9000);
        assert_eq!(host.secured("80F28002", &hex("4F00")).1, 0x9000);
        let repeated = host.card.log().last().unwrap().command.clone();
        assert_eq!(host.bare(&repeated).1, 0x6982);
        assert_eq!(host.secured("80F28002", &hex("4F00")).1, 0x6982);
    }
}
