//! DELETE of applications, load files and keys (GPCS 9.5, 11.2).

use cardwright_apdu::tlv::{Reader, Tag};
use cardwright_apdu::{Aid, CommandApdu, StatusWord};

use super::{no_data, whole_aid};
use crate::card::{Answer, JavaCard};

impl JavaCard {
    pub(crate) fn delete(&mut self, command: &CommandApdu) -> Answer {
        let objects = Reader::new(command.data()).collect::<Result<Vec<_>, _>>();
        let objects = objects.map_err(|_| StatusWord::WRONG_DATA)?;
        match objects[..] {
            [object] if object.tag == Tag(0x4F) => {
                self.delete_content(whole_aid(object.value)?, command.p2() & 0x80 != 0)
            }
            [] => Err(StatusWord::WRONG_DATA),
            _ => {
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
                self.delete_keys(id, version)
            }
        }
    }

    fn delete_content(&mut self, aid: Aid, with_related: bool) -> Answer {
        let memory = &mut self.memory;
        if aid == memory.isd {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        if let Some(at) = memory.applications.iter().position(|application| application.aid == aid) {
            memory.applications.remove(at);
            return no_data();
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
        no_data()
    }

    /// The last key set that a session can be opened with stays.
    fn delete_keys(&mut self, id: Option<u8>, version: Option<u8>) -> Answer {
        let mut keys = self.memory.keys.clone();
        if !keys.delete(id, version) {
            return Err(StatusWord::REFERENCED_DATA_NOT_FOUND);
        }
        if keys.channel_set(0, self.memory.config.protocol).is_none() {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        self.memory.keys = keys;
        no_data()
    }
}
