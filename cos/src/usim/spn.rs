use alloc::string::String;
use alloc::vec::Vec;

use super::field::FieldError;
use super::text;

/// EF SPN, the service provider's name (TS 31.102 4.2.12).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServiceProviderName {
    /// The name.
    pub name: String,
    /// Whether the phone shows the network's name as well, in the home network.
    pub show_network: bool,
    /// Whether the phone leaves the provider's name out in other networks.
    pub hide_when_roaming: bool,
}

impl ServiceProviderName {
    /// Length of the file, in bytes.
    pub const FILE_LENGTH: usize = 17;

    /// The content of the file: display condition ‖ name.
    ///
    /// # Errors
    /// [`FieldError`] when the name is too long for 16 bytes.
    pub fn to_file(&self) -> Result<Vec<u8>, FieldError> {
        let mut file = [u8::from(self.show_network) | u8::from(self.hide_when_roaming) << 1].to_vec();
        file.extend(text::encode("SPN", &self.name, Self::FILE_LENGTH - 1)?);
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_stands_behind_its_condition() {
        let spn = ServiceProviderName { name: "GSM-R CH".into(), show_network: true, hide_when_roaming: false };
        assert_eq!(hex::encode_upper(spn.to_file().unwrap()), "0147534D2D52204348FFFFFFFFFFFFFFFF");
        let long = ServiceProviderName { name: "a name of 17 chrs".into(), ..spn };
        assert_eq!(long.to_file().unwrap_err().field, "SPN");
    }
}
