using System;
using System.Runtime.InteropServices;

namespace Cardwright
{
    /// <summary>A key service's answer: what the operation names, the rest empty. It holds keys: dispose wipes it. One that a key
    /// service gives is wiped as soon as the library has it, so give a new one each time.</summary>
    public sealed class KeyAnswer : IDisposable
    {
        /// <summary>Kind of the key that went into <see cref="Output"/>.</summary>
        public KeyKind? KeyKind { get; set; }

        /// <summary>Length of that key, in bytes.</summary>
        public int KeyLength { get; set; }

        /// <summary>S-ENC. All session keys have the same length.</summary>
        public byte[] SessionEnc { get; set; } = new byte[0];

        /// <summary>S-MAC.</summary>
        public byte[] SessionMac { get; set; } = new byte[0];

        /// <summary>S-RMAC.</summary>
        public byte[] SessionRmac { get; set; } = new byte[0];

        /// <summary>Session DEK of SCP02.</summary>
        public byte[] SessionDek { get; set; } = new byte[0];

        /// <summary>Card challenge, as long as the request asks for.</summary>
        public byte[] CardChallenge { get; set; } = new byte[0];

        /// <summary>Key check value, 3 bytes.</summary>
        public byte[] Kcv { get; set; } = new byte[0];

        /// <summary>What the operation produces.</summary>
        public byte[] Output { get; set; } = new byte[0];

        /// <summary>Wipes all keys.</summary>
        public void Dispose()
        {
            foreach (byte[] secret in new[] { SessionEnc, SessionMac, SessionRmac, SessionDek, CardChallenge, Kcv, Output })
                Array.Clear(secret, 0, secret.Length);
        }

        internal static KeyAnswer FromNative(IntPtr from)
        {
            cw_key_answer native = NativeMemory.Read<cw_key_answer>(from);
            try
            {
                return new KeyAnswer
                {
                    KeyKind = native.key_kind == 0 ? null : (KeyKind?)native.key_kind,
                    KeyLength = (int)native.key_len,
                    SessionEnc = NativeMemory.Take(native.session_enc, native.session_key_len),
                    SessionMac = NativeMemory.Take(native.session_mac, native.session_key_len),
                    SessionRmac = NativeMemory.Take(native.session_rmac, native.session_key_len),
                    SessionDek = NativeMemory.Take(native.session_dek, native.session_key_len),
                    CardChallenge = NativeMemory.Take(native.card_challenge, native.card_challenge_len),
                    Kcv = native.kcv,
                    Output = NativeMemory.Take(native.output, native.output_len),
                };
            }
            finally
            {
                Array.Clear(native.session_enc, 0, native.session_enc.Length);
                Array.Clear(native.session_mac, 0, native.session_mac.Length);
                Array.Clear(native.session_rmac, 0, native.session_rmac.Length);
                Array.Clear(native.session_dek, 0, native.session_dek.Length);
            }
        }

        /// <summary>Writes the answer where the library wants it.</summary>
        internal void ToNative(IntPtr to)
        {
            foreach (byte[] key in new[] { SessionMac, SessionRmac, SessionDek })
                if (key.Length != 0 && key.Length != SessionEnc.Length)
                    throw new InvalidOperationException("the key service gave session keys of different lengths");
            Put(to, nameof(cw_key_answer.session_enc), SessionEnc, 32);
            Put(to, nameof(cw_key_answer.session_mac), SessionMac, 32);
            Put(to, nameof(cw_key_answer.session_rmac), SessionRmac, 32);
            Put(to, nameof(cw_key_answer.session_dek), SessionDek, 32);
            Put(to, nameof(cw_key_answer.card_challenge), CardChallenge, 16);
            Put(to, nameof(cw_key_answer.kcv), Kcv, 3);
            Put(to, nameof(cw_key_answer.output), Output, 256);
            Put(to, nameof(cw_key_answer.session_key_len), SessionEnc.Length);
            Put(to, nameof(cw_key_answer.card_challenge_len), CardChallenge.Length);
            Put(to, nameof(cw_key_answer.output_len), Output.Length);
            Put(to, nameof(cw_key_answer.key_len), KeyLength);
            Put(to, nameof(cw_key_answer.key_kind), (int)KeyKind.GetValueOrDefault());
        }

        /// <summary>Writes why there is no answer.</summary>
        internal static void Refuse(IntPtr to, string reason)
        {
            Put(to, nameof(cw_key_answer.reason), Utf8.Fixed(reason, 128), 128);
        }

        private static void Put(IntPtr to, string field, byte[] bytes, int room)
        {
            if (bytes.Length > room)
                throw new InvalidOperationException("the key service gave " + bytes.Length + " bytes of " + field);
            Marshal.Copy(bytes, 0, At(to, field), bytes.Length);
        }

        private static void Put(IntPtr to, string field, int value)
        {
            Marshal.WriteInt32(At(to, field), value);
        }

        private static IntPtr At(IntPtr to, string field)
        {
            return IntPtr.Add(to, (int)Marshal.OffsetOf(typeof(cw_key_answer), field));
        }
    }
}
