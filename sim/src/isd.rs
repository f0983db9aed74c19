//! A security domain that is selected, the issuer's or another: opening a secure channel, and which command goes where.

use cardwright_apdu::tlv::{self, Tag};
use cardwright_apdu::{Aid, CommandApdu, CommandApduRef, Instruction, StatusWord};

use crate::application::{fci, response};
use crate::card::{Answer, Executed, JavaCard, Selected, done};
use crate::chain::Chained;
use crate::channel::{Dek, Handshake, ProtocolHandshake, SecureChannel, Session};
use crate::config::{C_MAC, SecureChannelProtocol};
use crate::crypto::Aes;
use crate::domain::DomainId;
use crate::keys::KeySet;
use crate::registry::CARD_LOCKED;
use crate::scp02::SessionKeys;
use crate::{scp01, scp02, scp03};

/// The greatest sequence counter of SCP02; it is not reset to zero (GPCS E.1.2).
const SCP02_COUNTER_MAX: u32 = 0xFFFF;
/// The greatest sequence counter of SCP03 (Amd D 6.2.2.1).
const SCP03_COUNTER_MAX: u32 = 0xFF_FFFF;

impl JavaCard {
    /// A command while a security domain is selected (GPCS 10.2, E.1.6; Amd D 5.6).
    pub(crate) fn security_domain(&mut self, command: &CommandApduRef<'_>) -> Executed {
        let whole = match self.chained(command) {
            Chained::Alone => None,
            Chained::Part(answer) => return Executed::bare(answer),
            Chained::Whole(command) => Some(command),
        };
        let command = &whole.as_ref().map_or(*command, CommandApdu::as_ref);
        if command.ins != Instruction::LOAD {
            self.session.load = None;
        }
        if command.ins != Instruction::STORE_DATA {
            self.session.personalized = None;
        }
        if command.ins == Instruction::INITIALIZE_UPDATE && command.cla.0 == 0x80 {
            self.session.channel = SecureChannel::Closed;
            return Executed::bare(self.initialize_update(command));
        }
        if self.session.selected == Selected::Isd
            && !matches!(self.session.channel, SecureChannel::Initiated(_))
            && let Some(answer) = self.scp11(command)
        {
            return Executed::bare(answer);
        }
        match std::mem::take(&mut self.session.channel) {
            SecureChannel::Initiated(handshake) if command.ins == Instruction::EXTERNAL_AUTHENTICATE => {
                Executed::bare(self.external_authenticate(handshake, command))
            }
            SecureChannel::Open(session) => self.in_session(session, command),
            SecureChannel::Aborted => {
                self.session.channel = SecureChannel::Aborted;
                Executed::bare(Err(StatusWord::SECURITY_NOT_SATISFIED))
            }
            _ if self.memory.config.protocol.is_implicit() && command.cla.0 & 0x0C == 0x04 => self.initiate(command),
            closed => {
                self.session.channel = closed;
                Executed::bare(self.secured_command(&command.to_owned(), None))
            }
        }
    }

    /// A command while a session is open.
    fn in_session(&mut self, mut session: Session, command: &CommandApduRef<'_>) -> Executed {
        if session.is_implicit && command.cla.0 & 0x0C == 0 {
            // The session stays, without C-MAC: what wants authentication is not executed (GPCS E.1.6).
            session.level &= !C_MAC;
            return self.execute(session, command.to_owned(), false);
        }
        if session.is_implicit && session.level & C_MAC == 0 {
            return self.initiate(command);
        }
        match session.unwrap(command) {
            Some(plain) => {
                let is_authenticated = session.is_authenticated;
                self.execute(session, plain, is_authenticated)
            }
            None => {
                // An implicit session can be tried again at once, an explicit one has to be terminated first (GPCS E.1.6).
                self.session.channel = if session.is_implicit { SecureChannel::Closed } else { SecureChannel::Aborted };
                self.session.load = None;
                Executed::bare(Err(StatusWord::SECURITY_NOT_SATISFIED))
            }
        }
    }

    /// A command whose secure messaging was taken off.
    fn execute(&mut self, mut session: Session, plain: CommandApdu, is_authorized: bool) -> Executed {
        let ins = plain.instruction();
        let has_response_mac = session.has_response_mac();
        let answer = match ins {
            Instruction::BEGIN_R_MAC_SESSION | Instruction::END_R_MAC_SESSION
                if is_authorized && self.memory.config.protocol.has_r_mac_sessions() && plain.class().0 & 0x80 != 0 =>
            {
                session.r_mac_session(&plain)
            }
            _ => self.secured_command(&plain, is_authorized.then_some(&session)),
        };
        let answer = response(answer);
        // BEGIN has put itself into the R-MAC, END is not in it (GPCS E.4.5).
        let goes_bare = match ins {
            Instruction::BEGIN_R_MAC_SESSION => session.has_response_mac() && !has_response_mac,
            Instruction::END_R_MAC_SESSION => true,
            _ => false,
        };
        let protected = if goes_bare { answer.clone() } else { session.wrap(&plain, answer.clone()) };
        self.session.channel = SecureChannel::Open(session);
        Executed { command: Some(plain), plain: answer, protected }
    }

    /// A command with a C-MAC while no session is open, on a card with implicit initiation (GPCS E.1.2.2).
    fn initiate(&mut self, command: &CommandApduRef<'_>) -> Executed {
        self.session.load = None;
        let protocol = self.memory.config.protocol;
        let max_failures = self.memory.config.max_failures;
        let refused = |sw| Executed::bare(Err(sw));
        let (aid, owner) = self.channel_domain();
        let Some(set) = self.memory.keys_of(owner).and_then(|keys| keys.channel_set(0, protocol)) else {
            return refused(StatusWord::SECURITY_NOT_SATISFIED);
        };
        if set.failures >= max_failures {
            return refused(StatusWord::AUTHENTICATION_BLOCKED);
        }
        let (Some(keys), true) = (static_des_keys(set, protocol), set.sequence_counter < SCP02_COUNTER_MAX) else {
            return refused(StatusWord::CONDITIONS_NOT_SATISFIED);
        };
        let (version, counter) = (set.version, set.sequence_counter as u16);
        let (before, after) = (SessionKeys::derive(&keys, counter), SessionKeys::derive(&keys, counter + 1));
        let channel = scp02::Channel::implicit(protocol.i(), before, &after, aid.as_bytes());
        let opened = Session::implicit(channel, Dek::TripleDesCbc(after.dek), command);
        if let Some(set) = self.memory.keys_of_mut(owner).and_then(|keys| keys.set_mut(version)) {
            match opened {
                // Before the command is executed: PUT KEY sets the counter to zero (GPCS E.1.2).
                Some(_) => (set.sequence_counter, set.failures) = (set.sequence_counter + 1, 0),
                None => set.failures += 1,
            }
        }
        match opened {
            Some((session, plain)) => self.execute(session, plain, true),
            None => refused(StatusWord::SECURITY_NOT_SATISFIED),
        }
    }

    /// INITIALIZE UPDATE (GPCS E.5.1, Amd D 7.1.1).
    fn initialize_update(&mut self, command: &CommandApduRef<'_>) -> Answer {
        let protocol = self.memory.config.protocol;
        if protocol.is_implicit() {
            return Err(StatusWord::INS_NOT_SUPPORTED);
        }
        if command.p2 != 0x00 {
            return Err(StatusWord::INCORRECT_P1_P2);
        }
        if command.data.len() != protocol.mac_length() {
            return Err(StatusWord::WRONG_LENGTH);
        }
        let host_challenge = command.data;
        let (aid, owner) = self.channel_domain();
        let set = self.memory.keys_of(owner).and_then(|keys| keys.channel_set(command.p1, protocol));
        let set = set.ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)?;
        if set.failures >= self.memory.config.max_failures {
            return Err(StatusWord::AUTHENTICATION_BLOCKED);
        }
        let (version, counter) = (set.version, set.sequence_counter);
        let absent = StatusWord::REFERENCED_DATA_NOT_FOUND;
        let des_keys = static_des_keys(set, protocol).ok_or(absent);
        let short_challenge = || host_challenge.try_into().map_err(|_| StatusWord::WRONG_LENGTH);
        let [enc, mac, dek] = set.channel_keys(protocol).ok_or(absent)?.map(|key| key.value.clone());

        let mut answer = self.memory.config.key_diversification.to_vec();
        answer.extend_from_slice(&[version, protocol.identifier()]);
        let (handshake, dek) = match protocol {
            SecureChannelProtocol::Scp01 { i } => {
                let [enc, mac, dek] = des_keys?;
                let card_challenge = self.memory.random();
                let handshake = scp01::Handshake::new(i, &enc, &mac, short_challenge()?, card_challenge);
                answer.extend_from_slice(&card_challenge);
                answer.extend_from_slice(&handshake.card_cryptogram());
                (ProtocolHandshake::Scp01(Box::new(handshake)), Dek::TripleDes(dek))
            }
            SecureChannelProtocol::Scp02 { i } => {
                if counter >= SCP02_COUNTER_MAX {
                    return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
                }
                let (static_keys, counter, host_challenge) = (des_keys?, counter as u16, short_challenge()?);
                let keys = SessionKeys::derive(&static_keys, counter);
                let later = SessionKeys::derive(&static_keys, counter + 1);
                let card_challenge =
                    if i & 0x40 != 0 { keys.card_challenge(aid.as_bytes()) } else { self.memory.random() };
                let dek = Dek::TripleDes(keys.dek);
                let handshake = scp02::Handshake { i, keys, later, host_challenge, counter, card_challenge };
                answer.extend_from_slice(&counter.to_be_bytes());
                answer.extend_from_slice(&card_challenge);
                answer.extend_from_slice(&handshake.card_cryptogram());
                (ProtocolHandshake::Scp02(Box::new(handshake)), dek)
            }
            SecureChannelProtocol::Scp03 { i, .. } => {
                let length = protocol.mac_length();
                let pseudo_random = i & 0x10 != 0;
                let mut counter_bytes = [0; 3];
                let card_challenge = if pseudo_random {
                    if counter >= SCP03_COUNTER_MAX {
                        return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
                    }
                    counter_bytes.copy_from_slice(&(counter + 1).to_be_bytes()[1..]);
                    if let Some(set) = self.memory.keys_of_mut(owner).and_then(|keys| keys.set_mut(version)) {
                        set.sequence_counter = counter + 1;
                    }
                    let key_enc = Aes::new(&enc).ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)?;
                    scp03::card_challenge(&key_enc, length, counter_bytes, aid.as_bytes())
                } else {
                    self.memory.random::<16>()[..length].to_vec()
                };
                let handshake = scp03::Handshake::new(&enc, &mac, host_challenge, &card_challenge)
                    .ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)?;
                answer.push(i);
                answer.extend_from_slice(&card_challenge);
                answer.extend_from_slice(&handshake.card_cryptogram());
                if pseudo_random {
                    answer.extend_from_slice(&counter_bytes);
                }
                (ProtocolHandshake::Scp03(Box::new(handshake)), Dek::Aes(dek))
            }
        };
        self.session.channel =
            SecureChannel::Initiated(Handshake { owner, key_version: version, protocol: handshake, dek });
        done(answer)
    }

    /// EXTERNAL AUTHENTICATE (GPCS E.5.2, Amd D 7.1.2). Whatever it comes to, it takes an INITIALIZE UPDATE before
    /// the next one.
    fn external_authenticate(&mut self, handshake: Handshake, command: &CommandApduRef<'_>) -> Answer {
        if command.cla.0 != 0x84 {
            return Err(StatusWord::CLA_NOT_SUPPORTED);
        }
        // RFU and what `i` does not have alike (GPCS 11.1.3).
        if command.p2 != 0x00 || !self.memory.config.protocol.has_level(command.p1) {
            return Err(StatusWord::INCORRECT_P1_P2);
        }
        if command.data.len() != 2 * self.memory.config.protocol.mac_length() {
            return Err(StatusWord::WRONG_LENGTH);
        }
        let max_failures = self.memory.config.max_failures;
        let set = self.memory.keys_of_mut(handshake.owner).and_then(|keys| keys.set_mut(handshake.key_version));
        let set = set.ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        if set.failures >= max_failures {
            return Err(StatusWord::AUTHENTICATION_BLOCKED);
        }
        let counts_sessions = matches!(handshake.protocol, ProtocolHandshake::Scp02(_));
        let verdict = handshake.authenticate(command, command.p1);
        if verdict.mac_valid && counts_sessions {
            set.sequence_counter += 1;
        }
        match verdict.session {
            Some(session) => {
                set.failures = 0;
                self.session.channel = SecureChannel::Open(session);
                done(Vec::new())
            }
            None => {
                set.failures += 1;
                Err(if verdict.cryptogram_valid {
                    StatusWord::SECURITY_NOT_SATISFIED
                } else {
                    StatusWord::AUTHENTICATION_FAILED
                })
            }
        }
    }

    /// A command whose security was checked (GPCS table 11-2: all but GET DATA want AUTHENTICATED).
    fn secured_command(&mut self, command: &CommandApdu, session: Option<&Session>) -> Answer {
        let is_gp = command.class().0 & 0x80 != 0;
        match command.instruction() {
            // Secure messaging that nobody took off: there is no session.
            Instruction::GET_DATA if command.class().is_secure() => return Err(StatusWord::SECURITY_NOT_SATISFIED),
            Instruction::GET_DATA => return self.get_data(command),
            Instruction::EXTERNAL_AUTHENTICATE => return Err(StatusWord::CONDITIONS_NOT_SATISFIED),
            Instruction::SELECT if !is_gp => return Err(StatusWord::INCORRECT_P1_P2),
            Instruction::GET_STATUS
            | Instruction::SET_STATUS
            | Instruction::INSTALL
            | Instruction::LOAD
            | Instruction::DELETE
            | Instruction::PUT_KEY
            | Instruction::STORE_DATA
            | Instruction::INITIALIZE_UPDATE
                if !is_gp =>
            {
                return Err(StatusWord::CLA_NOT_SUPPORTED);
            }
            Instruction::GET_STATUS
            | Instruction::SET_STATUS
            | Instruction::INSTALL
            | Instruction::LOAD
            | Instruction::DELETE
            | Instruction::PUT_KEY
            | Instruction::STORE_DATA => {}
            Instruction::INITIALIZE_UPDATE => return Err(StatusWord::CLA_NOT_SUPPORTED),
            // These want a session (GPCS table E-5).
            Instruction::BEGIN_R_MAC_SESSION | Instruction::END_R_MAC_SESSION
                if is_gp && self.memory.config.protocol.has_r_mac_sessions() =>
            {
                return Err(StatusWord::SECURITY_NOT_SATISFIED);
            }
            _ => return Err(StatusWord::INS_NOT_SUPPORTED),
        }
        let session = session.ok_or(StatusWord::SECURITY_NOT_SATISFIED)?;
        match command.instruction() {
            Instruction::GET_STATUS => return self.get_status(command, session.longest_response()),
            Instruction::SET_STATUS => return self.set_status(command),
            _ => {}
        }
        // No content changes in CARD_LOCKED (GPCS 5.1.1.4).
        if self.memory.life_cycle == CARD_LOCKED {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        match command.instruction() {
            Instruction::INSTALL => self.install(command),
            Instruction::LOAD => self.load(command),
            Instruction::DELETE => self.delete(command),
            Instruction::PUT_KEY => self.put_key(command, &session.dek),
            _ => self.store_data(command, &session.dek),
        }
    }

    /// AID of the selected security domain, and whose keys open a channel to it.
    fn channel_domain(&self) -> (Aid, DomainId) {
        let domain = self.domain();
        (self.memory.aid_of(domain), self.memory.key_owner(domain))
    }

    /// File control information of a security domain (GPCS table 11-82).
    pub(crate) fn domain_fci(&self, domain: DomainId) -> Vec<u8> {
        let mut proprietary = Vec::new();
        tlv::push(&mut proprietary, Tag(0x73), &self.recognition_data());
        let longest = self.memory.config.extended.map_or(vec![0xFF], |most| most.to_be_bytes().to_vec());
        tlv::push(&mut proprietary, Tag(0x9F65), &longest);
        fci(&self.memory.aid_of(domain), &proprietary)
    }
}

/// The static keys of a set where they are DES keys.
fn static_des_keys(set: &KeySet, protocol: SecureChannelProtocol) -> Option<scp02::StaticKeys> {
    let keys = set.channel_keys(protocol)?;
    let mut values = [[0; 16]; 3];
    for (value, key) in values.iter_mut().zip(keys) {
        *value = key.value[..].try_into().ok()?;
    }
    Some(values)
}
