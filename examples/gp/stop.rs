//! Ctrl-C: between two commands, never in the middle of one.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

static IN_SESSION: AtomicBool = AtomicBool::new(false);
static REQUESTED: AtomicBool = AtomicBool::new(false);
static LAST: Mutex<Option<(u64, &'static str)>> = Mutex::new(None);

/// From here on Ctrl-C ends the program at once while no card is in use, and else after the command that is under way.
pub(crate) fn watch() -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(|| {
        if !IN_SESSION.load(Ordering::SeqCst) {
            std::process::exit(130);
        }
        if !REQUESTED.swap(true, Ordering::SeqCst) {
            eprintln!("\ngp: ending after the command that is under way ..");
        }
    })
}

/// Commands go to a card from now on.
pub(crate) fn begin_session() {
    IN_SESSION.store(true, Ordering::SeqCst);
}

/// Whether the next command shall not go out any more.
pub(crate) fn is_requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}

pub(crate) fn note_command(number: u64, name: &'static str) {
    if let Ok(mut last) = LAST.lock() {
        *last = Some((number, name));
    }
}

/// The last command that was sent, in words.
pub(crate) fn last_command() -> String {
    match LAST.lock().ok().and_then(|last| *last) {
        Some((number, name)) => format!("command {number}, {name}"),
        None => "no command".into(),
    }
}
