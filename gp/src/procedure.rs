//! What takes more than one command, as `async fn`s over a card port and a key port.
//!
//! They decide; whoever drives them carries the commands and answers the key requests: a blocking transport with a
//! [`KeyService`](cardwright_keys::KeyService) at once, a relay or a C program step by step.
//!
//! | procedure | commands |
//! |---|---|
//! | [`list`] | SELECT, INITIALIZE UPDATE, EXTERNAL AUTHENTICATE, GET STATUS 80, 40, 10: 6, and one a further page |
//! | [`load_and_install`] in a fresh channel | 5 + one a block |
//! | [`put_keys`] in a fresh channel | 4 |

mod candidate;
mod content;
mod management;
mod open;
mod open_scp11;
mod read;

use cardwright_apdu::{CardPort, CommandApdu, ResponseApdu};

pub use candidate::{KeyCandidate, KeyScheme};
pub use content::{
    NewKeys, Replaced, delete, install, load, load_and_install, load_while, prepare_keys, put_keys, set_status,
    store_data,
};
pub use management::{
    Installed, cipher_load_file, install_with_fallback, load_and_install_combined, load_as, manage, sign,
    sign_load_file, verify_receipt, verify_receipt_with,
};
pub use open::{Initialized, OpenOptions, Opened, authenticate, initialize, open};
pub use open_scp11::{CardKeySource, OpenedScp11, Scp11Options, open_scp11};
pub use read::{
    CardData, list, read_card_data, read_iccid, read_registry, read_registry_following, salvage_registry, select,
    select_domain,
};

use crate::Error;

/// Sends a command outside a secure channel.
///
/// # Errors
/// [`Error::Transport`]. A status word other than 9000 is no error.
pub async fn send(card: &mut impl CardPort, command: CommandApdu) -> Result<ResponseApdu, Error> {
    let name = command.name();
    card.transmit(command).await.map_err(|source| Error::Transport { command: name, source })
}
