//! Text on a SIM: the GSM default alphabet, one character to a byte, or UCS2 behind 80 (TS 102 221 annex A, TS 23.038 6.2.1).

use alloc::vec::Vec;

use super::field::FieldError;

/// The GSM default alphabet; the place of the escape to the extension is never looked up.
const ALPHABET: [char; 128] = [
    '@', '£', '$', '¥', 'è', 'é', 'ù', 'ì', 'ò', 'Ç', '\n', 'Ø', 'ø', '\r', 'Å', 'å', //
    'Δ', '_', 'Φ', 'Γ', 'Λ', 'Ω', 'Π', 'Ψ', 'Σ', 'Θ', 'Ξ', '\u{1B}', 'Æ', 'æ', 'ß', 'É', //
    ' ', '!', '"', '#', '¤', '%', '&', '\'', '(', ')', '*', '+', ',', '-', '.', '/', //
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ':', ';', '<', '=', '>', '?', //
    '¡', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', //
    'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'Ä', 'Ö', 'Ñ', 'Ü', '§', //
    '¿', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', //
    'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', 'ä', 'ö', 'ñ', 'ü', 'à',
];
const ESCAPE: u8 = 0x1B;
/// The extension table: what follows the escape.
const EXTENSION: [(u8, char); 10] = [
    (0x0A, '\u{0C}'),
    (0x14, '^'),
    (0x28, '{'),
    (0x29, '}'),
    (0x2F, '\\'),
    (0x3C, '['),
    (0x3D, '~'),
    (0x3E, ']'),
    (0x40, '|'),
    (0x65, '€'),
];
const UCS2: u8 = 0x80;

/// The text in as many bytes as there are, filled up with FF: in the default alphabet where it has all the characters, else in UCS2.
pub(crate) fn encode(field: &'static str, text: &str, length: usize) -> Result<Vec<u8>, FieldError> {
    let mut coded = Vec::with_capacity(length);
    if !text.chars().all(|character| push_default(character, &mut coded)) {
        coded.clear();
        coded.push(UCS2);
        for (offset, character) in text.chars().enumerate() {
            // UCS2 is the first plane only.
            let Ok(unit) = u16::try_from(u32::from(character)) else {
                return Err(FieldError::character(field, "a character of the basic multilingual plane", offset));
            };
            coded.extend_from_slice(&unit.to_be_bytes());
        }
    }
    if coded.len() > length {
        return Err(FieldError::length(
            field,
            alloc::format!("at most {length} bytes in the card's coding"),
            coded.len(),
        ));
    }
    coded.resize(length, 0xFF);
    Ok(coded)
}

fn push_default(character: char, coded: &mut Vec<u8>) -> bool {
    if let Some(code) =
        ALPHABET.iter().position(|known| *known == character).filter(|code| *code != usize::from(ESCAPE))
    {
        coded.push(code as u8);
        return true;
    }
    match EXTENSION.iter().find(|(_, known)| *known == character) {
        Some((code, _)) => {
            coded.extend([ESCAPE, *code]);
            true
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coded(text: &str) -> alloc::string::String {
        hex::encode_upper(encode("text", text, 16).unwrap())
    }

    #[test]
    fn ascii_is_not_the_default_alphabet() {
        assert_eq!(coded("GSM-R CH"), "47534D2D52204348FFFFFFFFFFFFFFFF");
        assert_eq!(coded("@$_[€à"), "0002111B3C1B657FFFFFFFFFFFFFFFFF");
    }

    #[test]
    fn other_scripts_are_in_ucs2() {
        assert_eq!(coded("中国移动"), "804E2D56FD79FB52A8FFFFFFFFFFFFFF");
        assert!(encode("text", "中国移动中国移动", 16).is_err(), "17 bytes");
        assert!(encode("text", "😀", 16).is_err());
        assert!(encode("text", "12345678901234567", 16).is_err());
        assert_eq!(coded(""), "FF".repeat(16));
    }

    #[test]
    fn the_escape_itself_is_no_character_of_the_alphabet() {
        assert_eq!(coded("\u{1B}"), "80001BFFFFFFFFFFFFFFFFFFFFFFFFFF");
    }
}
