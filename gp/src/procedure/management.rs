use alloc::vec::Vec;
use core::ops::ControlFlow;

use cardwright_apdu::{Aid, CardPort, CommandApdu, StatusWord};
use cardwright_keys::signature::PublicKey;
use cardwright_keys::{CardData, KeyPort, KeyRef, KeyRequest};
use subtle::ConstantTimeEq;

use super::content::load_blocks;
use crate::command::{InstallCombined, InstallForInstall, InstallForLoad};
use crate::confirmation::{Confirmation, ReceiptSubject};
use crate::error::CardFault;
use crate::load_file::HashAlgorithm;
use crate::profile::PrivilegeWidth;
use crate::{Error, LoadFile, LoadFileError, SecureChannel};

/// Sends one content management command, INSTALL or DELETE, and reads what the card confirms.
///
/// # Errors
/// [`Error::Card`] when the confirmation cannot be read, though the card did the command; [`Error::Refused`],
/// [`Error::Channel`], [`Error::Transport`].
pub async fn manage(
    card: &mut impl CardPort,
    channel: &mut SecureChannel,
    command: &CommandApdu,
) -> Result<Option<Confirmation>, Error> {
    let answer = channel.call(card, command).await?;
    Confirmation::parse(answer.data()).map_err(|fault| Error::card(command.name(), fault))
}

/// As [`load_while`](super::load_while), with all that INSTALL [for load] can say: hash, parameters and token. Gives what the
/// card confirms in the last LOAD.
///
/// # Errors
/// [`Error::HashMissing`] for DAP Blocks or a token without a hash, [`LoadFileError::WrongHash`] for that of another load
/// file, before anything is sent; else as [`manage`] and [`load_while`](super::load_while).
pub async fn load_as(
    card: &mut impl CardPort,
    channel: &mut SecureChannel,
    install: &InstallForLoad<'_>,
    load_file: &LoadFile,
    max_command_data: Option<usize>,
    progress: impl FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<ControlFlow<(), Option<Confirmation>>, Error> {
    check_hash(install, load_file)?;
    let command = install.command()?;
    match load_blocks(card, channel, &command, load_file, max_command_data, progress).await? {
        ControlFlow::Continue(answer) => Ok(ControlFlow::Continue(confirmation("LOAD", &answer)?)),
        ControlFlow::Break(()) => Ok(ControlFlow::Break(())),
    }
}

/// INSTALL [for load, install and make selectable] in front of the LOAD commands and behind them. Untested on silicon.
///
/// # Errors
/// As [`load_as`].
pub async fn load_and_install_combined(
    card: &mut impl CardPort,
    channel: &mut SecureChannel,
    combined: &InstallCombined<'_>,
    load_file: &LoadFile,
    max_command_data: Option<usize>,
    progress: impl FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<ControlFlow<(), Option<Confirmation>>, Error> {
    check_hash(&combined.load, load_file)?;
    let (begin, end) = (combined.begin()?, combined.end()?);
    match load_blocks(card, channel, &begin, load_file, max_command_data, progress).await? {
        ControlFlow::Continue(_) => Ok(ControlFlow::Continue(manage(card, channel, &end).await?)),
        ControlFlow::Break(()) => Ok(ControlFlow::Break(())),
    }
}

/// The hash must be that of what is sent: a card may only compare it after the last block.
fn check_hash(install: &InstallForLoad<'_>, load_file: &LoadFile) -> Result<(), Error> {
    match install.hash {
        [] if load_file.has_dap_blocks() || load_file.is_ciphered() => Err(Error::HashMissing),
        [] => Ok(()),
        hash => {
            let same = HashAlgorithm::ALL.into_iter().any(|algorithm| load_file.hash(algorithm).as_bytes() == hash);
            if same { Ok(()) } else { Err(LoadFileError::WrongHash { actual: hash.len() }.into()) }
        }
    }
}

fn confirmation(command: &'static str, answer: &[u8]) -> Result<Option<Confirmation>, Error> {
    Confirmation::parse(answer).map_err(|fault| Error::card(command, fault))
}

/// What [`install_with_fallback`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Installed {
    /// Status with which the card refused privileges of three bytes, where it then took one.
    pub refused_three_bytes: Option<StatusWord>,
    /// What the card confirms.
    pub confirmation: Option<Confirmation>,
}

/// INSTALL [for install and make selectable]; where the card refuses privileges of three bytes (6A80, 6700), once more with one
/// byte, if that means the same ([`Privileges::in_one_byte`](crate::Privileges::in_one_byte)) and no token names the three.
///
/// JCOP 4 on P71 takes one byte only.
///
/// # Errors
/// [`Error::Refused`] with the first status when the card refuses both; as [`manage`].
pub async fn install_with_fallback(
    card: &mut impl CardPort,
    channel: &mut SecureChannel,
    install: &InstallForInstall<'_>,
) -> Result<Installed, Error> {
    let command = install.and_make_selectable()?;
    let response = channel.transmit(card, &command).await?;
    let first = response.sw();
    if first.is_ok() {
        let confirmation = confirmation(command.name(), response.data())?;
        return Ok(Installed { refused_three_bytes: None, confirmation });
    }
    let refused = Error::Refused { command: command.name(), sw: first };
    let were_three = install.privilege_width.bytes(install.privileges)?.len() == 3;
    let means_the_same = were_three && install.privileges.in_one_byte().is_some();
    if !means_the_same || !install.token.is_empty() || !matches!(first.0, 0x6A80 | 0x6700) {
        return Err(refused);
    }
    let command =
        InstallForInstall { privilege_width: PrivilegeWidth::One, ..install.clone() }.and_make_selectable()?;
    match manage(card, channel, &command).await {
        Ok(confirmation) => Ok(Installed { refused_three_bytes: Some(first), confirmation }),
        Err(Error::Refused { .. }) => Err(refused),
        Err(error) => Err(error),
    }
}

/// Has a token or other content management data signed by the scheme of the key (GPCS 2.3.1 C.4).
///
/// # Errors
/// [`Error::Keys`].
pub async fn sign(keys: &mut impl KeyPort, key: &KeyRef, data: Vec<u8>) -> Result<Vec<u8>, Error> {
    Ok(keys.ask_keys(KeyRequest::Signature { key: key.clone(), data }).await?.into_signature()?)
}

/// Has a load file signed and puts the DAP Block behind those that it has: the Load File Data Block Signature is over the hash
/// of this algorithm, which INSTALL [for load] has to carry as well (GPCS 2.3.1 C.3). The hash is to be no weaker than that of
/// the key's scheme (table C-3).
///
/// # Errors
/// [`Error::Keys`].
pub async fn sign_load_file(
    keys: &mut impl KeyPort,
    key: &KeyRef,
    security_domain: Aid,
    load_file: LoadFile,
    algorithm: HashAlgorithm,
) -> Result<LoadFile, Error> {
    let hash = load_file.hash(algorithm);
    let signature = sign(keys, key, hash.as_bytes().to_vec()).await?;
    Ok(load_file.with_dap_block(security_domain, &signature))
}

/// Has a Load File Data Block enciphered for a security domain with the privilege Ciphered Load File Data Block (GPCS 2.3.1 C.6). Its hash,
/// which INSTALL [for load] has to carry, and DAP Blocks are over the block in clear, whichever comes first. Untested on silicon.
///
/// `icv` should be random, 8 bytes for a DES key and 16 for AES; without one it is zeros, as Amendment E did not have it yet.
///
/// # Errors
/// [`Error::Structure`] for a load file that is enciphered already; [`Error::Keys`].
pub async fn cipher_load_file(
    keys: &mut impl KeyPort,
    key: &KeyRef,
    load_file: LoadFile,
    icv: Option<&[u8]>,
) -> Result<LoadFile, Error> {
    if load_file.is_ciphered() {
        return Err(Error::Structure { what: "a load file that is enciphered already", offset: 0 });
    }
    let icv = icv.unwrap_or_default();
    let data = CardData::new(load_file.data_block().to_vec());
    let request = KeyRequest::CipherLoadFile { key: key.clone(), icv: icv.to_vec(), data };
    let cipher = keys.ask_keys(request).await?.into_data()?;
    Ok(load_file.with_cipher(icv, cipher.expose_bytes()))
}

/// Verifies a receipt that was made with a DES or AES key: it is computed again (GPCS 2.3.1 C.5). [`verify_receipt_with`] verifies those
/// of RSA and ECC keys.
///
/// The counter is the caller's to compare with the one before: a receipt that is replayed verifies.
///
/// # Errors
/// [`Error::Card`] with [`CardFault::Receipt`] when there is none or it is another; [`Error::Keys`].
pub async fn verify_receipt(
    keys: &mut impl KeyPort,
    key: &KeyRef,
    confirmation: &Confirmation,
    subject: &ReceiptSubject<'_>,
) -> Result<(), Error> {
    let expected = sign(keys, key, confirmation.receipt_input(subject)).await?;
    if !expected.is_empty() && bool::from(expected.ct_eq(&confirmation.receipt)) {
        return Ok(());
    }
    Err(Error::card("receipt", CardFault::Receipt { expected: expected.len(), actual: confirmation.receipt.len() }))
}

/// Verifies a receipt that was made with an RSA or ECC key of the card, with the public key (GPCS 2.3.1 C.5).
///
/// The counter is the caller's to compare with the one before: a receipt that is replayed verifies.
///
/// # Errors
/// [`Error::Card`] with [`CardFault::Receipt`] when there is none or it is another.
pub fn verify_receipt_with(
    key: &PublicKey,
    confirmation: &Confirmation,
    subject: &ReceiptSubject<'_>,
) -> Result<(), Error> {
    let actual = confirmation.receipt.len();
    let verified = key.verify(&confirmation.receipt_input(subject), &confirmation.receipt);
    // There is no other length to be expected than the one that came: it is not this key's signature.
    verified.map_err(|_| Error::card("receipt", CardFault::Receipt { expected: actual, actual }))
}
