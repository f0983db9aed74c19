//! Identity keys in files: 64 hexadecimal digits, readable by their owner alone.

use std::error::Error;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use cardwright::relay::{Identity, PublicKey};

/// Makes a key in a new file.
pub(crate) fn create(path: &Path) -> Result<PublicKey, Box<dyn Error>> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    writeln!(file, "{}", hex::encode(secret))?;
    file.sync_all()?;
    Ok(Identity::new(&secret).public_key())
}

/// Reads a key.
pub(crate) fn read(path: &Path) -> Result<Identity, Box<dyn Error>> {
    let text =
        fs::read_to_string(path).map_err(|error| format!("{}: {error}; --new-identity makes one", path.display()))?;
    let mut secret = [0; 32];
    hex::decode_to_slice(text.trim(), &mut secret)
        .map_err(|_| format!("{}: an identity is 64 hexadecimal digits", path.display()))?;
    Ok(Identity::new(&secret))
}
