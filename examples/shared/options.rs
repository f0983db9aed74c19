//! Options that the programs have in common, and what is wrong with paths.

use std::path::{Path, PathBuf};

use clap::Args;

/// Tears a software card out of its reader.
#[derive(Args, Debug)]
pub(crate) struct Tear {
    /// Tears the card out before command N is executed.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) cut: Option<u64>,

    /// With --cut: command N is executed, and its answer lost.
    #[arg(long, requires = "cut")]
    pub(crate) executed: bool,
}

impl Tear {
    /// Says so when the run ended before the cut.
    pub(crate) fn report(&self, commands: u64) {
        if self.cut.is_some_and(|n| n > commands) {
            println!("the cut was not reached: there were fewer commands");
        }
    }
}

/// Refuses folders, and what would be written over another file. Each path with its option and a name for the file.
pub(crate) fn check_paths(
    written: &[(&str, Option<&Path>, &str)],
    read: &[(&str, Option<&Path>, &str)],
) -> Result<(), String> {
    let mut named: Vec<(&str, &Path)> = Vec::new();
    for &(option, path, example) in written.iter().chain(read) {
        let Some(path) = path else { continue };
        if path.is_dir() {
            let (folder, file) = (path.display(), path.join(example));
            return Err(format!("{option} {folder} is a folder: name a file in it, {} for instance", file.display()));
        }
        let others = named.iter().filter(|(other, _)| written.iter().any(|(name, ..)| name == other));
        for (other, same) in others {
            if absolute(path) == absolute(same) {
                return Err(format!("{other} and {option} name the same file: {}", path.display()));
            }
        }
        named.push((option, path));
    }
    Ok(())
}

/// The path by which two names of one file are told.
fn absolute(path: &Path) -> PathBuf {
    path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned())
}
