//! A session: one card, and the secure channel to it.

use cardwright_apdu::Transport;
use cardwright_gp::procedure::Opened;
use cardwright_gp::{CardProfile, SecureChannel};
use cardwright_issuance::lockout::Insertion;
use cardwright_keys::KeySet;

use crate::boundary::boundary;
use crate::card::Card;
use crate::failure::Failure;
use crate::handle::{self, Object};
use crate::input;
use crate::plain;
use crate::status::{CW_BAD_RESPONSE, CW_NOT_OPEN, cw_status};
use crate::transport::{Callbacks, cw_transport};

/// A conversation with one card. Made by `cw_session_new`, ended by `cw_session_free`.
pub struct cw_session {
    _opaque: [u8; 0],
}

/// What a `cw_session` stands for.
pub(crate) struct Session {
    pub(crate) card: Card,
    /// The open channel.
    pub(crate) opened: Option<OpenChannel>,
    /// The card's limit from its FCI and its profile, in bytes.
    pub(crate) max_command_data: Option<usize>,
    /// What the card does otherwise than the standard says.
    pub(crate) profile: CardProfile,
    /// This stay of the card in the reader, for one that tells no identity.
    pub(crate) insertion: Option<Insertion>,
}

/// An open secure channel.
pub(crate) struct OpenChannel {
    pub(crate) channel: SecureChannel,
    /// The static keys that it was opened with; SCP11 has none.
    pub(crate) keys: Option<KeysInUse>,
}

/// Static keys of a security domain.
pub(crate) struct KeysInUse {
    pub(crate) set: KeySet,
    pub(crate) kvn: u8,
    /// Key diversification data of the card.
    pub(crate) kdd: [u8; 10],
}

impl From<Opened> for OpenChannel {
    fn from(opened: Opened) -> Self {
        let Opened { channel, keys: set, kvn, kdd, .. } = opened;
        Self { channel, keys: Some(KeysInUse { set, kvn, kdd }) }
    }
}

impl Object for Session {
    const NAME: &'static str = "cw_session";
}

impl Session {
    pub(crate) fn new(card: impl Transport + 'static) -> Self {
        let profile = CardProfile::standard();
        Self { card: Card::new(card), opened: None, max_command_data: None, profile, insertion: None }
    }

    /// Gives a channel up and takes the card for one of this profile, which a trace shows.
    pub(crate) fn follow(&mut self, profile: CardProfile) {
        self.opened = None;
        if profile != CardProfile::standard() {
            self.card.tell_words(&format!("card profile {profile}"));
        }
        self.profile = profile;
    }

    /// What the card's FCI says of its longest command data field counts, with what the profile says.
    pub(crate) fn limit(&mut self, from_fci: Option<usize>) {
        self.max_command_data = self.profile.limit(from_fci);
    }

    /// The card and the open channel to it.
    pub(crate) fn open_channel(&mut self) -> Result<(&mut Card, &mut SecureChannel), Failure> {
        let (card, opened) = self.opened()?;
        Ok((card, &mut opened.channel))
    }

    /// The card, the open channel to it, and its keys.
    pub(crate) fn opened(&mut self) -> Result<(&mut Card, &mut OpenChannel), Failure> {
        let closed = || Failure::new(CW_NOT_OPEN, "the session has no secure channel: call cw_session_open");
        Ok((&mut self.card, self.opened.as_mut().ok_or_else(closed)?))
    }
}

/// Begins a session over callbacks, which are copied. Nothing is sent to the card.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_session_new(transport: *const cw_transport, out: *mut *mut cw_session) -> cw_status {
    boundary(|| {
        input::out(out, "out")?;
        // SAFETY: the header asks for a struct of `struct_size` readable bytes.
        let card = Callbacks::new(&unsafe { plain::read(transport)? })?;
        // SAFETY: `out` was checked; the header asks for a writable pointer.
        unsafe { handle::hand_out(Session::new(card), out) }
    })
}

/// Ends a session; NULL is fine. Nothing is sent to the card. A session in use is not freed: `CW_BUSY`, `CW_REENTRANT`.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_session_free(session: *mut cw_session) -> cw_status {
    boundary(|| handle::remove::<Session>(session as usize))
}

/// Gives the secure channel up; what follows goes to the card unprotected. Nothing is sent. Without a channel it does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_session_close(session: *mut cw_session) -> cw_status {
    boundary(|| {
        handle::with::<Session, _>(session as usize, |session| {
            session.opened = None;
            Ok(())
        })
    })
}

/// Tells whether the session has an open secure channel: `*out` becomes 1 or 0. A channel whose last command got no answer, or one that
/// does not verify, is closed.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_session_is_open(session: *mut cw_session, out: *mut i32) -> cw_status {
    boundary(|| {
        handle::with::<Session, _>(session as usize, |session| {
            input::out(out, "out")?;
            let is_open = session.opened.as_ref().is_some_and(|opened| opened.channel.is_open());
            // SAFETY: not NULL and aligned; the header asks for a writable number.
            unsafe { out.write(is_open.into()) };
            Ok(())
        })
    })
}

/// Resets the card, which closes the secure channel, and gives the ATR; `capacity` must be at least 33.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_session_reset(
    session: *mut cw_session,
    atr: *mut u8,
    capacity: usize,
    atr_len: *mut usize,
) -> cw_status {
    /// ISO 7816-3 8.2.1: TS and 32 bytes.
    const MAX_ATR: usize = 33;
    boundary(|| {
        handle::with::<Session, _>(session as usize, |session| {
            input::out(atr_len, "atr_len")?;
            input::out(atr, "atr")?;
            // SAFETY: checked above; the header asks for a writable length.
            unsafe { input::room(MAX_ATR, capacity, atr_len)? };
            session.opened = None;
            let bytes = session.card.reset()?;
            if bytes.len() > MAX_ATR {
                let message = format!("an ATR has at most {MAX_ATR} bytes, this one has {}", bytes.len());
                return Err(Failure::new(CW_BAD_RESPONSE, message));
            }
            // SAFETY: the header asks for `capacity` writable bytes and a writable length.
            unsafe { input::hand_over(&bytes, atr, capacity, atr_len) }
        })
    })
}
