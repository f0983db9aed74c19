use cardwright_apdu::{CardPort, CommandApdu, ResponseApdu, StatusWord};
use cardwright_keys::pboc::MacSuite;
use cardwright_keys::{KeyCheckValue, KeyPort, KeyRef, KeyRequest};

use crate::{Error, KeyUpdate, command};

/// Asks the card for a challenge of 4 or 8 bytes, filled up with zeros to 8. It is good for the next command only.
///
/// # Errors
/// [`Error::Refused`], [`Error::Length`], [`Error::Transport`].
pub async fn get_challenge(card: &mut impl CardPort, length: u8) -> Result<[u8; 8], Error> {
    let command = command::get_challenge(length);
    let name = command.name();
    let response = call(card, command).await?;
    let mut challenge = [0; 8];
    match challenge.get_mut(..response.data().len()) {
        Some(place) if response.data().len() == usize::from(length) => place.copy_from_slice(response.data()),
        _ => {
            let expected = "as many bytes as were asked for, 4 or 8";
            return Err(Error::Length { command: name, expected, actual: response.data().len() });
        }
    }
    Ok(challenge)
}

/// Authenticates the host: GET CHALLENGE, EXTERNAL AUTHENTICATE. A wrong key costs one try.
///
/// # Errors
/// [`Error::WrongKey`] with what is left, [`Error::Locked`]; [`Error::Refused`], [`Error::Transport`], [`Error::Keys`].
pub async fn authenticate(
    card: &mut impl CardPort,
    keys: &mut impl KeyPort,
    key: &KeyRef,
    kid: u8,
) -> Result<(), Error> {
    let challenge = get_challenge(card, 8).await?;
    answer_challenge(card, keys, key, kid, challenge).await
}

/// Answers a challenge of [`get_challenge`] with EXTERNAL AUTHENTICATE. A wrong key costs one try.
///
/// # Errors
/// As [`authenticate`].
pub async fn answer_challenge(
    card: &mut impl CardPort,
    keys: &mut impl KeyPort,
    key: &KeyRef,
    kid: u8,
    challenge: [u8; 8],
) -> Result<(), Error> {
    let cryptogram = keys
        .ask_keys(KeyRequest::Cryptogram { key: key.clone(), challenge: challenge.to_vec() })
        .await?
        .into_cryptogram()?;
    let command = command::external_authenticate(kid, cryptogram);
    let name = command.name();
    let response = send(card, command).await?;
    match (response.sw(), response.sw().tries_left()) {
        (StatusWord::OK, _) => Ok(()),
        (_, Some(left)) => Err(Error::WrongKey { tries_left: Some(left) }),
        (StatusWord::AUTHENTICATION_FAILED, _) => Err(Error::WrongKey { tries_left: None }),
        (StatusWord::AUTHENTICATION_BLOCKED, _) => Err(Error::Locked),
        (sw, _) => Err(Error::Refused { command: name, sw }),
    }
}

/// How many tries the key has left, where the card tells it without consuming one; `None` where it does not.
///
/// # Errors
/// [`Error::Transport`].
pub async fn tries_left(card: &mut impl CardPort, kid: u8) -> Result<Option<u8>, Error> {
    let sw = send(card, command::query_tries(kid)).await?.sw();
    Ok(if sw == StatusWord::AUTHENTICATION_BLOCKED { Some(0) } else { sw.tries_left() })
}

/// A WRITE KEY command that is ready to be sent as the very next command.
#[derive(Clone, Debug)]
pub struct PreparedKeyUpdate {
    /// The command.
    pub command: CommandApdu,
    /// Check value of the new key.
    pub kcv: KeyCheckValue,
}

/// Prepares the update of a key, enciphered and with MAC under the application's present master key: GET CHALLENGE, and
/// the rest is asked of the key service. The command that comes of it can be recorded before it is sent.
///
/// # Errors
/// [`Error::Refused`], [`Error::Length`], [`Error::Transport`], [`Error::Keys`].
pub async fn prepare_key_update(
    card: &mut impl CardPort,
    keys: &mut impl KeyPort,
    master: &KeyRef,
    update: KeyUpdate,
    key: &KeyRef,
) -> Result<PreparedKeyUpdate, Error> {
    let iv = get_challenge(card, 4).await?;
    let header = update.command_header();
    let request = KeyRequest::KeyCommand {
        suite: MacSuite::default(),
        under: master.clone(),
        header,
        key_header: update.key_header(),
        key: key.clone(),
        iv,
    };
    let answer = keys.ask_keys(request).await?.into_key_command()?;
    Ok(PreparedKeyUpdate { command: command::write_key(header, &answer.data), kcv: answer.kcv })
}

/// Sends a prepared WRITE KEY.
///
/// # Errors
/// [`Error::Refused`], [`Error::Transport`].
pub async fn update_key(card: &mut impl CardPort, update: PreparedKeyUpdate) -> Result<(), Error> {
    call(card, update.command).await.map(drop)
}

async fn send(card: &mut impl CardPort, command: CommandApdu) -> Result<ResponseApdu, Error> {
    let name = command.name();
    card.transmit(command).await.map_err(|source| Error::Transport { command: name, source })
}

async fn call(card: &mut impl CardPort, command: CommandApdu) -> Result<ResponseApdu, Error> {
    let name = command.name();
    let response = send(card, command).await?;
    if response.sw().is_ok() { Ok(response) } else { Err(Error::Refused { command: name, sw: response.sw() }) }
}
