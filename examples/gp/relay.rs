//! The card at an enrolled terminal, over the sealed relay.

use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use cardwright::relay::{Identity, RelayNotice, RelayServer, Roster, SealedCard, ServerLimits};
use zeroize::Zeroizing;

use crate::failure::{Exit, Failure};
use crate::options::PlaceOptions;
use crate::place::with_host;

/// How long to wait for a terminal with a card.
const WAIT: Duration = Duration::from_secs(60);

/// Takes the first card that a terminal offers.
pub(crate) fn terminal(options: &PlaceOptions) -> Result<SealedCard, Failure> {
    let (Some(address), Some(identity), Some(roster)) = (&options.relay, &options.identity, &options.roster) else {
        return Err(Failure::usage("--relay needs --identity and --roster"));
    };
    let identity = read_identity(identity)?;
    let roster = read_roster(roster)?;
    let next = "free the port, or name another one: --relay [ADDRESS:]PORT";
    let wrong = |error| Failure::new(Exit::NoCard, format!("--relay {address}: {error}"), next);
    let listener = TcpListener::bind(with_host(address)).map_err(wrong)?;
    eprintln!("gp: waiting for a terminal at {}", listener.local_addr().map_err(wrong)?);
    eprintln!("gp: terminals pin {}", identity.public_key());
    let server = Arc::new(RelayServer::new(identity, roster, ServerLimits::default(), show));
    let (offer, offered) = mpsc::channel();
    std::thread::spawn(move || {
        // A second card waits in the channel until the program ends.
        let served = server.run(&listener, move |card| drop(offer.send(card)));
        if let Err(error) = served {
            eprintln!("gp: the relay ended: {error}");
        }
    });
    let nobody =
        |_| Failure::new(Exit::NoCard, "no terminal offered a card", "start it, and look whether it is in the roster");
    offered.recv_timeout(WAIT).map_err(nobody)
}

fn read_identity(path: &Path) -> Result<Identity, Failure> {
    let wrong = |words: String| Failure::file(format!("{}: {words}", path.display()), "no terminal was let in");
    let text = std::fs::read_to_string(path).map(Zeroizing::new).map_err(|error| wrong(error.to_string()))?;
    let mut secret = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.trim(), &mut *secret)
        .map_err(|_| wrong("an identity is 64 hexadecimal digits".into()))?;
    Ok(Identity::new(&secret))
}

fn read_roster(path: &Path) -> Result<Roster, Failure> {
    let wrong = |words: String| Failure::file(format!("{}: {words}", path.display()), "no terminal was let in");
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    Roster::parse(&text).map_err(|error| wrong(error.to_string()))
}

fn show(notice: RelayNotice) {
    match notice {
        RelayNotice::Refused { peer, error } => eprintln!("gp: {peer} was refused: {error}"),
        RelayNotice::LineLost { terminal, error, .. } => eprintln!("gp: the line to {terminal} was lost: {error}"),
        _ => {}
    }
}
