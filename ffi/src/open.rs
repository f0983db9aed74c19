//! Opening a secure channel.

use std::ffi::c_char;
use std::mem::offset_of;

use cardwright_gp::channel::HostChallenge;
use cardwright_gp::procedure::{self, KeyCandidate, KeyScheme, OpenOptions};
use cardwright_gp::{ChallengePolicy, SecurityLevel};
use cardwright_issuance::lockout::{Counted, Insertion, SessionOrder};
use cardwright_keys::{KeyKind, KeyRef};

use crate::boundary::boundary;
use crate::drive::at_once;
use crate::failure::Failure;
use crate::guarded;
use crate::handle;
use crate::input::{self, cw_aid};
use crate::journal::{Journal, cw_journal};
use crate::keys::{self, cw_keys};
use crate::plain::{self, Out, plain};
use crate::profile::{self, cw_profile};
use crate::random;
use crate::session::{Session, cw_session};
use crate::status::{CW_BAD_SECURITY_LEVEL, CW_KEY_MISFIT, CW_KEY_NOT_FOUND, cw_status};

/// Key scheme: the key itself, in all three places of the set.
pub const CW_SCHEME_AS_IS: u32 = 1;
/// Key scheme: EMV CPS, triple DES.
pub const CW_SCHEME_EMV: u32 = 2;
/// Key scheme: VISA2, triple DES.
pub const CW_SCHEME_VISA2: u32 = 3;
/// Key scheme: KDF3, AES.
pub const CW_SCHEME_KDF3: u32 = 4;

/// Key scheme: PBOC, triple DES, with the serial number of an application or an issuer code; only in key requests.
pub const CW_SCHEME_PBOC: u32 = 5;

/// Key scheme: VISA, triple DES.
pub const CW_SCHEME_VISA: u32 = 6;

/// Security level: authentication only. Not 0, so that a level that was never set is refused.
pub const CW_SECURITY_AUTHENTICATED: u32 = 0x100;
/// Security level: C-MAC.
pub const CW_SECURITY_C_MAC: u32 = 0x01;
/// Security level: C-DECRYPTION and C-MAC.
pub const CW_SECURITY_C_DECRYPTION: u32 = 0x03;
/// Security level: C-MAC and R-MAC.
pub const CW_SECURITY_C_MAC_R_MAC: u32 = 0x11;
/// Security level: C-DECRYPTION, C-MAC and R-MAC.
pub const CW_SECURITY_C_DECRYPTION_R_MAC: u32 = 0x13;
/// Security level: C-DECRYPTION, R-ENCRYPTION, C-MAC and R-MAC.
pub const CW_SECURITY_FULL: u32 = 0x33;

/// Card challenge: a card whose `i` promises the pseudo-random one and that gives another is refused.
pub const CW_CHALLENGE_REQUIRE: u32 = 0;
/// Card challenge: `cw_opened.challenge_verified` tells whether it is the pseudo-random one.
pub const CW_CHALLENGE_REPORT: u32 = 1;
/// Card challenge: not looked at.
pub const CW_CHALLENGE_IGNORE: u32 = 2;

/// `cw_open_options.flags`: the card is known to speak SCP03 with challenges of 16 bytes; it takes a `host_challenge` of zeros.
pub const CW_OPEN_S16: u32 = 0x01;

/// `cw_open_options.flags`: with a journal: try although the card had too many failed authentications. It may lock the card for ever.
pub const CW_OPEN_OVERRIDE_LOCKOUT: u32 = 0x02;

/// `cw_opened.counted`: failures are not counted: no journal was given.
pub const CW_COUNTED_NOT: u32 = 0;
/// `cw_opened.counted`: failures are counted for the card, in whatever reader.
pub const CW_COUNTED_CARD: u32 = 1;
/// `cw_opened.counted`: the card tells no identity: failures are counted as long as the session lives, and forgotten with it.
pub const CW_COUNTED_SESSION: u32 = 2;

/// At most so many candidates are taken.
const MAX_CANDIDATES: usize = 64;

/// A key set that the card may hold.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_key_candidate {
    /// Set it to `sizeof(cw_key_candidate)`; the same in all elements of an array.
    pub struct_size: u32,
    /// `CW_KEY_TDES` (SCP02) or `CW_KEY_AES` (SCP03).
    pub key_kind: u32,
    /// How the card's keys come from the key: one of `CW_SCHEME_AS_IS` to `CW_SCHEME_KDF3`.
    pub scheme: u32,
    /// Version of the key set, 01 to FF; 0 when any version will do.
    pub kvn: u32,
    /// Name of the key, or of the master key of the scheme, in the key service.
    pub key_name: *const c_char,
}

/// How a secure channel is to be opened.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_open_options {
    /// Set it to `sizeof(cw_open_options)`.
    pub struct_size: u32,
    /// Security level: one of `CW_SECURITY_AUTHENTICATED` to `CW_SECURITY_FULL`.
    pub security_level: u32,
    /// Host challenge. All zero has the library draw it from the system's generator, as it should be, also the 16 bytes of a card that
    /// takes no fewer; anything else is taken as
    /// it is and must be random and new for each call.
    pub host_challenge: [u8; 8],
    /// The key sets that the card may hold. They are tried off the card: however many, a card with other keys sees
    /// INITIALIZE UPDATE and nothing more.
    pub candidates: *const cw_key_candidate,
    /// Number of candidates, 1 to 64.
    pub candidate_count: usize,
    /// Security domain to select; length 0 for the issuer security domain: the card's own choice and, where the card refuses a SELECT
    /// without an AID, A000000151000000, A0000001510000, A000000003000000 and A000000018434D00.
    pub domain: cw_aid,
    /// Key version to ask for; 0 leaves the choice to the card.
    pub kvn: u8,
    /// `i` of SCP02 from the card recognition data, 0 when not known.
    pub scp02_i: u8,
    /// `i` of SCP01 from the card recognition data, 0 when not known.
    pub scp01_i: u8,
    /// One of `CW_CHALLENGE_IGNORE` to `CW_CHALLENGE_REQUIRE`.
    pub challenge_policy: u32,
    /// 0, or the sum of `CW_OPEN_S16` and `CW_OPEN_OVERRIDE_LOCKOUT`.
    pub flags: u32,
    /// What the card does otherwise than the standard says; may be NULL. What it says of the challenge comes before
    /// `challenge_policy`.
    pub profile: *const cw_profile,
    /// Where failed authentications of the card are counted; NULL for nowhere. With a journal the card is asked first who it is, and
    /// one that had too many failures is not tried: `CW_LOCKED_OUT`. The attempt is in the journal before INITIALIZE UPDATE goes out.
    /// Processes count in the same place. It takes a `host_challenge` of zeros.
    pub journal: *mut cw_journal,
}

/// What was learnt while a secure channel was opened.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_opened {
    /// Set it to `sizeof(cw_opened)`.
    pub struct_size: u32,
    /// 1 for SCP01, 2 for SCP02, 3 for SCP03.
    pub protocol: u32,
    /// Index of the candidate that fits.
    pub candidate: u32,
    /// 1 or 0; -1 where the challenge was not checked.
    pub challenge_verified: i32,
    /// Version of the key set in use.
    pub kvn: u8,
    /// Zero.
    pub reserved: u8,
    /// Key diversification data of the card.
    pub kdd: [u8; 10],
    /// What failures are counted for: one of `CW_COUNTED_NOT` to `CW_COUNTED_SESSION`.
    pub counted: u32,
}

plain! {
    cw_key_candidate: size_of::<cw_key_candidate>();
    cw_open_options: offset_of!(cw_open_options, profile);
    cw_opened: offset_of!(cw_opened, counted);
}

/// Selects a security domain and opens a secure channel to it: SELECT, INITIALIZE UPDATE and, only when one of the
/// candidates fits the card's cryptogram, EXTERNAL AUTHENTICATE. A channel that was open before is given up.
///
/// `out` may be NULL. A wrong argument (1xx, `CW_BAD_SECURITY_LEVEL` for an unknown one) leaves the session as it was; after any
/// other error it has no channel. With a journal a card that was torn out ends with `CW_INTERRUPTED`. `CW_WRONG_KEYS` counts as one failure of this card: do not try key after key on a card,
/// but give all that come into question as candidates of one call.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_session_open(
    session: *mut cw_session,
    keys: *mut cw_keys,
    options: *const cw_open_options,
    out: *mut cw_opened,
) -> cw_status {
    boundary(|| {
        handle::with::<Session, _>(session as usize, |session| {
            let mut keys = keys::service(keys)?;
            // SAFETY: the header asks for a struct of `struct_size` readable bytes.
            let options = unsafe { plain::read(options)? };
            // SAFETY: the header asks for NULL or a struct of `struct_size` writable bytes.
            let out = if out.is_null() { None } else { Some(unsafe { Out::new(out)? }) };
            // SAFETY: the header asks for `candidate_count` structs.
            let candidates = unsafe { candidates(options.candidates, options.candidate_count, 1, "candidates")? };
            let domain = options.domain.get("domain")?;
            let profile = profile::of(options.profile)?;
            let how = how(&options)?;
            let journal = if options.journal.is_null() { None } else { Some(Journal::of(options.journal)?) };
            let override_lockout = options.flags & CW_OPEN_OVERRIDE_LOCKOUT != 0;
            if override_lockout && journal.is_none() {
                return Err(Failure::value("flags: CW_OPEN_OVERRIDE_LOCKOUT goes with a journal"));
            }
            let challenge: HostChallenge = match options.host_challenge {
                [0, 0, 0, 0, 0, 0, 0, 0] => random::bytes::<16>()?.into(),
                _ if how.s16 || journal.is_some() => {
                    return Err(Failure::value(
                        "host_challenge: with CW_OPEN_S16 or a journal it is zeros, and drawn here",
                    ));
                }
                given => given.into(),
            };

            let (fci, opened, counted) = match journal {
                None => {
                    let how = how.following(&profile);
                    session.follow(profile);
                    let card = &mut session.card;
                    let (fci, opened) = at_once(async {
                        let fci = procedure::select_domain(card, domain.as_ref()).await?;
                        let aid = fci.aid.or(domain);
                        let opened =
                            procedure::open(card, &mut keys, aid.as_ref(), &candidates, challenge, how).await?;
                        Ok::<_, cardwright_gp::Error>((fci, opened))
                    })?;
                    (fci, opened, CW_COUNTED_NOT)
                }
                Some(journal) => {
                    let insertion = match session.insertion {
                        Some(insertion) => insertion,
                        None => *session.insertion.insert(Insertion::new(random::bytes()?)),
                    };
                    let order = SessionOrder {
                        domain,
                        profile: profile.clone(),
                        override_lockout,
                        ..SessionOrder::new(candidates, how, insertion)
                    };
                    session.follow(profile);
                    let guarded = guarded::open(&mut session.card, &mut keys, &journal, order)?;
                    let counted = match guarded.counted {
                        Counted::Card(_) => CW_COUNTED_CARD,
                        Counted::Insertion(_) => CW_COUNTED_SESSION,
                    };
                    (guarded.domain, guarded.opened, counted)
                }
            };
            session.limit(fci.max_command_data);
            if let Some(out) = out {
                out.write(&cw_opened {
                    struct_size: 0,
                    protocol: opened.protocol.number().into(),
                    candidate: opened.candidate as u32,
                    challenge_verified: opened.challenge_verified.map_or(-1, i32::from),
                    kvn: opened.kvn,
                    reserved: 0,
                    kdd: opened.kdd,
                    counted,
                });
            }
            session.opened = Some(opened.into());
            Ok(())
        })
    })
}

fn how(options: &cw_open_options) -> Result<OpenOptions, Failure> {
    let known = |i: u8| (i != 0).then_some(i);
    if options.flags & !(CW_OPEN_S16 | CW_OPEN_OVERRIDE_LOCKOUT) != 0 {
        return Err(Failure::value(format!("flags {:X} of cw_open_options are not known", options.flags)));
    }
    let s16 = options.flags & CW_OPEN_S16 != 0;
    let policy = policy(options.challenge_policy)?;
    let level = level(options.security_level)?;
    Ok(OpenOptions::new(level)
        .with_kvn(options.kvn)
        .with_scp01_i(known(options.scp01_i))
        .with_scp02_i(known(options.scp02_i))
        .with_s16(s16)
        .with_challenge_policy(policy))
}

pub(crate) fn level(level: u32) -> Result<SecurityLevel, Failure> {
    let known = match level {
        CW_SECURITY_AUTHENTICATED => Some(SecurityLevel::AUTHENTICATED),
        0 => {
            return Err(Failure::new(
                CW_BAD_SECURITY_LEVEL,
                "security_level is 0: set it, CW_SECURITY_C_DECRYPTION say",
            ));
        }
        level => u8::try_from(level).ok().and_then(SecurityLevel::new),
    };
    known.ok_or_else(|| Failure::new(CW_BAD_SECURITY_LEVEL, format!("security level {level:X} is not known")))
}

pub(crate) fn policy(policy: u32) -> Result<ChallengePolicy, Failure> {
    match policy {
        CW_CHALLENGE_IGNORE => Ok(ChallengePolicy::Ignore),
        CW_CHALLENGE_REPORT => Ok(ChallengePolicy::Report),
        CW_CHALLENGE_REQUIRE => Ok(ChallengePolicy::Require),
        other => Err(Failure::value(format!("challenge_policy {other} is not known"))),
    }
}

/// # Safety
/// `first` is NULL or points to `count` structs, each of the `struct_size` of the first, with strings that end.
pub(crate) unsafe fn candidates(
    first: *const cw_key_candidate,
    count: usize,
    least: usize,
    what: &str,
) -> Result<Vec<KeyCandidate>, Failure> {
    // SAFETY: passed on.
    let structs = unsafe { plain::read_all(first, count, least..=MAX_CANDIDATES, what)? };
    // SAFETY: passed on.
    structs.iter().map(|candidate| unsafe { self::candidate(candidate) }).collect()
}

/// # Safety
/// `key_name` is NULL or a NUL-terminated string.
pub(crate) unsafe fn candidate(candidate: &cw_key_candidate) -> Result<KeyCandidate, Failure> {
    // SAFETY: passed on.
    let name = unsafe { input::string(candidate.key_name, "key_name")? };
    if name.is_empty() {
        return Err(Failure::new(CW_KEY_NOT_FOUND, "key_name is empty"));
    }
    let scheme = match candidate.scheme {
        CW_SCHEME_AS_IS => KeyScheme::AsIs,
        CW_SCHEME_EMV => KeyScheme::Emv,
        CW_SCHEME_VISA2 => KeyScheme::Visa2,
        CW_SCHEME_KDF3 => KeyScheme::Kdf3,
        CW_SCHEME_VISA => KeyScheme::Visa,
        CW_SCHEME_PBOC => return Err(Failure::value("scheme: PBOC keys open no secure channel")),
        other => return Err(Failure::value(format!("key scheme {other} is not known"))),
    };
    let kvn = u8::try_from(candidate.kvn).map_err(|_| Failure::value("kvn is at most 255"))?;
    let kind = keys::kind(candidate.key_kind)?;
    let wanted = match scheme {
        KeyScheme::Emv | KeyScheme::Visa2 | KeyScheme::Visa => KeyKind::Tdes,
        KeyScheme::Kdf3 => KeyKind::Aes,
        _ => kind,
    };
    if matches!(kind, KeyKind::Ec(_)) {
        return Err(Failure::new(CW_KEY_MISFIT, format!("key_kind of {name:?}: keys of curves are for SCP11")));
    }
    if wanted != kind {
        let message = format!("key_kind of {name:?} is {kind}, its scheme is for {wanted}");
        return Err(Failure::new(CW_KEY_MISFIT, message));
    }
    let key = KeyCandidate::new(KeyRef::new(name), kind, scheme);
    Ok(if kvn == 0 { key } else { key.with_kvn(kvn) })
}
