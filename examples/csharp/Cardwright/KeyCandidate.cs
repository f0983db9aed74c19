using System;
using System.Collections.Generic;
using System.Linq;

namespace Cardwright
{
    /// <summary>The algorithm of a key.</summary>
    public enum KeyKind
    {
        /// <summary>DES with 8 bytes, triple DES with 16.</summary>
        Tdes = 1,

        /// <summary>AES with 16, 24 or 32 bytes.</summary>
        Aes = 2,

        /// <summary>A private key on NIST P-256; for SCP11 and signatures alone.</summary>
        EcP256 = 3,

        /// <summary>A private key on NIST P-384.</summary>
        EcP384 = 4,

        /// <summary>A private key on brainpoolP256r1.</summary>
        EcBrainpoolP256 = 5,
    }

    /// <summary>How the keys of a card come from a key.</summary>
    public enum KeyScheme
    {
        /// <summary>The key itself, in all three places of the set.</summary>
        AsIs = 1,

        /// <summary>EMV CPS, triple DES.</summary>
        Emv = 2,

        /// <summary>VISA2, triple DES.</summary>
        Visa2 = 3,

        /// <summary>KDF3, AES.</summary>
        Kdf3 = 4,

        /// <summary>PBOC, triple DES; only in key requests.</summary>
        Pboc = 5,

        /// <summary>VISA, triple DES.</summary>
        Visa = 6,
    }

    /// <summary>A key set that a card may hold or shall get.</summary>
    public sealed class KeyCandidate
    {
        /// <summary>A key set from a key, or from the master key of the scheme, by its name in the key service.</summary>
        public KeyCandidate(string keyName, KeyKind kind, KeyScheme scheme, byte kvn = 0)
        {
            KeyName = Require.NotNull(keyName, nameof(keyName));
            Kind = kind;
            Scheme = scheme;
            Kvn = kvn;
        }

        /// <summary>Name of the key.</summary>
        public string KeyName { get; }

        /// <summary>Triple DES for SCP02, AES for SCP03.</summary>
        public KeyKind Kind { get; }

        /// <summary>How the card's keys come from the key.</summary>
        public KeyScheme Scheme { get; }

        /// <summary>Version of the key set; 0 when any will do.</summary>
        public byte Kvn { get; }

        internal cw_key_candidate ToNative(NativeScope scope)
        {
            return new cw_key_candidate
            {
                key_kind = (uint)Kind,
                scheme = (uint)Scheme,
                kvn = Kvn,
                key_name = scope.String(KeyName),
            };
        }

        internal static cw_key_candidate[] ToNative(NativeScope scope, IEnumerable<KeyCandidate> all)
        {
            return all.Select(one => one.ToNative(scope)).ToArray();
        }
    }
}
