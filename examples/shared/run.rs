//! A run: its time, its chance, and what a person sees of its end.

use std::error::Error;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use cardwright::apdu::TransportErrorKind;
use cardwright::issuance::remote::Outcome;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// The card was torn out.
pub(crate) const INTERRUPTED: u8 = 3;
/// A step needs a person.
pub(crate) const QUARANTINED: u8 = 4;

/// Milliseconds since 1970-01-01 UTC.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The same each time with a seed, unpredictable without.
pub(crate) fn chance(seed: Option<u64>) -> Result<ChaCha20Rng, Box<dyn Error>> {
    Ok(match seed {
        Some(seed) => ChaCha20Rng::seed_from_u64(seed),
        None => {
            let mut seed = [0; 32];
            getrandom::fill(&mut seed)?;
            ChaCha20Rng::from_seed(seed)
        }
    })
}

/// As many random bytes as a machine asks for.
pub(crate) fn random(rng: &mut ChaCha20Rng) -> [u8; 8] {
    let mut bytes = [0; 8];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// Tells how a machine ended; its result, when it is complete, by `show`.
pub(crate) fn finish<T>(outcome: Outcome<T>, show: impl FnOnce(T)) -> ExitCode {
    match outcome {
        Outcome::Complete(result) => {
            show(result);
            ExitCode::SUCCESS
        }
        Outcome::Interrupted(during) => interrupted(during.command, &during.kind),
        Outcome::Quarantined { step, reason } => {
            println!("\nstep {step} waits for two persons: {reason}");
            println!(
                "Look at card and record; with --release-quarantine two simulated persons sign that it is tried again."
            );
            ExitCode::from(QUARANTINED)
        }
        _ => ExitCode::FAILURE,
    }
}

/// What a person has to know when the card was torn out.
pub(crate) fn interrupted(command: &str, kind: &TransportErrorKind) -> ExitCode {
    println!("\ninterrupted at {command}: {kind}");
    println!("A step that was under way is in the record as not known. Put the same card back and run the same");
    println!("command again: the card will be asked.");
    ExitCode::from(INTERRUPTED)
}
