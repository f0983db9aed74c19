//! Whether a load whose answer did not come, or cannot be believed, took place. Pure: what the card was asked goes in as
//! [`Evidence`], a [`Verdict`] comes out.
//!
//! | proof of the load's SN | proof of SN + 1 | INITIALIZE FOR LOAD | verdict |
//! |---|---|---|---|
//! | TAC verifies | not asked | not asked | loaded |
//! | anything else | TAC verifies | not asked | loaded |
//! | anything else | anything else | MAC1 verifies, SN and balance as before | not loaded |
//! | none, or TAC that cannot be verified | the same | MAC1 verifies, SN + 1, balance + amount | loaded |
//! | one whose TAC is wrong, at either | | MAC1 verifies, SN + 1, balance + amount | disputed: another load |
//! | anything else | anything else | MAC1 verifies, anything else | disputed: the purse moved on |
//! | anything else | anything else | MAC1 wrong | disputed: another card, or a damaged answer |
//! | anything else | anything else | refused | disputed: no word of the card |
//!
//! The proofs come first because INITIALIZE ends what the card was initialized for: after it, a MAC2 that was on its way is
//! worth nothing. For the same reason the answer "not loaded" holds for good. It is asked with a terminal number that nobody
//! could foresee, since no other input of MAC1 is the host's: an answer that was recorded before the load would tell "not
//! loaded" of a card that has the money.

use thiserror::Error;

use super::{Amount, AmountError, Balance, ProveSerial, Transaction, TransactionTime};

/// What was recorded of a load before its CREDIT FOR LOAD went out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenLoad {
    transaction: Transaction,
    time: TransactionTime,
    serial: u16,
    balance: Balance,
    new_balance: Balance,
}

/// Why a purse cannot be loaded at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OpenLoadError {
    /// The serial number cannot be raised any more.
    #[error("the purse has used up its online transaction serial numbers")]
    SerialExhausted,
    /// The balance would not fit.
    #[error(transparent)]
    Amount(#[from] AmountError),
}

impl OpenLoad {
    /// Takes what the card said under MAC1, and what it is to be credited with.
    ///
    /// # Errors
    /// [`OpenLoadError`]: the load must not be begun.
    pub fn new(
        transaction: Transaction,
        time: TransactionTime,
        serial: u16,
        balance: Balance,
    ) -> Result<Self, OpenLoadError> {
        if serial == u16::MAX {
            return Err(OpenLoadError::SerialExhausted);
        }
        let new_balance = balance.plus(transaction.amount, Balance(u32::MAX))?;
        Ok(Self { transaction, time, serial, balance, new_balance })
    }

    /// Amount, type and terminal.
    #[must_use]
    pub fn transaction(&self) -> Transaction {
        self.transaction
    }

    /// How much.
    #[must_use]
    pub fn amount(&self) -> Amount {
        self.transaction.amount
    }

    /// The host's time under MAC2 and TAC.
    #[must_use]
    pub fn time(&self) -> TransactionTime {
        self.time
    }

    /// Online transaction serial number before.
    #[must_use]
    pub fn serial(&self) -> u16 {
        self.serial
    }

    /// Balance before.
    #[must_use]
    pub fn balance(&self) -> Balance {
        self.balance
    }

    /// Balance after.
    #[must_use]
    pub fn new_balance(&self) -> Balance {
        self.new_balance
    }

    /// Input of the TAC.
    #[must_use]
    pub fn tac_input(&self) -> alloc::vec::Vec<u8> {
        self.transaction.online_result_input(self.new_balance, self.serial, self.time)
    }
}

/// What to ask the card next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextQuestion {
    /// GET TRANSACTION PROVE with this serial number.
    Prove(u16),
    /// INITIALIZE FOR LOAD of the same amount, with a terminal number drawn at random.
    Initialize,
    /// Nothing.
    Decided(Verdict),
}

/// What the card answered to a [`NextQuestion`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// A proof whose TAC verifies under what was recorded.
    TacVerifies,
    /// A proof whose TAC does not.
    TacWrong,
    /// A proof whose TAC cannot be verified: there is no TAC key.
    TacNotVerified,
    /// No proof, `9406` above all.
    NoProof,
    /// The answer to INITIALIZE FOR LOAD.
    Initialized {
        /// Whether its MAC1 verifies.
        mac1_verifies: bool,
        /// Online transaction serial number.
        serial: u16,
        /// Balance.
        balance: Balance,
    },
    /// INITIALIZE FOR LOAD was refused.
    NotInitialized,
}

/// What came of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The card has the money.
    Loaded(LoadProof),
    /// The card does not have it, and the MAC2 that was given out is worth nothing any more.
    NotLoaded,
    /// It cannot be told. Nothing is reversed.
    Disputed(Dispute),
}

/// What shows that a load took place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadProof {
    /// A TAC over everything that was recorded.
    Tac,
    /// MAC1 of a later initialization, over the new balance and the next serial number.
    Mac1,
}

/// Why it cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dispute {
    /// MAC1 is wrong.
    Mac1,
    /// The purse was loaded with the same amount, but the card's proof is that of another load.
    OtherLoad,
    /// Serial number or balance are neither those before nor those after the load.
    MovedOn,
    /// The card refuses to be initialized.
    Refused,
}

/// The questions to a card, one after the other, until it is decided.
#[derive(Clone, Copy, Debug)]
pub struct Inquiry {
    /// Serial number and balance before the transaction, and after it.
    before: (u16, Balance),
    after: (u16, Balance),
    next: NextQuestion,
    /// What else a proof is to be asked with.
    second: Option<u16>,
    tac_wrong: bool,
}

impl Inquiry {
    /// Begins to ask.
    #[must_use]
    pub fn new(load: OpenLoad, prove: ProveSerial) -> Self {
        Self::of(load.serial, (load.balance, load.new_balance), prove)
    }

    /// Begins to ask of another transaction: its serial number, and the balance before and after it.
    pub(super) fn of(own: u16, (balance, new_balance): (Balance, Balance), prove: ProveSerial) -> Self {
        let after = own.saturating_add(1);
        let (first, second) = match prove {
            ProveSerial::Own => (own, None),
            ProveSerial::Next => (after, None),
            ProveSerial::Both => (own, Some(after)),
        };
        let (before, after) = ((own, balance), (after, new_balance));
        Self { before, after, next: NextQuestion::Prove(first), second, tac_wrong: false }
    }

    /// What to ask now.
    #[must_use]
    pub fn next(&self) -> NextQuestion {
        self.next
    }

    /// Takes the answer to [`Inquiry::next`]. An answer to another question changes nothing.
    pub fn handle_evidence(&mut self, evidence: Evidence) {
        use Evidence::{Initialized, NoProof, NotInitialized, TacNotVerified, TacVerifies, TacWrong};
        self.next = match (self.next, evidence) {
            (NextQuestion::Prove(_), TacVerifies) => NextQuestion::Decided(Verdict::Loaded(LoadProof::Tac)),
            (NextQuestion::Prove(_), TacWrong | TacNotVerified | NoProof) => {
                self.tac_wrong |= evidence == TacWrong;
                self.second.take().map_or(NextQuestion::Initialize, NextQuestion::Prove)
            }
            (NextQuestion::Initialize, Initialized { mac1_verifies, serial, balance }) => {
                NextQuestion::Decided(self.judge(mac1_verifies, serial, balance))
            }
            (NextQuestion::Initialize, NotInitialized) => NextQuestion::Decided(Verdict::Disputed(Dispute::Refused)),
            (next, _) => next,
        };
    }

    fn judge(&self, mac1_verifies: bool, serial: u16, balance: Balance) -> Verdict {
        match (serial, balance) {
            _ if !mac1_verifies => Verdict::Disputed(Dispute::Mac1),
            now if now == self.before => Verdict::NotLoaded,
            now if now == self.after && self.tac_wrong => Verdict::Disputed(Dispute::OtherLoad),
            now if now == self.after => Verdict::Loaded(LoadProof::Mac1),
            _ => Verdict::Disputed(Dispute::MovedOn),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::TransactionType;
    use super::*;

    const BEFORE: (u16, u32) = (7, 500);
    const AFTER: (u16, u32) = (8, 700);

    fn load() -> OpenLoad {
        let transaction = Transaction {
            transaction_type: TransactionType::WALLET_LOAD,
            amount: Amount::new(200).unwrap(),
            terminal: super::super::TerminalNumber([1; 6]),
        };
        let time = TransactionTime::new(2024, 1, 2, 3, 4, 5).unwrap();
        OpenLoad::new(transaction, time, BEFORE.0, Balance(BEFORE.1)).unwrap()
    }

    fn initialized(mac1_verifies: bool, (serial, balance): (u16, u32)) -> Evidence {
        Evidence::Initialized { mac1_verifies, serial, balance: Balance(balance) }
    }

    fn decide(evidence: &[Evidence]) -> NextQuestion {
        let mut inquiry = Inquiry::new(load(), ProveSerial::Both);
        evidence.iter().for_each(|evidence| inquiry.handle_evidence(*evidence));
        inquiry.next()
    }

    #[test]
    fn the_table() {
        use Evidence::{NoProof, NotInitialized, TacNotVerified, TacVerifies, TacWrong};
        let loaded = |proof| NextQuestion::Decided(Verdict::Loaded(proof));
        let disputed = |why| NextQuestion::Decided(Verdict::Disputed(why));
        let others = [NoProof, TacWrong, TacNotVerified];
        assert_eq!(decide(&[TacVerifies]), loaded(LoadProof::Tac));
        for first in others {
            assert_eq!(decide(&[first]), NextQuestion::Prove(8));
            assert_eq!(decide(&[first, TacVerifies]), loaded(LoadProof::Tac));
            for second in others {
                let end = |last| decide(&[first, second, last]);
                assert_eq!(decide(&[first, second]), NextQuestion::Initialize);
                assert_eq!(end(initialized(true, BEFORE)), NextQuestion::Decided(Verdict::NotLoaded));
                assert_eq!(end(initialized(false, BEFORE)), disputed(Dispute::Mac1));
                assert_eq!(end(initialized(false, AFTER)), disputed(Dispute::Mac1));
                assert_eq!(end(NotInitialized), disputed(Dispute::Refused));
                let is_wrong = first == TacWrong || second == TacWrong;
                let expected = if is_wrong { disputed(Dispute::OtherLoad) } else { loaded(LoadProof::Mac1) };
                assert_eq!(end(initialized(true, AFTER)), expected);
                for other in [(7, 499), (7, 700), (8, 500), (8, 699), (9, 700), (6, 500), (0, 0)] {
                    assert_eq!(end(initialized(true, other)), disputed(Dispute::MovedOn), "{other:?}");
                }
            }
        }
    }

    #[test]
    fn an_answer_to_another_question_decides_nothing() {
        use Evidence::{NoProof, NotInitialized, TacVerifies};
        assert_eq!(decide(&[initialized(true, BEFORE)]), NextQuestion::Prove(7));
        assert_eq!(decide(&[NotInitialized]), NextQuestion::Prove(7));
        assert_eq!(decide(&[NoProof, NoProof, TacVerifies]), NextQuestion::Initialize);
        let decided = decide(&[TacVerifies, NoProof, NoProof, initialized(true, BEFORE)]);
        assert_eq!(decided, NextQuestion::Decided(Verdict::Loaded(LoadProof::Tac)));
    }

    #[test]
    fn the_profile_says_which_serial_numbers_are_asked_with() {
        let first = |prove| Inquiry::new(load(), prove).next();
        assert_eq!(first(ProveSerial::Own), NextQuestion::Prove(7));
        assert_eq!(first(ProveSerial::Next), NextQuestion::Prove(8));
        let mut own = Inquiry::new(load(), ProveSerial::Own);
        own.handle_evidence(Evidence::NoProof);
        assert_eq!(own.next(), NextQuestion::Initialize);
    }

    #[test]
    fn a_load_that_could_not_be_proved_is_not_begun() {
        let open = load();
        let begin = |serial, balance| OpenLoad::new(open.transaction, open.time, serial, balance);
        assert_eq!(begin(u16::MAX, Balance(0)), Err(OpenLoadError::SerialExhausted));
        assert!(matches!(begin(0, Balance(u32::MAX - 199)), Err(OpenLoadError::Amount(_))));
        assert!(begin(u16::MAX - 1, Balance(u32::MAX - 200)).is_ok());
    }
}
