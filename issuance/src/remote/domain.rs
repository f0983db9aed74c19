//! The issuer security domain: who the card is, a secure channel to it, its keys.

use cardwright_apdu::{CardPort, StatusWord};
use cardwright_gp::card_data::{CPLC, Cplc};
use cardwright_gp::procedure::{self, NewKeys, OpenOptions, Opened};
use cardwright_gp::{Error as GpError, command};
use sha2::{Digest, Sha256};

use super::report::{CardFacts, IssueError, Stop};
use super::{Order, steps};
use crate::CardIdentity;
use crate::event::{Event, IdempotencyClass, Proof, StepEvent};
use crate::job::{Job, intent};
use crate::port::{IssuancePort, Notice};
use crate::step::Intent;

/// A card that has been met: what it is, and its place in the journal.
pub(super) struct Domain {
    pub(super) facts: CardFacts,
    pub(super) job: Job,
    pub(super) max_command_data: Option<usize>,
}

/// A channel to the issuer security domain, and whether the keys are those that the order wants.
pub(super) struct Session {
    pub(super) opened: Opened,
    pub(super) has_new_keys: bool,
}

impl Domain {
    /// Resets the card, selects the issuer security domain and reads what the card is.
    pub(super) async fn meet(port: &mut IssuancePort) -> Result<Self, Stop> {
        port.tell(Notice::Stage("reading what the card is"));
        let atr =
            port.reset().await.map_err(|source| IssueError::Gp(GpError::Transport { command: "reset", source }))?;
        let fci = procedure::select(port, None).await?;
        let data = procedure::read_card_data(port).await?;
        let identity = data.cplc.as_ref().and_then(CardIdentity::from_cplc).ok_or(IssueError::NoIdentity)?;
        let job = Job::read(port, identity.entity()?).await?;
        let facts = CardFacts { identity, atr, domain: fci.aid, data };
        port.tell(Notice::Card(Box::new(facts.clone())));
        Ok(Self { facts, job, max_command_data: fci.max_command_data })
    }

    /// Opens a channel to the selected issuer security domain with the keys that fit, counts what does not fit, and
    /// settles an earlier PUT KEY by what the card has shown.
    pub(super) async fn open(&mut self, port: &mut IssuancePort, order: &Order) -> Result<Session, Stop> {
        let ledger = self.job.state().ledger;
        if ledger.is_locked_out() && !order.override_lockout {
            return Err(IssueError::LockedOut { failures: ledger.failures() }.into());
        }
        let keys_step = self.job.step(steps::DOMAIN_KEYS);
        let wanted =
            keys_step.intent.and_then(|intent| intent.kvn).filter(|_| keys_step.is_in_doubt() || keys_step.is_done());
        let candidates: Vec<_> = order.new_keys.iter().chain(&order.current_keys).cloned().collect();
        let scp02_i = self.facts.data.recognition.as_ref().and_then(|data| data.i_of(2));
        let options = OpenOptions::new(order.level).with_challenge_policy(order.challenge).with_scp02_i(scp02_i);
        let mut kvns = wanted.into_iter().chain([0]);
        let opened = loop {
            let options = options.with_kvn(kvns.next().unwrap_or(0));
            let challenge = port.random().await?;
            let domain = self.facts.domain;
            let mut keys = port.clone();
            let result = procedure::open(port, &mut keys, domain.as_ref(), &candidates, challenge, options).await;
            match result {
                Ok(opened) => break opened,
                // The key set of the wanted version is not there: the card's own choice then.
                Err(GpError::Refused { command: "INITIALIZE UPDATE", sw })
                    if options.kvn != 0 && sw == StatusWord::REFERENCED_DATA_NOT_FOUND => {}
                Err(source) => return Err(self.failed(port, source).await?),
            }
        };
        if ledger.failures() > 0 {
            let _durable = self.job.record(port, &[Event::KeySuccess]).await?;
        }
        let has_new_keys = opened.candidate < order.new_keys.len();
        if keys_step.is_in_doubt() {
            let finding = if has_new_keys { StepEvent::Succeeded { proof: Proof::Probe } } else { StepEvent::NotDone };
            self.job.resolve(port, steps::DOMAIN_KEYS, finding).await?;
        } else if keys_step.is_done() && !has_new_keys {
            // Somebody gave the card its old keys back.
            let _durable = self.job.record(port, &[Event::Gone]).await?;
        }
        Ok(Session { opened, has_new_keys })
    }

    /// Counts a failed authentication.
    async fn failed(&mut self, port: &mut IssuancePort, source: GpError) -> Result<Stop, Stop> {
        let kvn = match &source {
            GpError::WrongKeys { kvn, .. } => *kvn,
            GpError::Refused { command: "EXTERNAL AUTHENTICATE", .. } => 0,
            _ => return Ok(source.into()),
        };
        let _durable = self.job.record(port, &[Event::KeyFailure { kvn }]).await?;
        Ok(IssueError::WrongKeys { failures: self.job.state().ledger.failures(), source }.into())
    }

    /// Selects the issuer security domain again and opens another channel, in which the card has to give the same key
    /// diversification data and key version as in the first: new keys come from them, and no cryptogram covers them.
    pub(super) async fn reopen(
        &mut self,
        port: &mut IssuancePort,
        order: &Order,
        first: &Session,
    ) -> Result<Session, Stop> {
        procedure::select(port, None).await?;
        let session = self.open(port, order).await?;
        let [expected, actual] = [first, &session].map(|session| (session.opened.kdd, session.opened.kvn));
        if actual != expected {
            return Err(IssueError::OtherKeyData { expected, actual }.into());
        }
        Ok(session)
    }

    /// Makes sure that the card is still the one that the run began with.
    pub(super) async fn same_card(&self, port: &mut IssuancePort) -> Result<(), Stop> {
        let response = procedure::send(port, command::get_data(CPLC)).await?;
        let actual = Cplc::parse(response.data()).as_ref().and_then(CardIdentity::from_cplc);
        if actual.as_ref() == Some(&self.facts.identity) {
            return Ok(());
        }
        Err(IssueError::OtherCard {
            expected: self.facts.identity.to_string(),
            actual: actual.map_or_else(|| "one without a serial number".into(), |identity| identity.to_string()),
        }
        .into())
    }

    /// Replaces the keys of the issuer security domain: one durable step of class C.
    ///
    /// The session comes from [`Domain::reopen`].
    pub(super) async fn replace_keys(
        &mut self,
        port: &mut IssuancePort,
        order: &Order,
        session: &mut Session,
    ) -> Result<(), Stop> {
        let opened = &mut session.opened;
        let (protocol, kdd) = (opened.protocol, opened.kdd);
        let candidate = order
            .new_keys
            .iter()
            .find(|candidate| candidate.kind == protocol.key_kind())
            .ok_or(IssueError::NoNewKeys { protocol: protocol.name() })?;
        port.tell(Notice::Stage("replacing the keys of the security domain"));
        let new = NewKeys::in_place_of(opened.kvn, candidate.keys_for(kdd));
        let mut keys = port.clone();
        let put = procedure::prepare_keys(&mut keys, &opened.channel, &opened.keys, &new).await?;
        let mut input = Sha256::new_with_prefix([put.kvn]);
        put.key_check_values().iter().for_each(|kcv| input.update(kcv.0));
        let intent = Intent { kvn: Some(put.kvn), ..intent(IdempotencyClass::Compare, input.finalize().into()) };
        let before = self.job.step(steps::DOMAIN_KEYS).intent;
        if before.is_some_and(|before| before.input != intent.input) {
            // The card has just proved that it holds the old keys: it never took the ones meant before.
            let _durable = self.job.record(port, &[Event::Gone]).await?;
        }
        let permit = self.job.begin(port, steps::DOMAIN_KEYS, intent).await?;
        let result = procedure::put_keys(port, &mut opened.channel, &put).await;
        self.job.settle(port, permit, outcome_of(&result)).await?;
        Ok(result?)
    }
}

/// What an attempt of GlobalPlatform commands came to.
pub(super) fn outcome_of<T>(result: &Result<T, GpError>) -> StepEvent {
    match result {
        Ok(_) => StepEvent::Succeeded { proof: Proof::Answer },
        Err(GpError::Refused { sw, .. }) => refusal(*sw),
        Err(GpError::Card { fault: cardwright_gp::CardFault::KeyCheckValue { .. }, .. }) => {
            StepEvent::Quarantined { reason: "the card answered another key check value".into() }
        }
        Err(_) => StepEvent::Lost,
    }
}

/// What an error status says of the command. Not every one says that nothing was changed: 63XX and 65XX say the contrary,
/// 6FXX says nothing (ISO 7816-4 5.6).
pub(super) fn refusal(sw: StatusWord) -> StepEvent {
    match sw.sw1() {
        0x63 | 0x65 | 0x6F => StepEvent::Lost,
        _ => StepEvent::Failed { sw: Some(sw.0) },
    }
}
