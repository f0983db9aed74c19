//! `gp plan`: the commands that a command would send, in clear.

use cardwright::apdu::{CardPort, CommandApdu, ResponseApdu, TransportError, block_on};
use cardwright::gp::channel::Protocol;
use cardwright::gp::plan::{Line, Plan};
use cardwright::gp::procedure::KeyCandidate;
use cardwright::gp::{CardProfile, SecurityLevel};
use cardwright::keys::KeyPort;
use serde_json::{Value, json};

use crate::failure::{Exit, Failure};
use crate::options::Scp;
use crate::show;
use crate::work::{Ready, Work, carry_out, send_plain};

/// A card that notes what it is told.
struct Notes {
    plan: Plan,
    data: Vec<Vec<u8>>,
}

impl CardPort for Notes {
    fn transmit(&mut self, command: CommandApdu) -> impl Future<Output = Result<ResponseApdu, TransportError>> + Send {
        self.data.push(command.data().to_vec());
        self.plan.transmit(command)
    }

    fn reset(&mut self) -> impl Future<Output = Result<Vec<u8>, TransportError>> + Send {
        self.plan.reset()
    }
}

/// How a plan is made.
pub(crate) struct How<'a> {
    pub(crate) scp: Scp,
    pub(crate) level: SecurityLevel,
    pub(crate) profile: CardProfile,
    pub(crate) candidates: &'a [KeyCandidate],
}

/// What a work in a channel would send.
pub(crate) fn of_work(work: &Work, how: &How<'_>, keys: &mut impl KeyPort) -> Result<Value, Failure> {
    let protocol = match how.scp {
        Scp::Scp02 => Protocol::Scp02,
        Scp::Scp03 => Protocol::Scp03,
    };
    let limit = how.profile.max_command_data;
    let real = run(work, how, keys, protocol, (how.level, limit))?;
    // Once more without protection, in blocks of the same size: what is sent then is in clear.
    let plain = protocol.max_data(how.level, limit.unwrap_or(255).min(255));
    let clear = run(work, how, keys, protocol, (SecurityLevel::AUTHENTICATED, Some(plain)))?;
    Ok(as_json(&real.plan, &clear.data, Some((protocol, how.level))))
}

/// What commands without a channel would send.
pub(crate) fn of_commands(commands: &[CommandApdu]) -> Result<Value, Failure> {
    let mut notes = Notes { plan: Plan::new(), data: Vec::new() };
    block_on(send_plain(&mut notes, commands)).map_err(|error| Failure::of(error, false))?;
    Ok(as_json(&notes.plan, &notes.data, None))
}

fn run(
    work: &Work,
    how: &How<'_>,
    keys: &mut impl KeyPort,
    protocol: Protocol,
    (level, limit): (SecurityLevel, Option<usize>),
) -> Result<Notes, Failure> {
    let mut plan = Plan::new();
    let channel = plan
        .open(protocol, level)
        .map_err(|error| Failure::new(Exit::Usage, error, "--scp and --level have to go together"))?;
    let data = vec![Vec::new(); plan.commands().len()];
    let mut notes = Notes { plan, data };
    let current = how.candidates.iter().find(|candidate| candidate.kind == protocol.key_kind());
    let current = current.ok_or_else(|| {
        Failure::new(Exit::Keys, format!("no key for {}", protocol.name()), "--scp names the protocol of the plan")
    })?;
    let kdd = [0; 10];
    let mut ready = Ready { channel, keys: current.keys_for(kdd), kvn: 1, kdd, limit, profile: how.profile.clone() };
    block_on(carry_out(work, &mut notes, keys, &mut ready, &mut |_, _| {}))
        .map_err(|error| Failure::of(error, false))?;
    Ok(notes)
}

/// Data is shown of commands that hold neither keys nor code.
fn as_json(plan: &Plan, data: &[Vec<u8>], channel: Option<(Protocol, SecurityLevel)>) -> Value {
    let is_same = plan.commands().len() == data.len();
    let commands: Vec<_> = plan
        .commands()
        .iter()
        .enumerate()
        .map(|(at, command)| {
            let is_shown = is_same && !matches!(command.name, "PUT KEY" | "LOAD" | "EXTERNAL AUTHENTICATE");
            json!({
                "name": command.name,
                "header": hex::encode_upper(command.header),
                "data_length": command.nc,
                "length": command.length,
                "data": is_shown.then(|| hex::encode_upper(&data[at])),
            })
        })
        .collect();
    let (sent, received) = plan.bytes();
    json!({
        "commands": commands,
        "channel": channel.map(|(protocol, level)| json!({ "protocol": protocol.name(), "level": level.to_string() })),
        "sent": sent,
        "received": received,
        "milliseconds": plan.estimate(Line::T1_115200).as_millis() as u64,
    })
}

/// The plan as a table; a row of LOADs is one line.
pub(crate) fn show(plan: &Value) {
    let commands = plan["commands"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut table = show::table(&["", "command", "header", "bytes", "data in clear"]);
    let mut at = 0;
    while at < commands.len() {
        let command = &commands[at];
        let same = commands[at..]
            .iter()
            .take_while(|other| other["name"] == command["name"] && command["name"] == "LOAD")
            .count();
        let (last, header) =
            if same > 2 { (at + same - 1, String::from("84E8..")) } else { (at, text(&command["header"])) };
        let number = if last > at { format!("{}-{}", at + 1, last + 1) } else { (at + 1).to_string() };
        let bytes: u64 = commands[at..=last].iter().filter_map(|command| command["length"].as_u64()).sum();
        let name =
            if last > at { format!("{} x {}", text(&command["name"]), last + 1 - at) } else { text(&command["name"]) };
        table.add_row([number, name, header, bytes.to_string(), text(&command["data"])]);
        at = last + 1;
    }
    show::print(&table);
    let channel = match &plan["channel"] {
        Value::Null => String::new(),
        channel => format!("{}, level {}; ", text(&channel["protocol"]), text(&channel["level"])),
    };
    show::remark(&format!(
        "{channel}{} commands, {} bytes to the card, about {} ms at 115200 bits a second; nothing was sent",
        commands.len(),
        plan["sent"],
        plan["milliseconds"]
    ));
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
