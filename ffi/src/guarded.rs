//! Drives the opening of a secure channel under the lock-out ledger.

use cardwright_apdu::{Progress, Transport};
use cardwright_issuance::lockout::{self, GuardedSession, SessionOrder};
use cardwright_issuance::remote::Outcome;
use cardwright_issuance::{Answer, Ask};
use cardwright_keys::KeyService;

use crate::card::Card;
use crate::failure::Failure;
use crate::journal::Journal;
use crate::random;
use crate::status::{CW_INTERNAL, CW_INTERRUPTED, CW_QUARANTINED};

pub(crate) fn open(
    card: &mut Card,
    keys: &mut impl KeyService,
    journal: &Journal,
    order: SessionOrder,
) -> Result<GuardedSession, Failure> {
    let broken = |error: cardwright_apdu::ProcedureError| Failure::new(CW_INTERNAL, error.to_string());
    let mut conversation = lockout::open(order);
    let mut progress = conversation.start().map_err(broken)?;
    loop {
        let ask = match progress {
            Progress::Ask(ask) => ask,
            Progress::Done(ended) => return finish(ended?),
        };
        let answer = match ask {
            Ask::Transmit(command) => Answer::Response(card.exchange(&command)),
            Ask::Reset => Answer::Atr(Transport::reset(card)),
            Ask::Keys(request) => Answer::Keys(keys.answer(&request)),
            Ask::History(entity) => Answer::History(journal.history(&entity)),
            Ask::Commit(transaction) => Answer::Committed(journal.commit(transaction)),
            Ask::Random => Answer::Random(random::bytes()?),
            _ => return Err(Failure::new(CW_INTERNAL, "the machine asked for something that is not known")),
        };
        progress = conversation.answer(answer).map_err(broken)?;
    }
}

fn finish(outcome: Outcome<GuardedSession>) -> Result<GuardedSession, Failure> {
    match outcome {
        Outcome::Complete(session) => Ok(session),
        Outcome::Interrupted(during) => {
            let message =
                format!("{}: {}; the attempt counts until the card has answered another", during.command, during.kind);
            Err(Failure::new(CW_INTERRUPTED, message).of(during.command).doubtful(true))
        }
        Outcome::Quarantined { step, reason } => {
            Err(Failure::new(CW_QUARANTINED, format!("step {step} waits for a person: {reason}")))
        }
        _ => Err(Failure::new(CW_INTERNAL, "an outcome without a name")),
    }
}
