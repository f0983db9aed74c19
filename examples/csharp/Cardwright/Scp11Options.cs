using System;
using System.Collections.Generic;
using System.Linq;

namespace Cardwright
{
    /// <summary>Variant of SCP11.</summary>
    public enum Scp11Variant
    {
        /// <summary>Both are authenticated.</summary>
        A = 1,

        /// <summary>The card alone is authenticated.</summary>
        B = 2,

        /// <summary>As A, and the host needs no answers.</summary>
        C = 3,
    }

    /// <summary>How a secure channel of SCP11 is to be opened.</summary>
    public sealed class Scp11Options
    {
        /// <summary>The variant.</summary>
        public Scp11Variant Variant { get; set; } = Scp11Variant.A;

        /// <summary><see cref="SecurityLevel.Full"/> or <see cref="SecurityLevel.CMacRMac"/>.</summary>
        public SecurityLevel Level { get; set; } = SecurityLevel.Full;

        /// <summary>Length of the session keys: 16, 24 or 32 bytes.</summary>
        public int KeyLength { get; set; } = 16;

        /// <summary>Curve of <see cref="CaKey"/> or <see cref="CardKey"/>: one of the curves in <see cref="KeyKind"/>.</summary>
        public KeyKind Curve { get; set; } = KeyKind.EcP256;

        /// <summary>The day on which the card's certificates have to be valid; null when their dates are not looked at.</summary>
        public DateTime? Date { get; set; }

        /// <summary>Identifier and version of the card's key SK.SD.ECKA.</summary>
        public byte Kid { get; set; }

        /// <summary>Its version.</summary>
        public byte Kvn { get; set; }

        /// <summary>Identifier of the card's key PK.CA-KLOC.ECDSA.</summary>
        public byte CaKid { get; set; }

        /// <summary>Its version.</summary>
        public byte CaKvn { get; set; }

        /// <summary>Security domain to select; null for the issuer security domain.</summary>
        public Aid Domain { get; set; }

        /// <summary>PK.CA-KLCC.ECDSA, an uncompressed point: certificates of the card are read and verified. Else
        /// <see cref="CardKey"/>.</summary>
        public byte[] CaKey { get; set; }

        /// <summary>PK.SD.ECKA, an uncompressed point, known from elsewhere.</summary>
        public byte[] CardKey { get; set; }

        /// <summary>Name of the host's private key; null for B.</summary>
        public string HostKey { get; set; }

        /// <summary>The host's certificates, from the one that the CA signed to that of its key.</summary>
        public IList<byte[]> Chain { get; } = new List<byte[]>();

        /// <summary>Whether MACs have 16 bytes.</summary>
        public bool S16 { get; set; }

        /// <summary>Whether blocks of certificates are marked in the class byte as well.</summary>
        public bool MarkClass { get; set; }

        /// <summary>What the card does otherwise than the standard says; null for nothing.</summary>
        public Profile Profile { get; set; }

        internal IntPtr ToNative(NativeScope scope)
        {
            cw_certificate[] chain = Chain.Select(bytes => new cw_certificate
            {
                bytes = scope.Bytes(bytes),
                length = NativeMemory.LengthOf(bytes),
            }).ToArray();
            return scope.In(new cw_scp11_options
            {
                variant = (uint)Variant,
                security_level = (uint)Level,
                flags = (S16 ? Constants.CW_SCP11_S16 : 0) | (MarkClass ? Constants.CW_SCP11_MARK_CLASS : 0),
                key_length = (uint)KeyLength,
                curve = (uint)Curve,
                date = Date == null ? 0 : (uint)(Date.Value.Year * 10000 + Date.Value.Month * 100 + Date.Value.Day),
                kid = Kid,
                kvn = Kvn,
                ca_kid = CaKid,
                ca_kvn = CaKvn,
                domain = Aid.ToNative(Domain),
                ca_key = scope.Bytes(CaKey),
                ca_key_len = NativeMemory.LengthOf(CaKey),
                card_key = scope.Bytes(CardKey),
                card_key_len = NativeMemory.LengthOf(CardKey),
                host_key = scope.String(HostKey),
                chain = chain.Length == 0 ? IntPtr.Zero : scope.In(chain),
                chain_count = NativeMemory.LengthOf(chain),
                profile = scope.Handle(Profile?.Handle),
            });
        }
    }
}
