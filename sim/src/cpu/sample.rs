//! The card that the issue script of the special manual, chapter 2, makes.

use super::{CpuCard, CpuCardBuilder};
use crate::crypto::retail_mac;
use crate::software_card::SoftwareCard;

/// The commands of the script, in their order. Where one ends with `MAC`, the MAC under line protection key 00 of the
/// application follows; the photo, file 17, is not written.
pub(super) const SCRIPT: &[&str] = &[
    "80E03F000D38FFFFF0F001FFFFFFFFFFFFFF",
    "80E00000073F005001F0FFFF",
    "80D401000D36F0F0FF33FFFFFFFFFFFFFFFF",
    "80D401001539F0F0AA33FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF",
    "80E00001072A0213F000FFFF",
    "00E200081361114F09A00000000386980701500450424F43",
    "80E03F011138036FF0F095FFFFA00000000386980701",
    "00A4040009A00000000386980701",
    "80E00000073F018F95F0FFFF",
    "80D401001534F002000134343434343434343434343434343434",
    "80D401001536F002FF3336363636363636363636363636363636",
    "80D401001537F002FF3337373737373737373737373737373737",
    "80D401001538F002FF3338383838383838383838383838383838",
    "80D401001539F002443339393939393939393939393939393939",
    "80D40101153EF00200013E013E013E013E013E013E013E013E01",
    "80D40102153EF00200013E023E023E023E023E023E023E023E02",
    "80D40101153FF00200013F013F013F013F013F013F013F013F01",
    "80D40102153FF00200013F023F023F023F023F023F023F023F02",
    "80D40101153DF00201003D013D013D013D013D013D013D013D01",
    "80D40102153DF00201003D023D023D023D023D023D023D023D02",
    "80D40101153CF00201003C013C013C013C013C013C013C013C01",
    "80D40102153CF00201003C023C023C023C023C023C023C023C02",
    "80D401000D3AF0EF013312345FFFFFFFFFFF",
    "80E0001507A8001EF0F0FFFF",
    "04D6950022111122223333000603010006199808170000003019980815199812155566MAC",
    "80E0001607A80027F0F0FFFF",
    "04D696002B000053414D504C4520434152442041444631000000003131303130323938313231383030313005MAC",
    "80E00017072805DCF0F0FFFF",
    "80E00018072E0A17F1EFFFFF",
    "80E00001072F0208F100FF18",
    "80E00002072F0208F000FF18",
];

/// Line protection key 00 of the application.
const LINE_PROTECTION_KEY: [u8; 16] = [0x36; 16];

impl CpuCardBuilder {
    /// A new card: no MF, no file.
    #[must_use]
    pub fn build(self) -> CpuCard {
        CpuCard::from_memory(super::memory::Memory::new(self.0))
    }

    /// A card that the issue script of the special manual, chapter 2, has issued: a payment application
    /// A00000000386980701 (directory 3F01) with deposit, purse, PIN 12345 and the keys printed there.
    ///
    /// It stands in the application as the script leaves it, rights of files not applying yet; a reset ends that. `None`
    /// when the other settings do not let the script through: a transport code of one's own, too little memory.
    #[must_use]
    pub fn sample(self) -> Option<CpuCard> {
        let mut card = self.build();
        for line in SCRIPT {
            let command = command(&mut card, line)?;
            if !card.process(&command).ends_with(&[0x90, 0x00]) {
                return None;
            }
        }
        card.set_log(true);
        Some(card)
    }
}

/// A line of the script as a command for this card.
pub(super) fn command(card: &mut CpuCard, line: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = line.trim_end_matches("MAC").bytes().collect();
    let mut command: Vec<u8> = digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect::<Option<_>>()?;
    if line.ends_with("MAC") {
        let challenge = card.process(&[0x00, 0x84, 0x00, 0x00, 0x04]);
        let mut initial = [0; 8];
        initial[..4].copy_from_slice(challenge.get(..4)?);
        let mac = retail_mac(&LINE_PROTECTION_KEY, initial, &command);
        command.extend_from_slice(&mac[..4]);
    }
    Some(command)
}
