//! The software card as the "reader of their own" that the C programs in `examples/c` bring along. Only for tests.

#![allow(clippy::missing_safety_doc, reason = "testcard.h tells its few callers what to hand in")]

use std::ffi::c_void;

use cardwright_apdu::{Delivery, Transport, TransportErrorKind};
use cardwright_sim::{AesKeyLength, CpuCard, Fault, Faults, JavaCard, SecureChannelProtocol, SimReader, SoftwareCard};

/// A reader with a card of any kind.
trait Reader: Transport {
    fn reinsert(&mut self);
}

impl<C: SoftwareCard> Reader for SimReader<C>
where
    Self: Transport,
{
    fn reinsert(&mut self) {
        SimReader::reinsert(self);
    }
}

/// What the pointers of this library lead to.
type TestCard = Box<dyn Reader>;

/// A reader whose card is pulled out at one command.
fn torn<C: SoftwareCard>(card: C, cut_at: u64, executed: u32) -> *mut c_void
where
    SimReader<C>: Transport + 'static,
{
    let fault = if executed == 0 { Fault::CutBefore } else { Fault::CutAfter };
    let faults = if cut_at == 0 { Faults::none() } else { Faults::none().at(cut_at, fault) };
    let reader: TestCard = Box::new(SimReader::new(card).with_faults(faults));
    Box::into_raw(Box::new(reader)).cast()
}

/// A card with the published test keys, key version 01, and SCP03; it is pulled out before command `cut_at`, 0 for never.
#[unsafe(no_mangle)]
pub extern "C" fn cw_test_card_new(cut_at: u64) -> *mut c_void {
    cw_test_card_new_scp(3, cut_at, 0)
}

/// The same with SCP01, SCP02, SCP03 or, as 16, SCP03 with challenges of 16 bytes, and pulled out after the command where `executed` is not 0.
#[unsafe(no_mangle)]
pub extern "C" fn cw_test_card_new_scp(scp: u32, cut_at: u64, executed: u32) -> *mut c_void {
    let protocol = match scp {
        1 => SecureChannelProtocol::Scp01 { i: 0x15 },
        2 => SecureChannelProtocol::Scp02 { i: 0x55 },
        16 => SecureChannelProtocol::Scp03 { i: 0x71, key_length: AesKeyLength::Aes128 },
        _ => SecureChannelProtocol::Scp03 { i: 0x70, key_length: AesKeyLength::Aes128 },
    };
    torn(JavaCard::builder().protocol(protocol).seed(7).build(), cut_at, executed)
}

/// A native card that the issue script of the FMCOS 2.0 manual has issued, with the keys printed there and empty purses. NULL when it
/// cannot be made.
#[unsafe(no_mangle)]
pub extern "C" fn cw_test_card_new_purse(cut_at: u64, executed: u32) -> *mut c_void {
    CpuCard::builder().seed(7).sample().map_or(std::ptr::null_mut(), |card| torn(card, cut_at, executed))
}

/// Throws the card away.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cw_test_card_free(card: *mut c_void) {
    if !card.is_null() {
        // SAFETY: testcard.h asks for a card of this library that is not used afterwards.
        drop(unsafe { Box::from_raw(card.cast::<TestCard>()) });
    }
}

/// Puts the card back and gives its ATR.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cw_test_card_reset(
    card: *mut c_void,
    atr: *mut u8,
    capacity: usize,
    length: *mut usize,
) -> i32 {
    // SAFETY: testcard.h asks for a card of this library that no other thread uses.
    let reader = unsafe { &mut *card.cast::<TestCard>() };
    reader.reinsert();
    match reader.reset() {
        // SAFETY: testcard.h asks for `capacity` writable bytes and a writable length.
        Ok(bytes) => unsafe { hand_out(&bytes, atr, capacity, length) },
        Err(_) => 1,
    }
}

/// Carries a command; 0, 1 when it did not get to the card, 2 when that is not known.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cw_test_card_transmit(
    card: *mut c_void,
    command: *const u8,
    command_len: usize,
    response: *mut u8,
    capacity: usize,
    length: *mut usize,
) -> i32 {
    // SAFETY: testcard.h asks for a card of this library that no other thread uses.
    let reader = unsafe { &mut *card.cast::<TestCard>() };
    // SAFETY: testcard.h asks for `command_len` readable bytes.
    let command = unsafe { std::slice::from_raw_parts(command, command_len) };
    let mut bytes = Vec::new();
    match reader.transmit(command, &mut bytes) {
        // SAFETY: testcard.h asks for `capacity` writable bytes and a writable length.
        Ok(()) => unsafe { hand_out(&bytes, response, capacity, length) },
        Err(error) if error.delivery == Delivery::NotSent || error.kind == TransportErrorKind::NoCard => 1,
        Err(_) => 2,
    }
}

unsafe fn hand_out(bytes: &[u8], out: *mut u8, capacity: usize, length: *mut usize) -> i32 {
    if bytes.len() > capacity {
        return 2;
    }
    // SAFETY: the caller vouches for `capacity` bytes, of which this writes no more, and for the length.
    unsafe {
        out.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        *length = bytes.len();
    }
    0
}
