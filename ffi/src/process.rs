//! Durable issuing processes: driven to their end with a session, keys and a journal, or question by question.

use std::ffi::{c_char, c_void};
use std::mem::offset_of;

use cardwright_apdu::{
    Delivery, Exchange, ExchangeAction, ExchangeLimits, ProcedureError, Progress, ResponseApdu, Transport,
    TransportError, TransportErrorKind,
};
use cardwright_issuance::account::AccountError;
use cardwright_issuance::journal::Entity;
use cardwright_issuance::quarantine::Held;
use cardwright_issuance::remote::{self, DeleteOrder, IssueError, Outcome};
use cardwright_issuance::store::{Durable, StoreError};
use cardwright_issuance::{Answer, Ask, CardIdentity, Conversation, Notice};
use cardwright_keys::{KeyAnswer, KeyError, KeyService};
use zeroize::{Zeroize, Zeroizing};

use crate::account::{self, AccountRequestInC, cw_account_fn, cw_account_request, cw_booking};
use crate::boundary::boundary;
use crate::event::{EventInC, Finished, cw_event, cw_event_fn, cw_report, cw_row};
use crate::failure::Failure;
use crate::handle::{self, Exclusive, Object};
use crate::input::{self, cw_aid};
use crate::journal::{Journal, cw_journal};
use crate::key_request::{RequestInC, Wiped, cw_key_answer, cw_key_request};
use crate::key_service;
use crate::keys::{self, cw_keys};
use crate::order::{self, cw_order};
use crate::plain::{self, Out, plain};
use crate::purse::{LoadEnd, cw_purse_load_report};
use crate::release::cw_held;
use crate::session::{Session, cw_session};
use crate::status::*;
use crate::store::{self, Records, TransactionInC, cw_record, cw_transaction};
use crate::transport::{CW_ANSWER_CAPACITY, CW_DELIVERY_NOT_SENT, CW_DELIVERY_UNKNOWN, CW_TRANSPORT_EXTENDED, kind_of};

/// `flags` of `cw_process_new_delete`: also what depends on it, and personalized applications.
pub const CW_DELETE_FORCE: u32 = 0x02;

/// `cw_question.kind`: send `bytes` to the card, and hand its response in with `cw_process_answer_bytes`.
pub const CW_ASK_TRANSMIT: u32 = 1;
/// `cw_question.kind`: reset the card, and hand its ATR in with `cw_process_answer_bytes`.
pub const CW_ASK_RESET: u32 = 2;
/// `cw_question.kind`: answer the key request `keys` with `cw_process_answer_keys`.
pub const CW_ASK_KEYS: u32 = 3;
/// `cw_question.kind`: hand all records of `entity` in with `cw_process_answer_history`.
pub const CW_ASK_HISTORY: u32 = 4;
/// `cw_question.kind`: write `transaction`, and answer with `cw_process_answer_committed` when it is on stable storage.
pub const CW_ASK_COMMIT: u32 = 5;
/// `cw_question.kind`: hand 8 random bytes from a generator fit for keys in with `cw_process_answer_bytes`.
pub const CW_ASK_RANDOM: u32 = 6;
/// `cw_question.kind`: `event` happened; there is nothing to answer.
pub const CW_ASK_NOTHING: u32 = 7;
/// `cw_question.kind`: the process has ended: `cw_process_report`.
pub const CW_ASK_DONE: u32 = 8;
/// `cw_question.kind`: ask the keeper of accounts for `account`, and answer with `cw_process_answer_account`.
pub const CW_ASK_ACCOUNT: u32 = 9;

/// An issuing process: a machine that decides, and does nothing itself. Made by `cw_process_new_issue`, `cw_process_new_delete`,
/// `cw_process_new_use`, `cw_process_new_script`, `cw_process_new_number`, `cw_process_new_load`, `cw_process_resume_load` or `cw_process_give_up_load`, ended by `cw_process_free`, at any time: the next one takes up from what the journal and the card say. A process that has ended, well
/// or not, stays so: to go on, make a new one.
///
/// Either `cw_process_run` answers all its questions from a session, keys and a journal. Or the program does, with its own reader,
/// HSM and database, at its own pace: `cw_process_next` gives a question, one of the `cw_process_answer_` functions takes the answer,
/// until `CW_ASK_DONE`. An answer is taken once, and only when its question was given: all else ends with `CW_OUT_OF_TURN`, and the
/// question stays open.
pub struct cw_process {
    _opaque: [u8; 0],
}

/// What a process wants next. What the pointers lead to is good until the next call with this process.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_question {
    /// Set it to `sizeof(cw_question)`.
    pub struct_size: u32,
    /// One of `CW_ASK_TRANSMIT` to `CW_ASK_ACCOUNT`. New ones may come with new functions that make processes.
    pub kind: u32,
    /// A command for the card. It may hold a key: do not log it.
    pub bytes: *const u8,
    /// Length of `bytes`, in bytes.
    pub length: usize,
    /// A key request.
    pub keys: *const cw_key_request,
    /// An entity, printable ASCII.
    pub entity: *const c_char,
    /// What is to be written.
    pub transaction: *const cw_transaction,
    /// What happened.
    pub event: *const cw_event,
    /// What the keeper of accounts is asked.
    pub account: *const cw_account_request,
}

/// Fills `out` with `length` random bytes from a generator fit for keys. 0 for success.
pub type cw_random_fn = Option<unsafe extern "system" fn(user: *mut c_void, out: *mut u8, length: usize) -> i32>;

/// What a process runs with.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_ports {
    /// Set it to `sizeof(cw_ports)`.
    pub struct_size: u32,
    /// Zero.
    pub flags: u32,
    /// The card; a secure channel of the session is given up. A process that issues resets the card and opens its own channels.
    pub session: *mut cw_session,
    /// The keys; may be NULL for a process that asks none.
    pub keys: *mut cw_keys,
    /// The journal.
    pub journal: *mut cw_journal,
    /// Hears what happens; may be NULL.
    pub event: cw_event_fn,
    /// Random bytes; NULL for the system's generator, which is what it should be outside of tests.
    pub random: cw_random_fn,
    /// Handed to the callbacks, and not looked at otherwise.
    pub user: *mut c_void,
    /// Asks the keeper of accounts; may be NULL for a process that moves no money. One that does ends with `CW_ACCOUNT_UNKNOWN` then.
    pub account: cw_account_fn,
}

plain! {
    cw_question: offset_of!(cw_question, account);
    cw_ports: offset_of!(cw_ports, account);
}

/// How a process has ended: what it brought about or why it failed, and how a load was left, which is told in both cases.
pub(crate) struct Ended {
    pub(crate) result: Result<Finished, Failure>,
    pub(crate) load: Option<LoadEnd>,
}

impl From<Result<Finished, Failure>> for Ended {
    fn from(result: Result<Finished, Failure>) -> Self {
        Self { result, load: None }
    }
}

/// A conversation whose result is the same whatever it is about.
trait Machine: Send {
    fn start(&mut self) -> Result<Progress<Ask, Ended>, ProcedureError>;
    fn answer(&mut self, answer: Answer) -> Result<Progress<Ask, Ended>, ProcedureError>;
    fn poll_notice(&mut self) -> Option<Notice>;
}

struct Mapped<T> {
    conversation: Conversation<T>,
    end: fn(T) -> Ended,
}

impl<T> Mapped<T> {
    fn map(&self, progress: Progress<Ask, T>) -> Progress<Ask, Ended> {
        match progress {
            Progress::Ask(ask) => Progress::Ask(ask),
            Progress::Done(result) => Progress::Done((self.end)(result)),
        }
    }
}

impl<T> Machine for Mapped<T> {
    fn start(&mut self) -> Result<Progress<Ask, Ended>, ProcedureError> {
        let progress = self.conversation.start()?;
        Ok(self.map(progress))
    }

    fn answer(&mut self, answer: Answer) -> Result<Progress<Ask, Ended>, ProcedureError> {
        let progress = self.conversation.answer(answer)?;
        Ok(self.map(progress))
    }

    fn poll_notice(&mut self) -> Option<Notice> {
        self.conversation.poll_notice()
    }
}

/// What is proved to be on the card, or why it is not.
pub(crate) fn completed<T, E: Into<Failure>>(result: Result<Outcome<T>, E>) -> Result<T, Failure> {
    match result.map_err(Into::into)? {
        Outcome::Complete(result) => Ok(result),
        Outcome::Interrupted(during) => {
            let message = format!(
                "{}: {}; what was under way is not known: put the same card back and run again",
                during.command, during.kind
            );
            Err(Failure::new(CW_INTERRUPTED, message).of(during.command).doubtful(true))
        }
        Outcome::Quarantined { step, reason } => {
            Err(Failure::new(CW_QUARANTINED, format!("step {step} waits for a person: {reason}")))
        }
        _ => Err(Failure::new(CW_INTERNAL, "an outcome without a name")),
    }
}

fn issued(result: Result<Outcome<remote::Report>, IssueError>) -> Ended {
    let finish = |report: remote::Report| Finished {
        card: report.card.identity.to_string(),
        changed: report.changed,
        report: Some(report),
    };
    completed(result).map(finish).into()
}

/// What a `cw_process` stands for.
pub(crate) struct Process(Exclusive<Inner>);

impl Object for Process {
    const NAME: &'static str = "cw_process";
}

struct Inner {
    machine: Box<dyn Machine>,
    state: State,
    limits: ExchangeLimits,
    /// How a load was left, once its process has ended.
    load: Option<LoadEnd>,
    /// The step that waits for persons.
    held: Option<Box<Held>>,
    /// What the last question's pointers lead to.
    shown: Option<Shown>,
    /// Whether `cw_process_next` has given the question: what was not asked is not answered.
    is_asked: bool,
}

enum State {
    Fresh,
    Asked(Ask),
    /// A command under way, the bytes that go to the card next, and whether it has answered others of the same command.
    Exchanging(Exchange, Zeroizing<Vec<u8>>, bool),
    Done(Finished),
    Failed(Failure),
}

enum Shown {
    Bytes(Zeroizing<Vec<u8>>),
    Keys(RequestInC),
    Entity(std::ffi::CString),
    Transaction(TransactionInC),
    Event(EventInC),
    Account(AccountRequestInC),
}

impl Inner {
    fn new<T: 'static>(conversation: Conversation<T>, end: fn(T) -> Ended) -> Self {
        Self {
            machine: Box::new(Mapped { conversation, end }),
            state: State::Fresh,
            limits: ExchangeLimits::default(),
            load: None,
            held: None,
            shown: None,
            is_asked: false,
        }
    }

    fn take(&mut self, progress: Result<Progress<Ask, Ended>, ProcedureError>) {
        self.state = match progress {
            Ok(Progress::Ask(Ask::Transmit(command))) => match Exchange::start(&command, self.limits) {
                Ok((exchange, bytes)) => State::Exchanging(exchange, Zeroizing::new(bytes), false),
                Err(error) => {
                    let error = TransportError::not_sent(error.into());
                    let next = self.machine.answer(Answer::Response(Err(error)));
                    return self.take(next);
                }
            },
            Ok(Progress::Ask(ask)) => State::Asked(ask),
            Ok(Progress::Done(Ended { result, load })) => {
                self.load = load;
                match result {
                    Ok(finished) => State::Done(finished),
                    Err(failure) => State::Failed(failure),
                }
            }
            Err(error) => State::Failed(Failure::new(CW_INTERNAL, error.to_string())),
        };
    }

    fn begin(&mut self) {
        if matches!(self.state, State::Fresh) {
            let progress = self.machine.start();
            self.take(progress);
        }
    }

    /// What the machine tells next; a step in quarantine is kept for whoever asks.
    fn poll_notice(&mut self) -> Option<Notice> {
        let notice = self.machine.poll_notice()?;
        if let Notice::Held(held) = &notice {
            self.held = Some(held.clone());
        }
        Some(notice)
    }

    /// The open question, which was given and waits for its answer.
    fn asked(&self) -> Result<&State, Failure> {
        if self.is_asked { Ok(&self.state) } else { self.out_of_turn() }
    }

    fn answer(&mut self, answer: Answer) {
        (self.shown, self.is_asked) = (None, false);
        let progress = self.machine.answer(answer);
        self.take(progress);
    }

    /// What came of the bytes that went to the card.
    fn answer_transmit(&mut self, result: Result<&[u8], TransportError>) {
        (self.shown, self.is_asked) = (None, false);
        let State::Exchanging(mut exchange, _, has_begun) = std::mem::replace(&mut self.state, State::Fresh) else {
            return;
        };
        let response: Result<ResponseApdu, TransportError> = match result {
            // A part of the command, or all of it before a GET RESPONSE, did reach the card.
            Err(error) if has_begun => Err(TransportError::unknown(error.kind)),
            Err(error) => Err(error),
            Ok(bytes) => match exchange.handle_response(bytes) {
                Ok(ExchangeAction::Send(next)) => {
                    self.state = State::Exchanging(exchange, Zeroizing::new(next), true);
                    return;
                }
                Ok(ExchangeAction::Done(response)) => Ok(response),
                Err(error) => Err(TransportError::unknown(error.into())),
            },
        };
        self.answer(Answer::Response(response));
    }

    fn finished(&self) -> Result<&Finished, Failure> {
        match &self.state {
            State::Done(finished) => Ok(finished),
            State::Failed(failure) => Err(failure.clone()),
            _ => Err(Failure::new(CW_OUT_OF_TURN, "the process has not ended")),
        }
    }

    fn out_of_turn<T>(&self) -> Result<T, Failure> {
        let what = match &self.state {
            State::Done(_) | State::Failed(_) => "the process has ended",
            _ if !self.is_asked => "the process has no open question: call cw_process_next",
            State::Fresh => "the process has not begun",
            State::Asked(Ask::Reset) => "the open question is CW_ASK_RESET",
            State::Asked(Ask::Keys(_)) => "the open question is CW_ASK_KEYS",
            State::Asked(Ask::History(_)) => "the open question is CW_ASK_HISTORY",
            State::Asked(Ask::Commit(_)) => "the open question is CW_ASK_COMMIT",
            State::Asked(Ask::Random) => "the open question is CW_ASK_RANDOM",
            State::Asked(Ask::Account(_)) => "the open question is CW_ASK_ACCOUNT",
            State::Asked(_) | State::Exchanging(..) => "the open question is CW_ASK_TRANSMIT",
        };
        Err(Failure::new(CW_OUT_OF_TURN, what))
    }
}

/// Hands a process out.
///
/// # Safety
/// `out` was checked and is writable.
pub(crate) unsafe fn hand_out<T: 'static>(
    conversation: Conversation<T>,
    end: fn(T) -> Ended,
    out: *mut *mut cw_process,
) -> Result<(), Failure> {
    // SAFETY: passed on.
    unsafe { handle::hand_out(Process(Exclusive::new(Inner::new(conversation, end))), out) }
}

/// A process that makes of a card what the order says, whatever was done before. Load files are shared; all else is copied.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_process_new_issue(order: *const cw_order, out: *mut *mut cw_process) -> cw_status {
    boundary(|| {
        input::out(out, "out")?;
        // SAFETY: the header asks for structs of `struct_size` bytes and pointers that are good for their numbers.
        let order = unsafe { order::read(order, true)? };
        // SAFETY: `out` was checked; the header asks for a writable pointer.
        unsafe { hand_out(remote::issue(order), issued, out) }
    })
}

/// A process that deletes an application or load file from a card, with the keys of an order; its applications do not count.
///
/// What depends on the object, and an application that is personalized, are deleted only with `CW_DELETE_FORCE` in `flags`, which
/// is 0 otherwise; without it the process ends with `CW_GUARDED`.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_process_new_delete(
    order: *const cw_order,
    aid: *const cw_aid,
    flags: u32,
    out: *mut *mut cw_process,
) -> cw_status {
    boundary(|| {
        input::out(out, "out")?;
        // SAFETY: as for `cw_process_new_issue`.
        let access = unsafe { order::read(order, false)? };
        // SAFETY: the header asks for a readable struct.
        let aid = unsafe { input::require_aid(aid, "aid")? };
        if flags & !CW_DELETE_FORCE != 0 {
            return Err(Failure::value(format!("delete flags {flags:X} are not known")));
        }
        let order = DeleteOrder { aid, force: flags & CW_DELETE_FORCE != 0, access };
        // SAFETY: `out` was checked; the header asks for a writable pointer.
        unsafe { hand_out(remote::delete(order), issued, out) }
    })
}

/// A process that records that an application which was issued to the card was used. It opens no secure channel and asks no keys.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_process_new_use(application: *const cw_aid, out: *mut *mut cw_process) -> cw_status {
    boundary(|| {
        input::out(out, "out")?;
        // SAFETY: the header asks for a readable struct.
        let aid = unsafe { input::require_aid(application, "application")? };
        let used = |result: Result<Outcome<CardIdentity>, IssueError>| {
            completed(result).map(|card| Finished { card: card.to_string(), changed: true, report: None }).into()
        };
        // SAFETY: `out` was checked; the header asks for a writable pointer.
        unsafe { hand_out(remote::record_use(aid), used, out) }
    })
}

/// Ends a process; NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_process_free(process: *mut cw_process) -> cw_status {
    boundary(|| handle::remove::<Process>(process as usize))
}

/// Drives a process to its end, from its first question or from where `cw_process_next` has left it.
///
/// The status is that of the process: `CW_OK` when everything is proved to be on the card, `CW_INTERRUPTED` when the card was
/// torn out. `keys` may be NULL for a process that asks none. The session, and the process, are in use until it returns.
/// A wrong argument (1xx) leaves the process as it was; `CW_CANCELLED` ends it.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_process_run(process: *mut cw_process, ports: *const cw_ports) -> cw_status {
    boundary(|| {
        handle::with::<Process, _>(process as usize, |process| {
            // SAFETY: the header asks for a struct of `struct_size` readable bytes.
            let ports = unsafe { plain::read(ports)? };
            if ports.flags != 0 {
                return Err(Failure::value(format!("flags {:X} of cw_ports are not known", ports.flags)));
            }
            let mut keys = if ports.keys.is_null() { None } else { Some(keys::service(ports.keys)?) };
            let journal = Journal::of(ports.journal)?;
            handle::with::<Session, _>(ports.session as usize, |session| {
                session.opened = None;
                run(process.0.get(), session, keys.as_mut(), &journal, &ports)
            })
        })
    })
}

fn run(
    inner: &mut Inner,
    session: &mut Session,
    mut keys: Option<&mut keys::Keys>,
    journal: &Journal,
    ports: &cw_ports,
) -> Result<(), Failure> {
    (inner.shown, inner.is_asked) = (None, false);
    inner.limits = session.card.limits();
    inner.begin();
    let mut response = Vec::new();
    loop {
        while let Some(notice) = inner.poll_notice() {
            if let (Some(tell), Some(event)) = (ports.event, EventInC::new(&notice)) {
                // SAFETY: a function of the type that the header asks for; the event lives while it runs.
                if unsafe { tell(ports.user, event.event()) } != 0 {
                    let message = "the event callback asked to stop: run again with the same journal to go on";
                    let failure = Failure::new(CW_CANCELLED, message);
                    inner.state = State::Failed(failure.clone());
                    return Err(failure);
                }
            }
        }
        match &inner.state {
            State::Done(_) | State::Failed(_) => return inner.finished().map(drop),
            State::Fresh => return inner.out_of_turn(),
            State::Exchanging(_, bytes, _) => {
                let result = session.card.transmit(bytes, &mut response);
                inner.answer_transmit(result.map(|()| &response[..]));
                response.zeroize();
                response.clear();
            }
            State::Asked(ask) => {
                let answer = match ask {
                    Ask::Reset => {
                        let atr = session.card.reset();
                        inner.limits = session.card.limits();
                        Answer::Atr(atr)
                    }
                    Ask::Keys(request) => Answer::Keys(match &mut keys {
                        Some(keys) => keys.answer(request),
                        None => Err(KeyError::Refused { reason: "no keys were given to cw_process_run".into() }),
                    }),
                    Ask::History(entity) => Answer::History(journal.history(entity)),
                    Ask::Commit(transaction) => Answer::Committed(journal.commit(transaction.clone())),
                    Ask::Account(request) => Answer::Account(account::ask(ports.account, ports.user, request)),
                    Ask::Random => match random(ports) {
                        Ok(bytes) => Answer::Random(bytes),
                        Err(failure) => {
                            inner.state = State::Failed(failure.clone());
                            return Err(failure);
                        }
                    },
                    _ => return inner.out_of_turn(),
                };
                inner.answer(answer);
            }
        }
    }
}

fn random(ports: &cw_ports) -> Result<[u8; 8], Failure> {
    let Some(fill) = ports.random else { return crate::random::bytes() };
    let mut bytes = [0; 8];
    // SAFETY: a function of the type that the header asks for; the bytes live while it runs.
    match unsafe { fill(ports.user, bytes.as_mut_ptr(), bytes.len()) } {
        0 => Ok(bytes),
        other => Err(Failure::new(CW_NO_RANDOM, format!("the callback for random bytes failed with {other}"))),
    }
}

/// Tells what a process wants next. The same question stays open until it is answered; events come once each.
///
/// When the process has failed, the status is its own (`CW_INTERRUPTED`, `CW_WRONG_KEYS` and so on), as `cw_process_run` would give
/// it; with `CW_OK` and `CW_ASK_DONE` everything is proved to be on the card.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_process_next(process: *mut cw_process, out: *mut cw_question) -> cw_status {
    boundary(|| {
        handle::with::<Process, _>(process as usize, |process| {
            let inner = process.0.get();
            // SAFETY: the header asks for a struct of `struct_size` writable bytes.
            let out = unsafe { Out::new(out)? };
            let question = next(inner)?;
            out.write(&question);
            Ok(())
        })
    })
}

fn next(inner: &mut Inner) -> Result<cw_question, Failure> {
    let mut question = cw_question {
        struct_size: 0,
        kind: CW_ASK_DONE,
        bytes: std::ptr::null(),
        length: 0,
        keys: std::ptr::null(),
        entity: std::ptr::null(),
        transaction: std::ptr::null(),
        event: std::ptr::null(),
        account: std::ptr::null(),
    };
    inner.begin();
    while let Some(notice) = inner.poll_notice() {
        if let Some(event) = EventInC::new(&notice) {
            question.kind = CW_ASK_NOTHING;
            question.event = show(&mut inner.shown, Shown::Event(event), |shown| match shown {
                Shown::Event(event) => event.event(),
                _ => std::ptr::null(),
            });
            return Ok(question);
        }
    }
    match &inner.state {
        State::Failed(failure) => return Err(failure.clone()),
        State::Done(_) => {}
        State::Exchanging(_, bytes, _) => {
            question.kind = CW_ASK_TRANSMIT;
            question.length = bytes.len();
            question.bytes = show(&mut inner.shown, Shown::Bytes(bytes.clone()), |shown| match shown {
                Shown::Bytes(bytes) => bytes.as_ptr(),
                _ => std::ptr::null(),
            });
        }
        State::Asked(Ask::Reset) => question.kind = CW_ASK_RESET,
        State::Asked(Ask::Random) => question.kind = CW_ASK_RANDOM,
        State::Asked(Ask::Keys(request)) => {
            question.kind = CW_ASK_KEYS;
            question.keys = show(&mut inner.shown, Shown::Keys(RequestInC::new(request)?), |shown| match shown {
                Shown::Keys(request) => request.request(),
                _ => std::ptr::null(),
            });
        }
        State::Asked(Ask::History(entity)) => {
            let name = std::ffi::CString::new(entity.as_str()).unwrap_or_default();
            question.kind = CW_ASK_HISTORY;
            question.entity = show(&mut inner.shown, Shown::Entity(name), |shown| match shown {
                Shown::Entity(name) => name.as_ptr(),
                _ => std::ptr::null(),
            });
        }
        State::Asked(Ask::Commit(transaction)) => {
            question.kind = CW_ASK_COMMIT;
            let shown = Shown::Transaction(TransactionInC::new(transaction));
            question.transaction = show(&mut inner.shown, shown, |shown| match shown {
                Shown::Transaction(transaction) => transaction.transaction(),
                _ => std::ptr::null(),
            });
        }
        State::Asked(Ask::Account(request)) => {
            let request = AccountRequestInC::new(request)
                .ok_or_else(|| Failure::new(CW_UNSUPPORTED, "a request to the keeper of accounts without a number"))?;
            question.kind = CW_ASK_ACCOUNT;
            question.account = show(&mut inner.shown, Shown::Account(request), |shown| match shown {
                Shown::Account(request) => request.request(),
                _ => std::ptr::null(),
            });
        }
        State::Fresh | State::Asked(_) => return inner.out_of_turn(),
    }
    inner.is_asked = true;
    Ok(question)
}

/// Keeps what the program reads, and points to it.
fn show<T>(place: &mut Option<Shown>, shown: Shown, pointer: impl FnOnce(&Shown) -> *const T) -> *const T {
    pointer(place.insert(shown))
}

/// Answers `CW_ASK_TRANSMIT` with the card's response and its status word, `CW_ASK_RESET` with the ATR, `CW_ASK_RANDOM` with 8 bytes.
/// `flags` is 0, or `CW_TRANSPORT_EXTENDED` with an ATR when extended length fields pass from now on.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_process_answer_bytes(
    process: *mut cw_process,
    bytes: *const u8,
    length: usize,
    flags: u32,
) -> cw_status {
    boundary(|| {
        handle::with::<Process, _>(process as usize, |process| {
            let inner = process.0.get();
            // SAFETY: the header asks for `length` readable bytes.
            let bytes = unsafe { input::bytes(bytes, length, CW_ANSWER_CAPACITY, "bytes")? };
            match inner.asked()? {
                State::Asked(Ask::Reset) if flags & !CW_TRANSPORT_EXTENDED == 0 => {
                    let limits = ExchangeLimits::default();
                    inner.limits = if flags == 0 { limits } else { limits.with_extended() };
                    inner.answer(Answer::Atr(Ok(bytes.to_vec())));
                }
                State::Exchanging(..) | State::Asked(Ask::Reset | Ask::Random) if flags != 0 => {
                    return Err(Failure::value(format!("flags {flags:X} do not go with this question")));
                }
                State::Exchanging(..) => inner.answer_transmit(Ok(bytes)),
                State::Asked(Ask::Random) => {
                    let bytes = bytes.try_into().map_err(|_| Failure::value("CW_ASK_RANDOM takes 8 bytes"))?;
                    inner.answer(Answer::Random(bytes));
                }
                _ => return inner.out_of_turn(),
            }
            Ok(())
        })
    })
}

/// Answers `CW_ASK_KEYS`. `answer` may be wiped afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_process_answer_keys(
    process: *mut cw_process,
    answer: *const cw_key_answer,
) -> cw_status {
    boundary(|| {
        handle::with::<Process, _>(process as usize, |process| {
            let inner = process.0.get();
            // SAFETY: the header asks for a struct of `struct_size` readable bytes.
            let answer = Wiped(unsafe { plain::read(answer)? });
            let State::Asked(Ask::Keys(request)) = inner.asked()? else { return inner.out_of_turn() };
            let result: KeyAnswer = answer.0.to(request)?;
            inner.answer(Answer::Keys(Ok(result)));
            Ok(())
        })
    })
}

/// Answers `CW_ASK_HISTORY` with all records of the entity, in the order of their numbers. `records` may be NULL when `count` is 0.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_process_answer_history(
    process: *mut cw_process,
    records: *const cw_record,
    count: usize,
) -> cw_status {
    /// Far above what a card's life brings.
    const MAX_RECORDS: usize = 1 << 20;
    boundary(|| {
        handle::with::<Process, _>(process as usize, |process| {
            let inner = process.0.get();
            let State::Asked(Ask::History(entity)) = inner.asked()? else { return inner.out_of_turn() };
            let mut taken = Records::new(Entity::clone(entity));
            // SAFETY: the header asks for `count` structs of the `struct_size` of the first.
            for record in unsafe { plain::read_all(records, count, 0..=MAX_RECORDS, "records")? } {
                // SAFETY: a live struct, whose pointer the header wants to be good for its length.
                unsafe { taken.push(&raw const record)? };
            }
            inner.answer(Answer::History(Ok(taken.records)));
            Ok(())
        })
    })
}

/// Answers `CW_ASK_COMMIT`: all records of the transaction are on stable storage, with numbers that rise by one from `first_seq`.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_process_answer_committed(process: *mut cw_process, first_seq: u64) -> cw_status {
    boundary(|| {
        handle::with::<Process, _>(process as usize, |process| {
            let inner = process.0.get();
            let State::Asked(Ask::Commit(transaction)) = inner.asked()? else { return inner.out_of_turn() };
            let result: Result<Durable, StoreError> = store::committed(transaction, CW_OK, first_seq, "");
            inner.answer(Answer::Committed(Ok(result.map_err(Failure::from)?)));
            Ok(())
        })
    })
}

/// Answers `CW_ASK_ACCOUNT`: `status`, and with `CW_BOOKING_BOOKED` `reference`.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_process_answer_account(
    process: *mut cw_process,
    answer: *const cw_booking,
) -> cw_status {
    boundary(|| {
        handle::with::<Process, _>(process as usize, |process| {
            let inner = process.0.get();
            // SAFETY: the header asks for a struct of `struct_size` readable bytes.
            let answer = unsafe { plain::read(answer)? };
            let State::Asked(Ask::Account(request)) = inner.asked()? else { return inner.out_of_turn() };
            let status = answer.to(request)?;
            inner.answer(Answer::Account(Ok(status)));
            Ok(())
        })
    })
}

/// Answers the open question with a failure: for card questions one of `CW_CARD_REMOVED` to `CW_LINE_LOST` or `CW_TRANSPORT`, with
/// `delivery` as in `cw_answer`; for `CW_ASK_KEYS` one of `CW_KEY_NOT_FOUND` to `CW_KEY_SERVICE`; for the journal one of
/// `CW_STORE_CONFLICT` to `CW_STORE_DAMAGED`.
///
/// `reason` may be NULL: words for the error message, without a secret; it is looked at for `CW_TRANSPORT`, `CW_KEY_REFUSED`,
/// `CW_KEY_UNAVAILABLE` and the journal. `CW_ASK_RANDOM` takes `CW_NO_RANDOM`; `CW_ASK_ACCOUNT` takes `CW_TIMEOUT` or `CW_LINE_LOST`,
/// after which the keeper is taken to have booked or not. The process then ends or goes on as it must: ask for its
/// next question.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_process_answer_failure(
    process: *mut cw_process,
    status: cw_status,
    delivery: u32,
    reason: *const c_char,
) -> cw_status {
    boundary(|| {
        handle::with::<Process, _>(process as usize, |process| {
            let inner = process.0.get();
            let reason = if reason.is_null() {
                String::new()
            } else {
                // SAFETY: the header asks for a NUL-terminated string.
                unsafe { input::string(reason, "reason")? }
            };
            let unfit = || Failure::value(format!("status {status} is none for the open question"));
            match inner.asked()? {
                State::Exchanging(..) | State::Asked(Ask::Reset) => {
                    if !(CW_CARD_REMOVED..=CW_LINE_LOST).contains(&status) && status != CW_TRANSPORT {
                        return Err(unfit());
                    }
                    let delivery = match delivery {
                        CW_DELIVERY_UNKNOWN => Delivery::Unknown,
                        CW_DELIVERY_NOT_SENT => Delivery::NotSent,
                        other => return Err(Failure::value(format!("delivery {other} is not known"))),
                    };
                    let kind = match (status, reason.is_empty()) {
                        (CW_TRANSPORT, false) => TransportErrorKind::Other(reason),
                        _ => kind_of(status),
                    };
                    let error = TransportError { kind, delivery };
                    match &inner.state {
                        State::Exchanging(..) => inner.answer_transmit(Err(error)),
                        _ => inner.answer(Answer::Atr(Err(error))),
                    }
                }
                State::Asked(Ask::Keys(request)) if (CW_KEY_NOT_FOUND..=CW_KEY_SERVICE).contains(&status) => {
                    let error = key_service::refusal(status, &reason, request);
                    inner.answer(Answer::Keys(Err(error)));
                }
                State::Asked(Ask::History(_)) if (CW_STORE_CONFLICT..=CW_STORE_DAMAGED).contains(&status) => {
                    inner.answer(Answer::History(Err(store::store_error(status, "reading", &reason))));
                }
                State::Asked(Ask::Commit(transaction)) if (CW_STORE_CONFLICT..=CW_STORE_DAMAGED).contains(&status) => {
                    let result = store::committed(transaction, status, 0, &reason);
                    inner.answer(Answer::Committed(result));
                }
                State::Asked(Ask::Random) if status == CW_NO_RANDOM => {
                    inner.state = State::Failed(Failure::new(CW_NO_RANDOM, "the program has no random bytes"));
                }
                State::Asked(Ask::Account(_)) if matches!(status, CW_TIMEOUT | CW_LINE_LOST) => {
                    inner.answer(Answer::Account(Err(AccountError::NoAnswer)));
                }
                State::Asked(_) => return Err(unfit()),
                _ => return inner.out_of_turn(),
            }
            Ok(())
        })
    })
}

/// Tells what a process brought about that has ended with `CW_OK`. One that loads a purse has `cw_process_load_report`, and ends this
/// with `CW_OUT_OF_TURN`.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_process_report(process: *mut cw_process, out: *mut cw_report) -> cw_status {
    boundary(|| {
        handle::with::<Process, _>(process as usize, |process| {
            // SAFETY: the header asks for a struct of `struct_size` writable bytes.
            let out = unsafe { Out::new(out)? };
            let inner = process.0.get();
            if inner.load.is_some() {
                return Err(Failure::new(
                    CW_OUT_OF_TURN,
                    "the process was a load: cw_process_load_report tells its end",
                ));
            }
            out.write(&inner.finished()?.in_c());
            Ok(())
        })
    })
}

/// Tells how a process left the load of a purse, whatever it ended with. A process that has not ended, failed before it came to a
/// load or is none of loads ends this with `CW_OUT_OF_TURN`.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_process_load_report(
    process: *mut cw_process,
    out: *mut cw_purse_load_report,
) -> cw_status {
    boundary(|| {
        handle::with::<Process, _>(process as usize, |process| {
            // SAFETY: the header asks for a struct of `struct_size` writable bytes.
            let out = unsafe { Out::new(out)? };
            let load = process.0.get().load.as_ref();
            out.write(&load.ok_or_else(|| Failure::new(CW_OUT_OF_TURN, "the process has no load to tell of"))?.in_c());
            Ok(())
        })
    })
}

/// Tells which step of a process that has ended with `CW_QUARANTINED` waits for persons, and what they sign to have it tried again. A
/// process that has not ended so ends this with `CW_OUT_OF_TURN`.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_process_held(process: *mut cw_process, out: *mut cw_held) -> cw_status {
    boundary(|| {
        handle::with::<Process, _>(process as usize, |process| {
            // SAFETY: the header asks for a struct of `struct_size` writable bytes.
            let out = unsafe { Out::new(out)? };
            let inner = process.0.get();
            let held = match &inner.state {
                State::Failed(failure) if failure.status == CW_QUARANTINED => inner.held.as_deref(),
                _ => None,
            };
            out.write(&held.ok_or_else(|| Failure::new(CW_OUT_OF_TURN, "no step waits for persons"))?.into());
            Ok(())
        })
    })
}

/// Gives one object that is on the card after a process that has ended with `CW_OK`: `cw_report.after_count` of them, counted from 0;
/// with `before` 1 one that was there before it. `CW_OUT_OF_RANGE` behind the last one.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_process_row(
    process: *mut cw_process,
    before: u32,
    index: usize,
    out: *mut cw_row,
) -> cw_status {
    boundary(|| {
        handle::with::<Process, _>(process as usize, |process| {
            // SAFETY: the header asks for a struct of `struct_size` writable bytes.
            let out = unsafe { Out::new(out)? };
            if before > 1 {
                return Err(Failure::value(format!("before is 0 or 1, not {before}")));
            }
            let report = process.0.get().finished()?.report.as_ref();
            let rows = report.map_or(&[][..], |report| if before == 0 { &report.after } else { &report.before });
            let row = rows.get(index).ok_or_else(|| {
                Failure::new(CW_OUT_OF_RANGE, format!("row {index} of {}, counted from 0", rows.len()))
            })?;
            out.write(&row.into());
            Ok(())
        })
    })
}
