use core::fmt;

macro_rules! named {
    ($(#[$doc:meta])* $type:ident { $($(#[$each:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $type {
            $($(#[$each])* $variant,)*
        }

        impl $type {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name in profiles.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The one with this name.
            #[must_use]
            pub fn by_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.name() == name)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }
    };
}

named! {
    /// A command of native cards, whatever its bytes are.
    Operation {
        /// SELECT by file identifier.
        SelectFile = "select-file",
        /// SELECT by name.
        SelectName = "select-name",
        /// GET CHALLENGE.
        GetChallenge = "get-challenge",
        /// EXTERNAL AUTHENTICATE.
        ExternalAuthenticate = "external-authenticate",
        /// INTERNAL AUTHENTICATE.
        InternalAuthenticate = "internal-authenticate",
        /// VERIFY.
        Verify = "verify",
        /// CHANGE PIN.
        ChangePin = "change-pin",
        /// RELOAD PIN.
        ReloadPin = "reload-pin",
        /// PIN UNBLOCK.
        UnblockPin = "unblock-pin",
        /// READ BINARY of a file with a short identifier.
        ReadBinary = "read-binary",
        /// UPDATE BINARY of a file with a short identifier.
        UpdateBinary = "update-binary",
        /// READ RECORD.
        ReadRecord = "read-record",
        /// UPDATE RECORD.
        UpdateRecord = "update-record",
        /// APPEND RECORD.
        AppendRecord = "append-record",
        /// CREATE FILE of the MF.
        CreateMf = "create-mf",
        /// CREATE FILE of a directory.
        CreateDirectory = "create-directory",
        /// CREATE FILE of an elementary file of bytes.
        CreateBinary = "create-binary",
        /// CREATE FILE of an elementary file of records.
        CreateRecords = "create-records",
        /// CREATE FILE of a purse.
        CreatePurse = "create-purse",
        /// CREATE FILE of a key file.
        CreateKeyFile = "create-key-file",
        /// CREATE END: a directory is complete.
        EndCreate = "end-create",
        /// WRITE KEY that adds a key.
        AddKey = "add-key",
        /// WRITE KEY that changes a key.
        UpdateKey = "update-key",
        /// WRITE KEY that adds a key, enciphered and with MAC.
        AddKeyEnciphered = "add-key-enciphered",
        /// WRITE KEY that changes a key, enciphered and with MAC.
        UpdateKeyEnciphered = "update-key-enciphered",
        /// ERASE DF.
        EraseDirectory = "erase-directory",
        /// CARD BLOCK.
        CardBlock = "card-block",
        /// APPLICATION BLOCK.
        ApplicationBlock = "application-block",
        /// APPLICATION UNBLOCK.
        ApplicationUnblock = "application-unblock",
        /// What tells one card from another.
        ReadIdentity = "read-identity",
    }
}

impl Operation {
    /// The fields that its template may have.
    #[must_use]
    pub fn fields(self) -> &'static [&'static str] {
        match self {
            Self::SelectFile => &["fid"],
            Self::SelectName => &["name"],
            Self::GetChallenge => &["length"],
            Self::ExternalAuthenticate => &["id", "cryptogram"],
            Self::InternalAuthenticate => &["mode", "id", "data", "length"],
            Self::Verify => &["id", "pin"],
            Self::ChangePin => &["id", "old", "new"],
            Self::ReloadPin => &["id", "pin", "mac"],
            Self::UnblockPin => &["id", "data"],
            Self::ReadBinary => &["sfi", "offset", "length"],
            Self::UpdateBinary => &["sfi", "offset", "data"],
            Self::ReadRecord => &["sfi", "record", "length"],
            Self::UpdateRecord => &["sfi", "record", "data"],
            Self::AppendRecord => &["sfi", "data"],
            Self::CreateMf => &["size", "create", "erase", "tail"],
            Self::CreateDirectory => &["fid", "size", "create", "erase", "fci", "name"],
            Self::CreateBinary => &["fid", "type", "size", "read", "write", "keys"],
            Self::CreateRecords => &["fid", "type", "count", "record-length", "read", "write", "keys"],
            Self::CreatePurse => &["fid", "type", "use", "log"],
            Self::CreateKeyFile => &["fid", "type", "size", "directory", "add"],
            Self::EndCreate => &["level"],
            Self::AddKey | Self::UpdateKey | Self::AddKeyEnciphered | Self::UpdateKeyEnciphered => {
                &["type", "id", "header", "data"]
            }
            Self::ApplicationBlock => &["permanent"],
            Self::EraseDirectory | Self::CardBlock | Self::ApplicationUnblock | Self::ReadIdentity => &[],
        }
    }
}

named! {
    /// A kind of elementary file.
    FileType {
        /// Bytes.
        Binary = "binary",
        /// Records of one length.
        Fixed = "fixed",
        /// Records of any length.
        Variable = "variable",
        /// Records of one length, the newest over the oldest.
        Cyclic = "cyclic",
        /// Electronic purse or deposit.
        Purse = "purse",
        /// Keys.
        Key = "key",
    }
}

named! {
    /// What a key is for.
    KeyUse {
        /// Internal authentication.
        Internal = "internal",
        /// TAC of transactions.
        Tac = "tac",
        /// Line protection: MACs of file updates. With the first identifier the maintenance key.
        LineProtection = "line-protection",
        /// Unlocking of the PIN.
        UnblockPin = "unblock-pin",
        /// Reloading of the PIN.
        ReloadPin = "reload-pin",
        /// External authentication. With the first identifier the master key.
        ExternalAuthentication = "external-authentication",
        /// PIN.
        Pin = "pin",
        /// Overdraft limit.
        Overdraft = "overdraft",
        /// Unload.
        Unload = "unload",
        /// Purchase.
        Purchase = "purchase",
        /// Load.
        Load = "load",
        /// Master key of the card, where it is a type of its own.
        CardMaster = "card-master",
    }
}

named! {
    /// What a status word says.
    Meaning {
        /// Done.
        Done = "done",
        /// What was to be made is there.
        Exists = "exists",
        /// There is no such file, record or key.
        NotFound = "not-found",
        /// There is no room.
        NoSpace = "no-space",
        /// The right is not given: another key has to be shown first.
        NotAllowed = "not-allowed",
        /// The MAC is wrong. A few of these lock the card for ever.
        WrongMac = "wrong-mac",
        /// A key or PIN is wrong.
        WrongSecret = "wrong-secret",
        /// A key or PIN is locked.
        Locked = "locked",
        /// The card or application is locked for ever.
        Dead = "dead",
        /// The memory failed: what was written is not known.
        MemoryFailure = "memory-failure",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        for operation in Operation::ALL {
            assert_eq!(Operation::by_name(operation.name()), Some(*operation));
        }
        assert_eq!(KeyUse::by_name("load"), Some(KeyUse::Load));
        assert_eq!(FileType::by_name("Binary"), None);
    }
}
