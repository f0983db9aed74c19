//! DELETE of applications, load files and keys (GPCS 9.5, 11.2).

use cardwright_apdu::tlv::{DataObject, Reader, Tag};
use cardwright_apdu::{Aid, CommandApdu, StatusWord};

use super::authority::{Authority, Signed, fields};
use super::{no_data, whole_aid};
use crate::card::{Answer, JavaCard};
use crate::domain::DomainId;
use crate::registry::Privileges;

impl JavaCard {
    pub(crate) fn delete(&mut self, command: &CommandApdu) -> Answer {
        let objects = Reader::new(command.data()).collect::<Result<Vec<_>, _>>();
        let objects = objects.map_err(|_| StatusWord::WRONG_DATA)?;
        let Some(first) = objects.first() else { return Err(StatusWord::WRONG_DATA) };
        if first.tag != Tag(0x4F) {
            return self.delete_keys(&objects);
        }
        let aid = whole_aid(first.value)?;
        // `4F AID`, then a reference template, then a token (GPCS tables 11-23, C-9).
        let (mut front, mut token) = (command.nc(), &[][..]);
        for object in &objects[1..] {
            match object.tag {
                Tag(0xB6) if token.is_empty() => {}
                Tag(0x9E) if token.is_empty() => (front, token) = (object.offset, object.value),
                _ => return Err(StatusWord::WRONG_DATA),
            }
        }
        let authority = self.authority_to_delete(&Signed::new(command, front, token, command.data()), &aid)?;
        self.delete_content(aid, command.p2() & 0x80 != 0)?;
        self.confirm(&authority, &fields([aid.as_bytes()]))
    }

    /// A security domain deletes what is in its hands, one with Global Delete everything (GPCS 9.5).
    fn authority_to_delete(&self, signed: &Signed<'_>, aid: &Aid) -> Result<Authority, StatusWord> {
        if !self.memory.knows(aid.as_bytes()) {
            return Err(StatusWord::REFERENCED_DATA_NOT_FOUND);
        }
        let authority = self.authorize(signed)?;
        let has_global_delete = self.memory.privileges_of(self.domain()).has(Privileges::GLOBAL_DELETE);
        if has_global_delete || self.may_manage(aid) {
            Ok(authority)
        } else {
            Err(StatusWord::CONDITIONS_NOT_SATISFIED)
        }
    }

    fn delete_content(&mut self, aid: Aid, with_related: bool) -> Result<(), StatusWord> {
        let memory = &mut self.memory;
        let is_domain_of_others = |aid: &Aid| {
            let of = |domain: DomainId, object: &Aid| domain == Some(*aid) && object != aid;
            memory.applications.iter().any(|entry| of(entry.domain(), &entry.aid))
                || memory.load_files.iter().any(|file| of(file.domain(), &file.aid))
        };
        if aid == memory.isd || aid == crate::domain::LOAD_FILE || is_domain_of_others(&aid) {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        if let Some(at) = memory.applications.iter().position(|application| application.aid == aid) {
            memory.applications.remove(at);
            return Ok(());
        }
        let at = memory.load_files.iter().position(|file| file.aid == aid);
        let at = at.ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)?;
        let instances = memory.applications.iter().any(|application| application.load_file == aid);
        let importers = memory.load_files.iter().any(|file| file.aid != aid && file.imports.contains(&aid));
        if importers || (instances && !with_related) {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        memory.applications.retain(|application| application.load_file != aid);
        memory.load_files.remove(at);
        Ok(())
    }

    /// `D0 key identifier` and `D2 key version` (GPCS table 11-24). The last key set that a session with the issuer security domain can
    /// be opened with stays.
    fn delete_keys(&mut self, objects: &[DataObject<'_>]) -> Answer {
        let (mut id, mut version) = (None, None);
        for object in objects {
            let place = match object.tag {
                Tag(0xD0) => &mut id,
                Tag(0xD2) => &mut version,
                _ => return Err(StatusWord::WRONG_DATA),
            };
            let &[value] = object.value else { return Err(StatusWord::WRONG_DATA) };
            if place.replace(value).is_some() {
                return Err(StatusWord::WRONG_DATA);
            }
        }
        let (domain, protocol) = (self.domain(), self.memory.config.protocol);
        let keys = self.memory.keys_of_mut(domain).ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        let mut left = keys.clone();
        if !left.delete(id, version) {
            return Err(StatusWord::REFERENCED_DATA_NOT_FOUND);
        }
        if domain.is_none() && left.channel_set(0, protocol).is_none() {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        *keys = left;
        no_data()
    }
}
