//! What an issuing process tells on the way, and what it brought about.

use std::ffi::{CString, c_char, c_void};

use cardwright_issuance::Notice;
use cardwright_issuance::remote::{ApplicationRow, ApplicationStatus, Kind, Report};

use crate::input::cw_aid;
use crate::plain::plain;

/// `cw_event.kind`: the card is known; `text` is its identity.
pub const CW_EVENT_CARD: u32 = 1;
/// `cw_event.kind`: what is on the card, in `rows`.
pub const CW_EVENT_APPLICATIONS: u32 = 2;
/// `cw_event.kind`: a stage begins; `text` names it.
pub const CW_EVENT_STAGE: u32 = 3;
/// `cw_event.kind`: `done` of `total` blocks of a load file are on the card.
pub const CW_EVENT_LOADING: u32 = 4;
/// `cw_event.kind`: the step named by `text` is settled; `outcome` says how.
pub const CW_EVENT_STEP: u32 = 5;

/// `cw_row.kind`: the issuer security domain.
pub const CW_ROW_ISSUER_SECURITY_DOMAIN: u32 = 1;
/// `cw_row.kind`: a supplementary security domain.
pub const CW_ROW_SECURITY_DOMAIN: u32 = 2;
/// `cw_row.kind`: an application.
pub const CW_ROW_APPLICATION: u32 = 3;
/// `cw_row.kind`: an executable load file.
pub const CW_ROW_LOAD_FILE: u32 = 4;

/// `cw_row.status`: of what is no application.
pub const CW_ROW_STATUS_NONE: u32 = 0;
/// `cw_row.status`: on the card, without its own keys.
pub const CW_ROW_STATUS_INSTALLED: u32 = 1;
/// `cw_row.status`: with the keys of the issuer.
pub const CW_ROW_STATUS_ISSUED: u32 = 2;
/// `cw_row.status`: issued, and use was reported.
pub const CW_ROW_STATUS_USED: u32 = 3;

/// One object on the card.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_row {
    /// `sizeof(cw_row)` of the library in events; set it to `sizeof(cw_row)` for `cw_process_row`.
    pub struct_size: u32,
    /// One of `CW_ROW_ISSUER_SECURITY_DOMAIN` to `CW_ROW_LOAD_FILE`.
    pub kind: u32,
    /// One of `CW_ROW_STATUS_NONE` to `CW_ROW_STATUS_USED`.
    pub status: u32,
    /// Life cycle state, 00 to FF; -1 where the card gives none.
    pub life_cycle: i32,
    /// AID.
    pub aid: cw_aid,
    /// Zero.
    pub reserved: [u8; 7],
    /// Life cycle state in the standard's words, ends with a NUL.
    pub state: [c_char; 24],
}

/// Something that happened on the way.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_event {
    /// `sizeof(cw_event)` of the library; use no field beyond it.
    pub struct_size: u32,
    /// One of `CW_EVENT_CARD` to `CW_EVENT_STEP`; new ones may come, pass over those that you do not know.
    pub kind: u32,
    /// Words, or NULL.
    pub text: *const c_char,
    /// How a step came out, in words, or NULL.
    pub outcome: *const c_char,
    /// Blocks done.
    pub done: usize,
    /// Blocks in all.
    pub total: usize,
    /// Objects, or NULL.
    pub rows: *const cw_row,
    /// Number of objects.
    pub row_count: usize,
}

/// Hears an event. `event` and what it points to are good until the callback returns. 0 goes on; anything else stops the process
/// between two commands, and the call ends with `CW_CANCELLED`: a new process with the same journal goes on there. It does not
/// throw and does not jump out; a call with the process or session in use ends with `CW_REENTRANT`.
pub type cw_event_fn = Option<unsafe extern "system" fn(user: *mut c_void, event: *const cw_event) -> i32>;

/// What a process brought about. Its rows are given by `cw_process_row`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_report {
    /// Set it to `sizeof(cw_report)`.
    pub struct_size: u32,
    /// 1 for SCP01, 2 for SCP02, 3 for SCP03; 0 where no secure channel was needed.
    pub protocol: u32,
    /// Version of the issuer security domain's keys now.
    pub kvn: u8,
    /// 1: something had to be done; 0: the card was complete before.
    pub changed: u8,
    /// Zero.
    pub reserved: [u8; 2],
    /// Number of objects that were on the card before.
    pub before_count: u32,
    /// Number of objects that are on the card now.
    pub after_count: u32,
    /// Identity of the card: printable ASCII, ends with a NUL.
    pub card: [c_char; 132],
}

plain! {
    cw_row: size_of::<cw_row>();
    cw_report: size_of::<cw_report>();
}

/// Copies what fits, cut between two characters, and a NUL.
pub(crate) fn put_text(text: &str, out: &mut [c_char]) {
    out.fill(0);
    let room = out.len().saturating_sub(1).min(text.len());
    let fits = (0..=room).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    for (to, byte) in out.iter_mut().zip(text.bytes().take(fits)) {
        *to = byte as c_char;
    }
}

impl From<&ApplicationRow> for cw_row {
    fn from(row: &ApplicationRow) -> Self {
        let mut out = Self {
            struct_size: size_of::<Self>() as u32,
            kind: match row.kind {
                Kind::IssuerSecurityDomain => CW_ROW_ISSUER_SECURITY_DOMAIN,
                Kind::SecurityDomain => CW_ROW_SECURITY_DOMAIN,
                Kind::Application => CW_ROW_APPLICATION,
                Kind::LoadFile => CW_ROW_LOAD_FILE,
            },
            status: match row.status {
                None => CW_ROW_STATUS_NONE,
                Some(ApplicationStatus::Installed) => CW_ROW_STATUS_INSTALLED,
                Some(ApplicationStatus::Issued) => CW_ROW_STATUS_ISSUED,
                Some(ApplicationStatus::Used) => CW_ROW_STATUS_USED,
            },
            life_cycle: row.life_cycle.map_or(-1, |state| state.0.into()),
            aid: Some(row.aid).into(),
            reserved: [0; 7],
            state: [0; 24],
        };
        put_text(row.state, &mut out.state);
        out
    }
}

/// What a process ends with when it succeeds.
pub(crate) struct Finished {
    pub(crate) card: String,
    /// Whether anything had to be done.
    pub(crate) changed: bool,
    pub(crate) report: Option<Report>,
}

impl Finished {
    pub(crate) fn in_c(&self) -> cw_report {
        let rows =
            |pick: fn(&Report) -> &Vec<ApplicationRow>| self.report.as_ref().map_or(0, |report| pick(report).len());
        let mut out = cw_report {
            struct_size: size_of::<cw_report>() as u32,
            protocol: match self.report.as_ref().map(|report| report.protocol) {
                Some("SCP01") => 1,
                Some("SCP02") => 2,
                Some(_) => 3,
                None => 0,
            },
            kvn: self.report.as_ref().map_or(0, |report| report.kvn),
            changed: self.changed.into(),
            reserved: [0; 2],
            before_count: rows(|report| &report.before) as u32,
            after_count: rows(|report| &report.after) as u32,
            card: [0; 132],
        };
        put_text(&self.card, &mut out.card);
        out
    }
}

/// A notice for C, and what its pointers point to.
pub(crate) struct EventInC {
    event: cw_event,
    _text: CString,
    _outcome: CString,
    _rows: Vec<cw_row>,
}

// SAFETY: the pointers lead to what the struct itself owns, on the heap and never changed.
unsafe impl Send for EventInC {}

impl EventInC {
    pub(crate) fn event(&self) -> &cw_event {
        &self.event
    }

    /// `None` for a notice that has no number yet.
    pub(crate) fn new(notice: &Notice) -> Option<Self> {
        let (mut text, mut outcome, mut rows) = (String::new(), "", Vec::new());
        let (mut done, mut total) = (0, 0);
        let kind = match notice {
            Notice::Card(facts) => {
                text = facts.identity.to_string();
                CW_EVENT_CARD
            }
            Notice::Applications(found) => {
                rows = found.iter().map(Into::into).collect();
                CW_EVENT_APPLICATIONS
            }
            Notice::Stage(stage) => {
                text = (*stage).to_owned();
                CW_EVENT_STAGE
            }
            Notice::Loading { done: of, total: all } => {
                (done, total) = (*of, *all);
                CW_EVENT_LOADING
            }
            Notice::Step { step, outcome: words } => {
                (text, outcome) = (step.clone(), words);
                CW_EVENT_STEP
            }
            _ => return None,
        };
        let (text, outcome) = (CString::new(text).ok()?, CString::new(outcome).ok()?);
        let words = |words: &CString| if words.is_empty() { std::ptr::null() } else { words.as_ptr() };
        let event = cw_event {
            struct_size: size_of::<cw_event>() as u32,
            kind,
            text: words(&text),
            outcome: words(&outcome),
            done,
            total,
            rows: if rows.is_empty() { std::ptr::null() } else { rows.as_ptr() },
            row_count: rows.len(),
        };
        Some(Self { event, _text: text, _outcome: outcome, _rows: rows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_cut_between_characters() {
        let mut out = [1; 6];
        put_text("abcdé", &mut out);
        assert_eq!(out.map(|c| c as u8), *b"abcd\0\0");
    }
}
