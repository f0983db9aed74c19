//! What an account's keeper is asked, and what it answers, as C sees them.

use std::ffi::{CString, c_char, c_void};

use cardwright_issuance::account::{AccountError, AccountRequest, BookingReference, BookingStatus};

use crate::failure::Failure;
use crate::plain::plain;
use crate::status::{CW_OK, cw_status};

/// `cw_account_request.operation`: take `amount` from `account`. Answer: `CW_BOOKING_BOOKED`, `CW_BOOKING_REFUSED` or
/// `CW_BOOKING_PENDING`.
pub const CW_ACCOUNT_DEBIT: u32 = 1;
/// `cw_account_request.operation`: give `amount`, which `debit` took, back to `account`. A debit that was never seen is to be refused
/// when it comes later. Answer: as for `CW_ACCOUNT_DEBIT`.
pub const CW_ACCOUNT_REVERSE: u32 = 2;
/// `cw_account_request.operation`: what came of `booking`. Answer: any of `CW_BOOKING_BOOKED` to `CW_BOOKING_NOT_SEEN`.
pub const CW_ACCOUNT_QUERY: u32 = 3;

/// `cw_booking.status`: booked, now or before; `reference` is the keeper's number of it.
pub const CW_BOOKING_BOOKED: u32 = 1;
/// `cw_booking.status`: refused for good; the same booking will never be made.
pub const CW_BOOKING_REFUSED: u32 = 2;
/// `cw_booking.status`: not decided yet; it is queried by a later run.
pub const CW_BOOKING_PENDING: u32 = 3;
/// `cw_booking.status`, only to `CW_ACCOUNT_QUERY`: the keeper never saw it. It may be under way.
pub const CW_BOOKING_NOT_SEEN: u32 = 4;

/// What the keeper of accounts is asked: a bank, a payment provider, an operator's business system.
///
/// A booking is made once, however often it is asked for: same `booking` and same content, same answer; same `booking` and other
/// content, `CW_BOOKING_REFUSED`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_account_request {
    /// `sizeof(cw_account_request)` of the library; use no field beyond it.
    pub struct_size: u32,
    /// One of `CW_ACCOUNT_DEBIT` to `CW_ACCOUNT_QUERY`.
    pub operation: u32,
    /// Id of the booking: 1 to 80 bytes of printable ASCII.
    pub booking: *const c_char,
    /// Id of the debit that is reversed; NULL otherwise.
    pub debit: *const c_char,
    /// The account: 1 to 64 bytes of printable ASCII; NULL for a query.
    pub account: *const c_char,
    /// How much, in the smallest unit of the currency; 0 for a query.
    pub amount: u32,
    /// Zero.
    pub reserved: u32,
}

/// What came of a booking.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_booking {
    /// `sizeof(cw_booking)`; a callback uses no field beyond it.
    pub struct_size: u32,
    /// One of `CW_BOOKING_BOOKED` to `CW_BOOKING_NOT_SEEN`.
    pub status: u32,
    /// The keeper's number of a booking that is made: 1 to 64 bytes of printable ASCII without spaces, ends with a NUL.
    pub reference: [c_char; 68],
}

/// Asks the keeper of accounts; blocks until there is an answer. `request` and `answer`, which is zero before, are good until the
/// callback returns. `CW_OK` when `answer` is filled in. Anything else, and an answer that cannot be, is no definite answer: the
/// keeper may have booked, and is queried by a later run. It does not throw and does not jump out; a call with the process or session
/// in use ends with `CW_REENTRANT`.
pub type cw_account_fn = Option<
    unsafe extern "system" fn(
        user: *mut c_void,
        request: *const cw_account_request,
        answer: *mut cw_booking,
    ) -> cw_status,
>;

plain! {
    cw_account_request: size_of::<cw_account_request>();
    cw_booking: size_of::<cw_booking>();
}

impl cw_booking {
    /// The answer to a request.
    pub(crate) fn to(&self, request: &AccountRequest) -> Result<BookingStatus, Failure> {
        match self.status {
            CW_BOOKING_BOOKED => {
                let bytes: Vec<u8> = self.reference.iter().map(|c| *c as u8).take_while(|byte| *byte != 0).collect();
                let text = std::str::from_utf8(&bytes).map_err(|_| Failure::value("reference is not ASCII"))?;
                let reference = BookingReference::new(text);
                let reference = reference.map_err(|error| Failure::value(format!("reference: {error}")))?;
                Ok(BookingStatus::Booked { reference })
            }
            CW_BOOKING_REFUSED => Ok(BookingStatus::Refused),
            CW_BOOKING_PENDING => Ok(BookingStatus::Pending),
            CW_BOOKING_NOT_SEEN if matches!(request, AccountRequest::Query { .. }) => Ok(BookingStatus::NotSeen),
            CW_BOOKING_NOT_SEEN => Err(Failure::value("CW_BOOKING_NOT_SEEN answers only CW_ACCOUNT_QUERY")),
            other => Err(Failure::value(format!("booking status {other} is not known"))),
        }
    }
}

/// A request for C, and what its pointers point to.
pub(crate) struct AccountRequestInC {
    request: cw_account_request,
    _texts: [Option<CString>; 3],
}

// SAFETY: the pointers lead to what the struct itself owns, on the heap and never changed.
unsafe impl Send for AccountRequestInC {}

impl AccountRequestInC {
    pub(crate) fn request(&self) -> &cw_account_request {
        &self.request
    }

    /// `None` for a request that has no number yet.
    pub(crate) fn new(request: &AccountRequest) -> Option<Self> {
        let (operation, booking, debit, account, amount) = match request {
            AccountRequest::Debit { booking, account, amount } => {
                (CW_ACCOUNT_DEBIT, booking, None, Some(account.as_str()), *amount)
            }
            AccountRequest::Reverse { booking, debit, account, amount } => {
                (CW_ACCOUNT_REVERSE, booking, Some(debit.as_str()), Some(account.as_str()), *amount)
            }
            AccountRequest::Query { booking } => (CW_ACCOUNT_QUERY, booking, None, None, 0),
            _ => return None,
        };
        // Ids are printable ASCII: none has a NUL.
        let texts = [Some(booking.as_str()), debit, account].map(|text| text.and_then(|text| CString::new(text).ok()));
        let [booking, debit, account] =
            [0, 1, 2].map(|i: usize| texts[i].as_ref().map_or(std::ptr::null(), |text| text.as_ptr()));
        let struct_size = size_of::<cw_account_request>() as u32;
        let request = cw_account_request { struct_size, operation, booking, debit, account, amount, reserved: 0 };
        Some(Self { request, _texts: texts })
    }
}

/// Asks the program's callback. Without one there is no account to ask.
pub(crate) fn ask(
    callback: cw_account_fn,
    user: *mut c_void,
    request: &AccountRequest,
) -> Result<BookingStatus, AccountError> {
    let ask = callback.ok_or(AccountError::NoPort)?;
    let question = AccountRequestInC::new(request).ok_or(AccountError::NoPort)?;
    let struct_size = size_of::<cw_booking>() as u32;
    let mut answer = cw_booking { struct_size, status: 0, reference: [0; 68] };
    // SAFETY: a function of the type that the header asks for; what it gets lives while it runs.
    match unsafe { ask(user, question.request(), &raw mut answer) } {
        CW_OK => answer.to(request).map_err(|_| AccountError::WrongAnswer),
        _ => Err(AccountError::NoAnswer),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use cardwright_issuance::account::{AccountId, BookingId};

    use super::*;
    use crate::event::put_text;

    fn debit() -> AccountRequest {
        let (booking, account) = (BookingId::new("T1").unwrap(), AccountId::new("holder").unwrap());
        AccountRequest::Debit { booking, account, amount: 200 }
    }

    unsafe extern "system" fn book(
        user: *mut c_void,
        request: *const cw_account_request,
        answer: *mut cw_booking,
    ) -> cw_status {
        // SAFETY: what the library promises; the user is the test's answer.
        unsafe {
            assert_eq!(((*request).operation, (*request).amount), (CW_ACCOUNT_DEBIT, 200));
            assert_eq!(CStr::from_ptr((*request).booking), c"T1");
            assert_eq!(CStr::from_ptr((*request).account), c"holder");
            assert!((*request).debit.is_null());
            let (status, booking) = *user.cast::<(cw_status, cw_booking)>();
            *answer = booking;
            status
        }
    }

    fn answered(status: cw_status, booking_status: u32, reference: &str) -> Result<BookingStatus, AccountError> {
        let mut booking = cw_booking { struct_size: 0, status: booking_status, reference: [0; 68] };
        put_text(reference, &mut booking.reference);
        let mut answer = (status, booking);
        ask(Some(book), (&raw mut answer).cast(), &debit())
    }

    #[test]
    fn a_booking_counts_only_with_its_reference() {
        let reference = BookingReference::new("R-7").unwrap();
        assert_eq!(answered(CW_OK, CW_BOOKING_BOOKED, "R-7"), Ok(BookingStatus::Booked { reference }));
        assert_eq!(answered(CW_OK, CW_BOOKING_REFUSED, ""), Ok(BookingStatus::Refused));
        for reference in ["", "a b", "é", &"x".repeat(65)] {
            assert_eq!(answered(CW_OK, CW_BOOKING_BOOKED, reference), Err(AccountError::WrongAnswer), "{reference}");
        }
    }

    #[test]
    fn what_is_no_answer_is_taken_for_none() {
        assert_eq!(answered(CW_OK, 0, ""), Err(AccountError::WrongAnswer));
        assert_eq!(answered(CW_OK, 5, ""), Err(AccountError::WrongAnswer));
        // A debit that was asked for just now may be under way.
        assert_eq!(answered(CW_OK, CW_BOOKING_NOT_SEEN, ""), Err(AccountError::WrongAnswer));
        assert_eq!(answered(1, CW_BOOKING_REFUSED, ""), Err(AccountError::NoAnswer));
        assert_eq!(ask(None, std::ptr::null_mut(), &debit()), Err(AccountError::NoPort));
    }
}
