//! Writes the CAP file of the examples, for scripts that run programs.

use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(path) = std::env::args_os().nth(1) else {
        eprintln!("usage: payment_cap PATH");
        return ExitCode::from(2);
    };
    match std::fs::write(&path, cardwright_capgen::default_payment_cap()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", path.display());
            ExitCode::FAILURE
        }
    }
}
