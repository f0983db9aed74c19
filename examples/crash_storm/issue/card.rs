//! A Java card, with a ledger of what it did that cannot be undone.

use cardwright_sim::{AesKeyLength, EntryKind, JavaCard, SecureChannelProtocol};

use super::order;
use crate::dice::Dice;
use crate::terminal::Chip;

/// A command that cannot be undone, by the step that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// INSTALL [for load], or a LOAD that is not the last.
    PartOfLoad,
    /// The last LOAD.
    Load,
    Install,
    MaintenanceKey,
    MasterKey,
    DomainKeys,
    Delete,
}

impl Act {
    /// What a command does, told by its header alone.
    fn of(command: &[u8]) -> Option<Self> {
        Some(match *command {
            [0x80..=0x8F, 0xE6, 0x02, ..] => Self::PartOfLoad,
            [0x80..=0x8F, 0xE8, p1, ..] => {
                if p1 & 0x80 == 0 {
                    Self::PartOfLoad
                } else {
                    Self::Load
                }
            }
            [0x80..=0x8F, 0xE6, 0x0C, ..] => Self::Install,
            [0x84, 0xD4, 0xF6, ..] => Self::MaintenanceKey,
            [0x84, 0xD4, 0xF9, ..] => Self::MasterKey,
            [0x80..=0x8F, 0xD8, ..] => Self::DomainKeys,
            [0x80..=0x8F, 0xE4, ..] => Self::Delete,
            _ => return None,
        })
    }

    /// Name of the step in the journal.
    pub(crate) fn step(self) -> &'static str {
        match self {
            Self::PartOfLoad | Self::Load => "load",
            Self::Install => "install",
            Self::MaintenanceKey => "maintenance-key",
            Self::MasterKey => "master-key",
            Self::DomainKeys => "domain-keys",
            Self::Delete => "delete",
        }
    }

    /// Whether what it brought about went with the load file, or with the application.
    fn went(self, gone: Gone) -> bool {
        match self {
            Self::PartOfLoad | Self::Load => gone.load_file,
            Self::Install | Self::MaintenanceKey | Self::MasterKey => gone.application,
            Self::DomainKeys | Self::Delete => false,
        }
    }
}

/// What a deletion has taken off the card.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Gone {
    load_file: bool,
    application: bool,
}

/// One such command, as it reached the card.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Executed {
    pub(crate) act: Act,
    pub(crate) is_done: bool,
    /// The reader said that it was refused.
    pub(crate) is_denied: bool,
    /// Number of the journal's last record when it came.
    pub(crate) last_seq: u64,
    gone: Gone,
}

pub(crate) struct Card {
    pub(crate) chip: JavaCard,
    pub(crate) ledger: Vec<Executed>,
    /// What was on the card before the last command.
    before: Gone,
}

impl Card {
    /// A fresh card of some make.
    pub(crate) fn draw(number: u64, dice: &mut Dice) -> Self {
        let protocol = match dice.below(8) {
            0 => SecureChannelProtocol::Scp02 { i: 0x55 },
            1 => SecureChannelProtocol::Scp02 { i: 0x15 },
            2 => SecureChannelProtocol::Scp03 { i: 0x00, key_length: AesKeyLength::Aes128 },
            _ => SecureChannelProtocol::Scp03 { i: 0x70, key_length: AesKeyLength::Aes128 },
        };
        let mut chip = JavaCard::builder().protocol(protocol).seed(number).t0(dice.below(6) == 0).build();
        chip.set_log(false);
        Self { chip, ledger: Vec::new(), before: Gone::default() }
    }

    /// How often an act was done since what it brought about was last deleted.
    pub(crate) fn count(&self, act: Act) -> usize {
        let life = self.ledger.rsplit(|executed| act.went(executed.gone)).next().unwrap_or_default();
        life.iter().filter(|executed| executed.act == act && executed.is_done).count()
    }

    /// The most often that it was done between two such deletions.
    pub(crate) fn most(&self, act: Act) -> usize {
        let lives = self.ledger.split(|executed| act.went(executed.gone));
        let count = |life: &[Executed]| life.iter().filter(|executed| executed.act == act && executed.is_done).count();
        lives.map(count).max().unwrap_or_default()
    }

    /// For each life of what an act brings about: when it was done, whether the reader denied that, and when it was deleted.
    pub(crate) fn lives(&self, act: Act) -> Vec<(Executed, u64)> {
        let mut lives = Vec::new();
        let mut present: Option<Executed> = None;
        for executed in &self.ledger {
            if act.went(executed.gone) {
                lives.extend(present.take().map(|done| (done, executed.last_seq)));
            } else if executed.act == act && executed.is_done {
                present.get_or_insert(*executed);
            }
        }
        lives.extend(present.map(|done| (done, u64::MAX)));
        lives
    }

    /// Whether the last thing that happened to what an act brings about is that it was deleted.
    pub(crate) fn was_deleted(&self, act: Act) -> bool {
        self.ledger.iter().any(|executed| act.went(executed.gone)) && self.count(act) == 0
    }

    fn holds(&self) -> Gone {
        Gone {
            load_file: self.chip.registry().iter().any(|entry| entry.kind == EntryKind::LoadFile),
            application: self.chip.pboc_application(&order::instance()).is_some(),
        }
    }
}

impl Chip for Card {
    fn process(&mut self, command: &[u8]) -> Vec<u8> {
        self.before = self.holds();
        self.chip.process(command)
    }

    fn reset(&mut self) -> Vec<u8> {
        self.chip.reset()
    }

    fn note(&mut self, command: &[u8], response: &[u8], last_seq: u64) {
        if let Some(act) = Act::of(command) {
            let is_done = matches!(response, [.., 0x90, 0x00] | [.., 0x61, _]);
            let now = self.holds();
            let gone = Gone {
                load_file: self.before.load_file && !now.load_file,
                application: self.before.application && !now.application,
            };
            self.ledger.push(Executed { act, is_done, is_denied: false, last_seq, gone });
        }
    }

    fn deny(&mut self) -> bool {
        let Some(executed) = self.ledger.last_mut().filter(|executed| executed.is_done) else { return false };
        executed.is_denied = true;
        true
    }

    /// The maintenance key is left out: nothing on the card shows it, so no host finds that lie.
    fn forge(command: &[u8], _dice: &mut Dice) -> Option<Vec<u8>> {
        Act::of(command).filter(|act| *act != Act::MaintenanceKey).map(|_| vec![0x90, 0x00])
    }

    fn old_answer(&self, _command: &[u8]) -> Option<Vec<u8>> {
        None
    }

    /// What comes over a secure channel twice is refused by the card, and ends the channel.
    fn may_be_doubled(_command: &[u8]) -> bool {
        false
    }
}
