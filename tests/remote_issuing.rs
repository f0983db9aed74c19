//! Remote issuing on the software card: the whole, torn at every command, and every guard.

mod support;

use cardwright::issuance::event::Proof;
use cardwright::issuance::job::Job;
use cardwright::issuance::remote::{ApplicationStatus, IssueError, Outcome, steps};
use cardwright::issuance::step::StepState;
use cardwright::issuance::store::{Journal, MemoryStore};
use cardwright::keys::pboc;
use cardwright_sim::{Fault, Faults, JavaCard, SecureChannelProtocol};
use support::{SCP02, SCP03, card, instance, is_complete, issue, number_of, order, snapshot};

fn complete(protocol: SecureChannelProtocol) -> (JavaCard, u64) {
    let mut store = MemoryStore::new();
    let (outcome, reader) = issue(&order(500), card(protocol), &mut store, Faults::none());
    let report = match outcome {
        Ok(Outcome::Complete(report)) => report,
        other => panic!("{other:?}"),
    };
    let row = report.after.iter().find(|row| row.aid == instance()).unwrap();
    assert_eq!(row.status, Some(ApplicationStatus::Issued));
    assert!(!report.before.iter().any(|row| row.aid == instance()));
    (reader.card().twin(), reader.commands())
}

#[test]
fn a_card_is_issued_with_its_own_keys() {
    for protocol in [SCP02, SCP03] {
        let (card, _) = complete(protocol);
        let application = card.pboc_application(&instance()).unwrap();
        let serial = application.serial_number();
        let factor: [u8; 8] = serial[2..].try_into().unwrap();
        let master = |text: &str| {
            let key = cardwright::keys::KeyValue::new(&hex::decode(text).unwrap()).unwrap();
            pboc::diversify(&key, &factor).unwrap().expose_bytes().to_vec()
        };
        assert_eq!(application.master_key().value()[..], master("11223344556677888877665544332211"));
        assert_eq!(application.maintenance_key().value()[..], master("FFEEDDCCBBAA99887766554433221100"));
        let set = card.key_set(1).unwrap();
        assert!(set.keys.iter().all(|key| hex::encode_upper(&key.value) != support::TEST_KEY));
        assert_eq!(card.key_sets().len(), 1);
    }
}

/// Commands that must succeed once and only once, whatever happens: the last LOAD block, INSTALL, PUT KEY, the master key.
fn executed_once(reader_log: &[cardwright_sim::LogEntry]) -> [usize; 4] {
    let mut counts = [0; 4];
    for entry in reader_log.iter().filter(|entry| entry.response.ends_with(&[0x90, 0])) {
        match entry.command[..] {
            [_, 0xE8, 0x80, ..] => counts[0] += 1,
            [_, 0xE6, 0x0C, ..] => counts[1] += 1,
            [_, 0xD8, ..] => counts[2] += 1,
            [0x84, 0xD4, 0xF9, ..] => counts[3] += 1,
            _ => {}
        }
    }
    counts
}

/// The card is torn out at this command, executed or not.
type Cut = (u64, bool);

/// Runs until the card is complete, with one cut in each of the first runs.
fn torn(protocol: SecureChannelProtocol, cuts: &[Cut]) -> JavaCard {
    let order = order(500);
    let mut store = MemoryStore::new();
    let mut now = card(protocol);
    let mut counts = [0; 4];
    for run in 0..=cuts.len() {
        let faults = cuts.get(run).map_or(Faults::none(), |(n, executed)| {
            Faults::none().at(*n, if *executed { Fault::CutAfter } else { Fault::CutBefore })
        });
        let (outcome, mut reader) = issue(&order, now, &mut store, faults);
        let log = reader.take_log();
        for (count, more) in counts.iter_mut().zip(executed_once(&log)) {
            *count += more;
        }
        now = reader.card().twin();
        match outcome {
            Ok(Outcome::Complete(_)) => {}
            Ok(Outcome::Interrupted(_)) if run < cuts.len() => {}
            other => panic!("{cuts:?}, run {run}: {other:?}"),
        }
    }
    assert_eq!(counts, [1; 4], "{cuts:?}: LOAD, INSTALL, PUT KEY, master key");
    now
}

#[test]
fn torn_at_every_command_the_card_ends_the_same() {
    for protocol in [SCP02, SCP03] {
        let (reference, commands) = complete(protocol);
        for n in 1..=commands {
            for executed in [false, true] {
                let card = torn(protocol, &[(n, executed)]);
                assert_eq!(snapshot(&card), snapshot(&reference), "{protocol:?} {n} {executed}");
            }
        }
    }
}

#[test]
fn torn_again_while_it_resumes_the_card_ends_the_same() {
    let (reference, commands) = complete(SCP03);
    let reference = snapshot(&reference);
    for n in 1..=commands {
        for m in 1..=commands {
            for kinds in 0..4 {
                let cuts = [(n, kinds & 1 == 0), (m, kinds & 2 == 0)];
                assert_eq!(snapshot(&torn(SCP03, &cuts)), reference, "{cuts:?}");
            }
        }
    }
}

#[test]
fn a_second_run_finds_nothing_to_do() {
    let order = order(500);
    let mut store = MemoryStore::new();
    let (first, reader) = issue(&order, card(SCP03), &mut store, Faults::none());
    assert!(is_complete(&first));
    let (second, mut reader) = issue(&order, reader.card().twin(), &mut store, Faults::none());
    assert!(matches!(second, Ok(Outcome::Complete(report)) if !report.changed));
    assert_eq!(executed_once(&reader.take_log()), [0; 4]);
}

#[test]
fn with_another_journal_an_issued_card_is_left_as_it_is() {
    let (issued, _) = complete(SCP03);
    let before = snapshot(&issued);
    let (outcome, mut reader) = issue(&order(500), issued, &mut MemoryStore::new(), Faults::none());
    assert!(is_complete(&outcome), "{outcome:?}");
    assert_eq!(executed_once(&reader.take_log()), [0; 4]);
    assert_eq!(snapshot(reader.card()), before);
}

#[test]
fn wrong_keys_stop_before_external_authenticate_and_are_counted() {
    let mut wrong = order(500);
    wrong.current_keys = wrong.new_keys.clone();
    let mut store = MemoryStore::new();
    let mut now = card(SCP03);
    for expected in 1..=2 {
        let (outcome, mut reader) = issue(&wrong, now, &mut store, Faults::none());
        assert!(matches!(outcome, Err(IssueError::WrongKeys { failures, .. }) if failures == expected), "{outcome:?}");
        assert!(!reader.take_log().iter().any(|entry| entry.command[1] == 0x82));
        now = reader.card().twin();
    }
    let (outcome, mut reader) = issue(&wrong, now, &mut store, Faults::none());
    assert!(matches!(outcome, Err(IssueError::LockedOut { failures: 2, unanswered: 0, .. })), "{outcome:?}");
    assert!(!reader.take_log().iter().any(|entry| entry.command[1] == 0x50));
    let right = cardwright::issuance::remote::Order { override_lockout: true, ..order(500) };
    let (outcome, reader) = issue(&right, reader.card().twin(), &mut store, Faults::none());
    assert!(is_complete(&outcome), "{outcome:?}");
    // The success has cleared the count.
    let (outcome, _) = issue(&order(500), reader.card().twin(), &mut store, Faults::none());
    assert!(is_complete(&outcome), "{outcome:?}");
}

#[test]
fn keys_that_the_card_refused_may_be_replaced_by_others() {
    let put_key = number_of(|command| command[1] == 0xD8);
    let mut store = MemoryStore::new();
    let mut order = order(500);
    let refusal = Faults::none().at(put_key, Fault::Status(0x6A80.into()));
    let (outcome, mut reader) = issue(&order, card(SCP03), &mut store, refusal);
    assert!(matches!(&outcome, Err(error) if error.to_string().contains("PUT KEY: 6A80")), "{outcome:?}");
    assert_eq!(executed_once(&reader.take_log())[2], 0);
    order.new_keys[0].scheme = cardwright::gp::procedure::KeyScheme::AsIs;
    let (outcome, mut reader) = issue(&order, reader.card().twin(), &mut store, Faults::none());
    assert!(is_complete(&outcome), "{outcome:?}");
    assert_eq!(executed_once(&reader.take_log())[2], 1);
}

#[test]
fn a_master_key_that_was_taken_and_denied_is_found_by_the_next_run() {
    let master_key = number_of(|command| command[..3] == [0x84, 0xD4, 0xF9]);
    let mut store = MemoryStore::new();
    let denial = Faults::none().at(master_key, Fault::Respond(vec![0x6A, 0x80]));
    let (outcome, reader) = issue(&order(500), card(SCP03), &mut store, denial);
    assert!(matches!(&outcome, Err(error) if error.to_string().contains("WRITE KEY: 6A80")), "{outcome:?}");
    let (outcome, mut reader) = issue(&order(500), reader.card().twin(), &mut store, Faults::none());
    assert!(is_complete(&outcome), "{outcome:?}");
    assert_eq!(executed_once(&reader.take_log())[3], 0);
}

#[test]
fn domain_keys_that_were_taken_and_denied_are_found_by_the_next_run() {
    let put_key = number_of(|command| command[1] == 0xD8);
    let mut store = MemoryStore::new();
    let denial = Faults::none().at(put_key, Fault::Respond(vec![0x6A, 0x80]));
    let (outcome, reader) = issue(&order(500), card(SCP03), &mut store, denial);
    assert!(matches!(&outcome, Err(error) if error.to_string().contains("PUT KEY: 6A80")), "{outcome:?}");
    let (outcome, mut reader) = issue(&order(500), reader.card().twin(), &mut store, Faults::none());
    assert!(is_complete(&outcome), "{outcome:?}");
    assert_eq!(executed_once(&reader.take_log())[2], 0);
    let identity = store.entities("card/").unwrap().remove(0);
    let job = Job::from_records(identity.clone(), &store.history(&identity).unwrap()).unwrap();
    assert_eq!(job.step(steps::DOMAIN_KEYS).state, StepState::Succeeded(Proof::Found));
}
