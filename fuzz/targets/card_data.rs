#![no_main]

use cardwright::cos::ApplicationInformation;
use cardwright::gp::Confirmation;
use cardwright::gp::card_data::{
    CardCapabilities, CardRecognitionData, CardResources, Cplc, FileControlInformation, KeyInformation,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = Cplc::parse(bytes).and_then(|cplc| cplc.identity());
    let _ = CardRecognitionData::parse(bytes).i_of(3);
    let _ = KeyInformation::parse(bytes).iter().map(KeyInformation::kind).count();
    let _ = FileControlInformation::parse(bytes);
    let _ = (CardCapabilities::parse(bytes), CardResources::parse(bytes), Confirmation::parse(bytes));
    let _ = ApplicationInformation::parse(bytes).and_then(|information| information.diversification_factor());
});
