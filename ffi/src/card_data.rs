//! What a card says of itself.

use std::ffi::c_char;

use cardwright_gp::card_data::KeyInformation;
use cardwright_gp::procedure;
use cardwright_issuance::CardIdentity;

use crate::boundary::boundary;
use crate::drive::at_once;
use crate::event::put_text;
use crate::handle;
use crate::input::{self, cw_aid};
use crate::plain::{Out, plain};
use crate::session::{Session, cw_session};
use crate::status::cw_status;

/// One key of a security domain (GPCS 2.3.1 table 11-30). It does not grow.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct cw_key_information {
    /// Key version.
    pub kvn: u8,
    /// Key identifier.
    pub kid: u8,
    /// Type of its first component: 80 to 84 DES, 88 AES, A0 to A8 RSA, B0 to B8 EC.
    pub key_type: u8,
    /// Zero.
    pub reserved: u8,
    /// Length of its first component, in bytes.
    pub length: u16,
}

/// What a card says of itself. What it does not tell is zero.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct cw_card_data {
    /// Set it to `sizeof(cw_card_data)`.
    pub struct_size: u32,
    /// Number of keys in `keys`, at most 32.
    pub key_count: u32,
    /// AID of the selected security domain.
    pub domain: cw_aid,
    /// `i` of SCP01, SCP02, SCP03, SCP11 from the card recognition data, 0 where the card does not have the protocol.
    pub i_scp01: u8,
    /// As above.
    pub i_scp02: u8,
    /// As above.
    pub i_scp03: u8,
    /// As above.
    pub i_scp11: u8,
    /// GlobalPlatform version, such as 2, 3, 1.
    pub version: [u8; 3],
    /// Length of the CPLC data: 42, or 0.
    pub cplc_len: u8,
    /// CPLC data.
    pub cplc: [u8; 42],
    /// Length of the issuer identification number, in bytes; it is read only where the CPLC data holds no serial number.
    pub iin_len: u8,
    /// Length of the card image number, in bytes; read as `iin` is.
    pub cin_len: u8,
    /// Issuer identification number.
    pub iin: [u8; 16],
    /// Card image number.
    pub cin: [u8; 32],
    /// Identity under which the journal knows the card: printable ASCII, ends with a NUL; empty where it has none.
    pub identity: [c_char; 132],
    /// Keys of the security domain.
    pub keys: [cw_key_information; 32],
}

plain! { cw_card_data: size_of::<cw_card_data>(); }

/// Selects a security domain and reads CPLC data, card recognition data and key information: SELECT and three GET DATA, and two more on
/// a card without a serial number. `domain` may be NULL for the issuer security domain. A secure channel is given up.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_session_read_card_data(
    session: *mut cw_session,
    domain: *const cw_aid,
    out: *mut cw_card_data,
) -> cw_status {
    boundary(|| {
        handle::with::<Session, _>(session as usize, |session| {
            // SAFETY: the header asks for NULL or a readable struct.
            let domain = unsafe { input::aid(domain, "domain")? };
            // SAFETY: the header asks for a struct of `struct_size` writable bytes.
            let out = unsafe { Out::new(out)? };
            session.opened = None;
            let card = &mut session.card;
            let (fci, data) = at_once(async {
                let fci = procedure::select_domain(card, domain.as_ref()).await?;
                Ok::<_, cardwright_gp::Error>((fci, procedure::read_card_data(card).await?))
            })?;
            let i = |protocol| data.recognition.as_ref().and_then(|data| data.i_of(protocol)).unwrap_or(0);
            let mut told = cw_card_data {
                struct_size: 0,
                key_count: 0,
                domain: fci.aid.or(domain).into(),
                i_scp01: i(0x01),
                i_scp02: i(0x02),
                i_scp03: i(0x03),
                i_scp11: i(0x11),
                version: [0; 3],
                cplc_len: 0,
                cplc: [0; 42],
                iin_len: 0,
                cin_len: 0,
                iin: [0; 16],
                cin: [0; 32],
                identity: [0; 132],
                keys: [cw_key_information::default(); 32],
            };
            let version = data.recognition.as_ref().map_or(&[][..], |data| &data.version);
            put(version, &mut told.version);
            told.cplc_len = data.cplc.map_or(0, |cplc| put(cplc.as_bytes(), &mut told.cplc));
            told.iin_len = put(data.iin.as_deref().unwrap_or_default(), &mut told.iin);
            told.cin_len = put(data.cin.as_deref().unwrap_or_default(), &mut told.cin);
            if let Some(identity) = CardIdentity::of(&data) {
                put_text(identity.as_str(), &mut told.identity);
            }
            for (to, key) in told.keys.iter_mut().zip(&data.keys) {
                *to = key.into();
                told.key_count += 1;
            }
            out.write(&told);
            Ok(())
        })
    })
}

/// Copies what fits; how much that was.
fn put(bytes: &[u8], out: &mut [u8]) -> u8 {
    let length = bytes.len().min(out.len());
    out[..length].copy_from_slice(&bytes[..length]);
    length as u8
}

impl From<&KeyInformation> for cw_key_information {
    fn from(key: &KeyInformation) -> Self {
        let (key_type, length) = key.components.first().copied().unwrap_or_default();
        Self { kvn: key.kvn, kid: key.kid, key_type, reserved: 0, length }
    }
}
