using System;
using System.Collections.Generic;

namespace Cardwright
{
    /// <summary>One key of a security domain (GPCS 2.3.1 table 11-30).</summary>
    public sealed class KeyInformation
    {
        internal KeyInformation(cw_key_information native)
        {
            Kvn = native.kvn;
            Kid = native.kid;
            KeyType = native.key_type;
            Length = native.length;
        }

        /// <summary>Key version.</summary>
        public byte Kvn { get; }

        /// <summary>Key identifier.</summary>
        public byte Kid { get; }

        /// <summary>Type of its first component: 80 to 84 DES, 88 AES, A0 to A8 RSA, B0 to B8 EC.</summary>
        public byte KeyType { get; }

        /// <summary>Length of its first component, in bytes.</summary>
        public int Length { get; }
    }

    /// <summary>What a card says of itself. What it does not tell is zero or empty.</summary>
    public sealed class CardData
    {
        internal CardData(cw_card_data native)
        {
            Domain = Aid.FromNative(native.domain);
            IScp01 = native.i_scp01;
            IScp02 = native.i_scp02;
            IScp03 = native.i_scp03;
            IScp11 = native.i_scp11;
            Version = new Version(native.version[0], native.version[1], native.version[2]);
            Cplc = NativeMemory.Take(native.cplc, native.cplc_len);
            Iin = NativeMemory.Take(native.iin, native.iin_len);
            Cin = NativeMemory.Take(native.cin, native.cin_len);
            Identity = Utf8.Read(native.identity);
            KeyInformation[] keys = new KeyInformation[native.key_count];
            for (int i = 0; i < keys.Length; i++)
                keys[i] = new KeyInformation(native.keys[i]);
            Keys = keys;
        }

        /// <summary>AID of the selected security domain.</summary>
        public Aid Domain { get; }

        /// <summary><c>i</c> of SCP01; 0 where the card does not have the protocol.</summary>
        public byte IScp01 { get; }

        /// <summary><c>i</c> of SCP02.</summary>
        public byte IScp02 { get; }

        /// <summary><c>i</c> of SCP03.</summary>
        public byte IScp03 { get; }

        /// <summary><c>i</c> of SCP11.</summary>
        public byte IScp11 { get; }

        /// <summary>GlobalPlatform version.</summary>
        public Version Version { get; }

        /// <summary>CPLC data: 42 bytes, or none.</summary>
        public byte[] Cplc { get; }

        /// <summary>Issuer identification number; read only where the CPLC data holds no serial number.</summary>
        public byte[] Iin { get; }

        /// <summary>Card image number; read as the issuer identification number is.</summary>
        public byte[] Cin { get; }

        /// <summary>Identity under which the journal knows the card; empty where it has none.</summary>
        public string Identity { get; }

        /// <summary>Keys of the security domain.</summary>
        public IReadOnlyList<KeyInformation> Keys { get; }
    }
}
