//! SIMs that answer otherwise than the ones this was written with, as ETSI TS 102 221 and 3GPP TS 51.011 let them: paths, descriptions,
//! classes, sizes.

use cardwright_apdu::trace::{TraceFile, TracedExchange};
use cardwright_apdu::transport::Replay;
use cardwright_apdu::{StatusWord, block_on};
use cardwright_cos::usim::{
    AdministrativeData, Dialect, FileInformation, FilePath, FileSystem, Imsi, MncLength, Plmn, PlmnList, SimError,
    SimProfile, Structure, SubscriberData, file_writes,
};

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

const AID: &str = "00A4040C07 A0000000871002 > 9000\n";
const IMSI: &str = "620C8202412183026F0780020009 9000";
const ACC: &str = "620C8202412183026F7880020002 9000";

/// Selects the USIM, then files by path, and says what each is; what is left of the script afterwards.
fn select(script: &str, paths: &[&str]) -> (Vec<Result<FileInformation, SimError>>, usize) {
    let mut card = card(script);
    let found = block_on(async {
        let mut files = FileSystem::new(Dialect::Uicc);
        files.select_application(&mut card, &SimProfile::USIM.try_into().unwrap()).await.unwrap();
        let mut found = Vec::new();
        for path in paths {
            found.push(files.select_and_describe(&mut card, &path.parse().unwrap()).await);
        }
        found
    });
    (found, card.remaining())
}

fn sizes(found: &[Result<FileInformation, SimError>]) -> Vec<Option<usize>> {
    let size = |found: &Result<FileInformation, SimError>| match found {
        Ok(FileInformation { structure: Structure::Transparent { size }, .. }) => Some(*size),
        _ => None,
    };
    found.iter().map(size).collect()
}

#[test]
fn a_card_that_takes_no_path_is_gone_through_file_by_file() {
    for refusal in ["6A86", "6B00", "6A81"] {
        let script = format!(
            "{AID}00A4080404 7FFF6F07 00 > {refusal}
             00A4000402 6F07 00 > {IMSI}
             00A4000402 6F78 00 > {ACC}
             00A4000402 3F00 00 > 6200 9000
             00A4000402 7F10 00 > 6200 9000
             00A4000402 6F40 00 > 62118205422100280383026F40 80020078 8800 9000
             00A4040407 A0000000871002 00 > 6200 9000
             00A4000402 6F07 00 > {IMSI}"
        );
        let (found, left) = select(&script, &["7FFF/6F07", "7FFF/6F78", "7F10/6F40", "7FFF/6F07"]);
        assert_eq!((sizes(&found), left), (vec![Some(9), Some(2), None, Some(9)], 0), "{refusal}");
        let records = Structure::LinearFixed { record: 40, count: 3 };
        assert_eq!(found[2].as_ref().unwrap().structure, records);
    }
}

#[test]
fn a_card_that_does_not_know_7fff_is_asked_in_its_application() {
    let script = format!("{AID}00A4080404 7FFF6F07 00 > 6A82\n00A4000402 6F07 00 > {IMSI}\n00A4000402 6F78 00 > 6A82");
    let (found, left) = select(&script, &["7FFF/6F07", "7FFF/6F78"]);
    assert_eq!((sizes(&found), left), (vec![Some(9), None], 0));
    assert!(matches!(found[1], Err(SimError::NoFile { .. })));
}

#[test]
fn a_file_that_is_not_there_is_asked_for_once_where_paths_are_taken() {
    let script =
        format!("{AID}00A4080404 7FFF6F07 00 > {IMSI}\n00A4080404 7FFF6FE3 00 > 6A82\n00A4080404 7F106F40 00 > 6A82");
    let (found, left) = select(&script, &["7FFF/6F07", "7FFF/6FE3", "7F10/6F40"]);
    assert_eq!(left, 0);
    assert!(found[1..].iter().all(|found| matches!(found, Err(SimError::NoFile { .. }))));
    // What is refused for other reasons is told as it is.
    let (found, _) = select(&format!("{AID}00A4080404 7FFF6F07 00 > 6982"), &["7FFF/6F07"]);
    assert!(matches!(found[0], Err(SimError::Refused { sw: StatusWord(0x6982), .. })));
}

#[test]
fn a_card_that_always_describes_is_told_to() {
    let mut card = card(
        &format!(
            "00A4040C07 A0000000871002 > 6A86
         00A4040407 A0000000871002 00 > 6110
         00C0000010 > 620E82027821 8408A000000087100200 9000
         00A4080404 2FE2 00 > 620C8202412183022FE28002000A 9000
         00A4080404 7FFF6F07 00 > {IMSI}"
        )
        .replace("00A4080404 2FE2", "00A4080402 2FE2"),
    );
    block_on(async {
        let mut files = FileSystem::new(Dialect::Uicc);
        files.select_application(&mut card, &SimProfile::USIM.try_into().unwrap()).await.unwrap();
        files.select(&mut card, &FilePath::new(&[0x2FE2])).await.unwrap();
        files.select(&mut card, &"7FFF/6F07".parse().unwrap()).await.unwrap();
    });
    assert_eq!(card.remaining(), 0);
}

#[test]
fn descriptions_of_other_makes_are_understood() {
    let structure = |digits: &str| {
        FileInformation::parse_fcp(&hex::decode(digits.replace(' ', "")).unwrap()).map(|found| found.structure)
    };
    let records = |record, count| Structure::LinearFixed { record, count };
    // Length of a record in one byte or two, number of records in none, one or two.
    assert_eq!(structure("620B 8203 42211A 8002004E 8800").unwrap(), records(26, 3));
    assert_eq!(structure("620A 8204 4221001A 8002004E").unwrap(), records(26, 3));
    assert_eq!(structure("6207 8205 4221001A03").unwrap(), records(26, 3));
    assert_eq!(structure("6208 8206 4221001A0003").unwrap(), records(26, 3));
    // File control information, and a size in one byte, in three; objects that are not known in between.
    assert_eq!(structure("6F09 8202 4121 8001 09 8800").unwrap(), Structure::Transparent { size: 9 });
    assert_eq!(
        structure("6216 8202 4121 A506 C00100 8A0105 8B03 6F0601 8003 000009").unwrap(),
        Structure::Transparent { size: 9 }
    );
    for wrong in [
        "6204 8203 422100",
        "6206 8203 422100 8001",
        "6208 8204 4221001A 800200",
        "6208 8204 4221001A 80020010",
        "6206 8202 7921 8000",
    ] {
        assert!(structure(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_uicc_may_answer_the_class_of_a_sim_as_a_uicc() {
    let mut waiting = card(&format!("A0A4000002 7F20 > 9F17\nA0A4000002 6F07 > 610E\nA0C000000E > {IMSI}"));
    let mut fcp = card(&format!("A0A4000002 7F20 > 9000\nA0A4000002 6F07 > 9F0E\nA0C000000E > {IMSI}"));
    for card in [&mut waiting, &mut fcp] {
        let found =
            block_on(FileSystem::new(Dialect::Gsm).select_and_describe(card, &FilePath::new(&[0x7F20, 0x6F07])));
        assert_eq!(found.unwrap().structure, Structure::Transparent { size: 9 });
        assert_eq!(card.remaining(), 0);
    }
}

/// Writes what a subscriber has, with the card's sizes.
fn write(data: &SubscriberData, script: &str) -> Result<usize, SimError> {
    let mut profile = SimProfile::new("usim", Dialect::Uicc);
    profile.application = Some(SimProfile::USIM.try_into().unwrap());
    let mut card = card(script);
    block_on(async {
        let mut files = FileSystem::new(profile.dialect);
        for write in file_writes(data, &profile)? {
            if let Some(prepared) = write.prepare(&mut card, &mut files).await? {
                prepared.write(&mut card, &files).await?;
                prepared.check(&mut card, &files).await?;
            }
        }
        Ok(card.remaining())
    })
}

fn subscriber() -> SubscriberData {
    SubscriberData::new(Imsi::new("262011106487504", &[]).unwrap())
}

fn file(identifier: &str, size: &str, content: &str) -> String {
    let length = content.len() / 2;
    format!(
        "00A4080404 7FFF{identifier} 00 > 620C820241218302{identifier}8002{size} 9000
         00D60000{length:02X} {content} > 9000
         00B00000{length:02X} > {content} 9000\n"
    )
}

#[test]
fn files_of_other_sizes_are_filled_as_far_as_the_standard_says() {
    let mut data = subscriber();
    data.reset_for = Some(Plmn::new("262-01").unwrap());
    data.home_networks = Some(PlmnList(Vec::new()));
    let absent = |identifier: &str| format!("00A4080404 7FFF{identifier} 00 > 6A82\n");
    let script = file("6F07", "0010", "082926101160845740")
        + &file("6F78", "0002", "0010")
        + &file("6F62", "0007", "FFFFFF0000")
        + &file("6F7E", "0010", "FFFFFFFF62F2100000FF01")
        + &["6F73", "6FE3", "6F08", "6F09"].map(absent).concat()
        + &file("6F7B", "000D", &"FF".repeat(12));
    assert_eq!(write(&data, &script).unwrap(), 0);
}

#[test]
fn files_that_are_too_small_or_of_another_kind_are_told_before_anything_is_written() {
    let mut data = subscriber();
    data.administrative_data = Some(AdministrativeData::normal(MncLength::Two));
    let before = file("6F07", "0009", "082926101160845740") + &file("6F78", "0002", "0010");
    for (description, said) in [
        ("620C8202412183026FAD80020003", "ad: a file of 4 bytes wanted, there are 3"),
        ("620F8205422100040183026FAD80020004", "a transparent file wanted"),
        ("620C8202412183026FAE80020004", "the file that was selected"),
        ("62088202412183026FAD", "a file size (80)"),
        ("", "an FCP template"),
    ] {
        let script = format!("{before}00A4080404 7FFF6FAD 00 > {description} 9000");
        let error = write(&data, &script).unwrap_err().to_string();
        assert!(error.contains(said), "{said}: {error}");
    }
}
