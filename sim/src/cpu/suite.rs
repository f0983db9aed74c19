//! The ciphers of a CPU card's keys, and what is computed with them.

use cipher::array::Array;
use cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use des::{Des, TdesEde2};
use sm4::Sm4;

use crate::crypto::halves;

/// A key with its algorithm.
#[derive(Clone)]
pub(super) enum Cipher {
    /// Single DES.
    Des([u8; 8]),
    /// Triple DES with two keys.
    TripleDes([u8; 16]),
    /// SM4 (GB/T 32907).
    Sm4([u8; 16]),
}

impl Cipher {
    /// Block length, in bytes.
    pub(super) fn block(&self) -> usize {
        match self {
            Self::Des(_) | Self::TripleDes(_) => 8,
            Self::Sm4(_) => 16,
        }
    }

    /// ECB over the whole blocks of `data`.
    pub(super) fn encrypt(&self, data: &mut [u8]) {
        match self {
            Self::Des(key) => Des::new(&Array(*key)).encrypt_blocks(Array::slice_as_chunks_mut(data).0),
            Self::TripleDes(key) => TdesEde2::new(&Array(*key)).encrypt_blocks(Array::slice_as_chunks_mut(data).0),
            Self::Sm4(key) => Sm4::new(&Array(*key)).encrypt_blocks(Array::slice_as_chunks_mut(data).0),
        }
    }

    /// The opposite of [`Cipher::encrypt`].
    pub(super) fn decrypt(&self, data: &mut [u8]) {
        match self {
            Self::Des(key) => Des::new(&Array(*key)).decrypt_blocks(Array::slice_as_chunks_mut(data).0),
            Self::TripleDes(key) => TdesEde2::new(&Array(*key)).decrypt_blocks(Array::slice_as_chunks_mut(data).0),
            Self::Sm4(key) => Sm4::new(&Array(*key)).decrypt_blocks(Array::slice_as_chunks_mut(data).0),
        }
    }

    /// `LD ‖ data`, filled with `80 00 ..` where it does not end on a block, enciphered
    /// (FMCOS 2.0 general manual 9.4.1).
    pub(super) fn encipher(&self, data: &[u8]) -> Vec<u8> {
        let mut block = [&[data.len() as u8], data].concat();
        if !block.len().is_multiple_of(self.block()) {
            fill(&mut block, self.block());
        }
        self.encrypt(&mut block);
        block
    }

    /// The opposite of [`Cipher::encipher`] (9.4.2); `None` when length byte or filling are wrong.
    pub(super) fn decipher(&self, data: &[u8]) -> Option<Vec<u8>> {
        if data.is_empty() || !data.len().is_multiple_of(self.block()) {
            return None;
        }
        let mut plain = data.to_vec();
        self.decrypt(&mut plain);
        let (length, rest) = plain.split_first()?;
        let (data, filling) = rest.split_at_checked(usize::from(*length))?;
        let is_filling = |filling: &[u8]| matches!(filling, [0x80, zeros @ ..] if zeros.iter().all(|byte| *byte == 0));
        (filling.is_empty() || is_filling(filling)).then(|| data.to_vec())
    }

    /// The first 4 bytes of the MAC: CBC with the key's left half and the last block with both (general manual 9.3), for
    /// SM4 plain CBC. The initial value is filled with 00 up to a block.
    ///
    /// Data that end on a block get a block of filling, unless `fill_aligned` is false.
    pub(super) fn mac(&self, initial: &[u8], data: &[u8], fill_aligned: bool) -> [u8; 4] {
        let mut data = data.to_vec();
        if fill_aligned || data.is_empty() || !data.len().is_multiple_of(self.block()) {
            fill(&mut data, self.block());
        }
        let chained = match self {
            Self::TripleDes(key) => &Self::Des(halves(key).0),
            other => other,
        };
        let mut state = vec![0; self.block()];
        for (byte, initial) in state.iter_mut().zip(initial) {
            *byte = *initial;
        }
        for block in data.chunks(self.block()) {
            state.iter_mut().zip(block).for_each(|(state, byte)| *state ^= byte);
            chained.encrypt(&mut state);
        }
        if let Self::TripleDes(key) = self {
            let (left, right) = halves(key);
            Self::Des(right).decrypt(&mut state);
            Self::Des(left).encrypt(&mut state);
        }
        [state[0], state[1], state[2], state[3]]
    }

    /// The session key of a transaction: `E_K(input)`, 8 bytes for DES; for SM4 `E_K(input ‖ not input)`.
    pub(super) fn session(&self, input: [u8; 8]) -> Self {
        match self {
            Self::Des(_) | Self::TripleDes(_) => {
                let mut key = input;
                self.encrypt(&mut key);
                Self::Des(key)
            }
            Self::Sm4(_) => {
                let mut key = [0; 16];
                key[..8].copy_from_slice(&input);
                key[8..].copy_from_slice(&input.map(|byte| !byte));
                self.encrypt(&mut key);
                Self::Sm4(key)
            }
        }
    }

    /// The key that a TAC is computed with: left half xor right half; for SM4 the key itself.
    pub(super) fn folded(&self) -> Self {
        match self {
            Self::TripleDes(key) => {
                let (mut left, right) = halves(key);
                left.iter_mut().zip(right).for_each(|(left, right)| *left ^= right);
                Self::Des(left)
            }
            other => other.clone(),
        }
    }

    /// What EXTERNAL AUTHENTICATE has to bring for a challenge: the block `challenge ‖ 00 ..`, enciphered; of SM4 the two
    /// halves of that xor each other.
    pub(super) fn authenticator(&self, challenge: &[u8]) -> [u8; 8] {
        let mut block = [0; 16];
        for (byte, challenge) in block.iter_mut().zip(challenge) {
            *byte = *challenge;
        }
        self.encrypt(&mut block[..self.block()]);
        let (left, right) = halves(&block);
        match self {
            Self::Sm4(_) => std::array::from_fn(|at| left[at] ^ right[at]),
            _ => left,
        }
    }
}

/// Appends `80`, then `00` up to the end of a block.
pub(super) fn fill(data: &mut Vec<u8>, block: usize) {
    data.push(0x80);
    data.resize(data.len().next_multiple_of(block), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        hex::decode(text).unwrap().try_into().unwrap()
    }

    // GB/T 32907 A.1.
    #[test]
    fn sm4_of_one_block() {
        let key = bytes("0123456789ABCDEFFEDCBA9876543210");
        let mut block = key;
        Cipher::Sm4(key).encrypt(&mut block);
        assert_eq!(block, bytes("681EDF34D206965E86B3E94F536E4246"));
        Cipher::Sm4(key).decrypt(&mut block);
        assert_eq!(block, key);
    }

    #[test]
    fn sm4_in_cbc_mode() {
        let mac = |key: &str, initial: &str, data: &str| {
            let data = hex::decode(data).unwrap();
            Cipher::Sm4(bytes(key)).mac(&bytes::<16>(initial), &data, false)
        };
        let one = mac(
            "EEF3C9888129755F2C769DBC459448CE",
            "FBD7B7AB0793F814B28A970F9E859C05",
            "99C9D02D03F2CD394A680DC51B112322",
        );
        assert_eq!(one, bytes("530EDF06"));
        let two = mac(
            "973270DF92EFF5EC1E170A1566098CB3",
            "2C2A98AF53A684F19DF3C39B721FA27E",
            "AADA15E99FE95171B6F15FD3E427976EB1B595FCA82A23AC00C7AC7CEF9DDED7",
        );
        assert_eq!(two, bytes("CF505945"));
    }

    // Generated by the rules of the SM4 suite; there is no published vector of a purse.
    #[test]
    fn sm4_session_key_and_authenticator() {
        let load = Cipher::Sm4(bytes("5A9F65876227746D95606233700543A9"));
        let Cipher::Sm4(session) = load.session(bytes("C903814D00008000")) else { panic!("another algorithm") };
        assert_eq!(session, bytes("93E8026766B009C14F1FFCCC74872EC9"));
        let key = Cipher::Sm4(bytes("00112233445566778899AABBCCDDEEFF"));
        assert_eq!(key.authenticator(&bytes::<8>("53FD1F262EC4E6E2")), bytes("6A488B436C269777"));
    }

    // A PSAM's key, published, and one of an SM4 card, generated.
    #[test]
    fn key_records_of_other_cards() {
        for (cipher, record, header, challenge, enciphered, mac) in [
            (
                Cipher::TripleDes(bytes("00112233445566778899AABBCCDDEEFF")),
                "22000000112233445566778899AABBCCDDEEFF",
                "84D400001C",
                "5D72B3FD",
                "DCC0BB5793ABFCA2CA8C1624822F6E01A86A0B5CBED191DD",
                "8A9D4ADB",
            ),
            (
                Cipher::Sm4(bytes("00112233445566778899AABBCCDDEEFF")),
                "410104010F000FFF0123456789ABCDEFFEDCBA9876543210",
                "84D4000024",
                "4C45BAB9",
                "35FE3EED4EBAEF26F5C17F4FE7B99047748C4E75AB03CFF223A239B856BF32DA",
                "17A3E2EA",
            ),
        ] {
            let body = cipher.encipher(&hex::decode(record).unwrap());
            assert_eq!(hex::encode_upper(&body), enciphered);
            let covered = [hex::decode(header).unwrap(), body].concat();
            assert_eq!(hex::encode_upper(cipher.mac(&bytes::<4>(challenge), &covered, true)), mac);
        }
    }

    #[test]
    fn the_filling_of_aligned_data_can_be_left_out() {
        let key = Cipher::Des(bytes("0102030405060708"));
        assert_ne!(key.mac(&[], &[7; 8], true), key.mac(&[], &[7; 8], false));
        assert_eq!(key.mac(&[], &[7; 9], true), key.mac(&[], &[7; 9], false));
    }

    #[test]
    fn enciphered_data_come_back_and_altered_ones_do_not() {
        for cipher in
            [Cipher::Des([1; 8]), Cipher::TripleDes(bytes("00112233445566778899AABBCCDDEEFF")), Cipher::Sm4([2; 16])]
        {
            for length in 0..40 {
                let data = vec![0xA5; length];
                let mut enciphered = cipher.encipher(&data);
                assert_eq!(cipher.decipher(&enciphered), Some(data.clone()));
                enciphered[0] ^= 1;
                assert_ne!(cipher.decipher(&enciphered), Some(data));
                assert_eq!(cipher.decipher(&enciphered[1..]), None);
            }
        }
    }
}
