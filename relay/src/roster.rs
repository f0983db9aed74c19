use std::collections::BTreeMap;

use thiserror::Error;

use crate::identity::{KeyError, PublicKey};

/// Whether a terminal may serve: asked at every handshake.
pub trait Admission: Send + Sync {
    /// What is known of the terminal with this key; `None` where it never was enrolled.
    fn standing(&self, terminal: &PublicKey) -> Option<Enrolled>;
}

/// A terminal that was enrolled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolled {
    /// What people call it.
    pub name: String,
    /// Whether it may serve.
    pub standing: Standing,
}

/// Whether an enrolled terminal may serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Standing {
    /// It may.
    Admitted,
    /// Not now.
    Suspended,
    /// Never again.
    Revoked,
}

/// Enrolled terminals, one a line: name, public key, `admitted`, `suspended` or `revoked`. `#` begins a comment.
///
/// ```
/// use cardwright_relay::{Admission, Identity, Roster, Standing};
///
/// let key = Identity::new(&[7; 32]).public_key();
/// let roster = Roster::parse(&format!("kiosk-17 {key} suspended  # door open"))?;
/// assert_eq!(roster.standing(&key).map(|terminal| terminal.standing), Some(Standing::Suspended));
/// # Ok::<(), cardwright_relay::RosterError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Roster(BTreeMap<PublicKey, Enrolled>);

/// A line of a roster that cannot be read. Nothing of the file counts then.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {fault}")]
pub struct RosterError {
    /// Line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub fault: RosterFault,
}

/// What is wrong with a line of a roster.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RosterFault {
    /// Not three words.
    #[error("a line has a name, a key and a standing, this one {words} words")]
    Words {
        /// Words there are.
        words: usize,
    },
    /// The second word.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The third word.
    #[error("a standing is admitted, suspended or revoked")]
    Standing,
    /// A key or a name that was there before.
    #[error("name or key stand in an earlier line, too")]
    Twice,
}

impl Roster {
    /// Reads the lines.
    ///
    /// # Errors
    /// [`RosterError`] for the first line that is wrong.
    pub fn parse(text: &str) -> Result<Self, RosterError> {
        let mut roster = Self::default();
        for (number, line) in text.lines().enumerate() {
            let words: Vec<_> = line.split('#').next().unwrap_or_default().split_whitespace().collect();
            if !words.is_empty() {
                roster.enrol(&words).map_err(|fault| RosterError { line: number + 1, fault })?;
            }
        }
        Ok(roster)
    }

    fn enrol(&mut self, words: &[&str]) -> Result<(), RosterFault> {
        let &[name, key, standing] = words else { return Err(RosterFault::Words { words: words.len() }) };
        let standing = match standing {
            "admitted" => Standing::Admitted,
            "suspended" => Standing::Suspended,
            "revoked" => Standing::Revoked,
            _ => return Err(RosterFault::Standing),
        };
        let is_known = self.0.values().any(|other| other.name == name);
        match self.0.insert(key.parse()?, Enrolled { name: name.to_owned(), standing }) {
            None if !is_known => Ok(()),
            _ => Err(RosterFault::Twice),
        }
    }
}

impl Admission for Roster {
    fn standing(&self, terminal: &PublicKey) -> Option<Enrolled> {
        self.0.get(terminal).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;

    #[test]
    fn a_wrong_line_is_named() {
        let key = |n| Identity::new(&[n; 32]).public_key();
        let parse = |text: String| Roster::parse(&text).map(|_| ()).map_err(|error| (error.line, error.fault));
        assert_eq!(parse(format!("\n# all\na {} admitted\nb {} revoked\n", key(1), key(2))), Ok(()));
        assert_eq!(parse("a b".into()), Err((1, RosterFault::Words { words: 2 })));
        assert_eq!(parse(format!("a {} admitted\nb {} maybe", key(1), key(2))), Err((2, RosterFault::Standing)));
        assert_eq!(parse("a 12 admitted".into()), Err((1, RosterFault::Key(KeyError::Text { length: 2 }))));
        assert_eq!(parse(format!("a {0} admitted\nb {0} revoked", key(1))), Err((2, RosterFault::Twice)));
        assert_eq!(parse(format!("a {} admitted\na {} revoked", key(1), key(2))), Err((2, RosterFault::Twice)));
    }
}
