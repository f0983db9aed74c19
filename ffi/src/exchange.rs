//! One command of the caller's own.

use cardwright_apdu::{Class, CommandApduRef, Instruction, LengthForm, Ne, Transport};

use crate::apdu::cw_command_apdu;
use crate::boundary::boundary;
use crate::failure::Failure;
use crate::session::{Session, cw_session};
use crate::status::cw_status;
use crate::{handle, input, plain};

/// `flags` of `cw_session_exchange`: through the secure channel, which protects command and response.
pub const CW_EXCHANGE_SECURE: u32 = 0x01;

impl cw_command_apdu {
    /// # Safety
    /// `data` is NULL or points to `nc` readable bytes.
    pub(crate) unsafe fn get(&self) -> Result<CommandApduRef<'_>, Failure> {
        Ok(CommandApduRef {
            cla: Class(self.cla),
            ins: Instruction(self.ins),
            p1: self.p1,
            p2: self.p2,
            // SAFETY: passed on.
            data: unsafe { input::bytes(self.data, self.nc, 65535, "data")? },
            ne: Ne::new(self.ne).ok_or_else(|| Failure::value("ne is at most 65536"))?,
            form: match self.extended {
                0 => LengthForm::Shortest,
                1 => LengthForm::Extended,
                _ => return Err(Failure::value("extended is 0 or 1")),
            },
        })
    }
}

/// Sends one command and gives the whole response: data, then SW1-SW2. Any status word of the card is a success of the call.
///
/// `flags` is 0 or `CW_EXCHANGE_SECURE`. GET RESPONSE, a wrong Le and command chaining are done on the way. `capacity` must be at
/// least `ne` + 2; a card that sends more ends the call with `CW_RESPONSE_TOO_LONG`, after it executed the command. A SELECT or
/// another command outside of the channel may close the channel on the card without this library knowing: open it again then.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_session_exchange(
    session: *mut cw_session,
    command: *const cw_command_apdu,
    flags: u32,
    response: *mut u8,
    capacity: usize,
    response_len: *mut usize,
) -> cw_status {
    boundary(|| {
        handle::with::<Session, _>(session as usize, |session| {
            // SAFETY: the header asks for a struct of `struct_size` readable bytes.
            let command = unsafe { plain::read(command)? };
            // SAFETY: the header asks for `nc` readable bytes at `data`.
            let command = unsafe { command.get()? };
            if command.form == LengthForm::Extended && !session.card.limits().extended {
                return Err(Failure::value("extended length fields do not pass here: set CW_TRANSPORT_EXTENDED"));
            }
            let owned = command.to_owned();
            input::out(response_len, "response_len")?;
            input::out(response, "response")?;
            // SAFETY: checked above; the header asks for a writable length.
            unsafe { input::room(command.ne.get() as usize + 2, capacity, response_len)? };
            let name = owned.name();
            let answer = match flags {
                0 => session.card.exchange(&owned).map_err(|error| Failure::from(error).of(name))?,
                CW_EXCHANGE_SECURE => {
                    let (card, channel) = session.open_channel()?;
                    crate::drive::at_once(channel.transmit(card, &owned))?
                }
                flags => return Err(Failure::value(format!("exchange flags {flags:X} are not known"))),
            };
            let bytes = zeroize::Zeroizing::new([answer.data(), &answer.sw().0.to_be_bytes()].concat());
            if bytes.len() > capacity {
                return Err(Failure::too_long(bytes.len(), capacity).of(name));
            }
            // SAFETY: the header asks for `capacity` writable bytes and a writable length.
            unsafe { input::hand_over(&bytes, response, capacity, response_len) }
        })
    })
}
