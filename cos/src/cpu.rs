//! Conversations with CPU cards over a profile.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use cardwright_apdu::{CardPort, CommandApdu, Ne, ResponseApdu, StatusWord};
use cardwright_keys::pboc::{MacAlgorithm, MacSuite};
use cardwright_keys::{CardData, KeyPort, KeyRef, KeyRequest};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::Error;
use crate::profile::{CardProfile, KeyUse, Meaning, Operation, Safeguard};
use crate::template::Fields;

/// Set in CLA of a command with a MAC (general manual 9.2).
const SECURE: u8 = 0x04;

/// A PIN, digits or whatever the card takes. Wiped on drop, never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Pin(Vec<u8>);

impl Pin {
    /// Takes the bytes as the card wants them.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl PartialEq for Pin {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Pin {}

impl core::fmt::Debug for Pin {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Pin")
    }
}

/// Something that a card counts wrong tries of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counted {
    /// Key of external authentication with this identifier.
    Key(u8),
    /// PIN with this identifier.
    Pin(u8),
}

impl core::fmt::Display for Counted {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Key(id) => write!(f, "external authentication key {id:02X}"),
            Self::Pin(id) => write!(f, "PIN {id:02X}"),
        }
    }
}

/// A key to be written, enciphered and with MAC.
#[derive(Clone, Debug)]
pub struct KeyWrite {
    /// What it is for.
    pub key_use: KeyUse,
    /// Its identifier.
    pub id: u8,
    /// How the key that is there is protected; `None` when there is none yet.
    pub present: Option<Safeguard>,
    /// How later changes of the new one are protected.
    pub later: Safeguard,
    /// What stands in front of it: rights, counter, version.
    pub fields: Fields,
    /// Its name at the key service.
    pub key: KeyRef,
}

/// What is known of a card while it is powered: tries that are left, and whether it refused a MAC.
///
/// Two things are refused before anything is sent: a try that would be the last one, and any further secured command after the card
/// refused a MAC, since three of these lock a card for ever.
#[derive(Debug)]
pub struct CpuSession<'p> {
    profile: &'p CardProfile,
    tries: BTreeMap<Counted, u8>,
    mac_refused: bool,
}

impl<'p> CpuSession<'p> {
    /// Begins with nothing known.
    #[must_use]
    pub fn new(profile: &'p CardProfile) -> Self {
        Self { profile, tries: BTreeMap::new(), mac_refused: false }
    }

    /// The card's profile.
    #[must_use]
    pub fn profile(&self) -> &'p CardProfile {
        self.profile
    }

    /// Tells how many tries are left, from a record of an earlier session.
    pub fn know_tries(&mut self, of: Counted, left: u8) {
        self.tries.insert(of, left);
    }

    /// How many tries are left, as far as it is known.
    #[must_use]
    pub fn known_tries(&self, of: Counted) -> Option<u8> {
        self.tries.get(&of).copied()
    }

    /// Sends a command of the profile that has to be answered with 9000; gives the response data.
    ///
    /// # Errors
    /// [`Error::Command`], [`Error::Refused`], [`Error::Transport`].
    pub async fn call(
        &mut self,
        card: &mut impl CardPort,
        operation: Operation,
        fields: &Fields,
    ) -> Result<Vec<u8>, Error> {
        let command = self.profile.command(operation, fields)?;
        let response = send(card, operation.name(), command).await?;
        self.accept(operation.name(), &response)?;
        Ok(response.into_data())
    }

    /// SELECT by file identifier; gives the file control information.
    ///
    /// # Errors
    /// As [`CpuSession::call`].
    pub async fn select_file(&mut self, card: &mut impl CardPort, fid: u16) -> Result<Vec<u8>, Error> {
        self.call(card, Operation::SelectFile, &Fields::new().with("fid", fid.to_be_bytes())).await
    }

    /// SELECT by name; gives the file control information.
    ///
    /// # Errors
    /// As [`CpuSession::call`].
    pub async fn select_name(&mut self, card: &mut impl CardPort, name: &[u8]) -> Result<Vec<u8>, Error> {
        self.call(card, Operation::SelectName, &Fields::new().with("name", name)).await
    }

    /// GET CHALLENGE; it is good for the next command only.
    ///
    /// # Errors
    /// As [`CpuSession::call`], [`Error::Length`] when it is shorter or longer than asked for.
    pub async fn challenge(&mut self, card: &mut impl CardPort, length: u8) -> Result<Vec<u8>, Error> {
        let challenge = self.call(card, Operation::GetChallenge, &Fields::new().byte("length", length)).await?;
        if challenge.len() != usize::from(length) {
            let expected = "as many bytes as were asked for";
            return Err(Error::Length { command: "get-challenge", expected, actual: challenge.len() });
        }
        Ok(challenge)
    }

    /// EXTERNAL AUTHENTICATE with the key of this identifier. A wrong key costs one try, and the last one is never made.
    ///
    /// # Errors
    /// [`Error::LastTry`] before anything is sent; [`Error::WrongKey`], [`Error::Locked`]; as [`CpuSession::challenge`].
    pub async fn authenticate(
        &mut self,
        card: &mut impl CardPort,
        keys: &mut impl KeyPort,
        key: &KeyRef,
        id: u8,
    ) -> Result<(), Error> {
        let of = Counted::Key(id);
        let probe = self.profile.tells_tries.then(|| crate::command::query_tries(id));
        self.check_tries(card, of, probe).await?;
        let challenge = self.challenge(card, self.profile.authentication_challenge).await?;
        let request = KeyRequest::Cryptogram { key: key.clone(), challenge };
        let cryptogram = keys.ask_keys(request).await?.into_cryptogram()?;
        let fields = Fields::new().byte("id", id).with("cryptogram", cryptogram);
        let operation = Operation::ExternalAuthenticate;
        let response = send(card, operation.name(), self.profile.command(operation, &fields)?).await?;
        self.settle_try(operation, of, &response)
    }

    /// INTERNAL AUTHENTICATE over these 8 bytes: whether the card has this key, a DES key. Costs no try.
    ///
    /// # Errors
    /// As [`CpuSession::call`]; [`Error::Keys`], also when the key is for SM4: how cards answer with such a key is not published.
    pub async fn has_key(
        &mut self,
        card: &mut impl CardPort,
        keys: &mut impl KeyPort,
        key: &KeyRef,
        id: u8,
        data: [u8; 8],
    ) -> Result<bool, Error> {
        let fields = Fields::new().byte("mode", 0x00).byte("id", id).with("data", data).byte("length", 8);
        let answer = self.call(card, Operation::InternalAuthenticate, &fields).await?;
        let request = KeyRequest::Cryptogram { key: key.clone(), challenge: data.to_vec() };
        let expected = keys.ask_keys(request).await?.into_cryptogram()?;
        Ok(answer.ct_eq(&expected[..]).into())
    }

    /// VERIFY. A wrong PIN costs one try, and the last one is never made.
    ///
    /// # Errors
    /// [`Error::LastTry`] before anything is sent; [`Error::WrongKey`], [`Error::Locked`]; as [`CpuSession::call`].
    pub async fn verify(&mut self, card: &mut impl CardPort, id: u8, pin: &Pin) -> Result<(), Error> {
        let of = Counted::Pin(id);
        let probe = self.profile.tells_tries.then(|| CommandApdu::new(0x00, 0x20, 0x00, id));
        self.check_tries(card, of, probe).await?;
        let fields = Fields::new().byte("id", id).with("pin", &pin.0);
        let response = send(card, "verify", self.profile.command(Operation::Verify, &fields)?).await?;
        self.settle_try(Operation::Verify, of, &response)
    }

    /// CHANGE PIN: the old one is a try.
    ///
    /// # Errors
    /// As [`CpuSession::verify`].
    pub async fn change_pin(&mut self, card: &mut impl CardPort, id: u8, old: &Pin, new: &Pin) -> Result<(), Error> {
        let of = Counted::Pin(id);
        self.check_tries(card, of, None).await?;
        let fields = Fields::new().byte("id", id).with("old", &old.0).with("new", &new.0);
        let response = send(card, "change-pin", self.profile.command(Operation::ChangePin, &fields)?).await?;
        self.settle_try(Operation::ChangePin, of, &response)
    }

    /// RELOAD PIN under the reload key: the MAC is over the PIN alone, under the key folded (general manual 8.5).
    ///
    /// # Errors
    /// [`Error::MacRefused`]; as [`CpuSession::call`], [`Error::Keys`].
    pub async fn reload_pin(
        &mut self,
        card: &mut impl CardPort,
        keys: &mut impl KeyPort,
        key: &KeyRef,
        id: u8,
        pin: &Pin,
    ) -> Result<(), Error> {
        self.check_mac("reload-pin")?;
        let algorithm = match self.profile.mac.algorithm {
            MacAlgorithm::Sm4 => MacAlgorithm::Sm4,
            _ => MacAlgorithm::FoldedDes,
        };
        let suite = MacSuite { algorithm, ..self.profile.mac };
        let request = KeyRequest::Mac { suite, key: key.clone(), iv: [0; 8], data: pin.0.clone() };
        let mac = keys.ask_keys(request).await?.into_mac()?;
        let fields = Fields::new().byte("id", id).with("pin", &pin.0).with("mac", mac);
        self.call(card, Operation::ReloadPin, &fields).await?;
        self.tries.remove(&Counted::Pin(id));
        Ok(())
    }

    /// PIN UNBLOCK: the PIN as it is, enciphered under the unlock key, with a MAC (general manual 8.4).
    ///
    /// # Errors
    /// As [`CpuSession::secured`].
    pub async fn unblock_pin(
        &mut self,
        card: &mut impl CardPort,
        keys: &mut impl KeyPort,
        key: &KeyRef,
        id: u8,
        pin: &Pin,
    ) -> Result<(), Error> {
        let fields = Fields::new().byte("id", id).with("data", &pin.0);
        let command = self.profile.command(Operation::UnblockPin, &fields)?;
        self.secured(card, keys, key, command, Safeguard::EncipheredMac).await?;
        self.tries.remove(&Counted::Pin(id));
        Ok(())
    }

    /// Sends a command with secure messaging: its data enciphered where asked for, and a MAC with a fresh challenge (general manual
    /// 9). Gives the response data.
    ///
    /// # Errors
    /// [`Error::MacRefused`] when the card refuses the MAC, and without sending anything from then on; as
    /// [`CpuSession::challenge`], [`Error::Keys`].
    pub async fn secured(
        &mut self,
        card: &mut impl CardPort,
        keys: &mut impl KeyPort,
        key: &KeyRef,
        command: CommandApdu,
        safeguard: Safeguard,
    ) -> Result<Vec<u8>, Error> {
        let name = command.name();
        let (_, response) = self.exchange_secured(card, keys, key, command, safeguard).await?;
        self.accept(name, &response)?;
        Ok(response.into_data())
    }

    /// As [`CpuSession::secured`], with the card's answer whatever it is.
    ///
    /// # Errors
    /// [`Error::MacRefused`] when a MAC was refused before: nothing is sent; as [`CpuSession::challenge`], [`Error::Keys`].
    pub async fn try_secured(
        &mut self,
        card: &mut impl CardPort,
        keys: &mut impl KeyPort,
        key: &KeyRef,
        command: CommandApdu,
        safeguard: Safeguard,
    ) -> Result<ResponseApdu, Error> {
        let (_, response) = self.exchange_secured(card, keys, key, command, safeguard).await?;
        self.note_mac(&response);
        Ok(response)
    }

    /// Reads with a MAC in both directions; where the file is enciphered, the number of bytes that the command asks for is enciphered and
    /// the response deciphered. An enciphered file under an SM4 key cannot be read: how is not published.
    ///
    /// # Errors
    /// [`Error::ResponseMac`] when the card's MAC is wrong: the data are not given; as [`CpuSession::secured`].
    pub async fn read_secured(
        &mut self,
        card: &mut impl CardPort,
        keys: &mut impl KeyPort,
        key: &KeyRef,
        command: CommandApdu,
        enciphered: bool,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let name = command.name();
        let command = match enciphered {
            true if self.profile.mac.algorithm == MacAlgorithm::Sm4 => {
                return Err(Error::Keys(cardwright_keys::KeyError::Unsupported));
            }
            true => {
                // How many bytes are wanted is enciphered, too: `n 80 00 ..` (general manual 7.5, example 3).
                let wanted = u8::try_from(command.ne().get()).unwrap_or(0);
                let request =
                    KeyRequest::Cryptogram { key: key.clone(), challenge: [wanted, 0x80, 0, 0, 0, 0, 0, 0].into() };
                command.with_data(keys.ask_keys(request).await?.into_cryptogram()?)
            }
            false => command,
        };
        // All there is: the MAC, and what encipherment adds, come on top of the data.
        let command = command.with_ne(Ne::MAX_SHORT);
        let (iv, response) = self.exchange_secured(card, keys, key, command, Safeguard::Mac).await?;
        self.accept(name, &response)?;
        let wrong = || Error::ResponseMac { command: name };
        let (data, mac) = response.data().split_last_chunk::<4>().ok_or_else(wrong)?;
        let request = KeyRequest::Mac { suite: self.profile.mac, key: key.clone(), iv, data: data.to_vec() };
        let expected = keys.ask_keys(request).await?.into_mac()?;
        if !bool::from(expected.ct_eq(mac)) {
            return Err(wrong());
        }
        if !enciphered {
            return Ok(Zeroizing::new(data.to_vec()));
        }
        let request = KeyRequest::Decipher { key: key.clone(), data: data.to_vec() };
        let plain = keys.ask_keys(request).await?.into_data()?;
        Ok(Zeroizing::new(plain.expose_bytes().to_vec()))
    }

    /// WRITE KEY, enciphered and with MAC under the present master key.
    ///
    /// # Errors
    /// As [`CpuSession::secured`].
    pub async fn write_key(
        &mut self,
        card: &mut impl CardPort,
        keys: &mut impl KeyPort,
        master: &KeyRef,
        write: &KeyWrite,
    ) -> Result<(), Error> {
        self.check_mac("write-key")?;
        let (profile, safeguard) = (self.profile, Safeguard::EncipheredMac);
        let operation = match write.present {
            Some(_) => Operation::UpdateKeyEnciphered,
            None => Operation::AddKeyEnciphered,
        };
        let fields = write.fields.clone().byte("id", write.id);
        let key_header = profile.key_header(write.key_use, write.later, safeguard, fields.clone())?;
        let present = profile.key_type(write.key_use, write.present.unwrap_or_default())?;
        let fields = fields.byte("type", present).with("data", []);
        let empty = profile.command(operation, &fields)?;
        let header = [empty.class().0, empty.instruction().0, empty.p1(), empty.p2()];
        let iv = self.mac_challenge(card).await?;
        let request = KeyRequest::KeyCommand {
            suite: profile.mac,
            under: master.clone(),
            header,
            key_header,
            key: write.key.clone(),
            iv,
        };
        let command = keys.ask_keys(request).await?.into_key_command()?;
        let response = send(card, operation.name(), empty.with_data(command.data)).await?;
        self.accept(operation.name(), &response)
    }

    /// CARD BLOCK: nothing can be done with the card afterwards, ever.
    ///
    /// # Errors
    /// As [`CpuSession::secured`].
    pub async fn block_card(
        &mut self,
        card: &mut impl CardPort,
        keys: &mut impl KeyPort,
        key: &KeyRef,
    ) -> Result<(), Error> {
        let command = self.profile.command(Operation::CardBlock, &Fields::new())?;
        self.secured(card, keys, key, command, Safeguard::Mac).await.map(drop)
    }

    /// APPLICATION BLOCK; one that is permanent cannot be taken back.
    ///
    /// # Errors
    /// As [`CpuSession::secured`].
    pub async fn block_application(
        &mut self,
        card: &mut impl CardPort,
        keys: &mut impl KeyPort,
        key: &KeyRef,
        permanent: bool,
    ) -> Result<(), Error> {
        let fields = Fields::new().byte("permanent", permanent.into());
        let command = self.profile.command(Operation::ApplicationBlock, &fields)?;
        self.secured(card, keys, key, command, Safeguard::Mac).await.map(drop)
    }

    /// APPLICATION UNBLOCK; three that fail block the application for ever.
    ///
    /// # Errors
    /// As [`CpuSession::secured`].
    pub async fn unblock_application(
        &mut self,
        card: &mut impl CardPort,
        keys: &mut impl KeyPort,
        key: &KeyRef,
    ) -> Result<(), Error> {
        let command = self.profile.command(Operation::ApplicationUnblock, &Fields::new())?;
        self.secured(card, keys, key, command, Safeguard::Mac).await.map(drop)
    }

    async fn exchange_secured(
        &mut self,
        card: &mut impl CardPort,
        keys: &mut impl KeyPort,
        key: &KeyRef,
        command: CommandApdu,
        safeguard: Safeguard,
    ) -> Result<([u8; 8], ResponseApdu), Error> {
        let name = command.name();
        self.check_mac(name)?;
        let mut data = command.data().to_vec();
        if safeguard == Safeguard::EncipheredMac {
            let request = KeyRequest::Encipher { key: key.clone(), data: CardData::new(data) };
            data = keys.ask_keys(request).await?.into_data()?.expose_bytes().to_vec();
        }
        let actual = data.len() + 4;
        let limit = self.profile.max_data;
        let lc = u8::try_from(actual).ok().filter(|_| actual <= limit);
        let lc = lc.ok_or(Error::TooLong { command: name, actual, limit })?;
        let class = command.class().0 | SECURE;
        let command = command.with_class(class);
        let header = [command.class().0, command.instruction().0, command.p1(), command.p2(), lc];
        let iv = self.mac_challenge(card).await?;
        let covered = [&header[..], &data].concat();
        let request = KeyRequest::Mac { suite: self.profile.mac, key: key.clone(), iv, data: covered };
        data.extend_from_slice(&keys.ask_keys(request).await?.into_mac()?);
        Ok((iv, send(card, name, command.with_data(data)).await?))
    }

    async fn mac_challenge(&mut self, card: &mut impl CardPort) -> Result<[u8; 8], Error> {
        let challenge = self.challenge(card, self.profile.challenge).await?;
        let mut iv = [0; 8];
        iv.iter_mut().zip(&challenge).for_each(|(to, from)| *to = *from);
        Ok(iv)
    }

    fn check_mac(&self, command: &'static str) -> Result<(), Error> {
        if self.mac_refused { Err(Error::MacRefused { command }) } else { Ok(()) }
    }

    fn note_mac(&mut self, response: &ResponseApdu) {
        self.mac_refused |= matches!(self.profile.meaning(response.sw()), Some(Meaning::WrongMac | Meaning::Dead));
    }

    fn accept(&mut self, command: &'static str, response: &ResponseApdu) -> Result<(), Error> {
        if response.sw().is_ok() {
            return Ok(());
        }
        self.note_mac(response);
        if self.mac_refused {
            Err(Error::MacRefused { command })
        } else {
            Err(Error::Refused { command, sw: response.sw() })
        }
    }

    /// Refuses what would be the last try, as far as the card's counter is known or can be asked for.
    async fn check_tries(
        &mut self,
        card: &mut impl CardPort,
        of: Counted,
        probe: Option<CommandApdu>,
    ) -> Result<(), Error> {
        if let Some(probe) = probe {
            let sw = send(card, "query of a retry counter", probe).await?.sw();
            match (sw, sw.tries_left()) {
                (StatusWord::AUTHENTICATION_BLOCKED, _) => self.know_tries(of, 0),
                (_, Some(left)) => self.know_tries(of, left),
                _ => {}
            }
        }
        match self.tries.get(&of) {
            Some(0) => Err(Error::Locked),
            Some(1) => Err(Error::LastTry { of }),
            _ => Ok(()),
        }
    }

    fn settle_try(&mut self, operation: Operation, of: Counted, response: &ResponseApdu) -> Result<(), Error> {
        let sw = response.sw();
        if sw.is_ok() {
            // The counter is back at its most, which is not known.
            self.tries.remove(&of);
            return Ok(());
        }
        if let Some(left) = sw.tries_left() {
            self.know_tries(of, left);
            return Err(Error::WrongKey { tries_left: Some(left) });
        }
        match self.profile.meaning(sw) {
            Some(Meaning::Locked) => {
                self.know_tries(of, 0);
                Err(Error::Locked)
            }
            _ if sw == StatusWord::AUTHENTICATION_FAILED => Err(Error::WrongKey { tries_left: None }),
            _ => Err(Error::Refused { command: operation.name(), sw }),
        }
    }
}

async fn send(card: &mut impl CardPort, name: &'static str, command: CommandApdu) -> Result<ResponseApdu, Error> {
    card.transmit(command).await.map_err(|source| Error::Transport { command: name, source })
}
