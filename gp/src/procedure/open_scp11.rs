use cardwright_apdu::{CardPort, CommandApdu, ResponseApdu};
use cardwright_keys::scp11::EphemeralSeed;
use cardwright_keys::{EcPublicKey, KeyPort};

use crate::channel::scp11::{
    CardKey, CertificateChain, KeyAgreement, KeyReference, Parameters, Validity, offer, read_certificate,
};
use crate::profile::ChannelQuirks;
use crate::{Error, SecureChannel};

/// Where the host knows the card's key from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CardKeySource {
    /// From the card's certificates, which end at this CA.
    Certificates {
        /// PK.CA-KLCC.ECDSA: whose cards are accepted.
        ca: EcPublicKey,
        /// Whether the certificates have to be valid on a day.
        validity: Validity,
        /// Which certificates are asked for: those of the key in use, else those of another one.
        of: Option<KeyReference>,
    },
    /// From elsewhere; no certificate is read.
    Known(CardKey),
}

/// How a secure channel of SCP11 is to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Scp11Options {
    /// Variant, key, level and lengths.
    pub parameters: Parameters,
    /// Where the card's key comes from.
    pub card_key: CardKeySource,
    /// How the card deviates from the standard once the channel is open.
    pub quirks: ChannelQuirks,
}

impl Scp11Options {
    /// For a card that does as the standard says.
    #[must_use]
    pub fn new(parameters: Parameters, card_key: CardKeySource) -> Self {
        Self { parameters, card_key, quirks: ChannelQuirks::default() }
    }
}

/// A secure channel of SCP11, and what was learnt on the way.
#[derive(Debug)]
pub struct OpenedScp11 {
    /// The channel.
    pub channel: SecureChannel,
    /// The card's certificates, verified, where they were read.
    pub certificates: Option<CertificateChain>,
}

/// Opens a secure channel of SCP11 to the selected security domain: GET DATA for the card's certificates, PERFORM SECURITY
/// OPERATION with the host's, MUTUAL or INTERNAL AUTHENTICATE.
///
/// Nothing of the host is sent before the card's certificates are verified. `seed` must be random, and is used once.
///
/// # Errors
/// [`Error::Certificate`] when the card's certificates are not accepted; [`Error::Card`] when its answer is malformed or the
/// receipt does not verify; [`Error::Channel`] for a level that SCP11 does not have; [`Error::Refused`], [`Error::Transport`] and
/// [`Error::Keys`] as their names say.
pub async fn open_scp11(
    card: &mut impl CardPort,
    keys: &mut impl KeyPort,
    options: &Scp11Options,
    seed: EphemeralSeed,
) -> Result<OpenedScp11, Error> {
    let parameters = &options.parameters;
    let (card_key, certificates) = match &options.card_key {
        CardKeySource::Known(key) => (key.clone(), None),
        CardKeySource::Certificates { ca, validity, of } => {
            let command = read_certificate(of.unwrap_or(parameters.key));
            let answer = call(card, "GET DATA", command).await?;
            let chain = CertificateChain::parse(answer.data())?;
            (chain.verify(ca, *validity)?, Some(chain))
        }
    };
    let (agreement, request) = KeyAgreement::new(parameters.clone(), card_key, seed)?;
    let ephemeral = keys.ask_keys(request).await?.into_public_key()?;
    let (state, command) = agreement.authenticate(&ephemeral)?;
    if let Some(host) = parameters.variant.host() {
        for command in offer(host)? {
            call(card, "PERFORM SECURITY OPERATION", command).await?;
        }
    }
    let answer = call(card, parameters.variant.command(), command).await?;
    let answer = state.handle_response(&answer)?;
    let session = keys.ask_keys(answer.key_request()).await?.into_scp11()?;
    Ok(OpenedScp11 { channel: answer.verify(session)?.with_quirks(options.quirks), certificates })
}

/// Sends a command that must be answered 9000.
async fn call(card: &mut impl CardPort, name: &'static str, command: CommandApdu) -> Result<ResponseApdu, Error> {
    let response = card.transmit(command).await.map_err(|source| Error::Transport { command: name, source })?;
    if !response.sw().is_ok() {
        return Err(Error::Refused { command: name, sw: response.sw() });
    }
    Ok(response)
}
