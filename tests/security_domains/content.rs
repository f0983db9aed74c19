//! Extradition, registry update, personalization, what a security domain may do to content of its own and of others.

use cardwright::apdu::{block_on, tlv::Tag};
use cardwright::gp::command::{self, InstallForExtradition, InstallForRegistryUpdate, StatusTarget};
use cardwright::gp::procedure;
use cardwright::gp::registry::LifeCycle;
use cardwright::gp::{DataStructure, Privileges, StoreData};

use crate::setup::{Host, PROTOCOLS, domain, load_file, open, status};
use crate::support::{aid, instance};

const OTHER: &str = "A0000000D102";

#[test]
fn a_security_domain_is_made_gets_its_own_keys_and_is_opened_with_them_alone() {
    for protocol in PROTOCOLS {
        let mut host = Host::new(protocol);
        host.install_domain(domain(), Privileges::AUTHORIZED_MANAGEMENT).unwrap();
        assert_eq!(host.domain_of(domain()), Some(host.reader.card().isd_aid()));
        // Not personalized yet: it manages nothing.
        host.opened = open(&mut host.reader, Some(domain()), "test").unwrap();
        assert_eq!(status(host.load(None, &load_file(), &[])).0, 0x6985);
        host.give_own_keys(domain());
        let sets = host.reader.card().domain_key_sets(&domain()).to_vec();
        assert_eq!((sets.len(), sets[0].version, sets[0].keys.len()), (1, 0x30, 3));
        assert!(open(&mut host.reader, Some(domain()), "test").is_err(), "the keys above open it no more");
        host.enter(Some(domain()));
        assert_eq!(host.opened.kvn, 0x30);
        // Loading and installing in it; the application is associated with it.
        host.load(None, &load_file(), &[]).unwrap();
        let install = host.install();
        block_on(procedure::install(&mut host.reader, &mut host.opened.channel, &install)).unwrap();
        assert_eq!(host.domain_of(instance()), Some(domain()));
        let seen = host.entries();
        assert!(
            seen.iter()
                .all(|entry| entry.security_domain != Some(host.reader.card().isd_aid()) || entry.aid == domain())
        );
        // The issuer still opens its own, and cannot delete a security domain with content.
        host.enter(None);
        let domain = domain();
        let delete = procedure::delete(&mut host.reader, &mut host.opened.channel, &domain, false);
        assert_eq!(status(block_on(delete)).0, 0x6985);
        for object in [load_file().aid(), domain] {
            let delete = procedure::delete(&mut host.reader, &mut host.opened.channel, &object, true);
            assert!(block_on(delete).unwrap());
        }
        assert!(host.reader.card().domain_key_sets(&domain).is_empty());
    }
}

#[test]
fn content_is_extradited_and_the_registry_says_where_it_is() {
    for protocol in PROTOCOLS {
        let mut host = Host::with_domain(protocol, Privileges::AUTHORIZED_MANAGEMENT);
        host.enter(None);
        host.load(None, &load_file(), &[]).unwrap();
        let install = host.install();
        block_on(procedure::install(&mut host.reader, &mut host.opened.channel, &install)).unwrap();
        let extradite = |host: &mut Host, object, to| {
            let command = InstallForExtradition::new(object, to).command().unwrap();
            block_on(procedure::manage(&mut host.reader, &mut host.opened.channel, &command))
        };
        for object in [instance(), load_file().aid()] {
            assert_eq!(host.domain_of(object), Some(host.reader.card().isd_aid()));
            assert!(extradite(&mut host, object, domain()).unwrap().is_none());
            assert_eq!(host.domain_of(object), Some(domain()));
        }
        assert_eq!(status(extradite(&mut host, aid("A0000000EE"), domain())).0, 0x6A88);
        assert_eq!(status(extradite(&mut host, instance(), aid("A0000000EE"))).0, 0x6A88);
        // To itself: then the issuer's is none of those above it.
        assert!(extradite(&mut host, domain(), domain()).is_ok());
        assert_eq!(host.domain_of(domain()), Some(domain()));
        assert_eq!(status(extradite(&mut host, instance(), domain())).0, 0x6985);
        // One that verifies DAP Blocks takes no load file in this way, and a new one takes nothing.
        host.install_domain(aid(OTHER), Privileges::DAP_VERIFICATION).unwrap();
        host.enter(Some(domain()));
        assert_eq!(status(extradite(&mut host, load_file().aid(), aid(OTHER))).0, 0x6985);
        assert_eq!(status(extradite(&mut host, instance(), aid(OTHER))).0, 0x6985);
    }
}

#[test]
fn privileges_are_changed_in_the_registry_or_nothing_is() {
    for protocol in PROTOCOLS {
        let mut host = Host::with_domain(protocol, Privileges::AUTHORIZED_MANAGEMENT);
        host.enter(None);
        let update = |host: &mut Host, privileges, to| {
            let update = InstallForRegistryUpdate {
                application: Some(domain()),
                security_domain: to,
                privileges: Some(privileges),
                irreversible: true,
                ..InstallForRegistryUpdate::default()
            };
            let command = update.command().unwrap();
            block_on(procedure::manage(&mut host.reader, &mut host.opened.channel, &command))
        };
        let privileges =
            |host: &mut Host| host.entries().into_iter().find(|entry| entry.aid == domain()).unwrap().privileges;
        let new = Privileges::DAP_VERIFICATION | Privileges::TRUSTED_PATH;
        update(&mut host, new, None).unwrap();
        assert_eq!(privileges(&mut host), new);
        // Together they are not allowed; then the extradition of the same command is not done either.
        let both = Privileges::DELEGATED_MANAGEMENT | Privileges::AUTHORIZED_MANAGEMENT;
        assert_eq!(status(update(&mut host, both, Some(domain()))).0, 0x6A80);
        assert_eq!((privileges(&mut host), host.domain_of(domain())), (new, Some(host.reader.card().isd_aid())));
        let mandated = Privileges::MANDATED_DAP_VERIFICATION;
        update(&mut host, mandated, Some(domain())).unwrap();
        assert_eq!((privileges(&mut host), host.domain_of(domain())), (mandated, Some(domain())));
    }
}

#[test]
fn data_for_a_security_domain_is_stored_through_the_one_above_it() {
    for protocol in PROTOCOLS {
        let mut host = Host::with_domain(protocol, Privileges::SECURITY_DOMAIN);
        host.enter(None);
        let data = [0x42, 2, 0x12, 0x34, 0x45, 1, 0x99];
        let store = StoreData::new(DataStructure::BerTlv, &data);
        let domain = domain();
        let stored = procedure::store_data(&mut host.reader, &mut host.opened.channel, Some(&domain), &store, None);
        block_on(stored).unwrap();
        let read = |host: &mut Host| {
            let command = command::get_data(Tag(0x45));
            block_on(host.opened.channel.call(&mut host.reader, &command)).unwrap().into_data()
        };
        assert_eq!(read(&mut host), [0x45, 3, 0x45, 2, 3], "the issuer's own is as it was");
        host.enter(Some(domain));
        assert_eq!(read(&mut host), [0x45, 1, 0x99]);
        // It manages no content, and locks none but its own.
        assert_eq!(status(host.load(None, &load_file(), &[])).0, 0x6985);
        let lock = StatusTarget::Application(host.reader.card().isd_aid());
        let locked = procedure::set_status(&mut host.reader, &mut host.opened.channel, lock, LifeCycle(0x80), false);
        assert!(block_on(locked).is_err());
        let card = procedure::set_status(
            &mut host.reader,
            &mut host.opened.channel,
            StatusTarget::Card,
            LifeCycle::TERMINATED,
            true,
        );
        assert_eq!(status(block_on(card)).0, 0x6985);
    }
}
