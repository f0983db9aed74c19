use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Function, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use zeroize::Zeroizing;

use super::error::{Doing, of_request};
use super::object::{Object, Role, Shape, Temporary, find};
use super::{Pkcs11Error, Pkcs11Options, TokenName};
use crate::{KeyError, KeyValue};

/// A session with a token, logged in.
pub(super) struct Token {
    module: Pkcs11,
    slot: Slot,
    session: Session,
    /// Keys that were looked for already.
    objects: RefCell<BTreeMap<String, Object>>,
    lost: Cell<bool>,
}

impl Token {
    pub(super) fn connect(options: &Pkcs11Options) -> Result<Self, Pkcs11Error> {
        let module = module(&options.module)?;
        match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(error) => return Err(Pkcs11Error::call(&error)),
        }
        let slot = slot(&module, &options.token)?;
        let session = module.open_ro_session(slot).map_err(|error| Pkcs11Error::call(&error))?;
        log_in(&module, slot, &session, options)?;
        Ok(Self { module, slot, session, objects: RefCell::default(), lost: Cell::new(false) })
    }

    /// Whether a request found the session broken.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.get()
    }

    pub(super) fn lose(&self) {
        self.lost.set(true);
    }

    /// The key with this label.
    pub(super) fn find(&self, name: &str) -> Result<Option<Object>, KeyError> {
        if let Some(object) = self.objects.borrow().get(name) {
            return Ok(Some(object.clone()));
        }
        let object = find(&self.session, name).map_err(|error| self.lost(&error))?.transpose()?;
        if let Some(object) = &object {
            self.objects.borrow_mut().insert(name.into(), object.clone());
        }
        Ok(object)
    }

    pub(super) fn encrypt(&self, mechanism: &Mechanism<'_>, key: &Object, data: &[u8]) -> Result<Secret, KeyError> {
        let output = self.session.encrypt(mechanism, key.handle, data);
        exact(output.map_err(|error| self.failed(&error, mechanism, &key.shape, None))?, data.len())
    }

    pub(super) fn sign(&self, mechanism: &Mechanism<'_>, key: &Object, data: &[u8]) -> Result<Secret, KeyError> {
        let output = self.session.sign(mechanism, key.handle, data);
        output.map(Zeroizing::new).map_err(|error| self.failed(&error, mechanism, &key.shape, None))
    }

    /// As [`Token::sign`], with a private key.
    pub(super) fn sign_with(
        &self,
        mechanism: &Mechanism<'_>,
        key: ObjectHandle,
        name: &str,
        data: &[u8],
    ) -> Result<Vec<u8>, KeyError> {
        let output = self.session.sign(mechanism, key, data);
        output.map_err(|error| self.failed_with(&error, mechanism, name, None))
    }

    pub(super) fn find_objects(&self, template: &[Attribute]) -> Result<Vec<ObjectHandle>, KeyError> {
        self.session.find_objects(template).map_err(|error| self.lost(&error))
    }

    pub(super) fn attributes(&self, of: ObjectHandle, types: &[AttributeType]) -> Result<Vec<Attribute>, KeyError> {
        self.session.get_attributes(of, types).map_err(|error| self.lost(&error))
    }

    pub(super) fn wrap(&self, mechanism: &Mechanism<'_>, under: &Object, key: &Object) -> Result<Vec<u8>, KeyError> {
        let output = self.session.wrap_key(mechanism, under.handle, key.handle);
        output.map_err(|error| self.failed(&error, mechanism, &under.shape, Some(&key.shape)))
    }

    /// A session object derived from a key; it ends with the value.
    pub(super) fn derive(
        &self,
        mechanism: &Mechanism<'_>,
        from: &Object,
        length: usize,
        role: Role,
    ) -> Result<Temporary<'_>, KeyError> {
        let shape = from.shape.like(length);
        let handle = self.session.derive_key(mechanism, from.handle, &shape.template(role));
        let handle = handle.map_err(|error| self.failed(&error, mechanism, &from.shape, None))?;
        Ok(Temporary { token: self, object: Object { handle, shape } })
    }

    /// A session object with a value from memory, for this mechanism; it ends with the value.
    pub(super) fn put(
        &self,
        shape: Shape,
        value: &KeyValue,
        mechanism: &Mechanism<'_>,
        role: Role,
    ) -> Result<Temporary<'_>, KeyError> {
        let mut template = shape.template(role);
        // The token knows the length from the value, and refuses to be told it.
        template.retain(|attribute| !matches!(attribute, Attribute::ValueLen(_)));
        template.push(Attribute::Value(value.expose_bytes().to_vec()));
        let handle = self.session.create_object(&template);
        if let Some(Attribute::Value(bytes)) = template.last_mut() {
            zeroize::Zeroize::zeroize(bytes);
        }
        let handle = handle.map_err(|error| self.failed(&error, mechanism, &shape, None))?;
        Ok(Temporary { token: self, object: Object { handle, shape } })
    }

    /// A new key that stays. It is made in a session of its own: the other one may not change the token.
    pub(super) fn generate(
        &self,
        mechanism: &Mechanism<'_>,
        name: &str,
        template: &[Attribute],
    ) -> Result<(), KeyError> {
        let session = self.module.open_rw_session(self.slot).map_err(|error| self.lost(&error))?;
        let made = session.generate_key(mechanism, template);
        made.map(drop).map_err(|error| self.failed_with(&error, mechanism, name, None))
    }

    pub(super) fn destroy(&self, object: &Object) {
        if self.session.destroy_object(object.handle).is_err() {
            // Closing the session ends it as well.
            self.lose();
        }
    }

    fn failed(&self, error: &Error, mechanism: &Mechanism<'_>, with: &Shape, to: Option<&Shape>) -> KeyError {
        self.failed_with(error, mechanism, &with.name, to.map(|key| &*key.name))
    }

    fn failed_with(&self, error: &Error, mechanism: &Mechanism<'_>, with: &str, to: Option<&str>) -> KeyError {
        let mechanism = mechanism.mechanism_type().to_string();
        let doing = Doing { mechanism, with, to };
        let (error, goes_on) = of_request(error, &doing);
        if !goes_on {
            self.lose();
        }
        error
    }

    fn lost(&self, error: &Error) -> KeyError {
        self.lose();
        KeyError::Unavailable { reason: Pkcs11Error::call(error).to_string() }
    }
}

/// What a token computed under a key.
pub(super) type Secret = Zeroizing<Vec<u8>>;

fn exact(output: Vec<u8>, length: usize) -> Result<Secret, KeyError> {
    let output = Zeroizing::new(output);
    if output.len() == length { Ok(output) } else { Err(KeyError::WrongAnswer) }
}

/// Modules stay loaded: several services may use one, and not every maker's can be taken out of a running process.
fn module(path: &Path) -> Result<Pkcs11, Pkcs11Error> {
    static MODULES: Mutex<BTreeMap<PathBuf, Pkcs11>> = Mutex::new(BTreeMap::new());
    let mut modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(module) = modules.get(path) {
        return Ok(module.clone());
    }
    let module = Pkcs11::new(path).map_err(|error| match error {
        Error::Pkcs11(..) => Pkcs11Error::call(&error),
        other => Pkcs11Error::ModuleNotFound { path: path.into(), reason: other.to_string() },
    })?;
    modules.insert(path.into(), module.clone());
    Ok(module)
}

fn slot(module: &Pkcs11, token: &TokenName) -> Result<Slot, Pkcs11Error> {
    let slots = module.get_slots_with_token().map_err(|error| Pkcs11Error::call(&error))?;
    let mut found = Vec::new();
    let mut matching = Vec::new();
    for slot in slots {
        // One that is pulled in this moment is as good as not there.
        let Ok(info) = module.get_token_info(slot) else { continue };
        if !info.token_initialized() {
            continue;
        }
        found.push(format!("{:?} ({})", info.label(), info.serial_number()));
        let is_it = match token {
            TokenName::Label(label) => info.label() == label,
            TokenName::Serial(serial) => info.serial_number() == serial,
        };
        if is_it {
            matching.push(slot);
        }
    }
    match matching[..] {
        [slot] => Ok(slot),
        [] => Err(Pkcs11Error::TokenNotFound { token: token.clone(), found }),
        _ => Err(Pkcs11Error::TokenAmbiguous { token: token.clone() }),
    }
}

/// One try, and none when the token says that it is the last.
fn log_in(module: &Pkcs11, slot: Slot, session: &Session, options: &Pkcs11Options) -> Result<(), Pkcs11Error> {
    let token = || options.token.clone();
    let info = || module.get_token_info(slot).map_err(|error| Pkcs11Error::call(&error));
    let before = info()?;
    if before.user_pin_locked() {
        return Err(Pkcs11Error::PinLocked { token: token() });
    }
    if before.user_pin_final_try() && !options.final_try {
        return Err(Pkcs11Error::PinFinalTry { token: token() });
    }
    match session.login(UserType::User, Some(options.pin.expose())) {
        Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, Function::Login)) => Ok(()),
        Err(Error::Pkcs11(RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange, _)) => {
            let final_try = info().is_ok_and(|info| info.user_pin_final_try());
            Err(Pkcs11Error::PinIncorrect { token: token(), final_try })
        }
        Err(Error::Pkcs11(RvError::PinLocked, _)) => Err(Pkcs11Error::PinLocked { token: token() }),
        Err(error) => Err(Pkcs11Error::call(&error)),
    }
}
