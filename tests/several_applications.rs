//! Several applications on one card: each a job of its own, torn anywhere between them.

mod support;

use cardwright::apdu::Aid;
use cardwright::gp::DescriptorPolicy;
use cardwright::gp::load_file::CapFile;
use cardwright::issuance::job::Job;
use cardwright::issuance::remote::{ApplicationKeys, ApplicationOrder, ApplicationStatus, Order, Outcome, Report};
use cardwright::issuance::store::{Journal, MemoryStore};
use cardwright::keys::KeyRef;
use cardwright_capgen::CapBuilder;
use cardwright_sim::{Fault, Faults, JavaCard};
use support::{SCP03, aid, card, instance, issue, order};

fn second() -> Aid {
    aid("A00000038698070102")
}

fn two_applications() -> Order {
    let mut order = order(300);
    let archive = CapBuilder::new(aid("A00000038698AA")).applet(second()).min_data_block_len(300).archive().unwrap();
    let load_file = CapFile::parse(&archive).unwrap().to_load_file(DescriptorPolicy::Omit).unwrap();
    let keys = ApplicationKeys {
        initial_master: KeyRef::new("application-initial"),
        master: KeyRef::new("application-maintenance"),
        maintenance: KeyRef::new("application-master"),
    };
    order.applications.push(ApplicationOrder::new(load_file, second(), keys));
    order
}

fn assert_both_issued(report: &Report, card: &JavaCard, what: &str) {
    for application in [instance(), second()] {
        let row = report.after.iter().find(|row| row.aid == application).unwrap();
        assert_eq!(row.status, Some(ApplicationStatus::Issued), "{what}");
    }
    let keys = [instance(), second()].map(|application| {
        let application = card.pboc_application(&application).unwrap();
        (*application.master_key().value(), *application.maintenance_key().value())
    });
    // The order gives them each other's keys.
    assert_eq!(keys[0].0, keys[1].1, "{what}");
    assert_eq!(keys[0].1, keys[1].0, "{what}");
}

#[test]
fn both_are_issued_and_torn_anywhere_finished_by_the_next_run() {
    let order = two_applications();
    let (outcome, reader) = issue(&order, card(SCP03), &mut MemoryStore::new(), Faults::none());
    let Ok(Outcome::Complete(report)) = outcome else { panic!("{outcome:?}") };
    assert_both_issued(&report, reader.card(), "undisturbed");
    for n in 1..=reader.commands() {
        for fault in [Fault::CutBefore, Fault::CutAfter] {
            let what = format!("{fault:?} {n}");
            let mut store = MemoryStore::new();
            let (_, reader) = issue(&order, card(SCP03), &mut store, Faults::none().at(n, fault));
            let (outcome, reader) = issue(&order, reader.card().twin(), &mut store, Faults::none());
            let Ok(Outcome::Complete(report)) = outcome else { panic!("{what}: {outcome:?}") };
            assert_both_issued(&report, reader.card(), &what);
        }
    }
}

#[test]
fn an_application_added_to_a_complete_card_is_proved_even_when_the_proving_was_torn() {
    let mut store = MemoryStore::new();
    let (_, reader) = issue(&order(300), card(SCP03), &mut store, Faults::none());
    let complete = reader.card().twin();
    let (_, reader) = issue(&two_applications(), complete.twin(), &mut MemoryStore::new(), Faults::none());
    let last = reader.commands();
    let cut = Faults::none().at(last, Fault::CutBefore);
    let (outcome, reader) = issue(&two_applications(), complete, &mut store, cut);
    assert!(matches!(outcome, Ok(Outcome::Interrupted(_))), "{outcome:?}");
    let (outcome, _) = issue(&two_applications(), reader.card().twin(), &mut store, Faults::none());
    let Ok(Outcome::Complete(report)) = outcome else { panic!("{outcome:?}") };
    let entity = report.card.identity.application_entity(&second()).unwrap();
    let job = Job::from_records(entity.clone(), &store.history(&entity).unwrap()).unwrap();
    assert!(job.state().completed);
}
