//! SIM and USIM procedures against recorded conversations: each command is the one expected, byte for byte.

use cardwright_apdu::trace::{TraceFile, TracedExchange};
use cardwright_apdu::transport::Replay;
use cardwright_apdu::{Class, block_on};
use cardwright_cos::usim::{
    AdmState, Dialect, FileSystem, Iccid, Imsi, KeyProof, KeyVerdict, Msisdn, Plmn, SecretCode, SecretValues, SimError,
    SimProfile, SmsParameters, SubscriberData, TonNpi, adm_state, file_writes, prove_keys, verify_adm,
};
use cardwright_keys::milenage::{OperatorKey, SubscriberKeys};
use cardwright_keys::{KeyRef, SoftwareKeys};

/// `command > response` lines; spaces count for nothing.
fn card(script: &str) -> Replay {
    let bytes = |digits: &str| hex::decode(digits.replace(' ', "")).unwrap();
    let exchanges = script
        .lines()
        .filter_map(|line| line.split_once('>'))
        .map(|(command, response)| TracedExchange { command: bytes(command), response: Ok(bytes(response)) })
        .collect();
    Replay::new(TraceFile { atr: vec![0x3B, 0], profile: None, exchanges })
}

fn imsi() -> Imsi {
    Imsi::new("262011106487504", &[]).unwrap()
}

fn subscriber() -> SubscriberData {
    let mut data = SubscriberData::new(imsi());
    data.msisdn = Some(Msisdn::new("+4917279119183", TonNpi::UNKNOWN).unwrap());
    data.sms_parameters = Some(SmsParameters::new("+4915790109999", TonNpi::UNKNOWN).unwrap());
    data
}

fn sim() -> SimProfile {
    SimProfile::new("sim", Dialect::Gsm)
}

fn usim() -> SimProfile {
    let mut profile = SimProfile::new("usim", Dialect::Uicc);
    profile.application = Some(SimProfile::USIM.try_into().unwrap());
    profile
}

/// Writes every file and reads it back.
fn write_all(card: &mut Replay, profile: &SimProfile, data: &SubscriberData) -> Result<(), SimError> {
    block_on(async {
        let mut files = FileSystem::new(profile.dialect);
        for write in file_writes(data, profile)? {
            if let Some(prepared) = write.prepare(card, &mut files).await? {
                prepared.write(card, &files).await?;
                prepared.check(card, &files).await?;
            }
        }
        Ok(())
    })
}

const IMSI_AND_ACC: &str = "
A0A4000002 7F20 > 9F17
A0A4000002 6F07 > 9F0F
A0C000000F > 000000096F07040014F01401020000 9000
A0D6000009 082926101160845740 > 9000
A0B0000009 > 082926101160845740 9000
A0A4000002 6F78 > 9F0F
A0C000000F > 000000026F78040014F01401020000 9000
A0D6000002 0010 > 9000
A0B0000002 > 0010 9000
";

const NUMBERS: &str = "
A0A4000002 7F10 > 9F17
A0A4000002 6F40 > 9F0F
A0C000000F > 0000001C6F40040011F0220102010E 9000
A0DC01040E 0891947172199181F3FFFFFFFFFF > 9000
A0B201040E > 0891947172199181F3FFFFFFFFFF 9000
A0A4000002 6F42 > 9F0F
A0C000000F > 0000001C6F42040011F0220102011C 9000
A0DC01041C E1FFFFFFFFFFFFFFFFFFFFFFFF0891945197109099F9FFFFFF0000A9 > 9000
A0B201041C > E1FFFFFFFFFFFFFFFFFFFFFFFF0891945197109099F9FFFFFF0000A9 9000
";

#[test]
fn a_sim_is_written_directory_by_directory() {
    let mut card = card(&(IMSI_AND_ACC.to_owned() + NUMBERS));
    write_all(&mut card, &sim(), &subscriber()).unwrap();
    assert_eq!(card.remaining(), 0);
}

#[test]
fn a_usim_is_written_by_paths() {
    let mut data = subscriber();
    data.sms_parameters = None;
    let mut card = card(
        "00A4080404 7FFF6F07 00 > 620C8202412183026F0780020009 9000
         00D6000009 082926101160845740 > 9000
         00B0000009 > 082926101160845740 9000
         00A4080404 7FFF6F78 00 > 620C8202412183026F7880020002 9000
         00D6000002 0010 > 9000
         00B0000002 > 0010 9000
         00A4080404 7FFF6F40 00 > 6111
         00C0000011 > 620F8205422100100283026F4080020020 9000
         00DC010410 FFFF0891947172199181F3FFFFFFFFFF > 9000
         00B2010410 > FFFF0891947172199181F3FFFFFFFFFF 9000",
    );
    write_all(&mut card, &usim(), &data).unwrap();
    assert_eq!(card.remaining(), 0);
}

/// A USIM that is no SIM has no DF.TELECOM with these files; one that is may have them there alone.
#[test]
fn the_numbers_are_written_where_the_card_has_them() {
    let data = subscriber();
    let [imsi, acc, msisdn, smsp] = &file_writes(&data, &usim()).unwrap()[..] else { panic!("four files") };
    assert!(imsi.elsewhere.is_none() && acc.elsewhere.is_none());
    for (write, file) in [(msisdn, "6F40"), (smsp, "6F42")] {
        let asked = |answers: [&str; 2]| {
            let paths = ["7FFF", "7F10"].iter().zip(answers);
            let script: String =
                paths.map(|(directory, answer)| format!("00A4080404 {directory}{file} 00 > {answer}\n")).collect();
            let mut card = card(&script);
            let prepared = block_on(write.prepare(&mut card, &mut FileSystem::new(Dialect::Uicc)));
            (prepared.map(|prepared| prepared.is_some()), card.remaining())
        };
        let there = format!("620F8205422100280183 02{file}80020028 9000").replace(' ', "");
        assert!(matches!(asked([&there, "9000"]), (Ok(true), 1)));
        assert!(matches!(asked(["6A82", &there]), (Ok(true), 0)));
        assert!(matches!(asked(["6A82", "6A82"]), (Err(SimError::NoFile { .. }), 0)));
        assert!(matches!(asked(["6982", &there]), (Err(SimError::Refused { .. }), 1)));
    }
}

/// `91XX`: done, and the card has a command for the terminal.
#[test]
fn a_card_that_wants_something_of_the_terminal_has_done_the_command() {
    let mut card = card(
        "00A4040C07 A0000000871002 > 9180
         0020000A > 9180
         0020000A08 3332323133323332 > 9180
         00A4080C04 7FFF6F07 > 9180
         00A4080C04 7FFF6F78 > 6A82",
    );
    block_on(async {
        let mut files = FileSystem::new(Dialect::Uicc);
        files.select_application(&mut card, &SimProfile::USIM.try_into().unwrap()).await.unwrap();
        assert_eq!(adm_state(&mut card, Class::ISO, 0x0A).await.unwrap(), AdmState::Verified);
        verify_adm(&mut card, Class::ISO, 0x0A, &SecretCode::from_bytes(*b"32213232")).await.unwrap();
        files.select(&mut card, &"7FFF/6F07".parse().unwrap()).await.unwrap();
        let absent = files.select(&mut card, &"7FFF/6F78".parse().unwrap()).await;
        assert!(matches!(absent, Err(SimError::NoFile { .. })));
    });
    assert_eq!(card.remaining(), 0);
}

#[test]
fn answers_that_do_not_fit_are_errors_that_name_the_place() {
    let whole = IMSI_AND_ACC.to_owned() + NUMBERS;
    for (from, to, said) in [
        ("> 082926101160845740 9000", "> 082926101160845741 9000", "3F00/7F20/6F07: what is read back differs"),
        ("> 082926101160845740 9000", "> 082926101160845741 9000", "at offset 8"),
        ("6F07 > 9F0F", "6F07 > 9404", "SELECT 3F00/7F20/6F07: the card has no such file"),
        ("> 0000001C6F40040011F0220102010E", "> 0000001C6F41040011F0220102010E", "the file that was selected"),
        ("> 0000001C6F40040011F0220102010E", "> 0000001A6F40040011F0220102010D", "a record of 14 bytes or more"),
        ("> 0000001C6F40040011F0220102010E", "> 0000001C6F40040011F02201020000", "a linear file with that record"),
        ("> 0000001C6F40040011F0220102010E", "> 0000001C6F4004", "the structure of the file at offset 13"),
        ("> 082926101160845740 9000", "> 0829 9000", "READ BINARY: expected as many bytes as were asked for"),
        ("082926101160845740 > 9000", "082926101160845740 > 9804", "9804 (access condition not fulfilled)"),
    ] {
        let script = whole.replacen(from, to, 1);
        assert_ne!(script, whole, "{from}");
        let error = write_all(&mut card(&script), &sim(), &subscriber()).unwrap_err();
        assert!(error.to_string().contains(said), "{said}: {error}");
        assert!(!error.to_string().contains("11064875"));
    }
}

#[test]
fn files_that_a_card_may_lack_are_passed_over() {
    let mut data = SubscriberData::new(imsi());
    data.reset_for = Some(Plmn::new("262-01").unwrap());
    let loci = "
A0A4000002 6F7E > 9F0F
A0C000000F > 0000000B6F7E040011F02201020000 9000
A0D600000B FFFFFFFF62F2100000FF01 > 9000
A0B000000B > FFFFFFFF62F2100000FF01 9000
A0A4000002 6F53 > 9404
";
    // After a file that is not there nothing is taken for granted of what is selected.
    let others: String = ["6F20", "6F52", "6F7B"]
        .map(|file| format!("A0A4000002 3F00 > 9F17\nA0A4000002 7F20 > 9F17\nA0A4000002 {file} > 9404\n"))
        .concat();
    let mut card = card(&(IMSI_AND_ACC.to_owned() + loci + &others));
    write_all(&mut card, &sim(), &data).unwrap();
    assert_eq!(card.remaining(), 0);
}

#[test]
fn the_adm_counter_is_asked_for_without_a_try() {
    let ask = |answer: &str| {
        let mut card = card(&format!("0020000A > {answer}"));
        block_on(adm_state(&mut card, Class::ISO, 0x0A)).unwrap()
    };
    assert_eq!(ask("63C3"), AdmState::Tries(3));
    assert_eq!(ask("63C0"), AdmState::Blocked);
    assert_eq!(ask("6983"), AdmState::Blocked);
    assert_eq!(ask("9000"), AdmState::Verified);
    assert_eq!(ask("6700"), AdmState::NotTold);
    let verify = |answer: &str| {
        let mut card = card(&format!("0020000A08 3332323133323332 > {answer}"));
        block_on(verify_adm(&mut card, Class::ISO, 0x0A, &SecretCode::from_bytes(*b"32213232")))
    };
    assert!(verify("9000").is_ok());
    assert!(matches!(verify("63C2"), Err(SimError::WrongAdm { tries_left: Some(2) })));
    assert!(matches!(verify("9804"), Err(SimError::WrongAdm { tries_left: None })));
    assert!(matches!(verify("9840"), Err(SimError::AdmBlocked)));
    assert!(matches!(verify("6A88"), Err(SimError::Refused { .. })));
}

/// TS 35.208, test set 1.
fn keys() -> (SoftwareKeys, SubscriberKeys) {
    let mut keys = SoftwareKeys::new();
    let file = "k K 465B5CE8B199B49FAA5F0A2EE238A6BC E4F3EA\nop OP CDC202D5123E20F62B6D676AC72CB318 6FAE8C";
    keys.insert_file(file).unwrap();
    (keys, SubscriberKeys { k: KeyRef::new("k"), operator: OperatorKey::Op(KeyRef::new("op")) })
}

const RAND: [u8; 16] = 0x2355_3CBE_9637_A89D_218A_E64D_AE47_BF35_u128.to_be_bytes();

fn prove(proof: KeyProof, script: &str) -> Result<KeyVerdict, SimError> {
    let (mut keys, subscriber) = keys();
    let profile = {
        let mut profile = usim();
        profile.proof = Some(proof);
        profile
    };
    let mut card = card(script);
    let (verdict, _) = block_on(prove_keys(&mut card, &mut keys, &profile, &subscriber, RAND))?;
    assert_eq!(card.remaining(), 0);
    Ok(verdict)
}

#[test]
fn a_sim_proves_its_keys_by_sres_and_kc() {
    let proved = |answer: &str| {
        let run = "A0A4000002 7F20 > 9F17\nA088000010 23553CBE9637A89D218AE64DAE47BF35 > ".to_owned();
        prove(KeyProof::Gsm, &(run + answer))
    };
    let get_response = |answer: &str| proved(&format!("9F0C\nA0C000000C > {answer}"));
    assert_eq!(get_response("46F8416A EAE4BE823AF9A08B 9000").unwrap(), KeyVerdict::Proved);
    assert_eq!(get_response("46F8416B EAE4BE823AF9A08B 9000").unwrap(), KeyVerdict::Other);
    assert_eq!(get_response("46F8416A EAE4BE823AF9A08A 9000").unwrap(), KeyVerdict::Other);
    assert!(matches!(get_response("46F8416A 9000"), Err(SimError::Answer { .. })));
    assert!(matches!(proved("9804"), Err(SimError::Refused { .. })), "a PIN is wanted first");
}

#[test]
fn a_usim_proves_them_in_the_gsm_context() {
    let proved = |answer: &str| {
        let run = "00A4040C07 A0000000871002 > 9000\n0088008011 10 23553CBE9637A89D218AE64DAE47BF35 00 > ".to_owned();
        prove(KeyProof::UsimGsm, &(run + answer))
    };
    assert_eq!(proved("04 46F8416A 08 EAE4BE823AF9A08B 9000").unwrap(), KeyVerdict::Proved);
    assert_eq!(proved("04 46F8416A 08 EAE4BE823AF9A08A 9000").unwrap(), KeyVerdict::Other);
    assert!(matches!(proved("05 46F8416A 08 EAE4BE823AF9A08B 9000"), Err(SimError::Answer { .. })));
    assert!(matches!(proved("9862"), Err(SimError::Refused { .. })));
}

/// AUTN of sequence number 0 and AUTS of sequence number 1234 were computed with another program.
#[test]
fn a_usim_without_it_proves_them_by_its_auts() {
    let proved = |answer: &str| {
        let run = "00A4040C07 A0000000871002 > 9000
0088008122 10 23553CBE9637A89D218AE64DAE47BF35 10 AA689C64837000000EED35E2AE9E21C0 00 > "
            .to_owned();
        prove(KeyProof::UsimStale, &(run + answer))
    };
    assert_eq!(proved("DC 0E 451E8BECB60FFB2881324B1E6FA3 9000").unwrap(), KeyVerdict::Proved);
    assert_eq!(proved("DC 0E 451E8BECB60FFB2881324B1E6FA2 9000").unwrap(), KeyVerdict::Other);
    assert_eq!(proved("9862").unwrap(), KeyVerdict::Other);
    // A blank card may take the lowest number as fresh.
    let session = "10".to_owned() + &"00".repeat(16);
    assert_eq!(proved(&format!("DB 08 A54211D5E3BA50BF {session}{session} 9000")).unwrap(), KeyVerdict::Proved);
    assert_eq!(proved(&format!("DB 08 A54211D5E3BA50BE {session}{session} 9000")).unwrap(), KeyVerdict::Other);
    for wrong in ["DC 0D 451E8BECB60FFB2881324B1E6F 9000", "DC 0E 45 9000", "DB 08 A542 9000", "9000"] {
        assert!(matches!(proved(wrong), Err(SimError::Answer { .. })), "{wrong}");
    }
}

#[test]
fn secrets_are_written_as_the_profile_says_or_not_at_all() {
    let (mut keys, subscriber) = keys();
    let values =
        SecretValues { puk: Some(SecretCode::puk("12345678").unwrap()), imsi: Some(imsi()), ..SecretValues::default() };
    let mut write = |name: &str, script: &str| {
        let profile = SimProfile::built_in(name).unwrap();
        let mut card = card(script);
        block_on(async {
            let mut files = FileSystem::new(profile.dialect);
            for write in profile.require(&profile.keys, "keys")? {
                let content = write.key_content(&mut keys, &subscriber, &profile.name, &values).await?;
                write.write(&mut card, &mut files, content.expose_bytes()).await?;
            }
            assert_eq!(card.remaining(), 0);
            Ok::<_, SimError>(())
        })
    };
    let sjs1 = "00A4080C04 7F2000FF > 9000
                00D6000010 465B5CE8B199B49FAA5F0A2EE238A6BC > 9000
                00A4080C04 7F2000F7 > 9000
                00D6000011 01 CD63CB71954A9F4E48A5994E37A02BAF > 9000";
    write("sysmousim-sjs1", sjs1).unwrap();
    let both = "465B5CE8B199B49FAA5F0A2EE238A6BC CD63CB71954A9F4E48A5994E37A02BAF";
    let sja2 = format!(
        "00A4080C04 A5156F20 > 9000
         00D6000120 {both} > 9000
         00A4080C04 7FFFAF20 > 9000
         00D6000021 14 {both} > 9000
         00A4080C04 7FFFAF22 > 9000
         00D6000120 {both} > 9000"
    );
    write("sysmoisim-sja2", &sja2).unwrap();
    let gr2 = "A0A4000002 7F20 > 9F17
               A0A4000002 0001 > 9F0F
               A0D6000013 001000 465B5CE8B199B49FAA5F0A2EE238A6BC > 9000";
    write("sysmosim-gr2", gr2).unwrap();
    write("sysmosim-gr1", "80D4020010 465B5CE8B199B49FAA5F0A2EE238A6BC > 9000").unwrap();
    // Without the ICCID that the command takes as well, nothing is sent.
    assert!(matches!(write("sysmousim-gr1", ""), Err(SimError::Missing { what: "ICCID", .. })));
    assert!(matches!(write("open-cells", ""), Err(SimError::NoEntry { what: "keys", .. })));
    assert!(matches!(write("fairwaves-op", ""), Err(SimError::Transport { .. })), "OP is known here");

    let gr2 = SimProfile::built_in("sysmosim-gr2").unwrap();
    let mut card = card("A0D43B0108 3132333435363738 > 9000");
    let puk = gr2.puk[0].plain_content(&gr2.name, &values).unwrap();
    block_on(gr2.puk[0].write(&mut card, &mut FileSystem::new(gr2.dialect), &puk)).unwrap();
    assert_eq!(card.remaining(), 0);
    assert!(matches!(gr2.pin[0].plain_content("", &values), Err(SimError::Missing { what: "PIN", .. })));
}

#[test]
fn sysmousim_gr1_takes_all_by_one_command() {
    let (mut keys, subscriber) = keys();
    let profile = SimProfile::built_in("sysmousim-gr1").unwrap();
    let iccid = Iccid::new("8988211000001090318", &profile.numbering.iccid).unwrap();
    let values = SecretValues { iccid: Some(iccid), imsi: Some(imsi()), ..SecretValues::default() };
    let mut card = card(
        "0099000033 465B5CE8B199B49FAA5F0A2EE238A6BC CD63CB71954A9F4E48A5994E37A02BAF
         988812010000010913F8 082926101160845740 > 9000"
            .replace("\n", "")
            .as_str(),
    );
    block_on(async {
        let content = profile.keys[0].key_content(&mut keys, &subscriber, "", &values).await.unwrap();
        profile.keys[0].write(&mut card, &mut FileSystem::new(profile.dialect), content.expose_bytes()).await
    })
    .unwrap();
    assert_eq!(card.remaining(), 0);
}

#[test]
fn an_iccid_is_not_written_where_cards_keep_theirs() {
    let profile = SimProfile::built_in("sysmoisim-sja2").unwrap();
    let mut data = subscriber();
    data.iccid = Some(Iccid::new("8988211000001090318", &profile.numbering.iccid).unwrap());
    assert!(matches!(file_writes(&data, &profile), Err(SimError::NoEntry { .. })));
    data.iccid = None;
    assert!(file_writes(&data, &profile).is_ok());
}
