//! Opening a secure channel of SCP11.

use std::ffi::c_char;

use cardwright_gp::channel::scp11::{
    AesKeyLength, BlockMark, CardKey, Date, HostIdentity, KeyReference, MacLength, Parameters, Validity, Variant,
};
use cardwright_gp::procedure::{self, CardKeySource, Scp11Options};
use cardwright_gp::{CardProfile, Error as GpError};
use cardwright_keys::scp11::EphemeralSeed;
use cardwright_keys::{EcCurve, EcPublicKey, KeyKind, KeyRef};

use crate::boundary::boundary;
use crate::drive::at_once;
use crate::failure::Failure;
use crate::handle;
use crate::input::{self, cw_aid};
use crate::keys::{self, CW_KEY_EC_BRAINPOOL_P256, CW_KEY_EC_P256, CW_KEY_EC_P384, cw_keys};
use crate::plain::{self, plain};
use crate::profile::{self, cw_profile};
use crate::random;
use crate::session::{OpenChannel, Session, cw_session};
use crate::status::{CW_KEY_NOT_FOUND, cw_status};
use crate::{open, status};

/// `cw_scp11_options.variant`: SCP11a: card and host prove who they are.
pub const CW_SCP11_A: u32 = 1;
/// `cw_scp11_options.variant`: SCP11b: the card proves who it is; the host does not.
pub const CW_SCP11_B: u32 = 2;
/// `cw_scp11_options.variant`: SCP11c: as a, and the card answers with its static key.
pub const CW_SCP11_C: u32 = 3;

/// `cw_scp11_options.flags`: MACs of 16 bytes, as the card's recognition data says; else 8.
pub const CW_SCP11_S16: u32 = 0x01;
/// `cw_scp11_options.flags`: blocks of a certificate are marked in the class byte alone, and not in P1 too.
pub const CW_SCP11_MARK_CLASS: u32 = 0x02;

const MAX_CERTIFICATE: usize = 4096;
const MAX_CHAIN: usize = 8;

/// One certificate.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_certificate {
    /// Set it to `sizeof(cw_certificate)`; the same in all elements of an array.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// X.509 in DER, or of GlobalPlatform's format (7F21).
    pub bytes: *const u8,
    /// Length of `bytes`, in bytes, at most 4096.
    pub length: usize,
}

/// How a secure channel of SCP11 is to be opened.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_scp11_options {
    /// Set it to `sizeof(cw_scp11_options)`.
    pub struct_size: u32,
    /// One of `CW_SCP11_A` to `CW_SCP11_C`.
    pub variant: u32,
    /// `CW_SECURITY_FULL` or `CW_SECURITY_C_MAC_R_MAC`.
    pub security_level: u32,
    /// 0, or the sum of `CW_SCP11_S16` and `CW_SCP11_MARK_CLASS`.
    pub flags: u32,
    /// Length of the session keys, all of AES: 16, 24 or 32 bytes.
    pub key_length: u32,
    /// Curve of `ca_key` or `card_key`: one of `CW_KEY_EC_P256` to `CW_KEY_EC_BRAINPOOL_P256`.
    pub curve: u32,
    /// The day on which the card's certificates have to be valid, in UTC, as 20261122; 0 when their dates are not looked at.
    pub date: u32,
    /// Key identifier and version of the card's key SK.SD.ECKA, such as 13 and 01.
    pub kid: u8,
    /// Its version.
    pub kvn: u8,
    /// Identifier of the card's key PK.CA-KLOC.ECDSA, which verifies the host's first certificate; not looked at for SCP11b.
    pub ca_kid: u8,
    /// Its version.
    pub ca_kvn: u8,
    /// Security domain to select; length 0 for the issuer security domain.
    pub domain: cw_aid,
    /// Zero.
    pub reserved: [u8; 7],
    /// PK.CA-KLCC.ECDSA, an uncompressed point: cards with certificates of this CA are accepted, and their certificates are read.
    /// NULL with `card_key`.
    pub ca_key: *const u8,
    /// Length of `ca_key`, in bytes.
    pub ca_key_len: usize,
    /// PK.SD.ECKA, an uncompressed point, known from elsewhere: no certificate is read. NULL with `ca_key`.
    pub card_key: *const u8,
    /// Length of `card_key`, in bytes.
    pub card_key_len: usize,
    /// Name of the host's private key SK.OCE.ECKA in the key service; NULL for SCP11b.
    pub host_key: *const c_char,
    /// The host's certificates, from the one that the CA signed to that of its key; NULL and 0 for SCP11b, and for a card that has
    /// verified them in this card session.
    pub chain: *const cw_certificate,
    /// Number of certificates, up to 8.
    pub chain_count: usize,
    /// What the card does otherwise than the standard says; may be NULL.
    pub profile: *const cw_profile,
}

plain! {
    cw_certificate: size_of::<cw_certificate>();
    cw_scp11_options: size_of::<cw_scp11_options>();
}

/// Selects a security domain and opens a secure channel of SCP11 to it: GET DATA for the card's certificates, PERFORM SECURITY OPERATION
/// with the host's, MUTUAL or INTERNAL AUTHENTICATE. A channel that was open before is given up.
///
/// The ephemeral key comes from the system's random numbers. Nothing of the host is sent before the card's certificates are verified: one
/// that is not accepted ends with `CW_BAD_CERTIFICATE`. A card that does not have the key of its certificate ends with `CW_CARD_FAULT`.
/// A wrong argument (1xx, `CW_BAD_SECURITY_LEVEL` for an unknown one) leaves the session as it was; after any other error it has no
/// channel. Key services of the program's own (`cw_keys_new_service`) are not asked for these keys: `CW_KEY_SERVICE`.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_session_open_scp11(
    session: *mut cw_session,
    keys: *mut cw_keys,
    options: *const cw_scp11_options,
) -> cw_status {
    boundary(|| {
        handle::with::<Session, _>(session as usize, |session| {
            let mut keys = keys::service(keys)?;
            // SAFETY: the header asks for a struct of `struct_size` readable bytes.
            let options = unsafe { plain::read(options)? };
            let domain = options.domain.get("domain")?;
            let profile = profile::of(options.profile)?;
            // SAFETY: the header asks for pointers that are good for their lengths, and a string that ends.
            let how = unsafe { how(&options, &profile)? };
            let seed = EphemeralSeed::new(random::bytes()?);

            session.follow(profile);
            let card = &mut session.card;
            let (fci, opened) = at_once(async {
                let fci = procedure::select_domain(card, domain.as_ref()).await?;
                let opened = procedure::open_scp11(card, &mut keys, &how, seed).await?;
                Ok::<_, GpError>((fci, opened))
            })?;
            session.limit(fci.max_command_data);
            session.opened = Some(OpenChannel { channel: opened.channel, keys: None });
            Ok(())
        })
    })
}

/// # Safety
/// The pointers are good for their lengths, and the string ends.
unsafe fn how(options: &cw_scp11_options, profile: &CardProfile) -> Result<Scp11Options, Failure> {
    if options.flags & !(CW_SCP11_S16 | CW_SCP11_MARK_CLASS) != 0 {
        return Err(Failure::value(format!("flags {:X} of cw_scp11_options are not known", options.flags)));
    }
    // SAFETY: passed on.
    let variant = unsafe {
        match options.variant {
            CW_SCP11_A => Variant::A(host(options)?),
            CW_SCP11_B if options.host_key.is_null() && options.chain_count == 0 => Variant::B,
            CW_SCP11_B => return Err(Failure::value("host_key, chain: the host has none in SCP11b")),
            CW_SCP11_C => Variant::C(host(options)?),
            other => return Err(Failure::value(format!("variant {other} is not known"))),
        }
    };
    let mut parameters = Parameters::new(variant, KeyReference { kid: options.kid, kvn: options.kvn });
    parameters.level = open::level(options.security_level)?;
    parameters.key_length = match options.key_length {
        16 => AesKeyLength::Aes128,
        24 => AesKeyLength::Aes192,
        32 => AesKeyLength::Aes256,
        other => return Err(Failure::value(format!("key_length is 16, 24 or 32, not {other}"))),
    };
    parameters.mac_length = if options.flags & CW_SCP11_S16 != 0 { MacLength::S16 } else { MacLength::S8 };
    let card_key = match (options.ca_key.is_null(), options.card_key.is_null()) {
        (false, true) => {
            // SAFETY: passed on.
            let ca = unsafe { point(options.curve, options.ca_key, options.ca_key_len, "ca_key")? };
            CardKeySource::Certificates { ca, validity: validity(options.date)?, of: None }
        }
        (true, false) => {
            // SAFETY: passed on.
            let key = unsafe { point(options.curve, options.card_key, options.card_key_len, "card_key")? };
            CardKeySource::Known(CardKey::known(key))
        }
        _ => return Err(Failure::value("ca_key, card_key: one of the two, and not both")),
    };
    let mut how = Scp11Options::new(parameters, card_key);
    how.quirks = profile.channel_quirks();
    Ok(how)
}

/// # Safety
/// As [`how`].
unsafe fn host(options: &cw_scp11_options) -> Result<HostIdentity, Failure> {
    // SAFETY: passed on.
    let name = unsafe { input::string(options.host_key, "host_key")? };
    if name.is_empty() {
        return Err(Failure::new(CW_KEY_NOT_FOUND, "host_key is empty"));
    }
    let mut chain = Vec::new();
    // SAFETY: passed on.
    for one in unsafe { plain::read_all(options.chain, options.chain_count, 0..=MAX_CHAIN, "chain")? } {
        // SAFETY: passed on.
        chain.push(unsafe { input::bytes(one.bytes, one.length, MAX_CERTIFICATE, "certificate")?.to_vec() });
    }
    let blocks = if options.flags & CW_SCP11_MARK_CLASS != 0 { BlockMark::Class } else { BlockMark::ClassAndP1 };
    let ca = KeyReference { kid: options.ca_kid, kvn: options.ca_kvn };
    Ok(HostIdentity { key: KeyRef::new(name), ca, chain, blocks })
}

/// # Safety
/// `pointer` is NULL or good for `length` bytes.
unsafe fn point(curve: u32, pointer: *const u8, length: usize, what: &str) -> Result<EcPublicKey, Failure> {
    let curve = match keys::kind(curve)? {
        KeyKind::Ec(curve) => curve,
        _ => return Err(Failure::value(format!("curve: one of {CW_KEY_EC_P256} to {CW_KEY_EC_BRAINPOOL_P256}"))),
    };
    // SAFETY: passed on.
    let bytes = unsafe { input::bytes(pointer, length, EcCurve::P384.point_len(), what)? };
    EcPublicKey::new(curve, bytes).map_err(|_| {
        Failure::new(status::CW_KEY_MISFIT, format!("{what} is no uncompressed point of {}", curve.name()))
    })
}

fn validity(date: u32) -> Result<Validity, Failure> {
    if date == 0 {
        return Ok(Validity::NotChecked);
    }
    let part = |divisor, modulus| date / divisor % modulus;
    let day = match (u16::try_from(date / 10_000), u8::try_from(part(100, 100)), u8::try_from(part(1, 100))) {
        (Ok(year), Ok(month), Ok(day)) => Date::new(year, month, day),
        _ => None,
    };
    day.map(Validity::On).ok_or_else(|| Failure::value(format!("date {date} is no day: 20261122 is one")))
}

const _: () = assert!(CW_KEY_EC_P256 + 1 == CW_KEY_EC_P384 && CW_KEY_EC_P384 + 1 == CW_KEY_EC_BRAINPOOL_P256);
