//! Transactions of a purse: initialize, then credit, debit or a new overdraft limit (general manual 8.7 to 8.12).

use cardwright_apdu::StatusWord;

use super::capp::CappUpdate;
use super::config::OverdraftTac;
use super::key::{LOAD, OVERDRAFT, PURCHASE, TAC, TWIN, UNLOAD};
use super::memory::{Content, File};
use super::purse::{DEPOSIT, ELECTRONIC_PURSE, LARGEST_LIMIT, Proof, Purse, three_bytes};
use super::record::{Reference, store};
use super::suite::Cipher;
use super::{Command, CpuCard};
use crate::card::{Answer, done};
use crate::crypto::same;
use crate::power::Power;

/// Length of a record of the log, in bytes (general manual, table A-3).
const LOG_RECORD: u8 = 23;

/// Transaction types (general manual 8.13.2).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    LoadDeposit = 0x01,
    LoadPurse = 0x02,
    Unload = 0x03,
    Withdrawal = 0x04,
    PurchaseDeposit = 0x05,
    PurchasePurse = 0x06,
    Overdraft = 0x07,
    Capp = 0x09,
}

impl Kind {
    /// What INITIALIZE FOR .. names by P1 and P2.
    fn initialized(p1: u8, p2: u8) -> Option<Self> {
        match (p1, p2) {
            (0x00, DEPOSIT) => Some(Self::LoadDeposit),
            (0x00, ELECTRONIC_PURSE) => Some(Self::LoadPurse),
            (0x01, DEPOSIT) => Some(Self::PurchaseDeposit),
            (0x01, ELECTRONIC_PURSE) => Some(Self::PurchasePurse),
            (0x02, DEPOSIT) => Some(Self::Withdrawal),
            (0x03, ELECTRONIC_PURSE) => Some(Self::Capp),
            (0x04, DEPOSIT) => Some(Self::Overdraft),
            (0x05, DEPOSIT) => Some(Self::Unload),
            _ => None,
        }
    }

    /// The purse that transactions of a type belong to.
    pub(super) fn purse(code: u8) -> Option<u8> {
        match code {
            0x01 | 0x03 | 0x04 | 0x05 | 0x07 => Some(DEPOSIT),
            0x02 | 0x06 | 0x09 => Some(ELECTRONIC_PURSE),
            _ => None,
        }
    }

    fn key_type(self) -> u8 {
        match self {
            Self::LoadDeposit | Self::LoadPurse => LOAD,
            Self::Unload => UNLOAD,
            Self::Overdraft => OVERDRAFT,
            Self::Withdrawal | Self::PurchaseDeposit | Self::PurchasePurse | Self::Capp => PURCHASE,
        }
    }

    fn is_load(self) -> bool {
        matches!(self, Self::LoadDeposit | Self::LoadPurse)
    }

    /// Counted by the on-line counter.
    fn is_online(self) -> bool {
        self.is_load() || matches!(self, Self::Unload | Self::Overdraft)
    }
}

/// An initialized transaction; the command after it completes it or loses it.
pub(super) struct Pending {
    pub(super) kind: Kind,
    amount: u32,
    terminal: [u8; 6],
    random: [u8; 4],
    number: u16,
    key: Cipher,
    tac: Cipher,
    pub(super) capp: Option<CappUpdate>,
}

impl Pending {
    /// `amount ‖ type ‖ terminal`.
    fn described(&self) -> Vec<u8> {
        [&self.amount.to_be_bytes()[..], &[self.kind as u8], &self.terminal].concat()
    }

    /// `E_K(random ‖ number ‖ last)`: last is 8000 on-line, off-line the last two bytes of the terminal's number.
    fn session(&self, last: [u8; 2]) -> Cipher {
        let mut input = [0; 8];
        input[..4].copy_from_slice(&self.random);
        input[4..6].copy_from_slice(&self.number.to_be_bytes());
        input[6..].copy_from_slice(&last);
        self.key.session(input)
    }
}

/// Second half of the input of a session key on-line.
const ONLINE: [u8; 2] = [0x80, 0x00];

fn mac(key: &Cipher, parts: &[&[u8]]) -> [u8; 4] {
    key.mac(&[], &parts.concat(), true)
}

impl CpuCard {
    /// INITIALIZE FOR LOAD, PURCHASE, CASH WITHDRAW, CAPP PURCHASE, UPDATE and UNLOAD.
    pub(super) fn initialize(&mut self, command: &Command<'_>) -> Answer {
        let kind = Kind::initialized(command.apdu.p1, command.apdu.p2).ok_or(StatusWord::INCORRECT_P1_P2)?;
        let (key_identifier, amount, terminal) = match (kind, command.data()) {
            (Kind::Overdraft, [key, terminal @ ..]) => (*key, 0, terminal),
            (_, [key, a, b, c, d, terminal @ ..]) => (*key, u32::from_be_bytes([*a, *b, *c, *d]), terminal),
            _ => return Err(StatusWord::WRONG_LENGTH),
        };
        let terminal: [u8; 6] = terminal.try_into().map_err(|_| StatusWord::WRONG_LENGTH)?;
        let (file, purse) = self.purse(command.apdu.p2)?;
        if (self.memory.config.pin_for_load || !kind.is_load()) && !self.allows(file.read) {
            return Err(StatusWord::SECURITY_NOT_SATISFIED);
        }
        let (purse, tac_identifier) = (purse.clone(), file.write);
        self.log_file(file.last)?;
        let sm4 = self.memory.config.sm4;
        let directory = self.memory.directory(self.session.directory)?;
        let key = directory.key(kind.key_type(), key_identifier).ok_or(StatusWord::KEY_INDEX_NOT_SUPPORTED)?;
        if !self.holds(key.use_right()) {
            return Err(StatusWord::SECURITY_NOT_SATISFIED);
        }
        let (cipher, version, algorithm) = (key.cipher(sm4)?, key.version(), key.algorithm());
        let twin = tac_identifier.checked_add(TWIN).filter(|_| matches!(cipher, Cipher::Sm4(_)));
        let tac = twin.and_then(|twin| directory.key(TAC, twin)).or_else(|| directory.key(TAC, tac_identifier));
        let tac = tac.ok_or(StatusWord::KEY_INDEX_NOT_SUPPORTED)?.tac(sm4)?;
        let number = purse.number(kind.is_online(), self.memory.config.one_counter);
        match kind {
            _ if number == u16::MAX => return Err(StatusWord::CONDITIONS_NOT_SATISFIED),
            Kind::LoadDeposit | Kind::LoadPurse => {
                purse.balance.checked_add(amount).ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
            }
            Kind::Overdraft => {}
            // What the issuer lends cannot be unloaded.
            Kind::Unload if amount > purse.balance.saturating_sub(purse.limit) => {
                return Err(StatusWord::AMOUNT_INSUFFICIENT);
            }
            _ if amount > purse.balance => return Err(StatusWord::AMOUNT_INSUFFICIENT),
            _ => {}
        }
        let random = self.random(4).first_chunk().copied().unwrap_or_default();
        let pending = Pending { kind, amount, terminal, random, number, key: cipher, tac, capp: None };
        let (balance, limit) = (purse.balance.to_be_bytes(), purse.limit_bytes());
        let limit = if kind.is_load() || kind == Kind::Unload { &[][..] } else { &limit };
        let mut data = [&balance[..], &number.to_be_bytes(), limit, &[version, algorithm], &random].concat();
        if kind.is_online() {
            let described = pending.described();
            let amount = if kind == Kind::Overdraft { limit } else { &described[..4] };
            data.extend_from_slice(&mac(&pending.session(ONLINE), &[&balance, amount, &described[4..]]));
        }
        self.session.pending = Some(pending);
        done(data)
    }

    /// `date ‖ time ‖ MAC2`; gives the TAC.
    pub(super) fn credit_for_load(&mut self, command: Command<'_>) -> Answer {
        command.expect_parameters(0x00, 0x00)?;
        let pending = initialized(&command, Kind::is_load)?;
        let [when @ .., _, _, _, _]: [u8; 11] = command.array()?;
        let (described, number) = (pending.described(), pending.number.to_be_bytes());
        if !same(&mac(&pending.session(ONLINE), &[&described, &when]), &command.data()[7..]) {
            return Err(StatusWord::MAC_INVALID);
        }
        let mut purse = self.purse_of(pending)?.clone();
        purse.balance = purse.balance.checked_add(pending.amount).ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        let balance = purse.balance.to_be_bytes();
        let tac = mac(&pending.tac.folded(), &[&balance, &number, &described, &when]);
        self.complete(pending, purse, when, [0; 4], tac)?;
        done(tac)
    }

    pub(super) fn debit(&mut self, command: Command<'_>) -> Answer {
        match (command.apdu.p1, command.apdu.p2) {
            (0x01, 0x00) => self.debit_for_purchase(command),
            (0x03, 0x00) => self.debit_for_unload(command),
            _ => Err(StatusWord::INCORRECT_P1_P2),
        }
    }

    /// `terminal's number ‖ date ‖ time ‖ MAC1`; gives `TAC ‖ MAC2`.
    fn debit_for_purchase(&mut self, command: Command<'_>) -> Answer {
        let pending = initialized(&command, |kind| !kind.is_online())?;
        let data: [u8; 15] = command.array()?;
        let (terminal_number, when): (&[u8], [u8; 7]) =
            (&data[..4], data[4..11].try_into().map_err(|_| StatusWord::WRONG_LENGTH)?);
        let session = pending.session([data[2], data[3]]);
        let described = pending.described();
        if !same(&mac(&session, &[&described, &when]), &data[11..]) {
            return Err(StatusWord::MAC_INVALID);
        }
        let mut purse = self.purse_of(pending)?.clone();
        purse.balance = purse.balance.checked_sub(pending.amount).ok_or(StatusWord::AMOUNT_INSUFFICIENT)?;
        let mac2 = mac(&session, &[&described[..4]]);
        let tac = mac(&pending.tac.folded(), &[&described, terminal_number, &when]);
        self.complete(pending, purse, when, mac2, tac)?;
        done([tac, mac2].concat())
    }

    /// `date ‖ time ‖ MAC2`; gives MAC3.
    fn debit_for_unload(&mut self, command: Command<'_>) -> Answer {
        let pending = initialized(&command, |kind| kind == Kind::Unload)?;
        let [when @ .., _, _, _, _]: [u8; 11] = command.array()?;
        let session = pending.session(ONLINE);
        let described = pending.described();
        if !same(&mac(&session, &[&described, &when]), &command.data()[7..]) {
            return Err(StatusWord::MAC_INVALID);
        }
        let mut purse = self.purse_of(pending)?.clone();
        purse.balance = purse.balance.checked_sub(pending.amount).ok_or(StatusWord::AMOUNT_INSUFFICIENT)?;
        let (balance, number) = (purse.balance.to_be_bytes(), pending.number.to_be_bytes());
        let mac3 = mac(&session, &[&balance, &number, &described, &when]);
        self.complete(pending, purse, when, mac3, [0; 4])?;
        done(mac3)
    }

    /// `new limit ‖ date ‖ time ‖ MAC2`; gives the TAC. The balance moves with the limit.
    pub(super) fn update_overdraw_limit(&mut self, command: Command<'_>) -> Answer {
        command.expect_parameters(0x00, 0x00)?;
        let pending = initialized(&command, |kind| kind == Kind::Overdraft)?;
        let data: [u8; 14] = command.array()?;
        let limit = u32::from_be_bytes([0, data[0], data[1], data[2]]).min(LARGEST_LIMIT);
        let when: [u8; 7] = data[3..10].try_into().map_err(|_| StatusWord::WRONG_LENGTH)?;
        let described = [&three_bytes(limit)[..], &pending.described()[4..], &when].concat();
        if !same(&mac(&pending.session(ONLINE), &[&described]), &data[10..]) {
            return Err(StatusWord::MAC_INVALID);
        }
        let mut purse = self.purse_of(pending)?.clone();
        let own = purse.balance.checked_sub(purse.limit);
        let spent = purse.limit.saturating_sub(purse.balance);
        purse.balance = match own {
            Some(own) => own.checked_add(limit),
            None => limit.checked_sub(spent),
        }
        .ok_or(StatusWord::AMOUNT_INSUFFICIENT)?;
        purse.limit = limit;
        let key = match self.memory.config.overdraft_tac {
            OverdraftTac::Direct => pending.tac.clone(),
            OverdraftTac::Folded => pending.tac.folded(),
        };
        let tac = mac(&key, &[&purse.balance.to_be_bytes(), &pending.number.to_be_bytes(), &described]);
        self.complete(pending, purse, when, [0; 4], tac)?;
        done(tac)
    }

    /// Writes purse, counter, proof, log and the data of a compound purchase, all or nothing (general manual 8.13.5).
    fn complete(
        &mut self,
        pending: &Pending,
        mut purse: Purse,
        when: [u8; 7],
        mac: [u8; 4],
        tac: [u8; 4],
    ) -> Result<(), StatusWord> {
        let identifier = Kind::purse(pending.kind as u8).ok_or(StatusWord::INVALID_STATE)?;
        let log = self.purse(identifier)?.0.last;
        let (number, limit) = (pending.number.to_be_bytes(), purse.limit_bytes());
        let record = [&number[..], &limit, &pending.described(), &when].concat();
        purse.count(pending.kind.is_online(), self.memory.config.one_counter);
        purse.proof = Some(Proof { kind: pending.kind as u8, number: pending.number, mac, tac });
        self.log_file(log)?;
        self.power.whole()?;
        let directory = self.memory.directory_mut(self.session.directory)?;
        let uncut = &mut Power::default();
        if let Some(update) = &pending.capp {
            let file = directory.file_mut(update.file)?;
            store(&mut file.content, update.reference, &update.data, uncut)?;
        }
        let log = directory.file_mut(u16::from(log))?;
        store(&mut log.content, Reference::New, &record, uncut)?;
        log.sound = true;
        directory.file_mut(u16::from(identifier))?.content = Content::Purse(purse);
        Ok(())
    }

    /// A purse of the current directory.
    pub(super) fn purse(&self, identifier: u8) -> Result<(&File, &Purse), StatusWord> {
        let file = self.memory.directory(self.session.directory)?.file(u16::from(identifier))?;
        match &file.content {
            Content::Purse(purse) => Ok((file, purse)),
            _ => Err(StatusWord::INCOMPATIBLE_FILE),
        }
    }

    fn purse_of(&self, pending: &Pending) -> Result<&Purse, StatusWord> {
        let identifier = Kind::purse(pending.kind as u8).ok_or(StatusWord::INVALID_STATE)?;
        self.purse(identifier).map(|(_, purse)| purse)
    }

    /// Without its log a purse does nothing.
    fn log_file(&self, short: u8) -> Result<(), StatusWord> {
        match self.memory.directory(self.session.directory)?.file(u16::from(short))?.content {
            Content::Cyclic { length: LOG_RECORD, .. } => Ok(()),
            _ => Err(StatusWord::INCOMPATIBLE_FILE),
        }
    }
}

/// The transaction that the command before initialized, of this kind.
fn initialized<'a>(command: &'a Command<'_>, fits: impl Fn(Kind) -> bool) -> Result<&'a Pending, StatusWord> {
    command.pending.as_ref().filter(|pending| fits(pending.kind)).ok_or(StatusWord::INVALID_STATE)
}
