//! Milenage (TS 35.206), with AES-128 as the kernel.

use crate::crypto::Aes;

/// Subscriber key and operator variant of a USIM.
pub(super) struct Milenage {
    kernel: Aes,
    opc: [u8; 16],
}

/// What f2 to f5 give for one challenge.
pub(super) struct Vector {
    pub(super) res: [u8; 8],
    pub(super) ck: [u8; 16],
    pub(super) ik: [u8; 16],
    pub(super) ak: [u8; 6],
    /// AK of a resynchronization (f5*).
    pub(super) ak_resync: [u8; 6],
}

/// Rotations in bytes and constants of OUT1 to OUT5 (TS 35.206 4.1).
const ROTATIONS: [usize; 5] = [8, 0, 4, 8, 12];
const CONSTANTS: [u8; 5] = [0x00, 0x01, 0x02, 0x04, 0x08];

impl Milenage {
    /// `None` never happens: a key of 16 bytes is one of AES.
    pub(super) fn new(k: &[u8; 16], opc: &[u8; 16]) -> Option<Self> {
        Aes::new(k).map(|kernel| Self { kernel, opc: *opc })
    }

    /// f1 and f1*: MAC-A and MAC-S.
    ///
    /// `OUT1 = E_K(TEMP xor rot(IN1 xor OPc, r1) xor c1) xor OPc`
    pub(super) fn macs(&self, rand: &[u8; 16], sqn: &[u8; 6], amf: [u8; 2]) -> ([u8; 8], [u8; 8]) {
        let mut input = [0; 16];
        for half in input.chunks_mut(8) {
            half[..6].copy_from_slice(sqn);
            half[6..].copy_from_slice(&amf);
        }
        let rotated = rotate(xor(&input, &self.opc), ROTATIONS[0]);
        let out = xor(&self.kernel.encrypt_block(xor(&self.temp(rand), &rotated)), &self.opc);
        let (mut mac_a, mut mac_s) = ([0; 8], [0; 8]);
        mac_a.copy_from_slice(&out[..8]);
        mac_s.copy_from_slice(&out[8..]);
        (mac_a, mac_s)
    }

    /// f2, f3, f4, f5 and f5*.
    pub(super) fn vector(&self, rand: &[u8; 16]) -> Vector {
        let temp = xor(&self.temp(rand), &self.opc);
        let [out2, out3, out4, out5] = [1, 2, 3, 4].map(|at| self.out(temp, at));
        let mut res = [0; 8];
        res.copy_from_slice(&out2[8..]);
        let first = |out: &[u8; 16]| out.first_chunk().copied().unwrap_or_default();
        Vector { res, ck: out3, ik: out4, ak: first(&out2), ak_resync: first(&out5) }
    }

    /// `OUTn = E_K(rot(TEMP xor OPc, rn) xor cn) xor OPc`
    fn out(&self, temp: [u8; 16], at: usize) -> [u8; 16] {
        let mut block = rotate(temp, ROTATIONS[at]);
        block[15] ^= CONSTANTS[at];
        xor(&self.kernel.encrypt_block(block), &self.opc)
    }

    /// `TEMP = E_K(RAND xor OPc)`
    fn temp(&self, rand: &[u8; 16]) -> [u8; 16] {
        self.kernel.encrypt_block(xor(rand, &self.opc))
    }
}

impl Vector {
    /// SRES and Kc of GSM by the conversion functions c2 and c3 (TS 33.102 6.8.1.2).
    pub(super) fn gsm(&self) -> ([u8; 4], [u8; 8]) {
        let sres = std::array::from_fn(|at| self.res[at] ^ self.res[at + 4]);
        let kc = std::array::from_fn(|at| self.ck[at] ^ self.ck[at + 8] ^ self.ik[at] ^ self.ik[at + 8]);
        (sres, kc)
    }
}

fn xor(left: &[u8; 16], right: &[u8; 16]) -> [u8; 16] {
    std::array::from_fn(|at| left[at] ^ right[at])
}

/// Towards the most significant byte.
fn rotate(mut block: [u8; 16], bytes: usize) -> [u8; 16] {
    block.rotate_left(bytes);
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        hex::decode(text).unwrap().try_into().unwrap()
    }

    // TS 35.208 4.3, set 1.
    #[test]
    fn test_set_1() {
        let k = bytes("465B5CE8B199B49FAA5F0A2EE238A6BC");
        let op = bytes("CDC202D5123E20F62B6D676AC72CB318");
        let opc = xor(&Aes::new(&k).unwrap().encrypt_block(op), &op);
        assert_eq!(opc, bytes("CD63CB71954A9F4E48A5994E37A02BAF"));
        let milenage = Milenage::new(&k, &opc).unwrap();
        let rand = bytes("23553CBE9637A89D218AE64DAE47BF35");
        let (mac_a, mac_s) = milenage.macs(&rand, &bytes("FF9BB4D0B607"), bytes("B9B9"));
        assert_eq!((mac_a, mac_s), (bytes("4A9FFAC354DFAFB3"), bytes("01CFAF9EC4E871E9")));
        let vector = milenage.vector(&rand);
        assert_eq!(vector.res, bytes("A54211D5E3BA50BF"));
        assert_eq!(vector.ck, bytes("B40BA9A3C58B2A05BBF0D987B21BF8CB"));
        assert_eq!(vector.ik, bytes("F769BCD751044604127672711C6D3441"));
        assert_eq!((vector.ak, vector.ak_resync), (bytes("AA689C648370"), bytes("451E8BECA43B")));
    }
}
