//! Native cards torn at every command of a script: before it, after it, and while the card writes.

use cardwright_apdu::{Transport, TransportError};
use sha2::{Digest, Sha256};

use crate::crypto::{des_mac, encrypt_des, retail_mac};
use crate::{BlankChip, CpuCard, Fault, Faults, SimReader, SoftwareCard, Usim, UsimStyle};

type Script<C> = fn(&mut SimReader<C>) -> Result<(), TransportError>;

fn send<C: SoftwareCard>(reader: &mut SimReader<C>, command: &str) -> Result<Vec<u8>, TransportError> {
    transmit(reader, &hex::decode(command).unwrap())
}

fn transmit<C: SoftwareCard>(reader: &mut SimReader<C>, command: &[u8]) -> Result<Vec<u8>, TransportError> {
    let mut response = Vec::new();
    reader.transmit(command, &mut response)?;
    Ok(response)
}

/// The script's commands with the memory before the first and after each.
fn reference<C: SoftwareCard>(make: &impl Fn() -> C, script: Script<C>) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let mut reader = SimReader::new(make());
    reader.take_log();
    script(&mut reader).unwrap();
    let commands: Vec<_> = reader.take_log().into_iter().map(|entry| entry.command).collect();
    let mut card = make();
    card.reset();
    let mut memories = vec![after_reset(&card)];
    for command in &commands {
        let response = card.process(command);
        assert!(response.ends_with(&[0x90, 0x00]), "{command:02X?}: {response:02X?}");
        memories.push(after_reset(&card));
    }
    (commands, memories)
}

/// What the card's memory is after a reset: an operating system that was started runs then.
fn after_reset<C: SoftwareCard>(card: &C) -> Vec<u8> {
    C::restore(&card.memory(), C::VERSION).unwrap().memory()
}

/// Tears the card at every command. `in_part`: instructions that a real card does not execute as a whole.
fn torn_everywhere<C: SoftwareCard>(make: impl Fn() -> C, script: Script<C>, in_part: &[u8]) -> usize {
    let (commands, memories) = reference(&make, script);
    let mut halves = 0;
    for (at, command) in commands.iter().enumerate() {
        let (before, after) = (&memories[at], &memories[at + 1]);
        let memory = |fault| {
            let mut reader = SimReader::new(make()).with_faults(Faults::none().at(at as u64 + 1, fault));
            assert!(script(&mut reader).is_err());
            assert!(!reader.is_inserted());
            reader.reinsert();
            after_reset(reader.card())
        };
        assert_eq!(memory(Fault::CutBefore), *before, "{command:02X?}");
        assert_eq!(memory(Fault::CutAfter), *after, "{command:02X?}");
        assert_eq!(memory(Fault::CutWriting(0)), *before, "{command:02X?}");
        assert_eq!(memory(Fault::CutWriting(1000)), *after, "{command:02X?}");
        for written in 1..12 {
            let now = memory(Fault::CutWriting(written));
            if now != *before && now != *after {
                assert!(in_part.contains(&command[1]), "{command:02X?} is half done");
                halves += 1;
            }
        }
    }
    halves
}

fn cpu_script(reader: &mut SimReader<CpuCard>) -> Result<(), TransportError> {
    for command in [
        "00A4040009A00000000386980701",
        "002000000312345F",
        "805E01000712345FFF998877",
        "80E0001A072E0203F0F0FFFF",
        "00E200D403111111",
        "00E200D403222222",
        "00E200D403333333",
        "00D69700080102030405060708",
        "80D401031530F0F0000055555555555555555555555555555555",
    ] {
        send(reader, command)?;
    }
    let challenge = send(reader, "0084000004")?;
    let mut initial = [0; 8];
    initial[..4].copy_from_slice(&challenge[..4]);
    let mut update = hex::decode("04D69500061122").unwrap();
    update.extend_from_slice(&retail_mac(&[0x36; 16], initial, &update.clone())[..4]);
    transmit(reader, &update)?;
    // A load with key 3F 01, which is used with single DES.
    let opened = send(reader, "805000020B010000200000112233445510")?;
    let input = [&opened[8..12], &opened[4..6], &[0x80, 0x00]].concat().try_into().unwrap();
    let session = encrypt_des(&[0x3F, 0x01, 0x3F, 0x01, 0x3F, 0x01, 0x3F, 0x01], input);
    let data = hex::decode("000020000200112233445520161216105800").unwrap();
    let mac = hex::encode(&des_mac(&session, [0; 8], &data)[..4]);
    send(reader, &format!("805200000B20161216105800{mac}04"))?;
    send(reader, "800E000000")?;
    Ok(())
}

#[test]
fn a_cpu_card_does_whole_what_anti_tearing_covers() {
    let card = || CpuCard::builder().seed(7).sample().unwrap();
    let halves = torn_everywhere(card, cpu_script, &[0x0E, 0x20, 0x5E, 0xD6, 0xE2]);
    assert!(halves > 20, "{halves} states in between");
}

fn usim_script(reader: &mut SimReader<Usim>) -> Result<(), TransportError> {
    for command in [
        "0020000A083838383838383838",
        "00A4080C022FE2",
        "00D600000A988812010000010913F8",
        "00A4080C047F2000FF",
        "00D6000010465B5CE8B199B49FAA5F0A2EE238A6BC",
        "00A4080C047F106F42",
        &format!("00DC010428{}", "A5".repeat(40)),
        "002400011031323334FFFFFFFF35363738FFFFFFFF",
    ] {
        send(reader, command)?;
    }
    Ok(())
}

#[test]
fn a_usim_writes_files_in_part_and_codes_whole() {
    let halves = torn_everywhere(|| Usim::builder().t0(false).build(), usim_script, &[0x20, 0x24, 0xD6, 0xDC]);
    assert!(halves > 20, "{halves} states in between");
    let gr1 = || Usim::builder().style(UsimStyle::Gr1).t0(false).build();
    let script = |reader: &mut SimReader<Usim>| {
        send(reader, "0020000A083332323133323332")?;
        send(reader, &format!("0099000033{}", "A5".repeat(51)))?;
        Ok(())
    };
    assert!(torn_everywhere(gr1, script, &[0x20, 0x99]) > 10);
}

#[test]
fn a_blank_chip_is_blank_or_has_its_system() {
    let script = |reader: &mut SimReader<BlankChip>| {
        let image = b"COS\0\x03COSanything";
        let digest = hex::encode(Sha256::digest(image));
        send(reader, &format!("8010000024{:08X}{digest}", image.len()))?;
        send(reader, &format!("801200000A{}", hex::encode(&image[..10])))?;
        send(reader, &format!("8012000106{}", hex::encode(&image[10..])))?;
        send(reader, "80140000")?;
        send(reader, "80160000")?;
        Ok(())
    };
    assert_eq!(torn_everywhere(|| BlankChip::new(CpuCard::builder()), script, &[]), 0);
}
