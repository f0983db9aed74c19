//! VERIFY, CHANGE, ENABLE, DISABLE and UNBLOCK PIN (TS 102 221 11.1.9 to 11.1.13, TS 51.011 9.2.9 to 9.2.13).

use super::Usim;
use super::config::UsimStyle;
use super::memory::{PUK_TRIES, Secret};
use super::refusal::Refusal;
use crate::crypto::same;

impl Usim {
    /// Reference of the administrative code.
    pub(super) fn adm(&self) -> u8 {
        if self.memory.config.style == UsimStyle::Gr2 { 0x0B } else { 0x0A }
    }

    fn secret(&self, reference: u8) -> Result<&Secret, Refusal> {
        self.memory.secret(reference).ok_or(Refusal::NoCode)
    }

    fn secret_mut(&mut self, reference: u8) -> Result<&mut Secret, Refusal> {
        self.memory.secret_mut(reference).ok_or(Refusal::NoCode)
    }

    /// Without data: how many tries are left, and nothing is counted.
    pub(super) fn verify(&mut self, reference: u8, data: &[u8]) -> Result<Vec<u8>, Refusal> {
        let secret = self.secret(reference)?;
        if data.is_empty() {
            return Err(if secret.tries == 0 { Refusal::Blocked } else { Refusal::Wrong(secret.tries) });
        }
        self.present(reference, data)?;
        if !self.session.verified.contains(&reference) {
            self.session.verified.push(reference);
        }
        Ok(Vec::new())
    }

    /// `old ‖ new`.
    pub(super) fn change_pin(&mut self, reference: u8, data: &[u8]) -> Result<Vec<u8>, Refusal> {
        let (old, new) = halves(data)?;
        self.present(reference, &old)?;
        self.power.whole()?;
        self.secret_mut(reference)?.value = new;
        Ok(Vec::new())
    }

    pub(super) fn enable_pin(&mut self, reference: u8, data: &[u8], enabled: bool) -> Result<Vec<u8>, Refusal> {
        if reference != 0x01 {
            return Err(Refusal::NoCode);
        }
        self.present(reference, data)?;
        self.power.whole()?;
        self.secret_mut(reference)?.enabled = enabled;
        Ok(Vec::new())
    }

    /// `PUK ‖ new PIN`; without data, how many tries of the PUK are left.
    pub(super) fn unblock_pin(&mut self, reference: u8, data: &[u8]) -> Result<Vec<u8>, Refusal> {
        let puk = self.secret(reference)?.unblock.as_ref().ok_or(Refusal::NoCode)?;
        if puk.tries == 0 {
            return Err(Refusal::Blocked);
        }
        if data.is_empty() {
            return Err(Refusal::Wrong(puk.tries));
        }
        let (given, new) = halves(data)?;
        self.power.whole()?;
        let puk = self.secret_mut(reference)?.unblock.as_mut().ok_or(Refusal::NoCode)?;
        puk.tries -= 1;
        if !same(&puk.value, &given) {
            return Err(Refusal::Wrong(puk.tries));
        }
        self.power.whole()?;
        let secret = self.secret_mut(reference)?;
        secret.value = new;
        secret.tries = secret.most_tries;
        secret.enabled = true;
        if let Some(puk) = &mut secret.unblock {
            puk.tries = PUK_TRIES;
        }
        self.session.verified.push(reference);
        Ok(Vec::new())
    }

    /// Compares a code; the try is counted before.
    fn present(&mut self, reference: u8, given: &[u8]) -> Result<(), Refusal> {
        let secret = self.secret(reference)?;
        if given.len() != 8 {
            return Err(Refusal::LengthOf(8));
        }
        if secret.tries == 0 {
            return Err(Refusal::Blocked);
        }
        self.power.whole()?;
        let secret = self.secret_mut(reference)?;
        secret.tries -= 1;
        if !same(&secret.value, given) {
            let left = secret.tries;
            self.session.verified.retain(|verified| *verified != reference);
            return Err(Refusal::Wrong(left));
        }
        self.power.whole()?;
        let secret = self.secret_mut(reference)?;
        secret.tries = secret.most_tries;
        Ok(())
    }
}

fn halves(data: &[u8]) -> Result<([u8; 8], [u8; 8]), Refusal> {
    let data: &[u8; 16] = data.try_into().map_err(|_| Refusal::LengthOf(16))?;
    Ok(crate::crypto::halves(data))
}
