#![no_main]

use std::sync::LazyLock;

use cardwright::apdu::{CommandApdu, Ne, ResponseApdu, Transport, block_on};
use cardwright::gp::channel::{HostChallenge, ImplicitInitiation, InitializeUpdate};
use cardwright::gp::procedure::{KeyCandidate, KeyScheme, OpenOptions, open};
use cardwright::gp::{SecureChannel, SecurityLevel};
use cardwright::keys::{KeyKind, KeyPort, KeyRef, KeySet, SoftwareKeys};
use cardwright_sim::{AesKeyLength, JavaCard, SecureChannelProtocol, SimReader};
use libfuzzer_sys::fuzz_target;

static KEYS: LazyLock<SoftwareKeys> = LazyLock::new(|| {
    let mut keys = SoftwareKeys::new();
    for (name, kind) in [("des", KeyKind::Tdes), ("aes", KeyKind::Aes)] {
        keys.insert(name, kind, b"@ABCDEFGHIJKLMNO").expect("16 bytes");
    }
    keys
});

/// Where the R-MACs are.
#[derive(Clone, Copy, PartialEq)]
enum ResponseMac {
    /// On each response, by the security level or by BEGIN R-MAC SESSION.
    Level,
    Each,
    AtTheEnd,
    None,
}

const fn aes(i: u8) -> SecureChannelProtocol {
    SecureChannelProtocol::Scp03 { i, key_length: AesKeyLength::Aes128 }
}

const fn des(i: u8) -> SecureChannelProtocol {
    SecureChannelProtocol::Scp02 { i }
}

/// Protocol, security level (`None`: implicit initiation), and where the R-MACs are. The first byte of the input chooses.
const MODES: [(SecureChannelProtocol, Option<SecurityLevel>, ResponseMac); 11] = [
    (aes(0x70), Some(SecurityLevel::FULL), ResponseMac::Level),
    (aes(0x30), Some(SecurityLevel::C_MAC_R_MAC), ResponseMac::Level),
    (aes(0x71), Some(SecurityLevel::FULL), ResponseMac::Level),
    (aes(0x31), Some(SecurityLevel::C_DECRYPTION_R_MAC), ResponseMac::Level),
    (des(0x35), Some(SecurityLevel::C_DECRYPTION_R_MAC), ResponseMac::Level),
    (des(0x26), Some(SecurityLevel::R_MAC), ResponseMac::Level),
    (des(0x75), Some(SecurityLevel::C_MAC), ResponseMac::Each),
    (des(0x75), Some(SecurityLevel::C_DECRYPTION), ResponseMac::AtTheEnd),
    (des(0x3A), None, ResponseMac::Each),
    (des(0x3A), None, ResponseMac::AtTheEnd),
    (SecureChannelProtocol::Scp01 { i: 0x15 }, Some(SecurityLevel::C_DECRYPTION), ResponseMac::None),
];

fn channel(mode: usize) -> (SimReader, SecureChannel) {
    let (protocol, level, response_mac) = MODES[mode];
    let card = JavaCard::builder().protocol(protocol).build();
    let aid = card.isd_aid();
    let mut reader = SimReader::new(card);
    let mut keys = KEYS.clone();
    let (name, kind) = if protocol.identifier() == 3 { ("aes", KeyKind::Aes) } else { ("des", KeyKind::Tdes) };
    let set = KeySet::same(KeyRef::new(name));
    let channel = block_on(async {
        let mut channel = match level {
            Some(level) => {
                let i = Some(protocol.i());
                let options = OpenOptions::new(level).with_scp01_i(i).with_scp02_i(i);
                let candidates = [KeyCandidate::new(KeyRef::new(name), kind, KeyScheme::AsIs)];
                open(&mut reader, &mut keys, None, &candidates, [1; 16], options).await.expect("the right key").channel
            }
            None => {
                let how = ImplicitInitiation { i: protocol.i(), sequence_counter: 0, aid: aid.as_bytes().to_vec() };
                let [before, after] = how.key_requests(&set).expect("a counter of zero");
                let before = keys.ask_keys(before).await.and_then(|answer| answer.into_session()).expect("the right key");
                let after = keys.ask_keys(after).await.and_then(|answer| answer.into_session()).expect("the right key");
                how.open(before, after).expect("keys of SCP02")
            }
        };
        if matches!(response_mac, ResponseMac::Each | ResponseMac::AtTheEnd) {
            let each = response_mac == ResponseMac::Each;
            channel.begin_r_mac(&mut reader, &mut keys, &set, &[1, 2, 3], each).await.expect("a card with R-MAC");
        }
        channel
    });
    (reader, channel)
}

// An answer that the card did not give is never accepted when it should be protected; nothing panics.
fuzz_target!(|bytes: &[u8]| {
    let [mode, bytes @ ..] = bytes else { return };
    let Ok(response) = ResponseApdu::parse(bytes) else { return };
    for challenge in [HostChallenge::from([1; 8]), [1; 16].into()] {
        let (state, _) = InitializeUpdate::new(0, challenge);
        let _ = state.handle_response(&response);
    }

    let mode = usize::from(*mode) % MODES.len();
    let (mut reader, mut channel) = channel(mode);
    let command = CommandApdu::new(0x80, 0xF2, 0x80, 0x02).with_data([0x4F, 0x00]).with_ne(Ne::MAX_SHORT);
    let protected = channel.wrap(&command).expect("the command fits");
    let genuine = reader.exchange(&protected).expect("the card is there");
    if response == genuine {
        return;
    }
    let sw = response.sw();
    let is_bare_error = !sw.is_ok() && !sw.is_warning() && response.data().is_empty();
    let accepted = channel.unwrap(response);
    match MODES[mode].2 {
        ResponseMac::None => return assert!(accepted.is_ok(), "nothing is protected"),
        ResponseMac::Level | ResponseMac::Each => assert!(accepted.is_err() || is_bare_error, "an R-MAC was forged"),
        ResponseMac::AtTheEnd if accepted.is_ok() => {
            assert!(block_on(channel.end_r_mac(&mut reader, true)).is_err(), "an R-MAC was forged");
            assert!(channel.wrap(&command).is_err(), "the channel is still open");
        }
        ResponseMac::AtTheEnd => {}
    }
    if accepted.is_err() {
        assert!(channel.wrap(&command).is_err(), "the channel is still open");
    }
});
