//! The format of GET STATUS without tags (GPCS 2.1.1 9.4.3, tables 9-22 and 9-24).

use cardwright_apdu::Aid;

use super::{LifeCycle, Registry, RegistryEntry};
use crate::Privileges;
use crate::command::Scope;
use crate::error::CardFault;

impl Registry {
    /// Adds the entries of one scope, from all its pages joined, where the command asked without tags
    /// ([`get_status_legacy`](crate::command::get_status_legacy)).
    ///
    /// ```text
    /// length of AID ‖ AID ‖ life cycle state ‖ privileges (1 byte)
    /// with modules: ‖ number of modules ‖ length of AID ‖ AID ..
    /// ```
    ///
    /// # Errors
    /// [`CardFault`] with the offset in the joined answer. The whole entries in front of it were added.
    pub fn extend_legacy(&mut self, scope: Scope, answer: &[u8]) -> Result<(), CardFault> {
        let mut fields = Fields { answer, offset: 0 };
        while fields.offset < answer.len() {
            let begin = fields.offset;
            let Some(aid) = fields.aid()? else {
                // Some cards have entries without an AID; there is nothing to call them by.
                fields.skip_nameless(scope)?;
                continue;
            };
            let mut entry = RegistryEntry::new(scope, aid);
            entry.life_cycle = Some(LifeCycle(fields.byte("life cycle state", begin)?));
            entry.privileges = Privileges([fields.byte("privileges", begin)?, 0, 0]);
            if scope == Scope::LoadFilesAndModules {
                for _ in 0..fields.byte("number of modules", begin)? {
                    entry.modules.extend(fields.aid()?);
                }
            }
            self.entries.push(entry);
        }
        Ok(())
    }
}

struct Fields<'a> {
    answer: &'a [u8],
    offset: usize,
}

impl Fields<'_> {
    fn byte(&mut self, what: &'static str, entry: usize) -> Result<u8, CardFault> {
        let byte = self.answer.get(self.offset).copied();
        let actual = self.answer.len() - entry;
        let byte = byte.ok_or(CardFault::Length { what, offset: entry, expected: "a whole entry", actual })?;
        self.offset += 1;
        Ok(byte)
    }

    /// An AID with its length byte; `None` for one of no length.
    fn aid(&mut self) -> Result<Option<Aid>, CardFault> {
        let offset = self.offset;
        let length = usize::from(self.byte("AID", offset)?);
        let fault = |actual| CardFault::Length { what: "AID", offset, expected: "5 to 16 bytes", actual };
        let bytes = self.answer.get(self.offset..self.offset + length).ok_or(fault(self.answer.len() - self.offset))?;
        self.offset += length;
        if length == 0 {
            return Ok(None);
        }
        Aid::new(bytes).map(Some).map_err(|_| fault(length))
    }

    fn skip_nameless(&mut self, scope: Scope) -> Result<(), CardFault> {
        let begin = self.offset - 1;
        self.byte("life cycle state", begin)?;
        self.byte("privileges", begin)?;
        if scope == Scope::LoadFilesAndModules {
            for _ in 0..self.byte("number of modules", begin)? {
                self.aid()?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn read(scope: Scope, text: &str) -> (Registry, Result<(), CardFault>) {
        let mut registry = Registry::default();
        let result = registry.extend_legacy(scope, &hex::decode(text).unwrap());
        (registry, result)
    }

    #[test]
    fn reads_entries_without_tags() {
        let (registry, result) = read(Scope::Applications, "08A000000003000000079E06A00000000101070000070007A0");
        assert!(matches!(result, Err(CardFault::Length { what: "AID", offset: 23, actual: 1, .. })), "{result:?}");
        let found: Vec<_> = registry.entries.iter().map(|entry| (entry.life_cycle, entry.privileges)).collect();
        assert_eq!(
            found,
            [(Some(LifeCycle::SELECTABLE), Privileges([0x9E, 0, 0])), (Some(LifeCycle::SELECTABLE), Privileges::NONE),]
        );
    }

    #[test]
    fn reads_modules_of_load_files() {
        let text = "05A00000000101000206A0000000010106A0000000010205A0000000020100 00".replace(' ', "");
        let (registry, result) = read(Scope::LoadFilesAndModules, &text);
        assert_eq!(result, Ok(()));
        let modules: Vec<_> = registry.entries.iter().map(|entry| entry.modules.len()).collect();
        assert_eq!(modules, [2, 0]);
        // Without modules the same bytes are something else.
        assert!(read(Scope::LoadFiles, &text).1.is_err());
    }

    #[test]
    fn whole_entries_in_front_of_a_cut_are_kept() {
        let (registry, result) = read(Scope::Applications, "05A0000000010700 05A00000000207".replace(' ', "").as_str());
        assert_eq!(registry.entries.len(), 1);
        assert!(matches!(result, Err(CardFault::Length { what: "privileges", offset: 8, .. })), "{result:?}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(answer in prop::collection::vec(any::<u8>(), 0..120)) {
            for scope in [Scope::IssuerSecurityDomain, Scope::LoadFiles, Scope::LoadFilesAndModules] {
                let mut registry = Registry::default();
                if registry.extend_legacy(scope, &answer).is_err() {
                    prop_assert!(registry.entries.len() * 8 <= answer.len());
                }
                let _ = registry.extend(scope, &answer);
            }
        }
    }
}
