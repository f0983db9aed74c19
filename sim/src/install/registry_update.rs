//! INSTALL [for extradition] and [for registry update] (GPCS 9.4, 11.5.2.3.4, 11.5.2.3.5).

use cardwright_apdu::tlv::{Reader, Tag};
use cardwright_apdu::{Aid, CommandApdu, StatusWord};

use super::authority::fields;
use super::{Fields, privileges};
use crate::card::{Answer, JavaCard};
use crate::domain::DomainId;
use crate::registry::{CARD_RESET, Privileges, kept};

impl JavaCard {
    pub(super) fn extradite(&mut self, command: &CommandApdu) -> Answer {
        let mut data = Fields::new(command.data());
        let to = data.aid()?;
        data.empty()?;
        let object = data.aid()?;
        data.empty()?;
        let signed = data.signed(command)?;
        let authority = self.authorize(&signed)?;
        let from = self.memory.associated(&object).ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)?;
        let target = self.may_extradite(&object, from, &to)?;
        self.associate(&object, target);
        let from = self.memory.aid_of(from);
        self.confirm(&authority, &fields([from.as_bytes(), object.as_bytes(), to.as_bytes()]))
    }

    /// All of it, or nothing.
    pub(super) fn update_registry(&mut self, command: &CommandApdu) -> Answer {
        let mut data = Fields::new(command.data());
        let to = data.optional_aid()?;
        data.empty()?;
        let object = data.optional_aid()?;
        let new = data.short()?;
        let parameters = data.peek_long()?;
        let signed = data.signed(command)?;
        let authority = self.authorize(&signed)?;
        // What the OPEN does cannot be changed on this card.
        let object = object.ok_or(StatusWord::FUNCTION_NOT_SUPPORTED)?;
        let entry = self.memory.applications.iter().find(|entry| entry.aid == object);
        let entry = entry.ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)?.clone();
        if !self.may_manage(&object) {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        for object in Reader::new(parameters) {
            // Implicit selection and services are taken and have no effect; a restriction would have one.
            let object = object.map_err(|_| StatusWord::WRONG_DATA)?;
            if !matches!(object.tag, Tag(0xEF | 0xB6)) || cardwright_apdu::tlv::find(object.value, Tag(0xD9)).is_some()
            {
                return Err(StatusWord::WRONG_DATA);
            }
        }
        let from = entry.domain();
        let target = match &to {
            Some(to) => self.may_extradite(&object, from, to)?,
            None => from,
        };
        if !new.is_empty() {
            let is_domain = self.memory.is_supplementary(&object);
            let new = Privileges(privileges(new)?);
            if !new.are_assignable(is_domain) {
                return Err(StatusWord::WRONG_DATA);
            }
            if entry.privileges[0] & CARD_RESET == 0 {
                self.check_card_reset(new.0[0])?;
            }
            if let Some(entry) = self.memory.applications.iter_mut().find(|entry| entry.aid == object) {
                entry.privileges = new.0;
            }
        }
        self.associate(&object, target);
        let from = to.map(|_| self.memory.aid_of(from));
        let name = |aid: &Option<Aid>| aid.map(|aid| aid.as_bytes().to_vec()).unwrap_or_default();
        let mut receipt = fields([&name(&from), object.as_bytes(), &name(&to), new]);
        cardwright_apdu::tlv::push_length(&mut receipt, parameters.len());
        receipt.extend_from_slice(parameters);
        self.confirm(&authority, &receipt)
    }

    /// Whether an object may go to the security domain with this AID.
    fn may_extradite(&self, object: &Aid, from: DomainId, to: &Aid) -> Result<DomainId, StatusWord> {
        let target = self.memory.domain_named(to).ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)?;
        let is_load_file = self.memory.load_files.iter().any(|file| file.aid == *object);
        let takes = self.memory.is_personalized(target)
            && !(is_load_file && self.memory.privileges_of(target).has(Privileges::DAP_VERIFICATION));
        // A security domain may be associated with itself, but not with one below it.
        let is_below = target != Some(*object) && self.memory.hierarchy(target).contains(&Some(*object));
        if !takes || is_below || !self.memory.hierarchy(from).contains(&self.domain()) {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        Ok(target)
    }

    fn associate(&mut self, object: &Aid, domain: DomainId) {
        let memory = &mut self.memory;
        if let Some(entry) = memory.applications.iter_mut().find(|entry| entry.aid == *object) {
            entry.domain = kept(domain);
        }
        if let Some(file) = memory.load_files.iter_mut().find(|file| file.aid == *object) {
            file.domain = kept(domain);
        }
    }

    /// Whether an application or load file is in the hands of the selected security domain.
    pub(crate) fn may_manage(&self, object: &Aid) -> bool {
        let domain = self.domain();
        self.memory.associated(object).is_some_and(|at| self.memory.hierarchy(at).contains(&domain))
    }
}
