//! Keys as people bring them: files with check values, and components.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use thiserror::Error;
use zeroize::Zeroizing;

use crate::milenage::MilenageKey;
use crate::{KeyCheckValue, KeyError, KeyKind, KeyValue, SoftwareKeys};

/// Keys that were brought are not taken; nothing of them was.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IntakeError {
    /// A line that is no key.
    #[error(
        "line {line}: {what}: a line is NAME KIND KEY CHECK-VALUE, such as `issuer AES 4041..4F 504A77`; # begins a remark"
    )]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// A name that was there before.
    #[error("line {line}: {name:?} is there twice")]
    Twice {
        /// Number of the second line, from 1.
        line: usize,
        /// The name.
        name: String,
    },
    /// A key and its check value do not go together.
    #[error("{what}: the check value is {expected}, this key has {actual}: typed wrongly, or another key")]
    CheckValue {
        /// Which key or component.
        what: String,
        /// What was brought with it.
        expected: KeyCheckValue,
        /// What it has.
        actual: KeyCheckValue,
    },
    /// Too few or too many components.
    #[error("a key has two or three components, not {actual}")]
    Components {
        /// How many there are.
        actual: usize,
    },
    /// A component is as long as the key.
    #[error("component {component} has {actual} bytes, the first one has {expected}")]
    ComponentLength {
        /// Its number, from 1.
        component: usize,
        /// Length of the first, in bytes.
        expected: usize,
        /// Its length, in bytes.
        actual: usize,
    },
    /// A key that is all zero, or its components cancel each other.
    #[error("{what} is all zero: no key")]
    Zero {
        /// Which key.
        what: String,
    },
    /// The length does not fit the kind.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// One part of a key, which tells nothing of the key alone, with its check value as its keeper wrote it down.
#[derive(Debug)]
pub struct KeyComponent {
    value: Zeroizing<Vec<u8>>,
    check_value: KeyCheckValue,
}

impl KeyComponent {
    /// A component and its check value, computed as for a key of its length.
    #[must_use]
    pub fn new(value: &[u8], check_value: KeyCheckValue) -> Self {
        Self { value: Zeroizing::new(value.to_vec()), check_value }
    }
}

/// Puts a key together from two or three components (exclusive or), each of which and the key are checked against their check values.
///
/// # Errors
/// [`IntakeError`] names the component that does not fit.
pub fn combine(
    kind: KeyKind,
    components: &[KeyComponent],
    check_value: KeyCheckValue,
) -> Result<KeyValue, IntakeError> {
    let [first, others @ ..] = components else { return Err(IntakeError::Components { actual: 0 }) };
    if !(1..=2).contains(&others.len()) {
        return Err(IntakeError::Components { actual: components.len() });
    }
    let mut key = Zeroizing::new(alloc::vec![0; first.value.len()]);
    for (n, component) in components.iter().enumerate() {
        let (expected, actual) = (key.len(), component.value.len());
        if actual != expected {
            return Err(IntakeError::ComponentLength { component: n + 1, expected, actual });
        }
        check(kind, &component.value, component.check_value, || alloc::format!("component {}", n + 1))?;
        key.iter_mut().zip(component.value.iter()).for_each(|(byte, part)| *byte ^= part);
    }
    check(kind, &key, check_value, || "the key".into())
}

/// The key, when it has this check value and is not all zero.
fn check(
    kind: KeyKind,
    value: &[u8],
    expected: KeyCheckValue,
    what: impl Fn() -> String,
) -> Result<KeyValue, IntakeError> {
    kind.check_length(value.len())?;
    if value.iter().all(|byte| *byte == 0) {
        return Err(IntakeError::Zero { what: what() });
    }
    let key = KeyValue::new(value)?;
    let actual = KeyCheckValue::of(kind, &key)?;
    if actual != expected {
        return Err(IntakeError::CheckValue { what: what(), expected, actual });
    }
    Ok(key)
}

impl SoftwareKeys {
    /// Takes the keys of a file, all or none. Its lines are `NAME KIND KEY CHECK-VALUE`: the kind is DES, AES or SM4, or K, OP or OPC
    /// of MILENAGE; key and check value are hexadecimal, `#` begins a remark, empty lines count for nothing. Keep such a file where
    /// nobody else can read it.
    ///
    /// ```
    /// use cardwright_keys::SoftwareKeys;
    ///
    /// let mut keys = SoftwareKeys::new();
    /// keys.insert_file("# published test keys\ntest AES 404142434445464748494A4B4C4D4E4F 504A77\n")?;
    /// assert!(keys.insert_file("test AES 404142434445464748494A4B4C4D4E4F 504A78\n").is_err());
    /// # Ok::<(), cardwright_keys::IntakeError>(())
    /// ```
    ///
    /// # Errors
    /// [`IntakeError`] names the line; no key is shown.
    pub fn insert_file(&mut self, text: &str) -> Result<(), IntakeError> {
        let mut taken: Vec<(&str, KeyKind, KeyValue)> = Vec::new();
        for (n, line) in text.lines().enumerate() {
            let line_number = n + 1;
            let wrong = |what| IntakeError::Line { line: line_number, what };
            let content = line.split('#').next().unwrap_or_default();
            let mut words = content.split_whitespace();
            let Some(name) = words.next() else { continue };
            let kind = match words.next() {
                Some("AES") => KeyKind::Aes,
                Some("DES") => KeyKind::Tdes,
                Some("SM4") => KeyKind::Sm4,
                Some("K") => KeyKind::Milenage(MilenageKey::K),
                Some("OP") => KeyKind::Milenage(MilenageKey::Op),
                Some("OPC") => KeyKind::Milenage(MilenageKey::Opc),
                Some(_) => return Err(wrong("the kind is none of DES, AES, SM4, K, OP and OPC")),
                None => return Err(wrong("there is only a name")),
            };
            let value = hexadecimal(words.next().ok_or_else(|| wrong("there is no key"))?);
            let value = value.ok_or_else(|| wrong("the key is not hexadecimal"))?;
            let check_value = hexadecimal(words.next().ok_or_else(|| wrong("there is no check value"))?);
            let check_value = check_value.and_then(|bytes| <[u8; 3]>::try_from(&bytes[..]).ok());
            let check_value =
                KeyCheckValue(check_value.ok_or_else(|| wrong("a check value has six hexadecimal digits"))?);
            if words.next().is_some() {
                return Err(wrong("there is more behind the check value"));
            }
            if taken.iter().any(|(other, ..)| *other == name) {
                return Err(IntakeError::Twice { line: line_number, name: name.to_string() });
            }
            let key = check(kind, &value, check_value, || alloc::format!("line {line_number}, key {name:?}"))?;
            taken.push((name, kind, key));
        }
        for (name, kind, key) in &taken {
            self.insert(*name, *kind, key.expose_bytes())?;
        }
        Ok(())
    }
}

fn hexadecimal(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() / 2));
    for pair in text.as_bytes().chunks_exact(2) {
        bytes.push(digit(pair[0])? << 4 | digit(pair[1])?);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KeyRef, KeyRequest, KeyService};

    const TEST: &str = "404142434445464748494A4B4C4D4E4F";

    fn bytes(text: &str) -> Vec<u8> {
        hexadecimal(text).unwrap().to_vec()
    }

    fn kcv(text: &str) -> KeyCheckValue {
        KeyCheckValue(bytes(text).try_into().unwrap())
    }

    fn of(kind: KeyKind, value: &[u8]) -> KeyCheckValue {
        KeyCheckValue::of(kind, &KeyValue::new(value).unwrap()).unwrap()
    }

    #[test]
    fn a_file_is_taken_whole_or_not_at_all() {
        let mut keys = SoftwareKeys::new();
        let good = alloc::format!("\n  # remark\nissuer DES {TEST} 8BAF47 # of the issuer\r\ncard AES {TEST} 504A77\n");
        keys.insert_file(&good).unwrap();
        let request = KeyRequest::Cryptogram { key: KeyRef::new("issuer"), challenge: alloc::vec![0; 8] };
        assert!(keys.answer(&request).is_ok());
        let mut empty = SoftwareKeys::new();
        for (file, said) in [
            (
                alloc::format!("a AES {TEST} 504A77\nb AES {TEST} 504A78"),
                "line 2, key \"b\": the check value is 504A78",
            ),
            (alloc::format!("issuer AES {TEST} 504A77\nissuer DES {TEST} 8BAF47"), "line 2: \"issuer\" is there twice"),
            (alloc::format!("a 3DES {TEST} 8BAF47"), "line 1: the kind is"),
            (alloc::format!("a AES {TEST}"), "line 1: there is no check value"),
            (alloc::format!("a AES {TEST} 504A"), "six hexadecimal digits"),
            (alloc::format!("a AES {TEST} 504A77 x"), "there is more"),
            ("a".into(), "there is only a name"),
            ("a AES".into(), "there is no key"),
            ("a AES 4G 504A77".into(), "the key is not hexadecimal"),
            ("a AES 404 504A77".into(), "the key is not hexadecimal"),
            ("a AES é0 504A77".into(), "the key is not hexadecimal"),
            ("a AES 4041 504A77".into(), "no key of this kind has 2 bytes"),
            (alloc::format!("a AES {} 504A77", "00".repeat(16)), "is all zero"),
        ] {
            let error = empty.insert_file(&file).unwrap_err().to_string();
            assert!(error.contains(said) && !error.contains("4041424344"), "{error}");
            assert!(matches!(empty.answer(&request), Err(KeyError::NotFound { .. })), "{error}");
        }
    }

    #[test]
    fn components_are_checked_one_by_one_and_together() {
        let parts = [bytes(TEST), alloc::vec![0x5A; 16], alloc::vec![0xC3; 16]];
        let key: Vec<u8> = (0..16).map(|i| parts[0][i] ^ parts[1][i] ^ parts[2][i]).collect();
        let component = |n: usize| KeyComponent::new(&parts[n], of(KeyKind::Aes, &parts[n]));
        let all = || [component(0), component(1), component(2)];
        let combined = combine(KeyKind::Aes, &all(), of(KeyKind::Aes, &key)).unwrap();
        assert_eq!(combined.expose_bytes(), key);
        assert!(matches!(combine(KeyKind::Aes, &all(), kcv("000000")), Err(IntakeError::CheckValue { .. })));
        let error = combine(KeyKind::Aes, &[component(0), KeyComponent::new(&parts[1], kcv("111111"))], kcv("000000"));
        assert!(error.unwrap_err().to_string().starts_with("component 2: the check value is 111111"));
        for count in [0, 1, 4] {
            let many: Vec<_> = (0..count).map(|n| component(n % 3)).collect();
            assert!(
                matches!(combine(KeyKind::Aes, &many, kcv("000000")), Err(IntakeError::Components { actual }) if actual == count)
            );
        }
        let short = KeyComponent::new(&[1; 8], kcv("000000"));
        let error = combine(KeyKind::Aes, &[component(0), short], kcv("000000"));
        assert!(matches!(error, Err(IntakeError::ComponentLength { component: 2, expected: 16, actual: 8 })));
        let same = combine(KeyKind::Aes, &[component(0), component(0)], kcv("000000"));
        assert!(matches!(same, Err(IntakeError::Zero { .. })), "components that cancel each other");
    }
}
