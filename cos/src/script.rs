//! Issue scripts: what is done to a card, step by step, and what may be done when a step's outcome is not known.
//!
//! Each step has an idempotency class and a [`Probe`]. Both follow from the instruction where the script does not say them:
//!
//! | command | class | when the outcome is not known |
//! |---|---|---|
//! | SELECT, READ, GET CHALLENGE, GET BALANCE, GET STATUS | session | sent again, never recorded |
//! | UPDATE BINARY, UPDATE RECORD | overwrite | read and compared |
//! | the same with MAC | compare | read and compared, else sent again with a new challenge |
//! | CREATE FILE, WRITE KEY that adds | compare | sent again: "is there already" is as good as done |
//! | WRITE KEY that changes | compare | the new key is tried first, where it can be |
//! | APPEND RECORD, and UPDATE RECORD of a cyclic file | append | the record is read and compared |
//! | ERASE DF | overwrite | sent again |
//! | VERIFY, EXTERNAL AUTHENTICATE, CHANGE, RELOAD and UNBLOCK PIN | counter | never sent again by itself without two tries left |
//! | CREDIT, DEBIT, UPDATE of a purse | money | never sent again |
//! | CARD BLOCK, APPLICATION BLOCK, and whatever is not known | final | never sent again |

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use cardwright_apdu::{CommandApdu, StatusWord};
use cardwright_keys::KeyRef;
use zeroize::Zeroizing;

use crate::cpu::{KeyWrite, Pin};
use crate::profile::Safeguard;
use crate::purse::PurseInitialization;

#[cfg(feature = "std")]
mod boot;
#[cfg(feature = "std")]
mod classify;
#[cfg(feature = "std")]
mod file;
#[cfg(feature = "std")]
mod lines;

#[cfg(feature = "std")]
pub use boot::{BootError, BootLoader};
#[cfg(feature = "std")]
pub use file::{ScriptError, Values};

/// What is done to a card.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Script {
    /// Its name: printable ASCII, at most 60 characters.
    pub name: String,
    /// For people.
    pub about: String,
    /// Name of the card's profile.
    pub profile: String,
    /// How it can begin anew on a card that it was begun on; `None` when it cannot.
    pub restart: Option<Vec<CommandApdu>>,
    /// What the answer to reset of a card is that it may begin on.
    pub before: Option<AtrPattern>,
    /// What the answer to reset of a finished card is.
    pub after: Option<AtrPattern>,
    /// The steps.
    pub steps: Vec<ScriptStep>,
}

/// One step.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ScriptStep {
    /// Its name, of which there is one in a script: printable ASCII.
    pub name: String,
    /// What is done.
    pub action: Action,
    /// Answers that mean success.
    pub expected: Vec<SwPattern>,
    /// Answers that mean that what is to be made is there already.
    pub found: Vec<SwPattern>,
    /// Whether such an answer is also good at the first attempt.
    pub may_exist: bool,
    /// Bytes of the command, header and Lc counted, that nobody may see.
    pub secret: Vec<Range<usize>>,
    /// What may be done when the outcome is not known.
    pub class: StepClass,
    /// How the card is asked.
    pub probe: Probe,
    /// How a written key is proved at the end.
    pub proof: Option<KeyProof>,
}

/// What a step does.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Action {
    /// Sends a command as it is.
    Apdu(CommandApdu),
    /// Sends a command with secure messaging under a key.
    Secured {
        /// The command without MAC.
        command: CommandApdu,
        /// The key.
        key: KeyRef,
        /// With MAC, or enciphered too.
        safeguard: Safeguard,
    },
    /// EXTERNAL AUTHENTICATE.
    Authenticate {
        /// Identifier of the key.
        id: u8,
        /// The key.
        key: KeyRef,
    },
    /// WRITE KEY, enciphered and with MAC.
    WriteKey {
        /// The present master key.
        master: KeyRef,
        /// What is written.
        write: KeyWrite,
    },
}

/// What may be done when the outcome of a step is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StepClass {
    /// Changes nothing that outlasts the power: done again in each session.
    Session,
    /// `I`: overwrites; may be repeated.
    Overwrite,
    /// `C`: the card is looked at, or tells that it is done already.
    Compare,
    /// `A`: appends; the record is read first.
    Append,
    /// `X`: consumes a retry counter.
    Counter,
    /// `M`: money.
    Money,
    /// Cannot be taken back and cannot be asked for.
    Final,
}

/// How a card is asked whether a step was done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Probe {
    /// It cannot be asked.
    None,
    /// The step is done again; an answer of [`ScriptStep::found`] is as good.
    Repeat,
    /// This is read and has to be these bytes. Where there is nothing to be read the step was not done.
    Read {
        /// READ BINARY or READ RECORD.
        command: CommandApdu,
        /// What is there when the step was done.
        expected: Vec<u8>,
        /// Whether something else there can be overwritten; if not, it cannot be told what happened.
        overwrites: bool,
    },
}

/// How a card proves that it has a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyProof {
    /// By INTERNAL AUTHENTICATE: costs no try.
    Internal {
        /// Identifier of the key on the card.
        id: u8,
        /// Its name at the key service.
        key: KeyRef,
    },
    /// By accepting EXTERNAL AUTHENTICATE.
    External {
        /// Identifier of the key on the card.
        id: u8,
        /// Its name at the key service.
        key: KeyRef,
        /// Tries that a new key has.
        tries: u8,
    },
    /// By MAC1 of an initialization of a purse in its directory, of an amount of nothing: moves nothing.
    Purse {
        /// Which initialization: of a load, an unload, a new overdraft limit.
        initialization: PurseInitialization,
        /// Identifier of the key on the card.
        id: u8,
        /// Its name at the key service.
        key: KeyRef,
        /// Identifier and value of the PIN that an electronic deposit wants before.
        pin: Option<(u8, Pin)>,
    },
}

impl KeyProof {
    fn key(&self) -> &KeyRef {
        match self {
            Self::Internal { key, .. } | Self::External { key, .. } | Self::Purse { key, .. } => key,
        }
    }

    fn key_mut(&mut self) -> &mut KeyRef {
        match self {
            Self::Internal { key, .. } | Self::External { key, .. } | Self::Purse { key, .. } => key,
        }
    }
}

/// Status words: digits that are given, and others that are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SwPattern {
    value: u16,
    mask: u16,
}

impl SwPattern {
    /// 9000.
    pub const OK: Self = Self::exactly(StatusWord::OK);

    /// This one.
    #[must_use]
    pub const fn exactly(sw: StatusWord) -> Self {
        Self { value: sw.0, mask: 0xFFFF }
    }

    /// Four hexadecimal digits, `x` for any: `9000`, `61xx`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut pattern = Self { value: 0, mask: 0 };
        for c in text.chars() {
            let (value, mask) = match c {
                'x' | 'X' => (0, 0),
                c => (u16::try_from(c.to_digit(16)?).ok()?, 0xF),
            };
            pattern = Self { value: pattern.value << 4 | value, mask: pattern.mask << 4 | mask };
        }
        (text.len() == 4).then_some(pattern)
    }

    /// Whether a status word is one of these.
    #[must_use]
    pub fn fits(self, sw: StatusWord) -> bool {
        sw.0 & self.mask == self.value
    }
}

impl fmt::Display for SwPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for shift in [12, 8, 4, 0] {
            if self.mask >> shift & 0xF == 0 {
                f.write_str("x")?;
            } else {
                write!(f, "{:X}", self.value >> shift & 0xF)?;
            }
        }
        Ok(())
    }
}

/// The first bytes of an answer to reset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtrPattern(pub Vec<u8>);

impl AtrPattern {
    /// Whether the answer to reset begins so.
    #[must_use]
    pub fn fits(&self, atr: &[u8]) -> bool {
        atr.starts_with(&self.0)
    }
}

impl ScriptStep {
    /// Whether one of the answers means success.
    #[must_use]
    pub fn is_success(&self, sw: StatusWord) -> bool {
        self.expected.iter().any(|pattern| pattern.fits(sw))
    }

    /// Whether the answer means that it is there already.
    #[must_use]
    pub fn is_found(&self, sw: StatusWord) -> bool {
        self.found.iter().any(|pattern| pattern.fits(sw))
    }

    /// What identifies the step's input, for a record: the command without what is secret and short, and the names of keys.
    ///
    /// Secrets of fewer than 16 bytes are left out: of a PIN a hash tells everything.
    #[must_use]
    pub fn fingerprint(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(512));
        let put = |out: &mut Vec<u8>, bytes: &[u8]| {
            out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
            out.extend_from_slice(bytes);
        };
        let name = |key: &KeyRef| alloc::format!("{key}").into_bytes();
        match &self.action {
            Action::Apdu(command) => {
                let mut bytes = command.to_bytes().unwrap_or_default();
                for range in &self.secret {
                    if range.len() < 16
                        && let Some(secret) = bytes.get_mut(range.clone())
                    {
                        secret.fill(0);
                    }
                }
                put(&mut out, &bytes);
            }
            Action::Secured { command, key, safeguard } => {
                put(&mut out, &command.to_bytes().unwrap_or_default());
                put(&mut out, &name(key));
                out.push(*safeguard as u8);
            }
            Action::Authenticate { id, key } => {
                out.push(*id);
                put(&mut out, &name(key));
            }
            Action::WriteKey { master, write } => {
                put(&mut out, write.key_use.name().as_bytes());
                out.push(write.id);
                put(&mut out, &name(master));
                put(&mut out, &name(&write.key));
                out.extend([write.present.map_or(0xFF, |safeguard| safeguard as u8), write.later as u8]);
                for (field, value) in write.fields.iter() {
                    put(&mut out, field.as_bytes());
                    put(&mut out, value);
                }
            }
        }
        out
    }
}

impl Script {
    /// Has every key of the script derived from the one of its name.
    #[must_use]
    pub fn with_keys(mut self, derive: impl Fn(KeyRef) -> KeyRef) -> Self {
        let replace = |key: &mut KeyRef| *key = derive(key.clone());
        for step in &mut self.steps {
            match &mut step.action {
                Action::Apdu(_) => {}
                Action::Secured { key, .. } | Action::Authenticate { key, .. } => replace(key),
                Action::WriteKey { master, write } => {
                    replace(master);
                    replace(&mut write.key);
                }
            }
            if let Some(proof) = &mut step.proof {
                replace(proof.key_mut());
            }
        }
        self
    }

    /// Names of the keys that the key service has to have.
    #[must_use]
    pub fn keys(&self) -> Vec<&KeyRef> {
        let mut keys: Vec<&KeyRef> = Vec::new();
        for step in &self.steps {
            match &step.action {
                Action::Apdu(_) => {}
                Action::Secured { key, .. } | Action::Authenticate { key, .. } => keys.push(key),
                Action::WriteKey { master, write } => keys.extend([master, &write.key]),
            }
            keys.extend(step.proof.iter().map(KeyProof::key));
        }
        keys
    }

    #[cfg(feature = "std")]
    fn of(name: String, profile: &crate::profile::CardProfile, steps: Vec<ScriptStep>) -> Self {
        let profile = profile.name.clone();
        Self { name, about: String::new(), profile, restart: None, before: None, after: None, steps }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn status_words_by_pattern() {
        let pattern = SwPattern::parse("63Cx").unwrap();
        assert!(pattern.fits(StatusWord(0x63C7)) && !pattern.fits(StatusWord(0x6300)));
        assert_eq!((pattern.to_string().as_str(), SwPattern::OK.to_string().as_str()), ("63Cx", "9000"));
        for text in ["", "900", "90000", "9g00"] {
            assert_eq!(SwPattern::parse(text), None);
        }
    }
}
