//! Published vectors from public sources. They lie outside the project: what needs them skips with a message where they are
//! absent.

#![allow(dead_code, reason = "no test needs all of it")]

use serde_json::Value;

/// All published vectors, or `None` with a message.
pub(crate) fn all_published() -> Option<Vec<Value>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors/published.json");
    let Ok(text) = std::fs::read(path) else {
        eprintln!("skipped: {path} is not here");
        return None;
    };
    Some(vectors(&text))
}

/// One published vector, or `None` with a message.
pub(crate) fn published(id: &str) -> Option<Value> {
    let vector = all_published()?.into_iter().find(|vector| vector["id"] == id);
    Some(vector.unwrap_or_else(|| panic!("no vector {id}")))
}

/// What a file of vectors has.
pub(crate) fn vectors(text: &[u8]) -> Vec<Value> {
    let mut file: Value = serde_json::from_slice(text).unwrap();
    std::mem::take(file["vectors"].as_array_mut().unwrap())
}
