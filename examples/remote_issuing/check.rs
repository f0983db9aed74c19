//! What must be so at the end, seen from the cards: it knows the master keys and the fates, and nothing of the machines.

use std::collections::BTreeSet;
use std::error::Error;

use cardwright::apdu::Aid;
use cardwright::issuance::remote::ApplicationStatus;
use des::TdesEde2;
use des::cipher::{BlockCipherEncrypt, KeyInit};

use crate::order;
use crate::outside::{CardAtEnd, Outside};

/// Key that the security domains of all blank cards have.
const TEST_KEY: [u8; 16] = *b"\x40\x41\x42\x43\x44\x45\x46\x47\x48\x49\x4A\x4B\x4C\x4D\x4E\x4F";

/// Looks at every card, and at what the record says of it to whoever asks.
pub(crate) fn check(
    outside: &Outside,
    chips: &[CardAtEnd],
    applications: u8,
    recorded: impl Fn(u32, Aid) -> Result<Option<ApplicationStatus>, Box<dyn Error>>,
) -> Result<Vec<String>, Box<dyn Error>> {
    let mut violations = Vec::new();
    let mut keys = BTreeSet::new();
    let released = outside.released();
    for chip in chips {
        let number = chip.number;
        let mut wrong = |what: String| violations.push(format!("card {number}: {what}"));
        if released.get(&number) != Some(&true) {
            wrong("never finished".into());
        }
        if chip.card.key_sets().iter().any(|set| set.keys.iter().any(|key| key.value[..] == TEST_KEY)) {
            wrong("its security domain has the key of all blanks".into());
        }
        for n in 1..=applications {
            let (aid, fate) = (order::application(n)?, outside.fate(number, n));
            let is_gone = fate.unwanted && fate.balance == 0 && fate.unsettled == 0;
            let on_card = chip.card.pboc_application(&aid);
            let status = match (on_card, is_gone) {
                (Some(_), true) => {
                    wrong(format!("{aid} was to be deleted"));
                    continue;
                }
                (None, false) => {
                    wrong(format!("{aid} is not there; balance {}, {} not settled", fate.balance, fate.unsettled));
                    continue;
                }
                (None, true) => None,
                (Some(application), false) => {
                    let serial = application.serial_number();
                    let expected =
                        [order::master_key(n), order::maintenance_key(n)].map(|key| diversified(&key, &serial));
                    if [*application.master_key().value(), *application.maintenance_key().value()] != expected {
                        wrong(format!("{aid} has other keys than its own"));
                    }
                    if !keys.insert(*application.master_key().value()) {
                        wrong(format!("{aid} has the keys of another card"));
                    }
                    if application.master_key().tries_left() != 3 {
                        wrong(format!("{aid} has {} tries left", application.master_key().tries_left()));
                    }
                    Some(if fate.uses > 0 { ApplicationStatus::Used } else { ApplicationStatus::Issued })
                }
            };
            // INSTALL [for install], P1 bit 3, with this AID: it went through once.
            let is_install = |(command, response): &&(Vec<u8>, Vec<u8>)| {
                command.len() > 5
                    && command[1] == 0xE6
                    && command[2] & 0x04 != 0
                    && response.ends_with(&[0x90, 0x00])
                    && command.windows(aid.as_bytes().len()).any(|window| window == aid.as_bytes())
            };
            let installs = chip.commands.iter().filter(is_install).count();
            if installs != 1 {
                wrong(format!("{aid} was installed {installs} times"));
            }
            let told = recorded(number, aid)?;
            if told != status {
                wrong(format!("{aid}: the record says {told:?}, it is {status:?}"));
            }
        }
    }
    Ok(violations)
}

/// Encipherment of the last eight bytes of the serial number and of their complement (domain key derivation of PBOC cards).
fn diversified(master: &[u8; 16], serial: &[u8; 10]) -> [u8; 16] {
    let cipher = TdesEde2::new(master.into());
    let mut key = [0; 16];
    for (n, byte) in serial[2..].iter().enumerate() {
        key[n] = *byte;
        key[8 + n] = !*byte;
    }
    for half in key.chunks_exact_mut(8) {
        if let Ok(block) = <&mut [u8; 8]>::try_from(half) {
            cipher.encrypt_block(block.into());
        }
    }
    key
}
