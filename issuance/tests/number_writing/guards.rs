//! What number writing must not do: each of these fails when its protection is taken out.

use super::*;

fn verifications(card: &Card) -> usize {
    card.commands.iter().filter(|header| header[1] == 0x20).count()
}

fn updates(card: &Card) -> usize {
    card.commands.iter().filter(|header| matches!(header[1], 0xD6 | 0xDC | 0xD4)).count()
}

#[test]
fn a_blocked_adm_key_is_not_presented() {
    let (mut card, mut store) = (Card::blank(), MemoryStore::new());
    card.tries = 0;
    let (step, reason) = quarantined(run(&mut card, &mut store, &order()));
    assert!(step == "adm" && reason.contains("blocked: no try is left"), "{reason}");
    assert_eq!(verifications(&card), 1, "the query of the counter alone");
}

#[test]
fn a_card_that_wants_no_adm_key_is_not_shown_one() {
    let (mut card, mut store) = (Card::blank(), MemoryStore::new());
    card.is_open = true;
    complete(run(&mut card, &mut store, &order()));
    assert_eq!(verifications(&card), 1, "the query of the counter alone");
    assert_written(&card);
}

#[test]
fn a_card_that_keeps_its_iccid_has_to_have_the_one_of_the_order() {
    let mut order = order();
    order.profile.iccid_rewritable = false;
    for iccid in [vec![0xFF; 10], hex::decode("988812010000019909F3").unwrap()] {
        let mut card = Card::blank();
        card.files.insert(ICCID, iccid);
        let before = card.files.clone();
        let error = run(&mut card, &mut MemoryStore::new(), &order).unwrap_err();
        assert!(matches!(error, IssueError::OtherCard { .. }), "{error}");
        assert_eq!((verifications(&card), updates(&card)), (0, 0));
        assert_eq!(card.files, before);
    }
}

#[test]
fn a_number_that_a_card_got_with_an_iccid_of_its_own_is_not_written_to_a_second_card() {
    let (mut card, mut store) = (Card::blank(), MemoryStore::new());
    card.files.insert(ICCID, order().data.iccid.unwrap().to_file().to_vec());
    let mut keeps = order();
    keeps.profile.iccid_rewritable = false;
    complete(run(&mut card, &mut store, &keeps));
    let mut second = Card::blank();
    let error = run(&mut second, &mut store, &order()).unwrap_err();
    assert!(matches!(error, IssueError::OtherCard { .. }), "{error}");
    assert_eq!(updates(&second), 0);
}

/// The card that has been tried is the one that counts, not the number that it was to get.
#[test]
fn attempts_of_the_adm_key_are_the_cards_whatever_number_it_is_to_get() {
    let (mut card, mut store) = (Card::blank(), MemoryStore::new());
    card.tells_tries = false;
    card.files.insert(ICCID, hex::decode("988812010000019909F3").unwrap());
    let mut wrong = order();
    wrong.profile.adm.as_mut().unwrap().tells_tries = false;
    wrong.adm = Some(SecretCode::from_bytes(*b"00000000"));
    quarantined(run(&mut card, &mut store, &wrong));
    wrong.data.iccid = Some(Iccid::new("8988211000001090326", &wrong.profile.numbering.iccid).unwrap());
    quarantined(run(&mut card, &mut store, &wrong));
    assert_eq!(card.tries, 2);
}

#[test]
fn each_step_is_in_the_journal_before_the_card_gets_its_first_command() {
    for n in 1..=60 {
        let mut card = Card::blank();
        let mut store = MemoryStore::with_faults(MemoryFaults::none().at(n, StoreFault::CrashBeforeWrite));
        if let Ok(Ok(Outcome::Complete(_))) = try_run(&mut card, &mut store, &order()) {
            assert!(n > 12, "{n}");
            return;
        }
        // What was written is what the journal knows of, and one step at the most is there that has no outcome.
        let store = store.reopen().unwrap();
        let begun = |name: &str| store.log().windows(name.len()).any(|window| window == name.as_bytes());
        assert!(begun("adm") || verifications(&card) <= 1, "commit {n}");
        for (name, file) in [("iccid", ICCID), ("imsi", IMSI), ("msisdn", MSISDN), ("keys", K)] {
            let is_blank = card.files[&file].iter().all(|byte| *byte == 0xFF);
            assert!(begun(name) || is_blank, "commit {n}: {name} was written and is not on record");
        }
        assert!(begun("puk") || card.puk == [0xFF; 8], "commit {n}");
    }
    panic!("never whole");
}
