//! INSTALL [for load] and LOAD (GPCS 9.3.5, 11.5.2.3.1, 11.6).

use cardwright_apdu::tlv::{Reader, Tag};
use cardwright_apdu::{Aid, CommandApdu, StatusWord};
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use super::authority::{Authority, fields};
use super::{Fields, memory_size, no_data};
use crate::cap::Cap;
use crate::card::{Answer, JavaCard};
use crate::crypto::{Aes, TripleDes, same, unpad};
use crate::domain::{DAP_KEY, DomainId, LOAD_FILE_KEY};
use crate::keys::{Key, KeyType};
use crate::memory::Memory;
use crate::registry::{LoadFile, Privileges, kept};
use crate::signature;

/// Bytes of a load file that are not stored, at most: DAP Blocks, tags and lengths, ICV and padding.
const NOT_STORED: usize = 2048;

/// A load between INSTALL [for load] and the last LOAD. Nothing of it is in non-volatile memory yet.
pub(crate) struct LoadProcess {
    aid: Aid,
    hash: Vec<u8>,
    /// Security domain that the load file shall be associated with.
    domain: DomainId,
    authority: Authority,
    /// The number that the next block must have.
    next_block: u16,
    received: Vec<u8>,
}

impl JavaCard {
    pub(super) fn install_for_load(&mut self, command: &CommandApdu) -> Answer {
        let mut data = Fields::new(command.data());
        let (aid, security_domain) = (data.aid()?, data.optional_aid()?);
        let (hash, parameters) = (data.short()?, data.peek_long()?);
        let signed = data.signed(command)?;
        let authority = self.authorize(&signed)?;
        // A token vouches for the hash (GPCS 9.2.2).
        if matches!(authority, Authority::Token(_)) && hash.is_empty() {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        if !matches!(hash.len(), 0 | 20 | 28 | 32 | 48 | 64) {
            return Err(StatusWord::WRONG_DATA);
        }
        let demand = memory_demand(parameters).ok_or(StatusWord::WRONG_DATA)?;
        let domain = match security_domain {
            Some(aid) => self.memory.domain_named(&aid).ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)?,
            None => self.domain(),
        };
        // Of another hierarchy, or not ready for it.
        if !self.memory.is_personalized(domain) || !self.memory.hierarchy(domain).contains(&self.domain()) {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        if self.memory.knows(aid.as_bytes()) {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        if demand > u64::from(self.memory.free()) {
            return Err(StatusWord::NOT_ENOUGH_MEMORY);
        }
        let (hash, received) = (hash.to_vec(), Vec::new());
        self.session.load = Some(LoadProcess { aid, hash, domain, authority, next_block: 0, received });
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
        // Tags, lengths and DAP Blocks are not stored.
        if load.received.len() > self.memory.free() as usize + NOT_STORED {
            return Err(StatusWord::NOT_ENOUGH_MEMORY);
        }
        if command.p1() & 0x80 == 0 {
            self.session.load = Some(load);
            return no_data();
        }
        let authority = load.authority.clone();
        let file = load.complete(&self.memory)?;
        if file.size > self.memory.free() {
            return Err(StatusWord::NOT_ENOUGH_MEMORY);
        }
        let known = |aid: &Aid| self.memory.load_files.iter().any(|file| file.modules.contains(aid));
        if file.modules.iter().any(known) {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        let receipt = fields([file.aid.as_bytes(), self.memory.aid_of(file.domain()).as_bytes()]);
        self.memory.load_files.push(file);
        self.confirm(&authority, &receipt)
    }
}

impl LoadProcess {
    /// Makes the executable load file of the load file (GPCS table 11-58).
    fn complete(self, memory: &Memory) -> Result<LoadFile, StatusWord> {
        let objects = Reader::new(&self.received).collect::<Result<Vec<_>, _>>().map_err(|_| StatusWord::WRONG_DATA)?;
        let daps = objects.iter().take_while(|object| object.tag == Tag(0xE2)).count();
        let (daps, rest) = objects.split_at(daps);
        let verified = daps.iter().map(|dap| self.verify_dap(memory, dap.value)).collect::<Result<Vec<_>, _>>()?;
        if self.domains_that_verify(memory).iter().any(|domain| !verified.contains(domain)) {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        let is_ciphered = memory.privileges_of(self.domain).has(Privileges::CIPHERED_LOAD_FILE);
        let block = match rest {
            [block] if block.tag == Tag(0xC4) && !is_ciphered => block.value.to_vec(),
            [block] if block.tag == Tag(0xD4) && is_ciphered => self.decipher(memory, &[], block.value)?,
            [icv, block] if icv.tag == Tag(0xD3) && block.tag == Tag(0xD4) && is_ciphered => {
                self.decipher(memory, icv.value, block.value)?
            }
            _ => return Err(StatusWord::WRONG_DATA),
        };
        if (is_ciphered && self.hash.is_empty()) || !hash_agrees(&self.hash, &block) {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        let cap = Cap::parse(&block).ok_or(StatusWord::WRONG_DATA)?;
        if cap.package != self.aid {
            return Err(StatusWord::WRONG_DATA);
        }
        Ok(LoadFile {
            aid: cap.package,
            version: cap.version,
            modules: cap.applets,
            imports: cap.imports,
            size: block.len() as u32,
            domain: kept(self.domain),
        })
    }

    /// Security domains that must have verified a DAP Block: the associated one with DAP Verification, and each that is PERSONALIZED
    /// with Mandated DAP Verification (GPCS 9.3.5).
    fn domains_that_verify(&self, memory: &Memory) -> Vec<Aid> {
        let mandated = |entry: &&crate::registry::Application| {
            Privileges(entry.privileges).has(Privileges::MANDATED_DAP_VERIFICATION)
                && memory.is_personalized(Some(entry.aid))
        };
        let mut domains: Vec<Aid> = memory.applications.iter().filter(mandated).map(|entry| entry.aid).collect();
        if memory.privileges_of(self.domain).has(Privileges::DAP_VERIFICATION) {
            domains.push(memory.aid_of(self.domain));
        }
        domains
    }

    /// `E2 { 4F security domain, C3 signature }` over the hash (GPCS table 11-59, C.3): whose it is.
    fn verify_dap(&self, memory: &Memory, dap: &[u8]) -> Result<Aid, StatusWord> {
        let objects = Reader::new(dap).collect::<Result<Vec<_>, _>>().map_err(|_| StatusWord::WRONG_DATA)?;
        let [aid, signature] = objects[..] else { return Err(StatusWord::WRONG_DATA) };
        if (aid.tag, signature.tag) != (Tag(0x4F), Tag(0xC3)) {
            return Err(StatusWord::WRONG_DATA);
        }
        let aid = super::whole_aid(aid.value)?;
        let domain = memory.domain_named(&aid).ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)?;
        if self.hash.is_empty() || !memory.privileges_of(domain).has(Privileges::DAP_VERIFICATION) {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        let key = memory.special_key(domain, DAP_KEY).ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        if signature::verify(key, &self.hash, signature.value) {
            Ok(aid)
        } else {
            Err(StatusWord::SECURITY_NOT_SATISFIED)
        }
    }

    /// The data block in clear (GPCS C.6).
    fn decipher(&self, memory: &Memory, icv: &[u8], cipher: &[u8]) -> Result<Vec<u8>, StatusWord> {
        let key = memory.special_key(self.domain, LOAD_FILE_KEY).ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        decipher(key, icv, cipher).ok_or(StatusWord::WRONG_DATA)
    }
}

fn decipher(key: &Key, icv: &[u8], cipher: &[u8]) -> Option<Vec<u8>> {
    let mut block = cipher.to_vec();
    match key.key_type {
        KeyType::Des if cipher.len().is_multiple_of(8) => {
            let icv = if icv.is_empty() { [0; 8] } else { icv.try_into().ok()? };
            TripleDes::new(key.value[..].try_into().ok()?).decrypt_cbc(icv, &mut block);
        }
        KeyType::Aes if cipher.len().is_multiple_of(16) => {
            let icv = if icv.is_empty() { [0; 16] } else { icv.try_into().ok()? };
            Aes::new(&key.value)?.decrypt_cbc(icv, &mut block);
        }
        _ => return None,
    }
    unpad(&mut block)?;
    Some(block)
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
