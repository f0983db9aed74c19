//! The chip: non-volatile memory, session state, and where a command goes.

use cardwright_apdu::{Aid, CommandApdu, CommandApduRef, Instruction, ResponseApdu, StatusWord};

use crate::application::{ApplicationSession, response};
use crate::builder::JavaCardBuilder;
use crate::chain::Chain;
use crate::channel::SecureChannel;
use crate::install::LoadProcess;
use crate::memory::Memory;
use crate::registry::{CARD_LOCKED, CARD_RESET, LOCKED, TERMINATED};
use crate::scp11::Presented;
use crate::status::Listing;
use crate::wire::Wire;

/// P2 of SELECT: what the answer is to hold; with both bits nothing (ISO 7816-4 table 40).
const FILE_CONTROL: u8 = 0x0C;

/// What a command comes to: response data with 9000 or a warning, or a bare status word.
pub(crate) type Answer = Result<ResponseApdu, StatusWord>;

/// 9000 with these data.
pub(crate) fn done(data: impl Into<Vec<u8>>) -> Answer {
    Ok(ResponseApdu::new(data, StatusWord::OK))
}

/// A software Java Card with an issuer security domain.
///
/// It answers one command at a time and never fails: what is no command gets a status word too. The same card, the
/// same commands give the same bytes, also when the card comes back from a [`CardFile`](crate::CardFile).
pub struct JavaCard {
    pub(crate) memory: Memory,
    /// That of the logical channel whose command is executed; between two commands, of the basic one.
    pub(crate) session: Session,
    /// Those of the supplementary logical channels that are open, from number 1.
    channels: Vec<Option<Session>>,
    wire: Wire,
    pub(crate) executed: u64,
    pub(crate) log: Option<Vec<LogEntry>>,
}

/// A command that a card executed, as it came and as it was meant.
#[derive(Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// The command as the card got it.
    pub command: Vec<u8>,
    /// The response as the card gave it.
    pub response: Vec<u8>,
    /// The command without secure messaging; the same as `command` where there was none.
    pub plain_command: Vec<u8>,
    /// The response before secure messaging.
    pub plain_response: Vec<u8>,
}

/// All that a reset, or another selection, ends.
#[derive(Default)]
pub(crate) struct Session {
    pub(crate) selected: Selected,
    pub(crate) channel: SecureChannel,
    pub(crate) load: Option<LoadProcess>,
    pub(crate) listing: Option<Listing>,
    /// The block that STORE DATA has to bring next.
    pub(crate) store_block: u8,
    /// Keys in data groups of the blocks before.
    pub(crate) key_groups: Vec<u8>,
    /// The application that STORE DATA goes to, after INSTALL [for personalization].
    pub(crate) personalized: Option<Aid>,
    application: ApplicationSession,
    /// Certificates of the host, for SCP11.
    pub(crate) presented: Presented,
    /// Commands of a chain before its last.
    pub(crate) chain: Option<Chain>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Selected {
    #[default]
    Isd,
    Application(Aid),
}

/// A command and its response without secure messaging.
pub(crate) struct Executed {
    pub(crate) command: Option<CommandApdu>,
    pub(crate) plain: ResponseApdu,
    pub(crate) protected: ResponseApdu,
}

impl Executed {
    /// A response that no secure messaging applies to.
    pub(crate) fn bare(answer: Answer) -> Self {
        let plain = response(answer);
        Self { command: None, protected: plain.clone(), plain }
    }
}

impl JavaCard {
    /// Sets how a card is made.
    #[must_use]
    pub fn builder() -> JavaCardBuilder {
        JavaCardBuilder::default()
    }

    pub(crate) fn from_memory(memory: Memory) -> Self {
        let mut card = Self {
            memory,
            session: Session::default(),
            channels: Vec::new(),
            wire: Wire::default(),
            executed: 0,
            log: Some(Vec::new()),
        };
        card.start_session();
        card
    }

    /// Another card with the same non-volatile memory, fresh from a reset, with an empty log: what this card would be
    /// if the power failed now.
    #[must_use]
    pub fn twin(&self) -> Self {
        Self::from_memory(self.memory.clone())
    }

    /// Resets the card: sessions end, what has Card Reset privilege is selected. Gives the ATR.
    pub fn reset(&mut self) -> Vec<u8> {
        self.start_session();
        self.channels.clear();
        self.wire = Wire::default();
        self.memory.config.atr.clone()
    }

    fn start_session(&mut self) {
        let default = self
            .memory
            .applications
            .iter()
            .find(|application| application.privileges[0] & CARD_RESET != 0 && application.is_selectable());
        let locked = matches!(self.memory.life_cycle, CARD_LOCKED | TERMINATED);
        let selected = match default {
            Some(application) if !locked => Selected::Application(application.aid),
            _ => Selected::Isd,
        };
        self.session = Session { selected, ..Session::default() };
    }

    /// Executes a command and gives the response: data, then SW1-SW2.
    pub fn process(&mut self, command: &[u8]) -> Vec<u8> {
        self.executed += 1;
        let (executed, bytes) = match CommandApduRef::parse(command) {
            Ok(parsed) if self.takes(&parsed) => match self.wire.repeat(&parsed, self.memory.config.t0) {
                Some(bytes) => (None, bytes),
                None => {
                    let executed = self.dispatch(&parsed);
                    let bytes = self.wire.send(&parsed, &executed.protected, self.memory.config.t0);
                    (Some(executed), bytes)
                }
            },
            _ => (None, StatusWord::WRONG_LENGTH.0.to_be_bytes().to_vec()),
        };
        if let Some(log) = &mut self.log {
            let (plain_command, plain_response) = match executed {
                Some(executed) => {
                    let plain = executed.command.and_then(|plain| plain.to_bytes().ok());
                    (plain.unwrap_or_else(|| command.to_vec()), executed.plain.to_bytes())
                }
                None => (command.to_vec(), bytes.clone()),
            };
            log.push(LogEntry { command: command.to_vec(), response: bytes.clone(), plain_command, plain_response });
        }
        bytes
    }

    /// GlobalPlatform commands have short lengths (GPCS 11.1.5); a card may take longer ones.
    fn takes(&self, command: &CommandApduRef<'_>) -> bool {
        let most = self.memory.config.extended.map_or(0, usize::from);
        !command.is_extended() || (1..=most).contains(&command.data.len())
    }

    /// What the OPEN does with a command (GPCS 6.3, 6.4.2).
    fn dispatch(&mut self, command: &CommandApduRef<'_>) -> Executed {
        if command.cla.0 & 0x60 == 0x20 {
            return Executed::bare(Err(StatusWord::CLA_NOT_SUPPORTED));
        }
        let number = usize::from(command.cla.channel());
        if number == 0 {
            return self.on_channel(command);
        }
        let Some(session) = self.channels.get_mut(number - 1).and_then(Option::as_mut) else {
            return Executed::bare(Err(StatusWord::CHANNEL_NOT_SUPPORTED));
        };
        // The channel is in no MAC (GPCS E.4.4, Amd D 6.2.4): the command is executed as on the basic one.
        let Some(class) = command.cla.on_channel(0) else {
            return Executed::bare(Err(StatusWord::CLA_NOT_SUPPORTED));
        };
        std::mem::swap(&mut self.session, session);
        let executed = self.on_channel(&command.to_owned().with_class(class).as_ref());
        // A channel cannot close itself: what it was told is in MANAGE CHANNEL's place.
        if let Some(Some(session)) = self.channels.get_mut(number - 1) {
            std::mem::swap(&mut self.session, session);
        }
        executed
    }

    /// A command for what is selected on the channel of `session`.
    fn on_channel(&mut self, command: &CommandApduRef<'_>) -> Executed {
        let cla = command.cla;
        if cla.0 & 0xFC == 0 && command.ins == Instruction::MANAGE_CHANNEL {
            return Executed::bare(self.manage_channel(command));
        }
        let is_certificate = self.memory.config.scp11.is_some()
            && command.ins == Instruction::PERFORM_SECURITY_OPERATION
            && self.session.selected == Selected::Isd;
        if cla.0 & 0x10 != 0 && !is_certificate {
            return Executed::bare(Err(StatusWord::CHAINING_NOT_SUPPORTED));
        }
        if self.memory.life_cycle == TERMINATED && command.ins != Instruction::GET_DATA {
            return Executed::bare(Err(StatusWord::CONDITIONS_NOT_SATISFIED));
        }
        if cla.0 & 0x80 == 0 && command.ins == Instruction::SELECT && command.p1 == 0x04 {
            let answer = if cla.is_secure() {
                Err(StatusWord::SECURE_MESSAGING_NOT_SUPPORTED)
            } else {
                self.select_by_name(command)
            };
            return Executed::bare(answer);
        }
        match self.session.selected {
            Selected::Isd => self.security_domain(command),
            Selected::Application(aid) if self.memory.is_supplementary(&aid) => self.security_domain(command),
            Selected::Application(aid) => Executed::bare(self.application(&aid, &command.to_owned())),
        }
    }

    /// MANAGE CHANNEL (GPCS 11.7): opens the first channel that is not open, with the issuer security domain selected, or the one named;
    /// closes one.
    fn manage_channel(&mut self, command: &CommandApduRef<'_>) -> Answer {
        let most = usize::from(self.memory.config.channels.unwrap_or(1)) - 1;
        match (command.p1, command.p2) {
            (0x00, wanted) if usize::from(wanted) <= most && most > 0 => {
                let is_free = |number: &usize| self.channels.get(number - 1).is_none_or(Option::is_none);
                let mut numbers = if wanted == 0 { 1..=most } else { wanted.into()..=wanted.into() };
                let number = numbers.find(is_free).ok_or(StatusWord::FUNCTION_NOT_SUPPORTED)?;
                if self.channels.len() < number {
                    self.channels.resize_with(number, || None);
                }
                self.channels[number - 1] = Some(Session::default());
                if wanted == 0 { done([number as u8]) } else { done([]) }
            }
            (0x80, number @ 1..) => match self.channels.get_mut(usize::from(number) - 1) {
                Some(session @ Some(_)) => {
                    *session = None;
                    done([])
                }
                // It was not open (GPCS table 11-66).
                _ => Ok(ResponseApdu::status(StatusWord(0x6200))),
            },
            _ if most == 0 => Err(StatusWord::CHANNEL_NOT_SUPPORTED),
            _ => Err(StatusWord::INCORRECT_P1_P2),
        }
    }

    /// SELECT [by name] on the basic logical channel (GPCS 6.4.2.1.2, 11.9).
    fn select_by_name(&mut self, command: &CommandApduRef<'_>) -> Answer {
        // Hosts of UICCs ask for control parameters (04), of which no security domain has any: it gives its FCI.
        let next = match command.p2 & !FILE_CONTROL {
            0x00 => false,
            0x02 => true,
            _ => return Err(StatusWord::INCORRECT_P1_P2),
        };
        if command.data.len() > 16 {
            return Err(StatusWord::WRONG_LENGTH);
        }
        let card_locked = self.memory.life_cycle == CARD_LOCKED;
        let registry =
            std::iter::once((Selected::Isd, self.memory.isd, true)).chain(self.memory.applications.iter().map(
                |application| (Selected::Application(application.aid), application.aid, application.is_selectable()),
            ));
        let found = if command.data.is_empty() {
            Some(Selected::Isd)
        } else {
            let skip = if next {
                registry.clone().position(|(entry, ..)| entry == self.session.selected).map_or(0, |at| at + 1)
            } else {
                0
            };
            let mut matching = registry
                .skip(skip)
                .filter(|(_, aid, selectable)| *selectable && aid.as_bytes().starts_with(command.data));
            matching.next().map(|(entry, ..)| entry)
        };
        let Some(found) = found else {
            // A selected application that was locked meanwhile loses its session; any other stays selected.
            if let Selected::Application(aid) = self.session.selected {
                let locked = |life_cycle: u8| life_cycle & LOCKED != 0;
                if self.memory.applications.iter().any(|entry| entry.aid == aid && locked(entry.life_cycle)) {
                    self.start_session();
                }
            }
            return Err(StatusWord::FILE_NOT_FOUND);
        };
        if card_locked && found != Selected::Isd {
            return Err(StatusWord::FUNCTION_NOT_SUPPORTED);
        }
        self.session = Session { selected: found, ..Session::default() };
        let answer = match found {
            Selected::Isd if card_locked => Ok(ResponseApdu::new(self.domain_fci(None), StatusWord::DEACTIVATED)),
            Selected::Isd => done(self.domain_fci(None)),
            Selected::Application(aid) if self.memory.is_supplementary(&aid) => done(self.domain_fci(Some(aid))),
            Selected::Application(aid) => {
                let entry = self.memory.applications.iter().find(|entry| entry.aid == aid);
                entry.map_or(Err(StatusWord::FILE_NOT_FOUND), |entry| entry.installed.select(&aid))
            }
        };
        let silent = command.p2 & FILE_CONTROL == FILE_CONTROL;
        answer.map(|response| if silent { ResponseApdu::new([], response.sw()) } else { response })
    }

    pub(crate) fn application(&mut self, aid: &Aid, command: &CommandApdu) -> Answer {
        let Some(at) = self.memory.applications.iter().position(|entry| entry.aid == *aid) else {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        };
        let mut entry = self.memory.applications[at].clone();
        let answer =
            entry.installed.process(command, &mut self.session.application, &mut entry.life_cycle, &mut self.memory);
        self.memory.applications[at] = entry;
        answer
    }
}
