//! Published vectors from public sources. They lie outside the project: what needs them skips with a message where they are
//! absent.

use serde_json::Value;

/// The vectors whose id begins so, of which there is one at least; none, with a message, where the file is absent.
pub(crate) fn published(prefix: &str) -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors/published.json");
    let Ok(text) = std::fs::read(path) else {
        eprintln!("skipped: {path} is not here");
        return Vec::new();
    };
    let mut file: Value = serde_json::from_slice(&text).unwrap();
    let mut vectors = std::mem::take(file["vectors"].as_array_mut().unwrap());
    vectors.retain(|vector| vector["id"].as_str().unwrap().starts_with(prefix));
    assert!(!vectors.is_empty(), "no vector {prefix}");
    vectors
}

pub(crate) fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}
