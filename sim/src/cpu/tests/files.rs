//! Files, directories and access rights.

use super::*;

#[test]
fn a_directory_is_free_until_it_is_left() {
    let mut card = CpuCard::builder().build();
    // The MF may be created in once, by whoever has state 1.
    all_ok(
        &mut card,
        &["80E03F000D38FFFFF1F101FFFFFFFFFFFFFF", "80E00000073F00C801F1FFFF", "80E0000507280008F1F1FFFF"],
    );
    all_ok(&mut card, &["00D68500020102", "00B0850002", "80D401000D3AF0EF013312345FFFFFFFFFFF"]);
    card.reset();
    for refused in [
        "00D68500020102",
        "00B0850002",
        "80E0000607280008F0F0FFFF",
        "80D401010D3AF0EF013312345FFFFFFFFFFF",
        "800E000000",
    ] {
        assert_eq!(send(&mut card, refused), "6982", "{refused}");
    }
    all_ok(&mut card, &["002000000312345F", "00D68500020304", "80E0000607280008F0F0FFFF", "800E000000"]);
    // Erased: free again until a key file is there and the directory entered anew.
    assert_eq!(send(&mut card, "00B0850002"), "6A82");
    card.reset();
    all_ok(&mut card, &["80E00000073F00C801F1FFFF", "80E0000507280008F1F1FFFF", "00D68500020102"]);
}

#[test]
fn the_key_file_comes_first() {
    let mut card = card();
    assert_eq!(send(&mut card, "80E00009073F00C801F0FFFF"), "6985", "a second one");
    all_ok(&mut card, &["80E03F011138036FF0F095FFFFA00000000386980701", SELECT_APPLICATION]);
    all_ok(&mut card, &["80E0000507280008F0F0FFFF"]);
    assert_eq!(send(&mut card, "80E00000073F00C801F0FFFF"), "6985", "after another file");
}

#[test]
fn creating_names_what_is_wrong() {
    let mut card = card();
    all_ok(&mut card, &["80E0000507280008F0F0FFFF", "80E03F011138036FF0F095FFFFA00000000386980701"]);
    for (command, sw) in [
        ("80E0000507280008F0F0FFFF", "6A86"),
        ("80E03F011138036FF0F095FFFFA00000000386980701", "6A86"),
        ("80E03F000D38FFFFF0F001FFFFFFFFFFFFFF", "6A86"),
        ("80E00006072A0113F0F0FFFF", "6A80"),
        ("80E00006072A02FEF0F0FFFF", "6A80"),
        ("80E0000607290008F0F0FFFF", "6A80"),
        ("80E0000607287FFFF0F0FFFF", "6A84"),
        ("80E0000606280008F0F0FF", "6700"),
        ("80E03F020B38036FF0F095FFFFA00000", "6700"),
    ] {
        assert_eq!(send(&mut card, command), sw, "{command}");
    }
    let mut blank = CpuCard::builder().transport_code([7; 8]).build();
    assert_eq!(send(&mut blank, "80E03F000D38FFFFF0F001FFFFFFFFFFFFFF"), "6982");
    assert_eq!(send(&mut blank, "80E000000738FFFFF0F001FF"), "6A81");
    all_ok(&mut blank, &["80E03F000E38FFFFF0F0010707070707070707"]);
}

#[test]
fn directories_go_three_levels_deep() {
    let mut card = card();
    for level in 2..=4 {
        let create = format!("80E0DF0{level}0D380100F0F001FFFF415050303{level}");
        let expected = if level <= 3 { "9000" } else { "6A80" };
        assert_eq!(send(&mut card, &create), expected);
        if level <= 3 {
            all_ok(&mut card, &[&format!("00A4040005415050303{level}")]);
        }
    }
    all_ok(&mut card, &["00A40000023F00"]);
    assert_eq!(send(&mut card, "00A40400054150503033"), "6A82", "two levels down");
    all_ok(&mut card, &["00A4000002DF02", "00A40400054150503033"]);
}

#[test]
fn what_is_too_much_for_a_directory_is_refused_where_sizes_are_enforced() {
    assert!(CpuCard::builder().directory_space(true).sample().is_none(), "the photo of the script");
    assert!(CpuCard::builder().memory(2000).sample().is_none());
}

#[test]
fn binary_files_are_read_and_written_by_offset() {
    let mut card = card();
    all_ok(&mut card, &["80E0000507280008F0F0FFFF"]);
    assert_eq!(send(&mut card, "00B0850003"), "FFFFFF6281", "never written");
    all_ok(&mut card, &["00D685010711223344556677"]);
    assert_eq!(send(&mut card, "00B0850100"), "112233445566779000");
    assert_eq!(send(&mut card, "00B0000702"), "6C01");
    assert_eq!(send(&mut card, "00B0000701"), "779000");
    for (command, sw) in [
        ("00B0850800", "6B00"),
        ("00B0860000", "6A82"),
        ("00D6850702AABB", "6B00"),
        ("00B08500021122", "6700"),
        ("00B0850100", "9000"),
        ("00B201 2C00", "6981"),
        ("04B085000411223344", "6900"),
        ("04D685000611221122 3344", "6900"),
    ] {
        assert!(send(&mut card, command).ends_with(sw), "{command}");
    }
    assert_eq!(card.binary(&[0x3F00, 0x0005]).unwrap()[1..], bytes("11223344556677"));
}

#[test]
fn records_of_each_kind() {
    let mut card = card();
    all_ok(&mut card, &["80E00002072A0303F0F0FFFF", "80E00003072E0203F0F0FFFF", "80E00007072C0010F0F0FFFF"]);
    // Fixed: appended, updated by number, full.
    all_ok(&mut card, &["00E2001403010101", "00E2001403020202", "00DC011403AAAAAA", "00DC031403030303"]);
    assert_eq!(send(&mut card, "00E2001403040404"), "6A84");
    assert_eq!(send(&mut card, "00DC041403040404"), "6A83");
    assert_eq!(send(&mut card, "00DC0114020404"), "6700");
    assert_eq!(send(&mut card, "00B2011400"), "AAAAAA9000");
    assert_eq!(send(&mut card, "00B2031402"), "03039000");
    assert_eq!(send(&mut card, "00B2031404"), "6C03");
    assert_eq!(send(&mut card, "00B2041400"), "6A83");
    // Cyclic: the newest is record 1, the oldest goes.
    all_ok(&mut card, &["00E2001C03010101", "00DC001B03020202", "00E2001C03030303"]);
    assert_eq!(send(&mut card, "00B2011C00"), "0303039000");
    assert_eq!(send(&mut card, "00B2021C00"), "0202029000");
    assert_eq!(send(&mut card, "00B2031C00"), "6A83");
    assert_eq!(send(&mut card, "00DC011C03010101"), "6A86");
    // Variable: data objects, found by tag or number, never of another length.
    all_ok(&mut card, &["00E2003C04AA021122", "00DC003A03BB0111", "00DCAA3804CC023344"]);
    assert_eq!(send(&mut card, "00B2BB3800"), "BB01119000");
    assert_eq!(send(&mut card, "00B2013C00"), "CC0233449000");
    assert_eq!(send(&mut card, "00DCCC3805CC03334455"), "6700");
    assert_eq!(send(&mut card, "00DC003A04AA031122"), "6A80");
    assert_eq!(send(&mut card, "00DC003A0BAA09112233445566778899"), "6A84");
    assert_eq!(send(&mut card, "00B2AA3800"), "6A83");
    assert_eq!(card.records(&[0x3F00, 0x0007]).unwrap().len(), 2);
}

#[test]
fn the_state_of_a_directory_ends_with_it_and_that_of_the_mf_does_not() {
    let rule = AccessRule::MfWhereF;
    let mut card = card_of(CpuCard::builder().access_rule(rule));
    all_ok(&mut card, &["80D401000D3AF0EF013312345FFFFFFFFFFF", "80E03F011138036FF0F005FFFFA00000000386980701"]);
    all_ok(
        &mut card,
        &[SELECT_APPLICATION, "80E00000073F00C801F0FFFF", "80E0000507280008F1EFFFFF", "80E0000607280008E0EFFFFF"],
    );
    card.reset();
    all_ok(&mut card, &[SELECT_APPLICATION]);
    assert_eq!(send(&mut card, "00B0850001"), "6982");
    all_ok(&mut card, &["00A40000023F00", "002000000312345F", SELECT_APPLICATION]);
    assert_eq!(card.security_state(), 0);
    assert_eq!(send(&mut card, "00B0850001"), "FF6281", "state of the MF");
    all_ok(&mut card, &["00A40000023F00"]);
    assert_eq!(card.security_state(), 1);
    card.reset();
    assert_eq!(card.security_state(), 0);
}
