#![no_main]

use cardwright::apdu::ResponseApdu;
use cardwright::gp::channel::scp11::{
    CardKey, CertificateChain, Date, KeyAgreement, KeyReference, Parameters, Validity, Variant,
};
use cardwright::keys::scp11::EphemeralSeed;
use cardwright::keys::{EcCurve, EcPublicKey, KeyService, SoftwareKeys};
use libfuzzer_sys::fuzz_target;

/// The generator of P-256.
const POINT: &[u8] = b"\x04\x6B\x17\xD1\xF2\xE1\x2C\x42\x47\xF8\xBC\xE6\xE5\x63\xA4\x40\xF2\x77\x03\x7D\x81\x2D\xEB\x33\xA0\
    \xF4\xA1\x39\x45\xD8\x98\xC2\x96\x4F\xE3\x42\xE2\xFE\x1A\x7F\x9B\x8E\xE7\xEB\x4A\x7C\x0F\x9E\x16\x2B\xCE\x33\x57\x6B\x31\
    \x5E\xCE\xCB\xB6\x40\x68\x37\xBF\x51\xF5";

fuzz_target!(|bytes: &[u8]| {
    let key = EcPublicKey::new(EcCurve::P256, POINT).unwrap();
    if let Ok(chain) = CertificateChain::parse(bytes) {
        let _ = chain.verify(&key, Validity::On(Date::new(2030, 1, 1).unwrap()));
    }
    let Ok(response) = ResponseApdu::parse(bytes) else { return };
    let parameters = Parameters::new(Variant::B, KeyReference { kid: 0x13, kvn: 1 });
    let seed = EphemeralSeed::new([1; EphemeralSeed::LEN]);
    let (state, request) = KeyAgreement::new(parameters, CardKey::known(key), seed).unwrap();
    let ephemeral = SoftwareKeys::new().answer(&request).unwrap().into_public_key().unwrap();
    let (state, _) = state.authenticate(&ephemeral).unwrap();
    let Ok(answer) = state.handle_response(&response) else { return };
    let session = SoftwareKeys::new().answer(&answer.key_request()).unwrap().into_scp11().unwrap();
    assert!(answer.verify(session).is_err(), "a receipt was guessed");
});
