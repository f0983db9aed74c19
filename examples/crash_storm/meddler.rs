//! The saboteur between a machine and the world, in one session.

use cardwright::apdu::{CommandApdu, ResponseApdu, StatusWord, TransportError};
use cardwright::issuance::account::{AccountError, AccountRequest, BookingId, BookingStatus};
use cardwright::issuance::store::{Durable, Transaction};
use cardwright::keys::KeyRequest;
use minicbor::Decoder;

use crate::journal_reader::{self, Event, Said, variant};
use crate::purse::TAC_KEY;
use crate::sabotage::Sabotage;

/// What a saboteur does in a session.
pub(crate) struct Meddler {
    sabotage: Option<Sabotage>,
    /// An intent that is yet to be written.
    late: Option<Transaction>,
    /// The next probe is answered with 9000.
    believes: bool,
}

impl Meddler {
    pub(crate) fn new(sabotage: Option<Sabotage>) -> Self {
        Self { sabotage, late: None, believes: false }
    }

    /// [`Sabotage::IntentAfterCommand`]: keeps an intent back and vouches for it.
    pub(crate) fn keep_back(&mut self, transaction: Transaction, last_seq: u64) -> Result<Durable, Transaction> {
        let is_intent = transaction.entries.iter().any(|entry| is_begun(&entry.body));
        if self.sabotage != Some(Sabotage::IntentAfterCommand) || !is_intent {
            return Err(transaction);
        }
        let durable = Durable::vouched_for(&transaction, last_seq + 1);
        self.late = Some(transaction);
        Ok(durable)
    }

    /// The intent that was kept back, once a command has gone out.
    pub(crate) fn late_intent(&mut self) -> Option<Transaction> {
        self.late.take()
    }

    /// [`Sabotage::BlindRetry`]: whether the command is sent again.
    pub(crate) fn retries(&self, result: &Result<ResponseApdu, TransportError>) -> bool {
        self.sabotage == Some(Sabotage::BlindRetry) && result.is_err()
    }

    /// [`Sabotage::BlindRetry`]: a debit that was not answered is asked for once more, as another one.
    pub(crate) fn book_again(
        &self,
        request: &AccountRequest,
        status: &Result<BookingStatus, AccountError>,
    ) -> Option<AccountRequest> {
        let AccountRequest::Debit { booking, account, amount } = request else { return None };
        let booking = BookingId::new(&format!("{booking}-again")).ok()?;
        let retries = self.sabotage == Some(Sabotage::BlindRetry) && status.is_err();
        retries.then(|| AccountRequest::Debit { booking, account: account.clone(), amount: *amount })
    }

    /// [`Sabotage::BareStatus`]: whether a TAC is taken as right unseen.
    pub(crate) fn believes_key(&self, request: &KeyRequest) -> bool {
        self.sabotage == Some(Sabotage::BareStatus)
            && matches!(request, KeyRequest::VerifyPurseMac { mac, .. } if mac.key.name() == TAC_KEY)
    }

    /// [`Sabotage::BareStatus`]: the answer to a probe that is not asked, because the write before it was answered with 9000.
    pub(crate) fn believe(&mut self, command: &CommandApdu) -> Option<ResponseApdu> {
        let is_probe = command.class().0 == 0x00 && command.instruction().0 == 0x82 && command.nc() == 8;
        (is_probe && std::mem::take(&mut self.believes)).then(|| ResponseApdu::new(Vec::new(), StatusWord::OK))
    }

    /// Hears what the card said to a command.
    pub(crate) fn hear(&mut self, command: &CommandApdu, response: &Result<ResponseApdu, TransportError>) {
        if self.sabotage == Some(Sabotage::BareStatus) && command.instruction().0 == 0xD4 && command.p1() == 0xF9 {
            self.believes = response.as_ref().is_ok_and(|response| response.sw() == StatusWord::OK);
        }
    }
}

/// Whether a record's body is an intent: `[0, [step, attempt, [0, ..]]]`, or the events of a purse before debit, credit and
/// reversal (docs/journal.md).
fn is_begun(body: &[u8]) -> bool {
    if let Ok((100 | 103 | 109, _)) = variant(&mut Decoder::new(body)) {
        return true;
    }
    matches!(journal_reader::event(body), Ok(Event::Step { said: Said::Begun { .. }, .. }))
}
