use cardwright_apdu::tlv::Tag;
use cardwright_apdu::{Aid, CardPort, StatusWord};
use cardwright_keys::{KeyPort, KeySet};

use super::{KeyCandidate, send};
use crate::channel::{CardAnswer, HostChallenge, InitializeUpdate, NotVerified, Protocol};
use crate::profile::ChannelQuirks;
use crate::{CardFault, CardProfile, ChallengePolicy, Error, SecureChannel, SecurityLevel};

/// How a secure channel is to be opened.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct OpenOptions {
    /// Key version asked for; 0 leaves the choice to the card.
    pub kvn: u8,
    /// Security level.
    pub level: SecurityLevel,
    /// Whether the card challenge is checked, where `i` says that it is pseudo-random.
    pub challenge: ChallengePolicy,
    /// `i` of SCP01 from the card recognition data; answers of SCP01 do not hold it.
    pub scp01_i: Option<u8>,
    /// `i` of SCP02 from the card recognition data; answers of SCP02 do not hold it.
    pub scp02_i: Option<u8>,
    /// Whether the card is known to speak SCP03 with 16-byte challenges: bit 01 of its `i` in the card recognition data.
    pub s16: bool,
    /// What the card does otherwise than the standard says.
    pub quirks: ChannelQuirks,
}

impl OpenOptions {
    /// This security level, the card's choice of key set, no check of the challenge.
    #[must_use]
    pub fn new(level: SecurityLevel) -> Self {
        Self {
            kvn: 0,
            level,
            challenge: ChallengePolicy::Ignore,
            scp01_i: None,
            scp02_i: None,
            s16: false,
            quirks: ChannelQuirks::default(),
        }
    }

    /// The same with a check of the card challenge.
    #[must_use]
    pub fn with_challenge_policy(mut self, policy: ChallengePolicy) -> Self {
        self.challenge = policy;
        self
    }

    /// The same with the `i` of SCP01 that the card recognition data gives.
    #[must_use]
    pub fn with_scp01_i(mut self, i: Option<u8>) -> Self {
        self.scp01_i = i;
        self
    }

    /// The same with the `i` of SCP02 that the card recognition data gives.
    #[must_use]
    pub fn with_scp02_i(mut self, i: Option<u8>) -> Self {
        self.scp02_i = i;
        self
    }

    /// The same for a card that is known to speak SCP03 with 16-byte challenges, or not.
    #[must_use]
    pub fn with_s16(mut self, s16: bool) -> Self {
        self.s16 = s16;
        self
    }

    /// The same with what the card recognition data says of `i`, by the number of the protocol, where nothing else is known.
    #[must_use]
    pub fn knowing(mut self, i_of: impl Fn(u8) -> Option<u8>) -> Self {
        self.scp01_i = self.scp01_i.or(i_of(1));
        self.scp02_i = self.scp02_i.or(i_of(2));
        self.s16 |= i_of(3).is_some_and(|i| i & 0x01 != 0);
        self
    }

    /// The same for a card of this profile: its quirks and its challenge policy; what it says of `i` and 16-byte challenges counts
    /// where nothing else is known.
    #[must_use]
    pub fn following(mut self, profile: &CardProfile) -> Self {
        self.challenge = profile.challenge.unwrap_or(self.challenge);
        self.scp01_i = self.scp01_i.or(profile.scp01_i);
        self.scp02_i = self.scp02_i.or(profile.scp02_i);
        self.s16 |= profile.s16.unwrap_or(false);
        self.quirks = profile.channel_quirks();
        self
    }

    /// The same with a key version.
    #[must_use]
    pub fn with_kvn(mut self, kvn: u8) -> Self {
        self.kvn = kvn;
        self
    }
}

/// A secure channel, and what was learnt on the way.
#[derive(Debug)]
pub struct Opened {
    /// The channel.
    pub channel: SecureChannel,
    /// Key diversification data of the card.
    pub kdd: [u8; 10],
    /// Version of the key set in use.
    pub kvn: u8,
    /// Protocol.
    pub protocol: Protocol,
    /// Which of the candidates it was.
    pub candidate: usize,
    /// The key set in use.
    pub keys: KeySet,
    /// Whether the card challenge was the pseudo-random one; `None` where it was not checked.
    pub challenge_verified: Option<bool>,
}

/// INITIALIZE UPDATE answered and nothing verified: what the card says of itself before EXTERNAL AUTHENTICATE can cost a try.
#[derive(Debug)]
pub struct Initialized {
    answer: CardAnswer,
    options: OpenOptions,
}

impl Initialized {
    /// Key diversification data of the card; no cryptogram covers it.
    #[must_use]
    pub fn key_diversification_data(&self) -> [u8; 10] {
        self.answer.key_diversification_data()
    }

    /// Version of the key set that the card used.
    #[must_use]
    pub fn kvn(&self) -> u8 {
        self.answer.kvn()
    }

    /// Protocol that the card speaks.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.answer.protocol()
    }
}

/// Opens a secure channel to the selected security domain, whose AID is `domain`: [`initialize`], then [`authenticate`].
///
/// The card's one answer is tested against all candidates off the card. When none fits, EXTERNAL AUTHENTICATE is not
/// sent.
///
/// # Errors
/// As both.
pub async fn open(
    card: &mut impl CardPort,
    keys: &mut impl KeyPort,
    domain: Option<&Aid>,
    candidates: &[KeyCandidate],
    host_challenge: impl Into<HostChallenge>,
    options: OpenOptions,
) -> Result<Opened, Error> {
    let initialized = initialize(card, domain, host_challenge, options).await?;
    authenticate(card, keys, candidates, initialized).await
}

/// INITIALIZE UPDATE to the selected security domain, whose AID is `domain`.
///
/// `host_challenge` must be random: 8 bytes, or 16 where the card may speak SCP03 with 16-byte challenges. Of 16 the first 8 are
/// used, unless [`OpenOptions::s16`] says that the card takes all; a card that refuses the length (6700) gets the other one, once.
///
/// # Errors
/// [`Error::Card`], also when the card takes another key version than the one asked for; [`Error::Refused`] and [`Error::Transport`].
pub async fn initialize(
    card: &mut impl CardPort,
    domain: Option<&Aid>,
    host_challenge: impl Into<HostChallenge>,
    options: OpenOptions,
) -> Result<Initialized, Error> {
    let host_challenge = host_challenge.into();
    let short = host_challenge.short();
    let (first, other) = if options.s16 { (host_challenge, short) } else { (short, host_challenge) };
    let (mut state, command) = InitializeUpdate::new(options.kvn, first);
    let le = options.quirks.le;
    let mut response = send(card, le.applied(command)).await?;
    if response.sw() == StatusWord::WRONG_LENGTH && host_challenge.is_long() {
        let command;
        (state, command) = InitializeUpdate::new(options.kvn, other);
        response = send(card, le.applied(command)).await?;
    }
    let mut answer = state.handle_response(&response)?;
    let told = if answer.protocol() == Protocol::Scp01 { options.scp01_i } else { options.scp02_i };
    if let Some(i) = told {
        answer = answer.with_i(i);
    }
    let is_pseudo_random = answer.is_pseudo_random();
    match domain {
        Some(aid) if is_pseudo_random => {
            answer = answer.with_challenge_policy(options.challenge, aid.as_bytes());
        }
        None if is_pseudo_random && options.challenge == ChallengePolicy::Require => {
            let fault = CardFault::Missing { tag: Tag(0x84), offset: 0 };
            return Err(Error::card("SELECT", fault));
        }
        _ => {}
    }
    Ok(Initialized { answer, options })
}

/// Looks for the key set that the card has, off the card, and sends EXTERNAL AUTHENTICATE when one fits.
///
/// # Errors
/// [`Error::WrongKeys`] counts as one failure of this card, whatever the number of candidates; [`Error::NoKeys`] when none comes into
/// question; [`Error::Refused`], [`Error::Transport`] and [`Error::Keys`] as their names say.
pub async fn authenticate(
    card: &mut impl CardPort,
    keys: &mut impl KeyPort,
    candidates: &[KeyCandidate],
    initialized: Initialized,
) -> Result<Opened, Error> {
    let Initialized { mut answer, options } = initialized;
    let (kdd, kvn, protocol) = (answer.key_diversification_data(), answer.kvn(), answer.protocol());
    let fitting = || candidates.iter().enumerate().filter(|(_, candidate)| candidate.fits(&answer));
    let tried = fitting().count();
    if tried == 0 {
        return Err(Error::NoKeys { kvn, protocol: protocol.name() });
    }
    let order: alloc::vec::Vec<_> = fitting().map(|(i, candidate)| (i, candidate.keys_for(kdd))).collect();
    for (candidate, set) in order {
        let session = keys.ask_keys(answer.key_request(&set)).await?.into_session()?;
        let verified = match answer.verify(session) {
            Ok(verified) => verified,
            Err(NotVerified::Keys(same)) => {
                answer = same;
                continue;
            }
            Err(NotVerified::Failed(error)) => return Err(error),
        };
        let challenge_verified = verified.challenge_verified();
        let (state, command) = verified.external_authenticate(options.level)?;
        let channel = state.handle_response(&send(card, command).await?)?.with_quirks(options.quirks);
        return Ok(Opened { channel, kdd, kvn, protocol, candidate, keys: set, challenge_verified });
    }
    Err(Error::WrongKeys { kvn, protocol: protocol.name(), candidates: tried })
}
