#![no_main]

use std::sync::LazyLock;

use cardwright::apdu::{CommandApdu, ResponseApdu, block_on};
use cardwright::gp::procedure::{KeyCandidate, KeyScheme, OpenOptions, open};
use cardwright::gp::{SecureChannel, SecurityLevel};
use cardwright::gp::channel::InitializeUpdate;
use cardwright::keys::{KeyKind, KeyRef, SoftwareKeys};
use cardwright_sim::{JavaCard, SimReader};
use libfuzzer_sys::fuzz_target;

static KEYS: LazyLock<SoftwareKeys> = LazyLock::new(|| {
    let mut keys = SoftwareKeys::new();
    keys.insert("test", KeyKind::Aes, b"@ABCDEFGHIJKLMNO").expect("16 bytes");
    keys
});

fn channel() -> SecureChannel {
    let mut reader = SimReader::new(JavaCard::builder().build());
    let candidates = [KeyCandidate::new(KeyRef::new("test"), KeyKind::Aes, KeyScheme::AsIs)];
    let options = OpenOptions::new(SecurityLevel::FULL);
    block_on(open(&mut reader, &mut KEYS.clone(), None, &candidates, [1; 8], options)).expect("the right key").channel
}

// An answer that the card did not give is never accepted when it should be protected; nothing panics.
fuzz_target!(|bytes: &[u8]| {
    let Ok(response) = ResponseApdu::parse(bytes) else { return };
    let (state, _) = InitializeUpdate::new(0, [1; 8]);
    let _ = state.handle_response(&response);

    let mut channel = channel();
    channel.wrap(&CommandApdu::new(0x80, 0xF2, 0x80, 0x02).with_data([0x4F, 0x00])).expect("the command fits");
    let sw = response.sw();
    let is_protected = sw.is_ok() || sw.is_warning();
    let accepted = channel.unwrap(response);
    assert!(accepted.is_err() || !is_protected, "an R-MAC was forged");
    if accepted.is_err() {
        assert!(channel.wrap(&CommandApdu::new(0x80, 0xCA, 0, 0x66)).is_err(), "the channel is still open");
    }
});
