//! The issuer security domain: who the card is, a secure channel to it, its keys.

use cardwright_apdu::{Aid, CardPort, StatusWord, tlv};
use cardwright_gp::card_data::{CIN, CPLC, Cplc, IIN};
use cardwright_gp::procedure::{self, CardData, KeyScheme, NewKeys, OpenOptions, Opened};
use cardwright_gp::profile::ListingQuirks;
use cardwright_gp::{CardFault, CardProfile, Error as GpError, OpenRefusal, Registry, SecureChannel, command};
use sha2::{Digest, Sha256};

use super::report::{CardFacts, IssueError, Stop};
use super::{Order, steps};
use crate::CardIdentity;
use crate::event::{Event, IdempotencyClass, Proof, StepEvent};
use crate::job::Job;
use crate::lockout::{self, Counted};
use crate::port::{IssuancePort, Notice};
use crate::step::Intent;

/// Version of a maker's initial keys.
const INITIAL_KEYS: u8 = 0xFF;
/// Command data, in bytes, where reader or card fail at 255: room for what readers put around a command.
const SHORT_COMMAND: usize = 239;

/// A card that has been met: what it is, and its place in the journal.
pub(super) struct Domain {
    pub(super) facts: CardFacts,
    pub(super) job: Job,
    /// The longest command data field that the card takes, by its FCI and its profile.
    pub(super) max_command_data: Option<usize>,
    listing: ListingQuirks,
}

/// A channel to the issuer security domain, and whether the keys are those that the order wants.
pub(super) struct Session {
    pub(super) opened: Opened,
    pub(super) has_new_keys: bool,
}

impl Domain {
    /// Resets the card, selects the issuer security domain and reads what the card is.
    pub(super) async fn meet(port: &mut IssuancePort, aid: Option<&Aid>, profile: &CardProfile) -> Result<Self, Stop> {
        port.tell(Notice::Stage("reading what the card is"));
        let atr =
            port.reset().await.map_err(|source| IssueError::Gp(GpError::Transport { command: "reset", source }))?;
        let fci = procedure::select_domain(port, aid).await?;
        let data = procedure::read_card_data(port).await?;
        let identity = CardIdentity::of(&data).ok_or(IssueError::NoIdentity)?;
        let job = Job::read(port, identity.entity()?).await?;
        let facts = CardFacts { identity, atr, domain: fci.aid, data };
        port.tell(Notice::Card(Box::new(facts.clone())));
        Ok(Self {
            facts,
            job,
            max_command_data: profile.limit(fci.max_command_data),
            listing: profile.listing_quirks(),
        })
    }

    /// The same for an order, which may be for one card only.
    pub(super) async fn meet_for(port: &mut IssuancePort, order: &Order) -> Result<Self, Stop> {
        let domain = Self::meet(port, order.domain.as_ref(), &order.profile).await?;
        match &order.card {
            Some(expected) if *expected != domain.facts.identity => {
                Err(IssueError::OtherCard { expected: expected.to_string(), actual: domain.facts.identity.to_string() }
                    .into())
            }
            _ => Ok(domain),
        }
    }

    /// The longest command data field that the card takes and that was not seen to fail.
    pub(super) fn command_limit(&self) -> Option<usize> {
        let card = self.max_command_data;
        if self.job.state().short_commands { Some(card.unwrap_or(SHORT_COMMAND).min(SHORT_COMMAND)) } else { card }
    }

    /// Steps down to shorter commands, once for this card; `false` when they are short already.
    pub(super) async fn step_down(&mut self, port: &mut IssuancePort) -> Result<bool, Stop> {
        if self.command_limit().is_some_and(|limit| limit <= SHORT_COMMAND) {
            return Ok(false);
        }
        let _durable = self.job.record(port, &[Event::ShortCommands]).await?;
        Ok(true)
    }

    /// Reads what is on the card.
    pub(super) async fn list(&self, port: &mut IssuancePort, session: &mut Session) -> Result<Registry, Stop> {
        Ok(procedure::read_registry_following(port, &mut session.opened.channel, self.listing).await?)
    }

    /// Selects the issuer security domain again.
    pub(super) async fn select(&self, port: &mut IssuancePort) -> Result<(), Stop> {
        procedure::select(port, self.facts.domain.as_ref()).await?;
        Ok(())
    }

    /// Opens a channel to the selected issuer security domain with the keys that fit, counts what does not fit, makes sure
    /// that the card is still the one of this job, and settles an earlier PUT KEY by what it has shown.
    pub(super) async fn open(&mut self, port: &mut IssuancePort, order: &Order) -> Result<Session, Stop> {
        let counted = Counted::Card(self.facts.identity.clone());
        lockout::check(&self.job, &counted, order.override_lockout)?;
        let keys_step = self.job.step(steps::DOMAIN_KEYS);
        let intent = keys_step.intent.as_ref().filter(|_| keys_step.is_in_doubt() || keys_step.is_done());
        let wanted = intent.and_then(|intent| intent.kvn);
        if keys_step.is_in_doubt() {
            // With other keys in hand neither set might fit, and each look would count against the card.
            let before = intent.and_then(|intent| intent.key.clone()).unwrap_or_default();
            let names: Vec<_> = order.new_keys.iter().map(|candidate| candidate.key.to_string()).collect();
            if !order.new_keys.is_empty() && !names.contains(&before) {
                let now = names.join(", ");
                return Err(IssueError::OrderChanged { step: steps::DOMAIN_KEYS, before, now }.into());
            }
        }
        let candidates: Vec<_> = order.new_keys.iter().chain(&order.current_keys).cloned().collect();
        let i_of = |protocol| self.facts.data.recognition.as_ref().and_then(|data| data.i_of(protocol));
        let mut options = OpenOptions::new(order.level)
            .with_challenge_policy(order.challenge)
            .knowing(i_of)
            .following(&order.profile);
        self.check_level(order)?;
        let mut kvns = wanted.into_iter().chain([0]);
        options.kvn = kvns.next().unwrap_or(0);
        let opened = loop {
            let challenge = port.challenge(options.s16).await?;
            let domain = self.facts.domain;
            let mut keys = port.clone();
            lockout::begin(port, &mut self.job).await?;
            let result = procedure::open(port, &mut keys, domain.as_ref(), &candidates, challenge, options).await;
            let source = match result {
                Ok(mut opened) => match self.same_card(port, Some(&mut opened.channel)).await {
                    Ok(()) => break opened,
                    Err(stop) => {
                        // What the keys of another card have shown says nothing of this one.
                        let _durable = self.job.record(port, &[Event::KeyAnswered]).await?;
                        return Err(stop);
                    }
                },
                Err(source) => source,
            };
            lockout::count(port, &mut self.job, &source).await?;
            match &source {
                // Its card recognition data do not say so, but the card may want 16 bytes.
                GpError::Refused { command: "INITIALIZE UPDATE", sw: StatusWord::WRONG_LENGTH } if !options.s16 => {
                    options.s16 = true;
                }
                // The key set of the wanted version is not there: the card's own choice then.
                GpError::Refused { command: "INITIALIZE UPDATE", .. }
                    if options.kvn != 0
                        && !source.is_failed_authentication()
                        && !matches!(source.open_refusal(), Some(OpenRefusal::Policy | OpenRefusal::Blocked)) =>
                {
                    options.kvn = kvns.next().unwrap_or(0);
                }
                _ => return Err(lockout::error_of(&self.job, &counted, source).into()),
            }
        };
        let _durable = self.job.record(port, &[Event::KeySuccess]).await?;
        let has_new_keys = opened.candidate < order.new_keys.len();
        if keys_step.is_in_doubt() {
            let finding = if has_new_keys { StepEvent::Succeeded { proof: Proof::Probe } } else { StepEvent::NotDone };
            self.job.resolve(port, steps::DOMAIN_KEYS, finding).await?;
        } else if keys_step.is_done() && !has_new_keys {
            // Somebody gave the card its old keys back.
            let _durable = self.job.record(port, &[Event::Gone]).await?;
        } else if has_new_keys && !keys_step.is_done() {
            // By others, or by a PUT KEY that was refused and executed all the same.
            self.job.resolve(port, steps::DOMAIN_KEYS, StepEvent::Succeeded { proof: Proof::Found }).await?;
        }
        Ok(Session { opened, has_new_keys })
    }

    /// What cannot be undone is refused before anything is changed on the card.
    pub(super) fn refuse_initial_keys(order: &Order, session: &Session) -> Result<(), IssueError> {
        let is_initial = session.opened.kvn == INITIAL_KEYS && !session.has_new_keys;
        if is_initial && !order.replace_initial_keys {
            return Err(GpError::Irreversible { what: "replacing the initial keys (version FF)" }.into());
        }
        Ok(())
    }

    /// R-MAC needs bit 20 of `i` of SCP02 or SCP03, R-ENCRYPTION bits 60 of SCP03 (GPCS 2.3.1 table E-1, Amd D table 5-1): where the
    /// card says that it has not, it is not asked.
    fn check_level(&self, order: &Order) -> Result<(), IssueError> {
        let needed = order.level.bits() & 0x30;
        let needed = if needed & 0x20 != 0 { 0x60 } else { needed << 1 };
        let protocols = self.facts.data.recognition.as_ref().map(|data| &data.protocols[..]).unwrap_or_default();
        let known: Vec<_> = protocols.iter().filter(|(scp, _)| matches!(scp, 0x01..=0x03)).collect();
        let has_level = |(scp, i): &(u8, u8)| match scp {
            0x02 => needed == 0x20 && i & 0x20 != 0,
            0x03 => i & needed == needed,
            _ => false,
        };
        if needed == 0 || known.is_empty() || known.into_iter().any(has_level) {
            return Ok(());
        }
        Err(IssueError::Level { level: order.level })
    }

    /// Selects the issuer security domain again and opens another channel, in which the card has to give the same key
    /// diversification data and key version as in the first: new keys come from them, and no cryptogram covers them.
    pub(super) async fn reopen(
        &mut self,
        port: &mut IssuancePort,
        order: &Order,
        first: &Session,
    ) -> Result<Session, Stop> {
        self.select(port).await?;
        let session = self.open(port, order).await?;
        let [expected, actual] = [first, &session].map(|session| (session.opened.kdd, session.opened.kvn));
        if actual != expected {
            return Err(IssueError::OtherKeyData { expected, actual }.into());
        }
        Ok(session)
    }

    /// Makes sure that the card is still the one that the run began with. In a channel the answer is that of the card which
    /// holds its keys, and of the same session as the answers before.
    pub(super) async fn same_card(
        &self,
        port: &mut IssuancePort,
        mut channel: Option<&mut SecureChannel>,
    ) -> Result<(), Stop> {
        let mut data = CardData::default();
        let by_cplc = self.facts.data.cplc.is_some_and(|cplc| cplc.identity().is_some());
        for tag in if by_cplc { &[CPLC][..] } else { &[IIN, CIN] } {
            let command = command::get_data(*tag);
            let response = match &mut channel {
                Some(channel) => channel.transmit(port, &command).await?,
                None => procedure::send(port, command).await?,
            };
            let value = tlv::find(response.data(), *tag).map_or(response.data(), |object| object.value).to_vec();
            match *tag {
                CPLC => data.cplc = Cplc::parse(&value),
                IIN => data.iin = Some(value),
                _ => data.cin = Some(value),
            }
        }
        let actual = CardIdentity::of(&data);
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
        if kdd == [0; 10] && candidate.scheme != KeyScheme::AsIs {
            return Err(IssueError::NoDiversificationData.into());
        }
        port.tell(Notice::Stage("replacing the keys of the security domain"));
        let new = match opened.kvn {
            INITIAL_KEYS if order.replace_initial_keys => NewKeys::in_place_of_initial(candidate.keys_for(kdd)),
            kvn => NewKeys::in_place_of(kvn, candidate.keys_for(kdd))?,
        };
        let mut keys = port.clone();
        let put = procedure::prepare_keys(&mut keys, &opened.channel, &opened.keys, &new).await?;
        let mut input = Sha256::new_with_prefix([put.kvn]);
        put.key_check_values().iter().for_each(|kcv| input.update(kcv.0));
        let intent = Intent {
            kvn: Some(put.kvn),
            key: Some(candidate.key.to_string()),
            ..Intent::new(IdempotencyClass::Compare, input.finalize().into())
        };
        let before = self.job.step(steps::DOMAIN_KEYS).intent;
        if before.is_some_and(|before| before.input != intent.input) {
            // The card has just proved that it holds the old keys: it never took the ones meant before.
            let _durable = self.job.record(port, &[Event::Gone]).await?;
        }
        let permit = self.job.begin(port, steps::DOMAIN_KEYS, intent).await?;
        let result = procedure::put_keys(port, &mut opened.channel, &put).await;
        self.job.settle(port, permit, outcome_of(&result)).await?;
        match result {
            // An answer that does not show the check values leaves the outcome open; the next session shows it.
            Err(GpError::Card { fault: CardFault::Length { .. } | CardFault::Value { .. }, .. }) => Ok(()),
            result => Ok(result?),
        }
    }
}

/// What an attempt of GlobalPlatform commands came to.
pub(super) fn outcome_of<T>(result: &Result<T, GpError>) -> StepEvent {
    match result {
        Ok(_) => StepEvent::Succeeded { proof: Proof::Answer },
        Err(GpError::Refused { sw, .. }) => refusal(*sw),
        Err(GpError::Card { fault: CardFault::KeyCheckValue { .. }, .. }) => {
            StepEvent::Quarantined { reason: "the card answered another key check value".into() }
        }
        Err(_) => StepEvent::Lost,
    }
}

/// What an error status says of the command. Not every one says that nothing was changed: 63XX and 65XX say the contrary,
/// 6FXX says nothing (ISO 7816-4 5.6).
pub(crate) fn refusal(sw: StatusWord) -> StepEvent {
    match sw.sw1() {
        0x63 | 0x65 | 0x6F => StepEvent::Lost,
        _ => StepEvent::Failed { sw: Some(sw.0) },
    }
}
