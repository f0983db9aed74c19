//! A fresh SoftHSM token for each test.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test takes what it needs")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cardwright_keys::KeyKind;
use cardwright_keys::pkcs11::{Pin, Pkcs11Keys, Pkcs11Options, TokenName};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;

pub const LABEL: &str = "cardwright-test";
pub const PIN: &str = "567890";
const OFFICER_PIN: &str = "12345678";
const FOLDER: &str = "CARDWRIGHT_TOKEN_FOLDER";

/// Runs a test in a process of its own: SoftHSM reads its configuration once a process, from an environment variable.
///
/// `name` is the test's, so that the process runs this one. Without SoftHSM it is skipped.
pub fn with_token(name: &str, test: impl FnOnce(&mut TestToken)) {
    let Some(module) = softhsm() else {
        eprintln!("{name} SKIPPED: libsofthsm2.so is missing (Debian: apt-get install softhsm2)");
        return;
    };
    if let Some(folder) = std::env::var_os(FOLDER) {
        return test(&mut TestToken::new(module, folder.into()));
    }
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("tokens")).unwrap();
    let configuration = folder.path().join("softhsm2.conf");
    let tokens = folder.path().join("tokens");
    fs::write(&configuration, format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display())).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture", "--include-ignored"])
        .env("SOFTHSM2_CONF", configuration)
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    print!("{text}");
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "{name} failed in its own process");
}

fn softhsm() -> Option<PathBuf> {
    let multiarch = format!("/usr/lib/{}-linux-gnu/softhsm/libsofthsm2.so", std::env::consts::ARCH);
    ["/usr/lib/softhsm/libsofthsm2.so", &multiarch].map(PathBuf::from).into_iter().find(|path| path.exists())
}

pub struct TestToken {
    pub module: PathBuf,
    pub folder: PathBuf,
    pub library: Pkcs11,
    session: Option<Session>,
}

impl TestToken {
    fn new(module: PathBuf, folder: PathBuf) -> Self {
        let library = Pkcs11::new(&module).unwrap();
        initialize(&library);
        let slot = library.get_all_slots().unwrap()[0];
        let officer = AuthPin::from(OFFICER_PIN);
        library.init_token(slot, &officer, LABEL).unwrap();
        let slot = slot_of(&library);
        let session = library.open_rw_session(slot).unwrap();
        session.login(UserType::So, Some(&officer)).unwrap();
        session.init_pin(&AuthPin::from(PIN)).unwrap();
        session.logout().unwrap();
        session.login(UserType::User, Some(&AuthPin::from(PIN))).unwrap();
        Self { module, folder, library, session: Some(session) }
    }

    pub fn options(&self) -> Pkcs11Options {
        Pkcs11Options::new(&self.module, TokenName::Label(LABEL.into()), Pin::new(PIN))
    }

    /// A service that may have derived keys in memory.
    pub fn keys(&self) -> Pkcs11Keys {
        Pkcs11Keys::open(self.options().allow_derived_keys_in_memory()).unwrap()
    }

    /// Another session, logged in as the process is.
    pub fn session(&self) -> &Session {
        self.session.as_ref().unwrap()
    }

    /// Takes the token's sessions away from everybody, as pulling it does; begins again.
    pub fn pull(&mut self) {
        self.restart();
        self.session = Some(self.library.open_rw_session(slot_of(&self.library)).unwrap());
    }

    /// As [`TestToken::pull`], and this test has no session any more.
    pub fn restart(&mut self) {
        // Before there are new ones, which may have its number.
        self.session = None;
        self.library.clone().finalize().unwrap();
        initialize(&self.library);
    }

    /// Puts a key with a known value on the token; nobody can get it out again.
    pub fn import(&self, name: &str, kind: KeyKind, value: &[u8], more: &[Attribute]) -> ObjectHandle {
        let key_type = match kind {
            KeyKind::Aes => KeyType::AES,
            _ => KeyType::DES2,
        };
        let mut template = attributes(name, more);
        template.extend([Attribute::KeyType(key_type), Attribute::Value(value.to_vec())]);
        self.session().create_object(&template).unwrap()
    }

    /// The only key with this label.
    pub fn find(&self, name: &str) -> ObjectHandle {
        let found = self.session().find_objects(&[Attribute::Label(name.as_bytes().to_vec())]).unwrap();
        assert_eq!(found.len(), 1, "{name}");
        found[0]
    }

    /// Whether these attributes of the key are set.
    pub fn is_set(&self, key: ObjectHandle, attributes: &[AttributeType]) -> Vec<bool> {
        let found = self.session().get_attributes(key, attributes).unwrap();
        found.iter().map(|one| format!("{one:?}").ends_with("(true)")).collect()
    }

    /// How many session objects there are.
    pub fn session_objects(&self) -> usize {
        self.session().find_objects(&[Attribute::Token(false)]).unwrap().len()
    }
}

fn attributes(name: &str, more: &[Attribute]) -> Vec<Attribute> {
    let mut template = vec![
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::Label(name.as_bytes().to_vec()),
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
    ];
    template.extend_from_slice(more);
    template
}

/// What a master key or a key set's static key may do.
pub fn master() -> Vec<Attribute> {
    [Attribute::Sign(true), Attribute::Encrypt(true), Attribute::Derive(true), Attribute::Wrap(true)]
        .into_iter()
        .chain(locked())
        .collect()
}

/// What a key that goes to a card as it is may do.
pub fn for_card() -> Vec<Attribute> {
    vec![
        Attribute::Sign(true),
        Attribute::Encrypt(true),
        Attribute::Wrap(true),
        Attribute::Decrypt(false),
        Attribute::Unwrap(false),
        Attribute::Extractable(true),
    ]
}

/// Not to be taken out, and no way back from what it enciphered.
fn locked() -> [Attribute; 3] {
    [Attribute::Extractable(false), Attribute::Decrypt(false), Attribute::Unwrap(false)]
}

fn initialize(library: &Pkcs11) {
    library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
}

fn slot_of(library: &Pkcs11) -> Slot {
    let slots = library.get_slots_with_token().unwrap();
    slots.into_iter().find(|slot| library.get_token_info(*slot).unwrap().label() == LABEL).unwrap()
}

/// Whether a file below this folder holds these bytes.
pub fn lies_in(folder: &Path, bytes: &[u8]) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => lies_in(&path, bytes),
            false => fs::read(path).unwrap().windows(bytes.len()).any(|window| window == bytes),
        }
    })
}
