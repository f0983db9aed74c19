//! INSTALL [for load] and LOAD (GPCS 9.3.5, 11.5.2.3.1, 11.6).

use cardwright_apdu::tlv::{Reader, Tag};
use cardwright_apdu::{Aid, CommandApdu, StatusWord};
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use super::{Fields, memory_size, no_data, refuse_token};
use crate::cap::Cap;
use crate::card::{Answer, JavaCard};
use crate::crypto::same;
use crate::registry::LoadFile;

/// A load between INSTALL [for load] and the last LOAD. Nothing of it is in non-volatile memory yet.
pub(crate) struct LoadProcess {
    aid: Aid,
    hash: Vec<u8>,
    /// The number that the next block must have.
    next_block: u16,
    received: Vec<u8>,
}

impl JavaCard {
    pub(super) fn install_for_load(&mut self, data: &[u8]) -> Answer {
        let mut fields = Fields::new(data);
        let (aid, security_domain) = (fields.aid()?, fields.optional_aid()?);
        let (hash, parameters, token) = (fields.short()?, fields.long()?, fields.long()?);
        fields.end()?;
        refuse_token(token)?;
        if !matches!(hash.len(), 0 | 20 | 28 | 32 | 48 | 64) {
            return Err(StatusWord::WRONG_DATA);
        }
        let demand = memory_demand(parameters).ok_or(StatusWord::WRONG_DATA)?;
        if security_domain.is_some_and(|aid| aid != self.memory.isd) {
            return Err(StatusWord::REFERENCED_DATA_NOT_FOUND);
        }
        if self.memory.knows(aid.as_bytes()) {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        if demand > u64::from(self.memory.free()) {
            return Err(StatusWord::NOT_ENOUGH_MEMORY);
        }
        self.session.load = Some(LoadProcess { aid, hash: hash.to_vec(), next_block: 0, received: Vec::new() });
        no_data()
    }

    /// LOAD. Whatever goes wrong ends the load (GPCS 9.3.5).
    pub(crate) fn load(&mut self, command: &CommandApdu) -> Answer {
        let mut load = self.session.load.take().ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        if u16::from(command.p2()) != load.next_block {
            return Err(StatusWord::INCORRECT_P1_P2);
        }
        if command.nc() == 0 {
            return Err(StatusWord::WRONG_LENGTH);
        }
        load.received.extend_from_slice(command.data());
        load.next_block += 1;
        // Tag and length of the load file take up to five bytes that are not stored.
        if load.received.len() > self.memory.free() as usize + 5 {
            return Err(StatusWord::NOT_ENOUGH_MEMORY);
        }
        if command.p1() & 0x80 == 0 {
            self.session.load = Some(load);
            return no_data();
        }
        let file = load.complete()?;
        if file.size > self.memory.free() {
            return Err(StatusWord::NOT_ENOUGH_MEMORY);
        }
        let known = |aid: &Aid| self.memory.load_files.iter().any(|file| file.modules.contains(aid));
        if file.modules.iter().any(known) {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        self.memory.load_files.push(file);
        no_data()
    }
}

impl LoadProcess {
    /// Makes the executable load file of the load file (GPCS table 11-58).
    fn complete(self) -> Result<LoadFile, StatusWord> {
        let mut objects = Reader::new(&self.received);
        let block = objects.read().ok().flatten().filter(|object| object.tag == Tag(0xC4));
        // No security domain of this card verifies a DAP block or deciphers a load file.
        let block = block.filter(|_| objects.rest().is_empty()).ok_or(StatusWord::WRONG_DATA)?.value;
        if !hash_agrees(&self.hash, block) {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        let cap = Cap::parse(block).ok_or(StatusWord::WRONG_DATA)?;
        if cap.package != self.aid {
            return Err(StatusWord::WRONG_DATA);
        }
        Ok(LoadFile {
            aid: cap.package,
            version: cap.version,
            modules: cap.applets,
            imports: cap.imports,
            size: block.len() as u32,
        })
    }
}

/// The load file data block hash; its length tells the algorithm (GPCS C.2).
fn hash_agrees(hash: &[u8], block: &[u8]) -> bool {
    match hash.len() {
        0 => true,
        20 => same(&Sha1::digest(block), hash),
        28 => same(&Sha224::digest(block), hash),
        32 => same(&Sha256::digest(block), hash),
        48 => same(&Sha384::digest(block), hash),
        64 => same(&Sha512::digest(block), hash),
        _ => false,
    }
}

/// Non-volatile memory that the load parameters ask for: code and data together (GPCS 11.5.2.3.7). `None` when they
/// are not well formed.
fn memory_demand(parameters: &[u8]) -> Option<u64> {
    let mut demand = 0;
    for object in Reader::new(parameters) {
        let object = object.ok()?;
        if object.tag == Tag(0xEF) {
            for inner in object.children() {
                let inner = inner.ok()?;
                match inner.tag {
                    Tag(0xC6 | 0xC8) => demand += u64::from(memory_size(inner.value)?),
                    Tag(0xC7) => drop(memory_size(inner.value)?),
                    _ => {}
                }
            }
        }
    }
    Some(demand)
}
