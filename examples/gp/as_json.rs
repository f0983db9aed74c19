//! What a program reads. docs/gp.md describes it.

use cardwright::gp::Registry;
use cardwright::gp::card_data::KeyInformation;
use cardwright::gp::procedure::CardData;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::show;
use crate::work::Done;

pub(crate) fn failure(failure: &Failure) -> Value {
    json!({
        "ok": false,
        "exit": failure.exit as u8,
        "what": failure.what,
        "next": failure.next,
        "sw": failure.sw.map(|sw| format!("{:04X}", sw.0)),
    })
}

pub(crate) fn done(done: &Done) -> Value {
    match done {
        Done::Listed(registry) => list(registry),
        Done::Loaded { load_file, bytes, blocks, application, refused_three_bytes } => json!({
            "load_file": load_file.to_string(),
            "bytes": bytes,
            "blocks": blocks,
            "application": application.map(|aid| aid.to_string()),
            "refused_three_bytes": refused_three_bytes,
        }),
        Done::Installed { application, refused_three_bytes } => {
            json!({ "application": application.to_string(), "refused_three_bytes": refused_three_bytes })
        }
        Done::Deleted(aids) => json!({ "deleted": aids.iter().map(ToString::to_string).collect::<Vec<_>>() }),
        Done::NotThere { aid, .. } => json!({ "not_there": aid.to_string() }),
        Done::KeysPut { kvn, check_values } => json!({
            "version": kvn,
            "check_values": check_values.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }),
        Done::KeysDeleted => json!({}),
        Done::StatusSet { state, .. } => json!({ "state": state.0 }),
        Done::Status(entry) => json!({
            "aid": entry.as_ref().map(|entry| entry.aid.to_string()),
            "state": entry.as_ref().and_then(|entry| entry.life_cycle).map(|state| state.0),
            "words": entry.as_ref().map(show::state),
        }),
        Done::Stored(answer) => json!({ "answer": hex::encode_upper(answer) }),
        Done::Answers(answers) => {
            let answer = |answer: &cardwright::apdu::ResponseApdu| json!({ "data": hex::encode_upper(answer.data()), "sw": format!("{:04X}", answer.sw().0) });
            json!({ "answers": answers.iter().map(answer).collect::<Vec<_>>() })
        }
    }
}

fn list(registry: &Registry) -> Value {
    let entries: Vec<_> = registry
        .entries
        .iter()
        .map(|entry| {
            json!({
                "aid": entry.aid.to_string(),
                "what": show::kind(entry),
                "state": entry.life_cycle.map(|state| state.0),
                "words": show::state(entry),
                "privileges": hex::encode_upper(entry.privileges.0),
                "load_file": entry.load_file.map(|aid| aid.to_string()),
                "security_domain": entry.security_domain.map(|aid| aid.to_string()),
                "version": entry.version.map(|(major, minor)| [major, minor]),
                "modules": entry.modules.iter().map(ToString::to_string).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({ "entries": entries, "complete": registry.untold.is_empty() })
}

pub(crate) fn keys(keys: &[KeyInformation]) -> Value {
    let key = |key: &KeyInformation| {
        json!({
            "version": key.kvn,
            "identifier": key.kid,
            "kind": key.kind(),
            "bytes": key.components.iter().map(|(_, length)| *length).collect::<Vec<_>>(),
        })
    };
    json!(keys.iter().map(key).collect::<Vec<_>>())
}

pub(crate) fn card_data(data: &CardData) -> Value {
    json!({
        "cplc": data.cplc.as_ref().map(|cplc| hex::encode_upper(cplc.as_bytes())),
        "serial": data.cplc.as_ref().map(|cplc| hex::encode_upper(cplc.ic_serial())),
        "iin": data.iin.as_ref().map(hex::encode_upper),
        "cin": data.cin.as_ref().map(hex::encode_upper),
        "global_platform": data.recognition.as_ref().map(|recognition| show::version(&recognition.version)),
        "protocols": data.recognition.as_ref().map(|recognition| {
            let protocol = |(scp, i): &(u8, u8)| json!({ "scp": scp, "i": i });
            recognition.protocols.iter().map(protocol).collect::<Vec<_>>()
        }),
        "keys": keys(&data.keys),
    })
}
