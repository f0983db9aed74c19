//! The issuing machine follows the card profile of its order.

mod support;

use cardwright::apdu::CommandApduRef;
use cardwright::gp::CardProfile;
use cardwright::gp::profile::{LePolicy, ListingFormat, PrivilegeWidth};
use cardwright::issuance::remote::{self, DeleteOrder, IssueError, Order};
use cardwright::issuance::store::MemoryStore;
use cardwright_sim::{Faults, JavaCard, LogEntry, SimReader};
use support::{SCP02, SCP03, card, drive, instance, is_complete, issue, order, package, snapshot};

/// Issues with a profile and gives the commands as the card got them.
fn issued(profile: CardProfile, card: JavaCard) -> (JavaCard, Vec<LogEntry>, MemoryStore) {
    let mut store = MemoryStore::new();
    let order = Order { profile, ..order(2000) };
    let (outcome, mut reader) = issue(&order, card, &mut store, Faults::none());
    assert!(is_complete(&outcome), "{outcome:?}");
    (reader.card().twin(), reader.take_log(), store)
}

fn of(log: &[LogEntry], ins: u8) -> Vec<&[u8]> {
    log.iter().map(|entry| &entry.command[..]).filter(|command| command[1] == ins).collect()
}

#[test]
fn block_cap_le_width_and_listing_are_followed_and_the_card_comes_out_the_same() {
    let mut profile = CardProfile::standard();
    profile.max_command_data = Some(100);
    profile.le = LePolicy::NotInLoad;
    profile.privileges = PrivilegeWidth::Three;
    for protocol in [SCP02, SCP03] {
        let (standard, standard_log, _) = issued(CardProfile::standard(), card(protocol));
        let (special, log, _) = issued(profile.clone(), card(protocol));
        assert_eq!(snapshot(&standard), snapshot(&special));
        let longest = |log| of(log, 0xE8).iter().map(|load| usize::from(load[4])).max();
        assert!(longest(&standard_log) > Some(240) && longest(&log) <= Some(100), "{:?}", longest(&log));
        let has_le = |load: &&[u8]| load.len() > 5 + usize::from(load[4]);
        assert!(of(&standard_log, 0xE8).iter().all(has_le));
        assert!(!of(&log, 0xE8).iter().any(has_le));
        let install = |log| of(log, 0xE6)[1].len();
        assert!(install(&log) >= install(&standard_log), "three bytes of privileges");
    }
}

#[test]
fn a_card_of_a_legacy_profile_is_listed_without_tags_and_deleted_from() {
    let mut profile = CardProfile::standard();
    profile.listing = ListingFormat::Legacy;
    let (card, log, mut store) = issued(profile.clone(), card(SCP03));
    assert!(of(&log, 0xF2).iter().all(|command| command[3] & 0x02 == 0), "no listing asks for tags");
    let order = DeleteOrder { aid: instance(), force: false, access: Order { profile, ..order(2000) } };
    let mut reader = SimReader::new(card);
    let guarded = drive(remote::delete(order.clone()), &mut reader, &mut store);
    assert!(matches!(guarded, Err(IssueError::Personalized { .. })), "{guarded:?}");
    let deleted = drive(remote::delete(DeleteOrder { force: true, ..order }), &mut reader, &mut store);
    assert!(is_complete(&deleted), "{deleted:?}");
    let left = reader.card().registry();
    assert!(!left.iter().any(|entry| entry.aid == instance()) && left.iter().any(|entry| entry.aid == package()));
}

/// A YubiKey wants its keys without the length in front of each; the software card takes both and has the same keys then.
#[test]
fn keys_of_the_domain_are_coded_as_the_profile_says() {
    let (standard, standard_log, _) = issued(CardProfile::standard(), card(SCP03));
    let (bare, bare_log, _) = issued(CardProfile::built_in("yubikey").unwrap(), card(SCP03));
    let field = |log: &[LogEntry]| {
        let put: Vec<_> = log.iter().filter(|entry| entry.command[1] == 0xD8).collect();
        assert_eq!(put.len(), 1);
        CommandApduRef::parse(&put[0].plain_command).unwrap().data[1..4].to_vec()
    };
    assert_eq!(field(&standard_log), [0x88, 0x11, 0x10]);
    assert_eq!(field(&bare_log)[..2], [0x88, 0x10]);
    let keys = |text: &str| text.lines().filter(|line| line.starts_with("domain key")).map(String::from).collect();
    let (standard, bare): (Vec<String>, Vec<String>) = (keys(&snapshot(&standard)), keys(&snapshot(&bare)));
    assert_eq!(standard, bare);
    assert!(!bare.is_empty());
}
