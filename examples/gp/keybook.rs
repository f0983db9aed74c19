//! Where the card's keys come from.

use cardwright::gp::procedure::{KeyCandidate, KeyScheme};
use cardwright::keys::{KeyCheckValue, KeyKind, KeyRef, KeyService, KeyValue, SoftwareKeys};
use zeroize::Zeroizing;

use crate::failure::{Exit, Failure};
use crate::options::KeyOptions;

/// The variable that may hold the key and its check value.
const KEY_VARIABLE: &str = "CARDWRIGHT_KEY";

/// Published in GPCS and in use on the cards of many makers as they leave the factory.
const TEST_KEYS: &str = "\
test-aes AES 404142434445464748494A4B4C4D4E4F 504A77
test-des DES 404142434445464748494A4B4C4D4E4F 8BAF47
";

/// The keys, and those sets that the card may have.
pub(crate) struct KeyBook {
    pub(crate) service: Box<dyn KeyService>,
    pub(crate) candidates: Vec<KeyCandidate>,
    /// Names and kinds of what is there; of a token, kinds are not known.
    known: Option<Vec<(String, KeyKind)>>,
}

impl KeyBook {
    /// Gathers the keys. A software card has the published test keys without being told.
    pub(crate) fn gather(options: &KeyOptions, is_software_card: bool) -> Result<Self, Failure> {
        if options.pkcs11.is_some() {
            return token(options);
        }
        let mut keys = SoftwareKeys::new();
        let mut known = Vec::new();
        if let Some(path) = &options.key_file {
            let name = path.display();
            let wrong = |words: String| Failure::file(format!("{name}: {words}"), "the card was left alone");
            let text = std::fs::read_to_string(path).map(Zeroizing::new).map_err(|error| wrong(error.to_string()))?;
            keys.insert_file(&text).map_err(|error| wrong(error.to_string()))?;
            known.extend(names_in(&text));
            warn_of_readers(path);
        } else if let Some(text) = given(options)? {
            known.extend(insert(&mut keys, "given", &text)?);
        }
        let mut candidates = chosen(&known, options)?;
        let is_empty = candidates.is_empty();
        if options.test_keys || is_software_card {
            keys.insert_file(TEST_KEYS).map_err(|error| Failure::new(Exit::Other, error, "this is an error of gp"))?;
            candidates.extend(
                names_in(TEST_KEYS).into_iter().map(|(name, kind)| candidate(&name, kind, KeyScheme::AsIs, None)),
            );
        } else if is_empty {
            return Err(Failure::new(
                Exit::Keys,
                "no key was given",
                "--key-file FILE, CARDWRIGHT_KEY, --ask-key or --pkcs11 MODULE; --test-keys for a card with the published ones",
            ));
        }
        Ok(Self { service: Box::new(keys), candidates, known: Some(known) })
    }

    /// The key of this name.
    pub(crate) fn new_key(&self, name: &str, scheme: KeyScheme) -> Result<KeyCandidate, Failure> {
        let Some(known) = &self.known else { return Ok(candidate(name, KeyKind::Aes, scheme, None)) };
        if let Some((_, kind)) = known.iter().find(|(other, _)| other == name) {
            return Ok(candidate(name, *kind, scheme, None));
        }
        let names: Vec<_> = known.iter().map(|(name, _)| name.as_str()).collect();
        let there = if names.is_empty() { "none was given".into() } else { format!("there is {}", names.join(", ")) };
        let next = format!("{there}: new keys come from --key-file or a token");
        Err(Failure::new(Exit::Keys, format!("there is no key {name:?}"), next))
    }

    /// Makes sure that a new key is of the kind that the card's protocol takes; a token tells no kind.
    pub(crate) fn fit(&self, key: &mut KeyCandidate, kind: KeyKind) -> Result<(), Failure> {
        if self.known.is_none() {
            key.kind = kind;
        }
        if key.kind == kind {
            return Ok(());
        }
        let what = format!("key {:?} is for {}, the card's protocol takes {kind}", key.key.name(), key.kind);
        Err(Failure::new(Exit::Keys, what, "the card was left as it is: name another key"))
    }
}

fn candidate(name: &str, kind: KeyKind, scheme: KeyScheme, kvn: Option<u8>) -> KeyCandidate {
    let candidate = KeyCandidate::new(KeyRef::new(name), kind, scheme);
    kvn.map_or(candidate.clone(), |kvn| candidate.with_kvn(kvn))
}

/// The candidates among these keys.
fn chosen(known: &[(String, KeyKind)], options: &KeyOptions) -> Result<Vec<KeyCandidate>, Failure> {
    let is_channel_key = |kind: KeyKind| matches!(kind, KeyKind::Aes | KeyKind::Tdes);
    let wanted = |name: &str| options.key_name.as_deref().is_none_or(|wanted| wanted == name);
    let found: Vec<_> = known
        .iter()
        .filter(|(name, kind)| wanted(name) && is_channel_key(*kind))
        .map(|(name, kind)| candidate(name, *kind, options.scheme, options.kvn))
        .collect();
    match &options.key_name {
        Some(name) if found.is_empty() => {
            let names: Vec<_> = known.iter().map(|(name, _)| name.as_str()).collect();
            let next = format!("--key-name is one of: {}", names.join(", "));
            Err(Failure::new(Exit::Keys, format!("there is no key {name:?} for a secure channel"), next))
        }
        _ => Ok(found),
    }
}

/// Names and kinds in a key file that was read without an error.
fn names_in(text: &str) -> Vec<(String, KeyKind)> {
    let line = |line: &str| {
        let mut words = line.split('#').next()?.split_whitespace();
        let (name, kind) = (words.next()?, words.next()?);
        let kind = match kind {
            "AES" => KeyKind::Aes,
            "DES" => KeyKind::Tdes,
            "SM4" => KeyKind::Sm4,
            _ => return None,
        };
        Some((name.to_owned(), kind))
    };
    text.lines().filter_map(line).collect()
}

/// A key from the command line, a prompt or the environment, with its check value where there is one.
fn given(options: &KeyOptions) -> Result<Option<Zeroizing<String>>, Failure> {
    if let Some(key) = &options.key {
        eprintln!(
            "gp: warning: every user of this machine sees a key on the command line, and the shell remembers it: better \
             --key-file, --ask-key or {KEY_VARIABLE}"
        );
        return Ok(Some(Zeroizing::new(key.clone())));
    }
    if options.ask_key {
        let wrong = |error| {
            Failure::new(
                Exit::Keys,
                format!("the key cannot be asked for: {error}"),
                "in a script take --key-file or CARDWRIGHT_KEY",
            )
        };
        let key =
            rpassword::prompt_password("Key, in hexadecimal (is not shown): ").map(Zeroizing::new).map_err(wrong)?;
        let check = rpassword::prompt_password("Check value, 6 digits (enter for none): ").map_err(wrong)?;
        return Ok(Some(Zeroizing::new(format!("{} {check}", key.as_str()))));
    }
    Ok(std::env::var(KEY_VARIABLE).ok().map(Zeroizing::new).filter(|_| !options.test_keys))
}

/// Takes a key under every kind that has its length: the card's protocol tells which it is.
fn insert(keys: &mut SoftwareKeys, name: &str, text: &str) -> Result<Vec<(String, KeyKind)>, Failure> {
    let wrong =
        |what: &str| Failure::new(Exit::Keys, what, "a key has 32, 48 or 64 hexadecimal digits, its check value 6");
    let mut words = text.split_whitespace();
    let key = words.next().ok_or_else(|| wrong("the key is empty"))?;
    let key = Zeroizing::new(hex::decode(key).map_err(|_| wrong("the key is not hexadecimal"))?);
    let check = words.next().map(|check| hex::decode(check).ok().and_then(|bytes| <[u8; 3]>::try_from(bytes).ok()));
    let check = match check {
        Some(None) => return Err(wrong("the check value is not 6 hexadecimal digits")),
        Some(Some(bytes)) => Some(KeyCheckValue(bytes)),
        None => None,
    };
    let value = KeyValue::new(&key).map_err(|error| wrong(&error.to_string()))?;
    let mut taken = Vec::new();
    let mut actual = Vec::new();
    for (kind, suffix) in [(KeyKind::Aes, "aes"), (KeyKind::Tdes, "des")] {
        let name = format!("{name}-{suffix}");
        if (kind == KeyKind::Tdes && key.len() != 16) || keys.insert(name.clone(), kind, &key).is_err() {
            continue;
        }
        let own = KeyCheckValue::of(kind, &value).map_err(|error| wrong(&error.to_string()))?;
        if check.is_none_or(|check| check == own) {
            taken.push((name, kind));
        }
        actual.push(format!("{own} ({kind})"));
    }
    match (&taken[..], check) {
        ([], Some(check)) if !actual.is_empty() => Err(wrong(&format!(
            "the check value is {check}, this key has {}: typed wrongly, or another key",
            actual.join(", ")
        ))),
        ([], _) => Err(wrong(&format!("no key has {} bytes", key.len()))),
        _ => Ok(taken),
    }
}

/// A key file that others can read is no secret.
#[cfg(unix)]
fn warn_of_readers(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;

    if std::fs::metadata(path).is_ok_and(|data| data.permissions().mode() & 0o077 != 0) {
        eprintln!("gp: warning: others than you can read {0}: chmod 600 {0}", path.display());
    }
}

#[cfg(not(unix))]
fn warn_of_readers(_: &std::path::Path) {}

#[cfg(feature = "pkcs11")]
fn token(options: &KeyOptions) -> Result<KeyBook, Failure> {
    use cardwright::keys::pkcs11::{Pin, Pkcs11Keys, Pkcs11Options, TokenName};

    let (Some(module), Some(key)) = (&options.pkcs11, &options.key_name) else {
        return Err(Failure::usage("--pkcs11 needs --key-name"));
    };
    let Some(label) = &options.token else { return Err(Failure::usage("--pkcs11 needs --token LABEL")) };
    let pin = match std::env::var("CARDWRIGHT_PIN") {
        Ok(pin) => Zeroizing::new(pin),
        Err(_) => Zeroizing::new(
            rpassword::prompt_password(format!("PIN of token {label:?} (is not shown): ")).map_err(|error| {
                Failure::new(
                    Exit::Keys,
                    format!("the PIN cannot be asked for: {error}"),
                    "in a script set CARDWRIGHT_PIN",
                )
            })?,
        ),
    };
    let options_of_token = Pkcs11Options::new(module, TokenName::Label(label.clone()), Pin::new(&pin));
    let service = Pkcs11Keys::open(options_of_token.allow_derived_keys_in_memory())
        .map_err(|error| Failure::new(Exit::Keys, error, "docs/pkcs11.md says what a token needs"))?;
    // The card's protocol tells the kind.
    let candidates = [KeyKind::Aes, KeyKind::Tdes].map(|kind| candidate(key, kind, options.scheme, options.kvn));
    Ok(KeyBook { service: Box::new(service), candidates: candidates.to_vec(), known: None })
}

#[cfg(not(feature = "pkcs11"))]
fn token(_: &KeyOptions) -> Result<KeyBook, Failure> {
    Err(Failure::new(Exit::Keys, "this program was built without PKCS#11", "build it with --features pkcs11"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_value_tells_the_kind_and_a_wrong_one_is_refused() {
        let mut keys = SoftwareKeys::new();
        let test = "404142434445464748494A4B4C4D4E4F";
        let kinds = |taken: Vec<(String, KeyKind)>| taken.into_iter().map(|(_, kind)| kind).collect::<Vec<_>>();
        assert_eq!(kinds(insert(&mut keys, "a", test).unwrap()), [KeyKind::Aes, KeyKind::Tdes]);
        assert_eq!(kinds(insert(&mut keys, "b", &format!("{test} 504A77")).unwrap()), [KeyKind::Aes]);
        assert_eq!(kinds(insert(&mut keys, "c", &format!("{test} 8BAF47")).unwrap()), [KeyKind::Tdes]);
        let refused = insert(&mut keys, "d", &format!("{test} 000000")).unwrap_err();
        assert!(refused.what.contains("504A77") && !refused.what.contains(test), "{}", refused.what);
        assert!(insert(&mut keys, "e", "4041").unwrap_err().what.contains("2 bytes"));
    }
}
