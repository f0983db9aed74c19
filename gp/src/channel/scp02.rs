//! SCP02 with session keys: cryptograms, C-MAC, C-DECRYPTION (GPCS 2.3.1 appendix E), `i` = 15 and 55.

use alloc::vec::Vec;
use core::fmt;

use cardwright_apdu::{CommandApdu, CommandApduRef};
use cardwright_keys::cipher::Tdes;
use cardwright_keys::{KeyError, KeyValue, SessionKeys};
use zeroize::Zeroize;

use super::{SecurityLevel, mac_class};

pub(super) struct Session {
    enc: Tdes,
    mac: Tdes,
    // ICV encryption is single DES with the left half of the C-MAC session key (GPCS 2.3.1 E.3.4).
    icv: Tdes,
    dek: Option<KeyValue>,
    previous_mac: Option<[u8; 8]>,
}

impl Session {
    pub(super) fn new(keys: SessionKeys) -> Result<Self, KeyError> {
        let left = keys.mac.expose_bytes().get(..8).unwrap_or_default();
        Ok(Self {
            enc: Tdes::new(&keys.enc)?,
            mac: Tdes::new(&keys.mac)?,
            icv: Tdes::new(&KeyValue::new(left)?)?,
            dek: keys.dek,
            previous_mac: None,
        })
    }

    pub(super) fn dek(&self) -> Option<&KeyValue> {
        self.dek.as_ref()
    }

    /// GPCS 2.3.1 E.4.2: MAC of `first ‖ second` with S-ENC, full triple DES.
    ///
    /// Card: host challenge ‖ sequence counter ‖ card challenge; host: the halves changed about.
    pub(super) fn cryptogram(&self, first: &[u8; 8], second: &[u8; 8]) -> [u8; 8] {
        let mut data = [0; 24];
        data[..8].copy_from_slice(first);
        data[8..16].copy_from_slice(second);
        data[16] = 0x80;
        self.enc.cbc_encrypt(&[0; 8], &mut data);
        let mut cryptogram = [0; 8];
        cryptogram.copy_from_slice(&data[16..]);
        cryptogram
    }

    /// GPCS 2.3.1 E.4.2.3: the first six bytes of the MAC of the AID with the C-MAC session key.
    pub(super) fn card_challenge(&self, aid: &[u8]) -> [u8; 6] {
        let mut data = aid.to_vec();
        pad(&mut data);
        let mac = self.mac.mac(&[0; 8], &mut data);
        let mut challenge = [0; 6];
        challenge.copy_from_slice(&mac[..6]);
        challenge
    }

    pub(super) fn wrap(&mut self, command: CommandApduRef<'_>, level: SecurityLevel) -> CommandApdu {
        let class = command.cla.secured();
        let mac = self.mac(command);
        let mut data = Vec::with_capacity(command.data.len() + 16);
        data.extend_from_slice(command.data);
        if level.has_c_decryption() && !data.is_empty() {
            pad(&mut data);
            self.enc.cbc_encrypt(&[0; 8], &mut data);
        }
        data.extend_from_slice(&mac);
        CommandApdu::new(class, command.ins, command.p1, command.p2).with_data(data).with_ne(command.ne)
    }

    /// C-MAC on the modified APDU (GPCS 2.3.1 E.4.4), over the plain data field.
    fn mac(&mut self, command: CommandApduRef<'_>) -> [u8; 8] {
        let icv = self.previous_mac.map_or([0; 8], |mac| {
            let mut icv = mac;
            self.icv.ecb_encrypt(&mut icv);
            icv
        });
        let mut data = Vec::with_capacity(command.data.len() + 13);
        let lc = (command.data.len() + 8) as u8;
        data.extend_from_slice(&[mac_class(command.cla), command.ins.0, command.p1, command.p2, lc]);
        data.extend_from_slice(command.data);
        pad(&mut data);
        let mac = self.mac.mac(&icv, &mut data);
        self.previous_mac = Some(mac);
        mac
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scp02")
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.previous_mac.zeroize();
    }
}

/// Padding with 80 00 .. (GPCS 2.3.1 B.1.3).
fn pad(data: &mut Vec<u8>) {
    data.push(0x80);
    data.resize(data.len().next_multiple_of(8), 0);
}
