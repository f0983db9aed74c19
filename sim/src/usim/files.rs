//! The files of a blank USIM (TS 31.102 4.2 to 4.4, TS 51.011 10), and those of its vendor.

use super::config::{Config, UsimStyle};
use super::memory::{ADF, Access, Content, Directory, Entry, File, GSM, MF, SYSTEM, TELECOM};
use Access::{Adm, Always, Never, Pin};

/// AID of the USIM application: RID of 3GPP, application code 1002 (TS 31.102, TS 101 220 annex E).
pub(super) const USIM: [u8; 12] = [0xA0, 0x00, 0x00, 0x00, 0x87, 0x10, 0x02, 0xFF, 0xFF, 0xFF, 0xFF, 0x89];

/// Lengths of alpha identifiers in MSISDN and SMSP, in bytes.
const MSISDN_ALPHA: usize = 20;
const SMSP_ALPHA: usize = 12;

/// A file: identifier, short identifier, who reads, who updates, contents.
type Row = (u16, u8, Access, Access, Content);

fn transparent(data: &[u8]) -> Content {
    Content::Transparent(data.to_vec())
}

fn empty(length: usize) -> Content {
    Content::Transparent(vec![0xFF; length])
}

fn records(count: usize, length: usize) -> Content {
    Content::Records(vec![vec![0xFF; length].into(); count])
}

/// Directories and contents of a card that no issuer has written.
pub(super) fn blank(config: &Config, iccid: Option<[u8; 10]>) -> (Vec<Directory>, Vec<File>) {
    let mut card = Layout { directories: Vec::new(), files: Vec::new() };
    let directory_record = [&[0x61, 0x0E, 0x4F, 0x0C][..], &USIM, &[0xFF; 16]].concat();
    card.add(
        MF,
        &[],
        vec![
            (
                0x2FE2,
                0x02,
                Always,
                if config.style == UsimStyle::Sja2 { Never } else { Adm },
                transparent(&iccid.unwrap_or([0xFF; 10])),
            ),
            (0x2F00, 0x1E, Always, Adm, Content::Records(vec![directory_record.into()])),
            (0x2F05, 0x05, Always, Pin, empty(10)),
        ],
    );
    card.add(
        TELECOM,
        &[],
        vec![
            (0x6F3A, 0x00, Pin, Pin, records(10, MSISDN_ALPHA + 14)),
            (0x6F3C, 0x00, Pin, Pin, records(10, 176)),
            (0x6F40, 0x00, Pin, Pin, records(2, MSISDN_ALPHA + 14)),
            (0x6F42, 0x00, Pin, Pin, records(1, SMSP_ALPHA + 28)),
        ],
    );
    let mut gsm = gsm();
    gsm.extend(vendor(config));
    card.add(GSM, &[], gsm);
    let key_file = transparent(&[&[0x14][..], &config.ki, &config.opc].concat());
    let mut usim = usim();
    if config.style == UsimStyle::Sja2 {
        card.add(SYSTEM, &[], vec![(0x6F20, 0x00, Never, Adm, key_file.clone())]);
        usim.push((0xAF20, 0x00, Never, Adm, key_file.clone()));
        usim.push((0xAF22, 0x00, Never, Adm, key_file));
    }
    card.add(ADF, &USIM, usim);
    // The files that GSM and USIM share (TS 31.102 annex of file mapping), and the two of DF.TELECOM that USIM has as well.
    for (identifier, short) in SHARED {
        card.link(GSM, *identifier, *short);
    }
    card.link(TELECOM, 0x6F40, 0x00);
    card.link(TELECOM, 0x6F42, 0x00);
    (card.directories, card.files)
}

/// Files of DF.GSM that ADF.USIM has too, with their short identifiers there (TS 31.102 annex H).
const SHARED: &[(u16, u8)] = &[
    (0x6F07, 0x07),
    (0x6F31, 0x12),
    (0x6F46, 0x00),
    (0x6F60, 0x0A),
    (0x6F61, 0x11),
    (0x6F62, 0x13),
    (0x6F78, 0x06),
    (0x6F7B, 0x0D),
    (0x6F7E, 0x0B),
    (0x6FAD, 0x03),
];

/// DF.GSM; location and keys as TS 31.102 annex E has them.
fn gsm() -> Vec<Row> {
    vec![
        (0x6F05, 0x00, Always, Pin, empty(4)),
        (0x6F07, 0x00, Pin, Adm, empty(9)),
        (0x6F20, 0x00, Pin, Pin, transparent(&[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x07])),
        (0x6F31, 0x00, Pin, Adm, transparent(&[0x05])),
        (0x6F38, 0x00, Pin, Adm, transparent(&[0xFF, 0x3F, 0xFF, 0xFF, 0x3C])),
        (0x6F46, 0x00, Always, Adm, empty(17)),
        (0x6F60, 0x00, Pin, Pin, empty(60)),
        (0x6F61, 0x00, Pin, Adm, empty(60)),
        (0x6F62, 0x00, Pin, Adm, empty(60)),
        (0x6F78, 0x00, Pin, Adm, transparent(&[0x00, 0x00])),
        (0x6F7B, 0x00, Pin, Pin, empty(12)),
        (0x6F7E, 0x00, Pin, Pin, transparent(&LOCI)),
        (0x6FAD, 0x00, Always, Adm, transparent(&[0x00, 0x00, 0x00, 0x02])),
        (0x6FAE, 0x00, Always, Adm, transparent(&[0x03])),
    ]
}

/// `TMSI ‖ LAI (PLMN, 0000) ‖ FF ‖ not updated`.
const LOCI: [u8; 11] = [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0xFF, 0x01];

/// What ADF.USIM has to itself.
fn usim() -> Vec<Row> {
    let keys = [&[0x07][..], &[0xFF; 32]].concat();
    let packet_location = [&[0xFF; 10][..], &[0x00, 0x00, 0xFF, 0x01]].concat();
    let eps_location = [&[0xFF; 15][..], &[0x00, 0x00, 0x01]].concat();
    vec![
        (0x6F05, 0x02, Always, Pin, empty(4)),
        (0x6F08, 0x08, Pin, Pin, transparent(&keys)),
        (0x6F09, 0x09, Pin, Pin, transparent(&keys)),
        // Services 17, 18 (GID), 19 (SPN), 21 (MSISDN), 27 (GSM access), 42 to 45 (PLMN lists), 12 (SMSP).
        (0x6F38, 0x04, Pin, Adm, transparent(&[0x00, 0x08, 0x17, 0x04, 0x00, 0x1E, 0x00, 0x00])),
        (0x6F73, 0x0C, Pin, Pin, transparent(&packet_location)),
        (0x6FE3, 0x1E, Pin, Pin, transparent(&eps_location)),
    ]
}

fn vendor(config: &Config) -> Vec<Row> {
    match config.style {
        UsimStyle::Sjs1 => vec![
            (0x00FF, 0x00, Never, Adm, transparent(&config.ki)),
            (0x00F7, 0x00, Never, Adm, transparent(&[&[0x01][..], &config.opc].concat())),
        ],
        UsimStyle::Gr1 | UsimStyle::Sja2 => Vec::new(),
        UsimStyle::Gr2 => {
            vec![(0x0001, 0x00, Never, Adm, transparent(&[&[0x00, 0x10, 0x00][..], &config.ki].concat()))]
        }
    }
}

struct Layout {
    directories: Vec<Directory>,
    files: Vec<File>,
}

impl Layout {
    fn add(&mut self, identifier: u16, aid: &[u8], rows: Vec<Row>) {
        let mut entries = Vec::new();
        for (identifier, short, read, update, content) in rows {
            entries.push(Entry { identifier, short, file: self.files.len() as u32 });
            self.files.push(File { read, update, content });
        }
        self.directories.push(Directory { identifier, aid: aid.to_vec(), entries });
    }

    /// Gives ADF.USIM a file of another directory.
    fn link(&mut self, directory: u16, identifier: u16, short: u8) {
        let from = self.directories.iter().find(|found| found.identifier == directory);
        let found = from.and_then(|from| from.entries.iter().find(|entry| entry.identifier == identifier)).copied();
        if let (Some(entry), Some(adf)) = (found, self.directories.last_mut()) {
            adf.entries.push(Entry { short, ..entry });
        }
    }
}
