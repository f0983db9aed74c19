use sha2::{Digest, Sha256};

use super::host::{Host, command, hex};
use crate::{EntryKind, JavaCard};

pub(super) const PACKAGE: &str = "A00000038698070100";
pub(super) const MODULE: &str = "A0000003869807010001";
pub(super) const INSTANCE: &str = "A000000386980701";

fn lv(value: &[u8]) -> Vec<u8> {
    [&[value.len() as u8], value].concat()
}

fn component(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag], &(content.len() as u16).to_be_bytes()[..], content].concat()
}

/// A load file data block with one applet, of a few hundred bytes.
pub(super) fn block() -> Vec<u8> {
    let header = [&hex("DECAFFED 0102 04 0301")[..], &lv(&hex(PACKAGE))].concat();
    let applet = [&[1][..], &lv(&hex(MODULE)), &[0, 0]].concat();
    [component(1, &header), component(3, &applet), component(7, &[0x5A; 400])].concat()
}

pub(super) fn load_file(block: &[u8]) -> Vec<u8> {
    [&[0xC4, 0x82], &(block.len() as u16).to_be_bytes()[..], block].concat()
}

pub(super) fn for_load(hash: &[u8]) -> Vec<u8> {
    [lv(&hex(PACKAGE)), lv(&[]), lv(hash), lv(&[]), lv(&[])].concat()
}

pub(super) fn for_install(instance: &str, parameters: &str) -> Vec<u8> {
    [lv(&hex(PACKAGE)), lv(&hex(MODULE)), lv(&hex(instance)), lv(&[0]), lv(&hex(parameters)), lv(&[])].concat()
}

impl Host {
    /// LOADs in blocks; the status words.
    pub(super) fn load(&mut self, file: &[u8]) -> Vec<u16> {
        let blocks: Vec<_> = file.chunks(247).collect();
        let last = blocks.len() - 1;
        let one = |(number, block): (usize, &&[u8])| {
            self.sw(&format!("80E8{}{number:02X}", if number == last { "80" } else { "00" }), block)
        };
        blocks.iter().enumerate().map(one).collect()
    }

    pub(super) fn with_instance() -> Self {
        let mut host = Self::open();
        assert_eq!(host.bare(&command("80E60200", &for_load(&[]))), (vec![0], 0x9000));
        assert_eq!(host.load(&load_file(&block())), [0x9000, 0x9000]);
        assert_eq!(host.bare(&command("80E60C00", &for_install(INSTANCE, "C900"))), (vec![0], 0x9000));
        host
    }
}

#[test]
fn a_load_file_is_loaded_installed_listed_and_deleted() {
    let mut host = Host::with_instance();
    let entry = |objects: String| [&[0xE3], &lv(&hex(&objects))[..]].concat();
    let isd = "CC08A000000151000000";
    let application = entry(format!("4F08{INSTANCE} 9F700107 C503000000 C409{PACKAGE} {isd}"));
    assert_eq!(host.bare(&command("80F24002", &hex("4F00"))), (application, 0x9000));
    let modules = entry(format!("4F09{PACKAGE} 9F700101 CE020103 840A{MODULE} {isd}"));
    assert_eq!(host.bare(&command("80F21002", &hex("4F05A000000386"))).0, modules);
    let old = hex(&format!("09{PACKAGE} 0100 01 0A{MODULE}"));
    assert_eq!(host.bare(&command("80F21000", &hex("4F00"))), (old, 0x9000));
    let short = entry(format!("4F09{PACKAGE} 9F700101"));
    assert_eq!(host.bare(&command("80F22002", &hex("4F00 5C034F9F70"))).0, short);
    assert_eq!(host.sw("80F24002", &hex("4F05A000000387")), 0x6A88);
    assert_eq!(host.sw("80F24002", &hex("5C004F00")), 0x6A80);
    assert_eq!(host.sw("80F2C002", &hex("4F00")), 0x6A86);
    assert_eq!(host.sw("80F24003", &hex("4F00")), 0x6985);

    let delete = |aid: &str| [&hex("4F"), &lv(&hex(aid))[..]].concat();
    assert_eq!(host.sw("80E40000", &delete(PACKAGE)), 0x6985);
    assert_eq!(host.bare(&command("80E40000", &delete(INSTANCE))), (vec![0], 0x9000));
    assert_eq!(host.sw("80E40000", &delete(INSTANCE)), 0x6A88);
    assert_eq!(host.sw("80E60C00", &for_install(INSTANCE, "C900")), 0x9000);
    assert_eq!(host.sw("80E40080", &delete(PACKAGE)), 0x9000);
    let kinds: Vec<_> = host.card.registry().iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, [EntryKind::IssuerSecurityDomain]);
    assert_eq!(host.card.free_memory(), 128 * 1024);
}

#[test]
fn what_is_out_of_order_discards_the_load() {
    let mut host = Host::open();
    let file = load_file(&block());
    assert_eq!(host.sw("80E80000", &file[..100]), 0x6985);
    let begin = |host: &mut Host| assert_eq!(host.sw("80E60200", &for_load(&[])), 0x9000);
    begin(&mut host);
    assert_eq!(host.sw("80E80001", &file[..100]), 0x6A86);
    assert_eq!(host.sw("80E80000", &file[..100]), 0x6985);
    begin(&mut host);
    assert_eq!(host.sw("80E80000", &file[..100]), 0x9000);
    assert_eq!(host.sw("80E80000", &file[..100]), 0x6A86);
    assert_eq!(host.sw("80E80001", &file[100..200]), 0x6985);
    begin(&mut host);
    assert_eq!(host.sw("80E80000", &file[..100]), 0x9000);
    host.card.reset();
    assert_eq!(host.authenticate(0x00), 0x9000);
    assert_eq!(host.sw("80E80001", &file[100..200]), 0x6985);
    begin(&mut host);
    assert_eq!(host.load(&file[..file.len() - 1]), [0x9000, 0x6A80]);
    begin(&mut host);
    assert_eq!(host.load(&file), [0x9000, 0x9000]);
    assert_eq!(host.sw("80E60200", &for_load(&[])), 0x6985);
}

#[test]
fn the_hash_of_the_load_file_data_block_is_checked() {
    let mut host = Host::open();
    let mut hash = Sha256::digest(block()).to_vec();
    hash[0] ^= 1;
    assert_eq!(host.sw("80E60200", &for_load(&hash)), 0x9000);
    assert_eq!(host.load(&load_file(&block())), [0x9000, 0x6985]);
    hash[0] ^= 1;
    assert_eq!(host.sw("80E60200", &for_load(&hash)), 0x9000);
    assert_eq!(host.load(&load_file(&block())), [0x9000, 0x9000]);
    assert_eq!(host.sw("80E60200", &for_load(&[0; 21])), 0x6A80);
}

#[test]
fn installing_what_cannot_be_installed() {
    let mut host = Host::with_instance();
    let other = "A00000038698070199";
    assert_eq!(host.sw("80E60C00", &for_install(INSTANCE, "C900")), 0x6985);
    assert_eq!(host.sw("80E60C00", &for_install(other, "")), 0x6A80);
    assert_eq!(host.sw("80E60C00", &for_install(other, "C901")), 0x6A80);
    assert_eq!(host.sw("80E60C00", &for_install(other, "C900EF06C80400FFFFFF")), 0x9000);
    // Data of another purpose, and a purpose that there is none of.
    assert_eq!(host.sw("80E61000", &for_install(other, "C900")), 0x6A80);
    assert_eq!(host.sw("80E60100", &for_install(other, "C900")), 0x6A86);
    assert_eq!(host.sw("80E60C01", &for_install(other, "C900")), 0x6A86);
    let mut unknown = for_install("A000000386980701AA", "C900");
    unknown[12] ^= 0xFF;
    assert_eq!(host.sw("80E60C00", &unknown), 0x6A88);
    let third = "A0000003869807019A";
    assert_eq!(host.sw("80E60400", &for_install(third, "C900")), 0x9000);
    let select = |host: &mut Host| host.sw("00A40400", &hex(third));
    assert_eq!(select(&mut host), 0x6A82);
    let make = [lv(&[]), lv(&[]), lv(&hex(third)), lv(&[0]), lv(&[]), lv(&[])].concat();
    assert_eq!(host.sw("80E60800", &make), 0x9000);
    assert_eq!(host.sw("80E60800", &make), 0x6985);
    assert_eq!(select(&mut host), 0x9000);
}

#[test]
fn pages_of_a_listing_are_cut_anywhere() {
    let mut host = Host::with_instance();
    let whole = host.bare(&command("80F24002", &hex("4F00"))).0;
    for page in [1, 7, 20] {
        host.card.memory.config.page = page;
        let (mut all, mut sw) = host.bare(&command("80F24002", &hex("4F00")));
        while sw == 0x6310 {
            let (more, next) = host.bare(&command("80F24003", &hex("4F00")));
            all.extend(more);
            sw = next;
        }
        assert_eq!((all, sw), (whole.clone(), 0x9000));
        assert_eq!(host.sw("80F24003", &hex("4F00")), 0x6985);
    }
}

#[test]
fn selection_by_part_of_the_name() {
    let mut host = Host::with_instance();
    assert_eq!(host.sw("80E60C00", &for_install("A00000038698070155", "C900")), 0x9000);
    let first = host.bare(&command("00A40400", &hex("A000000386"))).0;
    assert_eq!(first[2..12], hex(&format!("8408{INSTANCE}")));
    let second = host.bare(&command("00A40402", &hex("A000000386"))).0;
    assert_eq!(second[2..13], hex("8409A00000038698070155"));
    assert_eq!(host.sw("00A40402", &hex("A000000386")), 0x6A82);
    assert_eq!(host.sw("00A40400", &hex("A000000151")), 0x9000);
    assert_eq!(host.sw("00A40400", &hex("B000000151")), 0x6A82);
    assert_eq!(host.bare(&command("00A40406", &hex("A000000386"))).0, first);
    for p2 in ["00", "04", "08"] {
        let (answer, sw) = host.bare(&command(&format!("00A404{p2}"), &hex("A000000151")));
        assert_eq!((answer[0], sw), (0x6F, 0x9000), "P2 {p2}");
    }
    assert_eq!(host.bare(&command("00A4040C", &hex("A000000151"))), (vec![], 0x9000));
    for p2 in ["01", "10", "80"] {
        assert_eq!(host.sw(&format!("00A404{p2}"), &hex("A000000151")), 0x6A86);
    }
    assert_eq!(host.sw("04A40400", &hex("A000000151")), 0x6882);
}

#[test]
fn a_locked_application_is_not_selected() {
    let mut host = Host::with_instance();
    let lock = |host: &mut Host, state: &str| host.sw(&format!("80F040{state}"), &hex(INSTANCE));
    assert_eq!(lock(&mut host, "00"), 0x6985);
    assert_eq!(lock(&mut host, "80"), 0x9000);
    assert_eq!(lock(&mut host, "80"), 0x6985);
    assert_eq!(host.card.application_life_cycle(&INSTANCE.parse().unwrap()), Some(0x87));
    assert_eq!(host.sw("00A40400", &hex(INSTANCE)), 0x6A82);
    assert_eq!(host.sw("80F24002", &hex("4F00")), 0x9000);
    assert_eq!(lock(&mut host, "00"), 0x9000);
    assert_eq!(host.sw("00A40400", &hex(INSTANCE)), 0x9000);
}

#[test]
fn memory_runs_out() {
    let mut host = Host::new(JavaCard::builder().memory(300));
    assert_eq!(host.authenticate(0x00), 0x9000);
    let parameters = hex("EF04C6020800");
    let demand = [lv(&hex(PACKAGE)), lv(&[]), lv(&[]), lv(&parameters), lv(&[])].concat();
    assert_eq!(host.sw("80E60200", &demand), 0x6A84);
    assert_eq!(host.sw("80E60200", &for_load(&[])), 0x9000);
    assert_eq!(host.load(&load_file(&block())), [0x9000, 0x6A84]);
}

#[test]
fn an_application_with_card_reset_is_selected_after_a_reset() {
    let mut host = Host::with_instance();
    let aid = "A00000038698070103";
    let install = |privileges: &[u8]| {
        let aids = [lv(&hex(PACKAGE)), lv(&hex(MODULE)), lv(&hex(aid))].concat();
        [aids, lv(privileges), lv(&hex("C900")), lv(&[])].concat()
    };
    assert_eq!(host.sw("80E60400", &install(&[0x04])), 0x6A80);
    assert_eq!(host.sw("80E60C00", &install(&[0x80])), 0x6A80);
    assert_eq!(host.sw("80E60C00", &install(&[0x00, 0x00])), 0x6A80);
    assert_eq!(host.sw("80E60C00", &install(&[0x04, 0x00, 0x00])), 0x9000);
    assert_eq!(host.card.registry()[0].privileges, [0x9A, 0xFE, 0x80]);
    host.card.reset();
    assert_eq!(host.bare(&hex("0084000008")).1, 0x9000);
    assert_eq!(host.sw("00A40400", &[]), 0x9000);
    assert_eq!(host.bare(&hex("0084000008")).1, 0x6D00);
}
