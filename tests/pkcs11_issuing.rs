//! Cards issued with keys of a SoftHSM token: keys that nobody knows replace keys that nobody knows.

mod support;
#[path = "../keys/tests/support/token.rs"]
mod token;

use cardwright::gp::procedure::{KeyCandidate, KeyScheme};
use cardwright::issuance::remote::{self, IssueError, Order, Outcome, Report};
use cardwright::issuance::store::{MemoryStore, Store};
use cardwright::keys::pkcs11::{KeyUse, Pkcs11Keys};
use cardwright::keys::{KeyEncryptionKey, KeyKind, KeyRef, KeyRequest, KeyService};
use cardwright_sim::{AesKeyLength, Fault, Faults, JavaCard, LogEntry, SecureChannelProtocol, SimReader};
use cryptoki::object::AttributeType;
use support::{SCP02, SCP03, card, drive_with, instance, is_complete, order};
use token::{TestToken, master, with_token};

const SCP03_AES_256: SecureChannelProtocol = SecureChannelProtocol::Scp03 { i: 0x70, key_length: AesKeyLength::Aes256 };

/// What is issued, and with which keys.
struct Case {
    protocol: SecureChannelProtocol,
    kind: KeyKind,
    /// Length of the domain's keys, in bytes.
    length: usize,
    /// How the card's keys come from the token's.
    scheme: KeyScheme,
    /// With an application too: its keys are derived with PBOC, which takes the memory of this process.
    application: bool,
}

impl Case {
    /// Test keys as the card has them from its maker, and two generations that the token made.
    fn prepare(&self, token: &TestToken) {
        let mut service = token.keys();
        let test: Vec<u8> = (0x40..).take(self.length).collect();
        token.import("test", self.kind, &test, &master());
        for name in ["first", "second"] {
            let as_is = self.scheme == KeyScheme::AsIs;
            let key_use = if as_is { KeyUse::ForCard } else { KeyUse::Master };
            service.generate(name, self.kind, self.length, key_use).unwrap();
            let key = token.find(name);
            let never_left = [AttributeType::Sensitive, AttributeType::AlwaysSensitive];
            assert_eq!(token.is_set(key, &never_left), [true; 2]);
            // A key that is wrapped as it is has to be extractable, enciphered that is; a master key is not.
            assert_eq!(token.is_set(key, &[AttributeType::NeverExtractable]), [!as_is]);
            assert!(token.session().get_attributes(key, &[AttributeType::Value]).unwrap().is_empty());
        }
        let initial = hex::decode("00112233445566778899AABBCCDDEEFF").unwrap();
        token.import("application-initial", KeyKind::Tdes, &initial, &master());
        for name in ["application-master", "application-maintenance"] {
            service.generate(name, KeyKind::Tdes, 16, KeyUse::Master).unwrap();
        }
    }

    fn service(&self, token: &TestToken) -> Pkcs11Keys {
        let memory = self.application || self.kind == KeyKind::Tdes;
        let options = token.options();
        Pkcs11Keys::open(if memory { options.allow_derived_keys_in_memory() } else { options }).unwrap()
    }

    fn order(&self, current: &str, new: &str) -> Order {
        let candidate = |name: &str| {
            let scheme = if name == "test" { KeyScheme::AsIs } else { self.scheme };
            KeyCandidate::new(KeyRef::new(name), self.kind, scheme)
        };
        let mut order = order(300);
        (order.current_keys, order.new_keys) = (vec![candidate(current)], vec![candidate(new)]);
        if !self.application {
            order.applications.clear();
        }
        order
    }
}

fn run(
    order: &Order,
    card: JavaCard,
    store: &mut dyn Store,
    keys: &mut dyn KeyService,
    faults: Faults,
) -> (Result<Outcome<Report>, IssueError>, JavaCard, Vec<LogEntry>) {
    let mut reader = SimReader::new(card).with_faults(faults);
    let outcome = drive_with(remote::issue(order.clone()), &mut reader, store, keys);
    let log = reader.take_log();
    (outcome, reader.card().twin(), log)
}

/// Values of the domain's keys.
fn domain_keys(card: &JavaCard) -> Vec<Vec<u8>> {
    assert_eq!(card.key_sets().len(), 1);
    card.key_sets()[0].keys.iter().map(|key| key.value.clone()).collect()
}

/// The card has the keys that the token made of this one: their check values say so.
fn assert_keys_are_of(card: &JavaCard, case: &Case, keys: &mut Pkcs11Keys, name: &str) {
    let set = KeyCandidate::new(KeyRef::new(name), case.kind, case.scheme).keys_for(card.key_diversification());
    for (key, value) in set.in_order().into_iter().zip(domain_keys(card)) {
        let under = KeyEncryptionKey::Static(KeyRef::new("test"));
        let wrapped = keys.answer(&KeyRequest::Wrap { key: key.clone(), under }).unwrap().into_wrapped().unwrap();
        let value = cardwright::keys::KeyValue::new(&value).unwrap();
        assert_eq!(wrapped.kcv, cardwright::keys::KeyCheckValue::of(case.kind, &value).unwrap());
        assert_eq!(wrapped.length, case.length);
    }
}

/// Issues a card, then replaces its keys with others: undisturbed, torn before PUT KEY and after it.
fn issue_and_replace(token: &mut TestToken, case: &Case) {
    case.prepare(token);
    let mut keys = case.service(token);
    let order = case.order("test", "first");
    let (outcome, issued, _) = run(&order, card(case.protocol), &mut MemoryStore::new(), &mut keys, Faults::none());
    assert!(is_complete(&outcome), "{outcome:?}");
    assert_keys_are_of(&issued, case, &mut keys, "first");
    assert_eq!(issued.pboc_application(&instance()).is_some(), case.application);

    let order = case.order("first", "second");
    let (outcome, replaced, log) = run(&order, issued.twin(), &mut MemoryStore::new(), &mut keys, Faults::none());
    assert!(is_complete(&outcome), "{outcome:?}");
    assert_keys_are_of(&replaced, case, &mut keys, "second");
    assert!(domain_keys(&issued).iter().all(|key| !domain_keys(&replaced).contains(key)));
    assert!(domain_keys(&replaced).iter().all(|key| !token::lies_in(&token.folder, key)), "a key lies on the disk");

    let put_key = log.iter().position(|entry| entry.command[1] == 0xD8).unwrap() as u64 + 1;
    for executed in [false, true] {
        let mut store = MemoryStore::new();
        let fault = if executed { Fault::CutAfter } else { Fault::CutBefore };
        let faults = Faults::none().at(put_key, fault);
        let (outcome, torn, _) = run(&order, issued.twin(), &mut store, &mut keys, faults);
        assert!(matches!(outcome, Ok(Outcome::Interrupted(_))), "{executed}: {outcome:?}");
        // Meanwhile the token was pulled too; the service says so once.
        token.pull();
        let nothing = KeyRequest::Cryptogram { key: KeyRef::new("application-initial"), challenge: vec![0; 8] };
        assert!(keys.answer(&nothing).is_err());
        let (outcome, finished, _) = run(&order, torn, &mut store, &mut keys, Faults::none());
        assert!(is_complete(&outcome), "{executed}: {outcome:?}");
        assert_eq!(domain_keys(&finished), domain_keys(&replaced), "{executed}");
    }
    assert_eq!(token.session_objects(), 0);
}

#[test]
fn an_scp03_card_with_aes_128() {
    let case = Case { protocol: SCP03, kind: KeyKind::Aes, length: 16, scheme: KeyScheme::Kdf3, application: false };
    with_token("an_scp03_card_with_aes_128", |token| issue_and_replace(token, &case));
}

#[test]
fn an_scp03_card_with_keys_as_they_are() {
    let case = Case { protocol: SCP03, kind: KeyKind::Aes, length: 16, scheme: KeyScheme::AsIs, application: false };
    with_token("an_scp03_card_with_keys_as_they_are", |token| issue_and_replace(token, &case));
}

#[test]
fn an_scp03_card_with_aes_256() {
    let case =
        Case { protocol: SCP03_AES_256, kind: KeyKind::Aes, length: 32, scheme: KeyScheme::AsIs, application: false };
    with_token("an_scp03_card_with_aes_256", |token| issue_and_replace(token, &case));
}

#[test]
fn an_scp03_card_with_an_application() {
    let case = Case { protocol: SCP03, kind: KeyKind::Aes, length: 16, scheme: KeyScheme::Kdf3, application: true };
    with_token("an_scp03_card_with_an_application", |token| issue_and_replace(token, &case));
}

#[test]
fn an_scp02_card_with_an_application() {
    let case = Case { protocol: SCP02, kind: KeyKind::Tdes, length: 16, scheme: KeyScheme::Emv, application: true };
    with_token("an_scp02_card_with_an_application", |token| issue_and_replace(token, &case));
}
