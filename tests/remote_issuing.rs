//! Remote issuing on the software card: the whole, torn at every command, and every guard.

mod support;

use cardwright::issuance::event::Proof;
use cardwright::issuance::job::Job;
use cardwright::issuance::remote::{ApplicationStatus, IssueError, Order, Outcome, steps};
use cardwright::issuance::step::StepState;
use cardwright::issuance::store::{Journal, MemoryStore};
use cardwright::keys::pboc;
use cardwright_sim::{Fault, Faults, JavaCard, LogEntry, SecureChannelProtocol};
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
fn executed_once(reader_log: &[LogEntry]) -> [usize; 4] {
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

fn cut_at((n, executed): Cut) -> Faults {
    Faults::none().at(n, if executed { Fault::CutAfter } else { Fault::CutBefore })
}

/// Runs until the card is complete, with one cut in each of the first runs.
fn torn(protocol: SecureChannelProtocol, cuts: &[Cut]) -> JavaCard {
    let order = order(500);
    let mut store = MemoryStore::new();
    let mut now = card(protocol);
    let mut counts = [0; 4];
    for run in 0..=cuts.len() {
        let faults = cuts.get(run).map_or(Faults::none(), |cut| cut_at(*cut));
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

/// Every eighth pair of commands; with `CARDWRIGHT_TEARS=all`, which `scripts/check.sh` sets, every pair.
#[test]
fn torn_again_while_it_resumes_the_card_ends_the_same() {
    let (reference, commands) = complete(SCP03);
    let reference = snapshot(&reference);
    let step = if std::env::var("CARDWRIGHT_TEARS").is_ok_and(|tears| tears == "all") { 1 } else { 8 };
    for n in 1..=commands {
        for m in (1 + n % step..=commands).step_by(step as usize) {
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
    let right = Order { override_lockout: true, ..order(500) };
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

/// A card that has taken its master key, which the reader has denied, and its journal.
fn denied(order: &Order) -> (MemoryStore, JavaCard) {
    let (_, mut honest) = issue(order, card(SCP03), &mut MemoryStore::new(), Faults::none());
    let master_key = |entry: &LogEntry| entry.command[..3] == [0x84, 0xD4, 0xF9];
    let denied_at = 1 + honest.take_log().iter().position(master_key).unwrap() as u64;
    let denial = Faults::none().at(denied_at, Fault::Respond(vec![0x6A, 0x80]));
    let mut store = MemoryStore::new();
    let (_, reader) = issue(order, card(SCP03), &mut store, denial);
    (store, reader.card().twin())
}

/// A reader denies the master key that the card has taken; the logs of the runs after it, one of which is torn by each cut.
fn resume(order: &Order, cuts: &[Cut]) -> Vec<Vec<LogEntry>> {
    let (mut store, mut now) = denied(order);
    let mut logs = Vec::new();
    for run in 0..=cuts.len() {
        let faults = cuts.get(run).map_or(Faults::none(), |cut| cut_at(*cut));
        let (outcome, mut reader) = issue(order, now, &mut store, faults);
        let may_be_cut = run < cuts.len() && matches!(outcome, Ok(Outcome::Interrupted(_)));
        assert!(may_be_cut || is_complete(&outcome), "{cuts:?}, run {run}: {outcome:?}");
        logs.push(reader.take_log());
        assert_eq!(executed_once(&logs[run])[3], 0, "{cuts:?}");
        now = reader.card().twin();
    }
    logs
}

/// The numbers of the commands that try a master key of the application.
fn attempts(log: &[LogEntry]) -> Vec<u64> {
    let is_attempt = |entry: &LogEntry| entry.command[..2] == [0x00, 0x82] && entry.command.len() > 5;
    (1..).zip(log).filter(|(_, entry)| is_attempt(entry)).map(|(n, _)| n).collect()
}

/// The card has three tries: an attempt with the initial key costs one, a second one would be one too many.
#[test]
fn a_master_key_that_was_taken_and_denied_is_found_however_the_runs_after_it_are_torn() {
    let order = order(500);
    let [with_initial, with_new] = attempts(&resume(&order, &[])[0])[..] else { panic!("two attempts") };
    for n in with_initial..=with_new {
        for m in with_initial - 1..=with_new {
            for kinds in 0..4 {
                resume(&order, &[(n, kinds & 1 == 0), (m, kinds & 2 == 0)]);
            }
        }
    }
}

/// The card rejects the initial key, and the answer to the new one is lost: of its three tries one may be left. Nothing is tried before
/// two persons have looked; then the new key comes first.
#[test]
fn a_card_that_does_not_tell_its_tries_gets_two_attempts_without_success_and_no_third() {
    let mut order = order(500);
    order.applications[0].tells_tries = false;
    let [_, with_new] = attempts(&resume(&order, &[])[0])[..] else { panic!("two attempts") };
    for executed in [false, true] {
        let (mut store, now) = denied(&order);
        let (torn, reader) = issue(&order, now, &mut store, cut_at((with_new, executed)));
        assert!(matches!(torn, Ok(Outcome::Interrupted(_))), "{torn:?}");
        let mut now = reader.card().twin();
        for _ in 0..2 {
            let (held, mut reader) = issue(&order, now, &mut store, Faults::none());
            assert!(
                matches!(&held, Ok(Outcome::Quarantined { reason, .. }) if reason.contains("one try may be left")),
                "{held:?}"
            );
            assert!(attempts(&reader.take_log()).is_empty());
            now = reader.card().twin();
        }
        let release = Order { release: support::released(&store), ..order.clone() };
        let (complete, mut reader) = issue(&release, now, &mut store, Faults::none());
        assert!(is_complete(&complete), "{complete:?}");
        assert_eq!(attempts(&reader.take_log()).len(), 1);
    }
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
