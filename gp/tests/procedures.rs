//! Procedures against a card that answers from a script, in a channel of level 00, whose commands go out as they are.

mod support;

use std::collections::VecDeque;
use std::ops::ControlFlow;

use cardwright_apdu::tlv::Tag;
use cardwright_apdu::{Aid, CardPort, CommandApdu, ResponseApdu, TransportError, block_on};
use cardwright_gp::channel::InitializeUpdate;
use cardwright_gp::command::{self, InstallCombined, InstallForInstall, InstallForLoad, Scope};
use cardwright_gp::load_file::{CapFile, HashAlgorithm};
use cardwright_gp::profile::{LePolicy, ListingQuirks, Paging};
use cardwright_gp::{
    CardFault, CardProfile, Confirmation, DescriptorPolicy, Error, LoadFile, LoadFileError, Privileges, ReceiptSubject,
    SecureChannel, SecurityLevel, procedure,
};
use cardwright_keys::{KeyKind, KeyRef, KeyService, KeySet, SoftwareKeys, signature};

/// Gives the answers one after the other and keeps the commands.
#[derive(Default)]
struct Script {
    answers: VecDeque<Vec<u8>>,
    sent: Vec<String>,
}

impl Script {
    fn new(answers: &[&str]) -> Self {
        Self { answers: answers.iter().map(|answer| hex::decode(answer).unwrap()).collect(), sent: Vec::new() }
    }
}

impl CardPort for Script {
    async fn transmit(&mut self, command: CommandApdu) -> Result<ResponseApdu, TransportError> {
        self.sent.push(hex::encode_upper(command.to_bytes().unwrap()));
        let answer = self.answers.pop_front().unwrap_or_else(|| panic!("no answer to {:?}", self.sent.last()));
        Ok(ResponseApdu::parse(&answer).unwrap())
    }

    async fn reset(&mut self) -> Result<Vec<u8>, TransportError> {
        Ok(Vec::new())
    }
}

fn channel() -> SecureChannel {
    let sessions = support::vectors(include_bytes!("data/sessions.json"));
    let v = sessions.iter().find(|session| session["id"] == "scp02-i15-level00").unwrap();
    let bytes = |name: &str| hex::decode(v[name].as_str().unwrap()).unwrap();
    let mut keys = SoftwareKeys::new();
    for name in ["enc", "mac", "dek"] {
        keys.insert(name, KeyKind::Tdes, &bytes(&format!("key_{name}"))).unwrap();
    }
    let set = KeySet { enc: KeyRef::new("enc"), mac: KeyRef::new("mac"), dek: KeyRef::new("dek") };
    let challenge: [u8; 8] = bytes("host_challenge").try_into().unwrap();
    let answer = ResponseApdu::parse(&bytes("initialize_update_response")).unwrap();
    let answer = InitializeUpdate::new(0, challenge).0.handle_response(&answer).unwrap().with_i(0x15);
    let session = keys.answer(&answer.key_request(&set)).unwrap().into_session().unwrap();
    let verified = answer.verify(session).unwrap();
    let (state, _) = verified.external_authenticate(SecurityLevel::new(0).unwrap()).unwrap();
    state.handle_response(&ResponseApdu::parse(&[0x90, 0]).unwrap()).unwrap()
}

fn aid(text: &str) -> Aid {
    text.parse().unwrap()
}

fn install(privileges: Privileges) -> InstallForInstall<'static> {
    let (file, module) = (aid("A0000001515350"), aid("A000000151535041"));
    InstallForInstall { privileges, ..InstallForInstall::new(file, module, aid("A0000000D1")) }
}

fn run_install(install: &InstallForInstall<'_>, answers: &[&str]) -> (Result<procedure::Installed, Error>, Script) {
    let mut card = Script::new(answers);
    let result = block_on(procedure::install_with_fallback(&mut card, &mut channel(), install));
    (result, card)
}

#[test]
fn three_bytes_of_privileges_fall_back_to_one_that_means_the_same() {
    let domain = install(Privileges::SECURITY_DOMAIN | Privileges::TRUSTED_PATH);
    for refusal in ["6A80", "6700"] {
        let (result, card) = run_install(&domain, &[refusal, "009000"]);
        assert_eq!(result.unwrap().refused_three_bytes.map(|sw| format!("{:04X}", sw.0)).as_deref(), Some(refusal));
        assert!(card.sent[0].contains("03808000") && card.sent[1].contains("D10180"), "{:?}", card.sent);
    }
    let (result, card) = run_install(&domain, &["009000"]);
    assert_eq!((result.unwrap().refused_three_bytes, card.sent.len()), (None, 1));
}

#[test]
fn privileges_are_never_lost_or_gained_by_falling_back() {
    let domain = Privileges::SECURITY_DOMAIN;
    let refused = |install: &InstallForInstall<'_>, answers: &[&str], commands| {
        let (result, card) = run_install(install, answers);
        assert_eq!(card.sent.len(), commands, "{:?}", card.sent);
        match result.unwrap_err() {
            Error::Refused { sw, .. } => sw.0,
            other => panic!("{other}"),
        }
    };
    assert_eq!(refused(&install(domain | Privileges::AUTHORIZED_MANAGEMENT), &["6A80"], 1), 0x6A80);
    // One byte was sent already.
    assert_eq!(refused(&install(domain), &["6A80"], 1), 0x6A80);
    let domain = install(domain | Privileges::TRUSTED_PATH);
    assert_eq!(refused(&domain, &["6985"], 1), 0x6985);
    // A token is computed over the three bytes.
    assert_eq!(refused(&InstallForInstall { token: &[1; 8], ..domain.clone() }, &["6A80"], 1), 0x6A80);
    // Both refused: the first status is the one that belongs to what was asked for.
    assert_eq!(refused(&domain, &["6A80", "6A88"], 2), 0x6A80);
}

fn load_file() -> Option<LoadFile> {
    let v = support::published("cap-empty-no-descriptor")?;
    let image = hex::decode(v["expected"]["lfdb"].as_str().unwrap()).unwrap();
    Some(CapFile::parse(&image).unwrap().to_load_file(DescriptorPolicy::Omit).unwrap())
}

#[test]
fn a_signed_load_file_goes_with_its_hash_and_brings_a_confirmation() {
    let Some(file) = load_file() else { return };
    let (domain, go_on) = (aid("A0000000D1"), |_, _| ControlFlow::Continue(()));
    let signed = file.clone().with_dap_block(domain, &[0xAA; 16]);
    let mut card = Script::default();
    let plain = InstallForLoad::new(signed.aid(), Some(domain));
    let result = block_on(procedure::load_as(&mut card, &mut channel(), &plain, &signed, None, go_on));
    assert!(matches!(result, Err(Error::HashMissing)), "{result:?}");
    let result = block_on(procedure::load_while(&mut card, &mut channel(), Some(domain), &signed, None, go_on));
    assert!(matches!(result, Err(Error::HashMissing)), "{result:?}");
    let other = [0x5A; 32];
    let wrong = plain.clone().with_hash(&other);
    let result = block_on(procedure::load_as(&mut card, &mut channel(), &wrong, &signed, None, go_on));
    assert!(matches!(result, Err(Error::LoadFile(LoadFileError::WrongHash { actual: 32 }))), "{result:?}");
    assert!(card.sent.is_empty());

    let hash = signed.hash(HashAlgorithm::Sha256);
    let right = plain.with_hash(hash.as_bytes());
    let mut card = Script::new(&["009000", "009000", "060002000501429000"]);
    let result = block_on(procedure::load_as(&mut card, &mut channel(), &right, &signed, Some(200), go_on)).unwrap();
    let ControlFlow::Continue(Some(confirmation)) = result else { panic!("{result:?}") };
    assert_eq!((confirmation.counter, card.sent.len()), (5, 3));
    assert!(card.sent[0].contains(&format!("20{hash}")) && card.sent[1].starts_with("80E80000C8E2"), "{:?}", card.sent);
}

#[test]
fn one_token_loads_and_installs() {
    let Some(file) = load_file() else { return };
    let hash = file.hash(HashAlgorithm::Sha256);
    let token = [0xEE; 16];
    let combined = InstallCombined {
        load: InstallForLoad::new(file.aid(), None).with_hash(hash.as_bytes()),
        install: InstallForInstall { token: &token, ..install(Privileges::NONE) },
    };
    let go_on = |_, _| ControlFlow::Continue(());
    let mut card = Script::new(&["009000", "009000", "009000"]);
    let result =
        block_on(procedure::load_and_install_combined(&mut card, &mut channel(), &combined, &file, None, go_on));
    assert_eq!(result.unwrap(), ControlFlow::Continue(None));
    let headers: Vec<_> = card.sent.iter().map(|command| &command[..8]).collect();
    assert_eq!(headers, ["80E60E01", "80E88000", "80E60E03"]);
}

#[test]
fn a_receipt_verifies_for_what_was_done_and_nothing_else() {
    let object = aid("A0000000F3");
    let subject = ReceiptSubject::Delete { object };
    for (kind, key) in [(KeyKind::Aes, [0x40; 16]), (KeyKind::Tdes, [0x41; 16])] {
        let mut keys = SoftwareKeys::new();
        keys.insert("receipt", kind, &key).unwrap();
        let data = hex::decode("0200050442454245").unwrap();
        let input = [&data[..], &[5], object.as_bytes()].concat();
        let receipt = signature::sign(kind, &cardwright_keys::KeyValue::new(&key).unwrap(), &input).unwrap();
        let body = [&[receipt.len() as u8][..], &receipt, &data].concat();
        let answer = [&[body.len() as u8][..], &body].concat();
        let confirmation = Confirmation::parse(&answer).unwrap().unwrap();
        let name = KeyRef::new("receipt");
        let mut verify = |confirmation: &Confirmation, subject: &ReceiptSubject<'_>| {
            block_on(procedure::verify_receipt(&mut keys, &name, confirmation, subject))
        };
        verify(&confirmation, &subject).unwrap();
        let other = ReceiptSubject::Delete { object: aid("A0000000F4") };
        assert!(verify(&confirmation, &other).is_err());
        for bit in 0..body.len() * 8 {
            let mut altered = answer.clone();
            altered[1 + bit / 8] ^= 1 << (bit % 8);
            let Ok(Some(altered)) = Confirmation::parse(&altered) else { continue };
            assert!(verify(&altered, &subject).is_err(), "bit {bit}");
        }
        let none = Confirmation::parse(&[&[9, 0][..], &data].concat()).unwrap().unwrap();
        let error = verify(&none, &subject).unwrap_err();
        let length = receipt.len();
        assert!(
            matches!(error, Error::Card { fault: CardFault::Receipt { expected, actual: 0 }, .. } if expected == length),
            "{error}"
        );
    }
}

fn registry(answers: &[&str]) -> (Result<cardwright_gp::Registry, Error>, Vec<String>) {
    let mut card = Script::new(answers);
    let result = block_on(procedure::read_registry(&mut card, &mut channel()));
    assert!(card.answers.is_empty(), "{:?}", card.sent);
    (result, card.sent)
}

const ISSUER: &str = "E3114F08A0000001510000009F70010FC5019E9000";

#[test]
fn a_cut_page_is_refused_or_salvaged_as_untold() {
    let applications = "E3114F08A0000000036202019F70010FC50100E3114F08A000000004999000";
    let mut card = Script::new(&[ISSUER, applications]);
    let error = block_on(procedure::read_registry(&mut card, &mut channel())).unwrap_err();
    assert!(matches!(error, Error::Card { command: "GET STATUS", .. }), "{error}");
    let salvage = |answers: &[&str]| block_on(procedure::salvage_registry(&mut Script::new(answers), &mut channel()));
    let found = salvage(&[ISSUER, applications, "6A88"]).unwrap();
    assert_eq!(found.applications().count(), 1);
    assert!(!found.tells_applications() && found.tells_load_files());
    let files = "E3114F08A0000000036202019F700101C501004F9000";
    assert!(!salvage(&[ISSUER, "6A88", files]).unwrap().tells_load_files());
    // A page that ends well is told, and damage inside an entry is still the card's fault.
    let whole = "E3114F08A0000000036202019F70010FC501009000";
    assert!(salvage(&[ISSUER, whole, "6A88"]).unwrap().tells_applications());
    let error = salvage(&[ISSUER, "E3064F07010203049000"]).unwrap_err();
    assert!(matches!(error, Error::Card { command: "GET STATUS", .. }), "{error}");
}

#[test]
fn a_card_that_knows_no_tags_is_asked_without() {
    let (result, sent) = registry(&[
        "6A86",
        "08A0000001510000000F9E9000",
        "05A00000000107006310",
        "05A00000000207009000",
        "6A86",
        "05A0000000F101009000",
    ]);
    let registry_read = result.unwrap();
    assert_eq!((registry_read.applications().count(), registry_read.load_files().count()), (2, 1));
    assert_eq!(registry_read.issuer_security_domain().unwrap().privileges, Privileges([0x9E, 0, 0]));
    let asked: Vec<_> = sent.iter().map(|command| &command[4..8]).collect();
    assert_eq!(asked, ["8002", "8000", "4000", "4001", "1000", "2000"]);
}

fn registry_following(quirks: ListingQuirks, answers: &[&str]) -> (cardwright_gp::Registry, Vec<String>) {
    let mut card = Script::new(answers);
    let result = block_on(procedure::read_registry_following(&mut card, &mut channel(), quirks));
    assert!(card.answers.is_empty(), "{:?}", card.sent);
    (result.unwrap(), card.sent)
}

#[test]
fn a_card_whose_profile_says_so_is_asked_without_tags_at_once() {
    let quirks = CardProfile::built_in("open-platform-2.0.1").unwrap().listing_quirks();
    let answers = ["08A0000001510000000F9E9000", "05A00000000107009000", "6A86", "05A0000000F101009000"];
    let (registry, sent) = registry_following(quirks, &answers);
    assert_eq!((registry.applications().count(), registry.load_files().count()), (1, 1));
    let asked: Vec<_> = sent.iter().map(|command| &command[4..8]).collect();
    assert_eq!(asked, ["8000", "4000", "1000", "2000"]);
}

#[test]
fn a_page_behind_a_bare_6310_is_fetched() {
    let mut profile = CardProfile::standard();
    profile.paging = Paging::GetResponse;
    let application = |aid: &str| format!("E3114F08{aid}9F70010FC50100");
    let page = application("A000000003620201") + "9000";
    let rest = application("A000000003620202") + "9000";
    let answers = [ISSUER, "6310", &page, &rest, "6A88"];
    let (found, sent) = registry_following(profile.listing_quirks(), &answers);
    assert_eq!(found.applications().count(), 2);
    assert_eq!((&sent[2][..], &sent[3][..8]), ("00C0000000", "80F24003"));
    // Without the profile the page behind it would be lost, and the listing wrong.
    let without = registry(&[ISSUER, "6310", &rest, "6A88"]).0.unwrap();
    assert_eq!(without.applications().count(), 1);
}

#[test]
fn of_pages_that_are_cut_off_nothing_counts_as_absent() {
    let mut profile = CardProfile::standard();
    profile.paging = Paging::CutOff;
    let entry = "E3114F08A0000000036202019F70010FC50100";
    let short = format!("{entry}9000");
    let (registry, _) = registry_following(profile.listing_quirks(), &[ISSUER, &short, "6A88"]);
    assert!(registry.tells_applications() && registry.tells_load_files());
    // In the middle of an entry, and between two.
    for full in [format!("{}E3114F08A09000", entry.repeat(13)), format!("{}9000", entry.repeat(13))] {
        let (registry, _) = registry_following(profile.listing_quirks(), &[ISSUER, &full, "6A88"]);
        assert_eq!(registry.applications().count(), 13);
        assert!(!registry.tells_applications() && registry.tells_load_files());
    }
}

#[test]
fn privileges_go_out_as_wide_as_the_profile_says() {
    let aid: Aid = "A000000003".parse().unwrap();
    let install = |privileges, profile: &str| {
        let width = CardProfile::read_toml(&format!("[profile.x]\nprivileges = \"{profile}\"")).unwrap()[0].privileges;
        InstallForInstall::new(aid, aid, aid).with_privileges(privileges, width).and_make_selectable()
    };
    let field = |privileges, profile| {
        let command = install(privileges, profile).unwrap();
        let field = &command.data()[18..];
        field[1..=usize::from(field[0])].to_vec()
    };
    let domain = Privileges::SECURITY_DOMAIN | Privileges::TRUSTED_PATH;
    assert_eq!(field(Privileges::NONE, "shortest"), [0]);
    assert_eq!(field(Privileges::NONE, "three"), [0, 0, 0]);
    assert_eq!(field(domain, "shortest"), [0x80, 0x80, 0]);
    // The card makes Trusted Path of it again.
    assert_eq!(field(domain, "one"), [0x80]);
    let error = install(Privileges::AUTHORIZED_MANAGEMENT, "one").unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
}

#[test]
fn le_is_left_out_where_the_profile_says_so() {
    let sent = |le| {
        let mut profile = CardProfile::standard();
        profile.le = le;
        let mut card = Script::new(&["9000", "009000", "E3009000"]);
        let mut channel = channel().with_quirks(profile.channel_quirks());
        let aid: Aid = "A000000003".parse().unwrap();
        for command in [command::delete(&aid, false), command::load(0, true, &[7; 10]), command::get_data(Tag(0xE0))] {
            block_on(channel.call(&mut card, &command)).unwrap();
        }
        let has_le = |command: &String| {
            let bytes = hex::decode(command).unwrap();
            bytes.len() == 5 || bytes.len() > 5 + usize::from(bytes[4])
        };
        card.sent.iter().map(has_le).collect::<Vec<_>>()
    };
    assert_eq!(sent(LePolicy::Standard), [true, true, true]);
    assert_eq!(sent(LePolicy::NotInLoad), [true, false, true]);
    assert_eq!(sent(LePolicy::NeverBehindData), [false, false, true]);
}

#[test]
fn a_domain_that_may_not_see_the_issuers_is_read_with_tags() {
    let (result, sent) = registry(&["6A86", "6A86", "E3114F08A0000000036202019F70010FC501009000", "6A88"]);
    let registry_read = result.unwrap();
    assert_eq!(registry_read.untold, [Scope::IssuerSecurityDomain]);
    // An answer with tags to a question without them is none.
    let tagged = ["6A86", ISSUER, "E3114F08A0000000036202019F70010FC501009000", "6A88"];
    assert_eq!(registry(&tagged).0.unwrap().untold, [Scope::IssuerSecurityDomain]);
    assert_eq!((registry_read.applications().count(), &sent[2][4..8]), (1, "4002"));
}
