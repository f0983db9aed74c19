using System;
using System.Collections.Generic;
using System.Linq;

namespace Cardwright
{
    /// <summary>What a key service is asked to do. What each operation is given and answers stands at the CW_KEYS_ numbers of
    /// cardwright.h.</summary>
    public enum KeyOperation
    {
        /// <summary>Session keys of SCP02 (GPCS 2.3.1 E.4.1).</summary>
        Scp02Session = 1,

        /// <summary>Session keys of SCP03 (Amd D 6.2.1), and a card challenge (Amd D 6.2.2.1).</summary>
        Scp03Session = 2,

        /// <summary>A key enciphered for PUT KEY.</summary>
        Wrap = 3,

        /// <summary>A challenge enciphered for EXTERNAL AUTHENTICATE of a PBOC card.</summary>
        Cryptogram = 4,

        /// <summary>Data field of WRITE KEY of a PBOC card.</summary>
        KeyCommand = 5,

        /// <summary>A MAC of PBOC secure messaging.</summary>
        Mac = 6,

        /// <summary>Session keys of SCP01 (GPCS 2.3.1 D.3.1).</summary>
        Scp01Session = 7,
    }

    /// <summary>One step of the derivation of a card's own key.</summary>
    public sealed class KeyDerivation
    {
        /// <summary>A step of a scheme. The purpose is 1 for Key-ENC, 2 for Key-MAC, 3 for Key-DEK, 0 for PBOC.</summary>
        public KeyDerivation(KeyScheme scheme, int purpose, byte[] factor)
        {
            Scheme = scheme;
            Purpose = purpose;
            Factor = Require.NotNull(factor, nameof(factor));
            if (factor.Length > 16)
                throw new ArgumentException("a factor has at most 16 bytes", nameof(factor));
        }

        /// <summary>How it is derived.</summary>
        public KeyScheme Scheme { get; }

        /// <summary>Which key of the set comes out.</summary>
        public int Purpose { get; }

        /// <summary>What it is derived with: 10 bytes of key diversification data, or 8 for PBOC.</summary>
        public byte[] Factor { get; }
    }

    /// <summary>A key by name.</summary>
    public sealed class KeyRef
    {
        /// <summary>A key, and the derivations from it to the one that is meant.</summary>
        public KeyRef(string name, params KeyDerivation[] steps)
        {
            Name = Require.NotNull(name, nameof(name));
            Steps = Require.NotNull(steps, nameof(steps));
        }

        /// <summary>What the key service calls the key at the root.</summary>
        public string Name { get; }

        /// <summary>The derivations; none for the root key itself.</summary>
        public IReadOnlyList<KeyDerivation> Steps { get; }
    }

    /// <summary>One question to a key service. What an operation does not name is empty.</summary>
    public sealed class KeyRequest
    {
        /// <summary>What is to be done. New operations may come: answer those that you do not know with
        /// <see cref="Status.KeyService"/>.</summary>
        public KeyOperation Operation { get; set; }

        /// <summary>The keys.</summary>
        public IReadOnlyList<KeyRef> Keys { get; set; } = new KeyRef[0];

        /// <summary>What the operation is about.</summary>
        public byte[] Data { get; set; } = new byte[0];

        /// <summary>What a card challenge is derived with.</summary>
        public byte[] ChallengeData { get; set; } = new byte[0];

        /// <summary>Length of the card challenge that is asked for, in bytes; 0 for none.</summary>
        public int ChallengeLength { get; set; }

        /// <summary>A session key, secret: do not log it. Null where there is none.</summary>
        public byte[] SessionDek { get; set; }

        /// <summary>CLA INS P1 P2.</summary>
        public byte[] Header { get; set; } = new byte[4];

        /// <summary>First block of a MAC, 8 bytes.</summary>
        public byte[] Iv { get; set; } = new byte[8];

        internal static KeyRequest FromNative(IntPtr from)
        {
            cw_key_request native = NativeMemory.Read<cw_key_request>(from);
            return new KeyRequest
            {
                Operation = (KeyOperation)native.operation,
                Keys = NativeMemory.ReadArray<cw_key_ref>(native.keys, native.key_count).Select(FromNative).ToArray(),
                Data = NativeMemory.Bytes(native.data, native.data_len) ?? new byte[0],
                ChallengeData = NativeMemory.Bytes(native.challenge_data, native.challenge_data_len) ?? new byte[0],
                ChallengeLength = NativeMemory.Length(native.challenge_len),
                SessionDek = NativeMemory.Bytes(native.session_dek, native.session_dek_len),
                Header = native.header,
                Iv = native.iv,
            };
        }

        internal IntPtr ToNative(NativeScope scope)
        {
            cw_key_ref[] keys = Keys.Select(key => ToNative(scope, key)).ToArray();
            return scope.In(new cw_key_request
            {
                operation = (uint)Operation,
                keys = scope.In(keys),
                key_count = NativeMemory.LengthOf(keys),
                data = scope.Bytes(Data),
                data_len = NativeMemory.LengthOf(Data),
                challenge_data = scope.Bytes(ChallengeData),
                challenge_data_len = NativeMemory.LengthOf(ChallengeData),
                challenge_len = (UIntPtr)(uint)ChallengeLength,
                session_dek = scope.Bytes(SessionDek),
                session_dek_len = NativeMemory.LengthOf(SessionDek),
                header = Header,
                iv = Iv,
            });
        }

        private static KeyRef FromNative(cw_key_ref native)
        {
            return new KeyRef(Utf8.Read(native.name), NativeMemory.ReadArray<cw_key_derivation>(native.steps, native.step_count)
                .Select(step => new KeyDerivation((KeyScheme)step.scheme, (int)step.purpose,
                    NativeMemory.Take(step.factor, step.factor_len)))
                .ToArray());
        }

        private static cw_key_ref ToNative(NativeScope scope, KeyRef key)
        {
            cw_key_derivation[] steps = key.Steps.Select(step =>
            {
                byte[] factor = new byte[16];
                step.Factor.CopyTo(factor, 0);
                return new cw_key_derivation
                {
                    scheme = (uint)step.Scheme,
                    purpose = (uint)step.Purpose,
                    factor_len = (uint)step.Factor.Length,
                    factor = factor,
                };
            }).ToArray();
            return new cw_key_ref
            {
                name = scope.String(key.Name),
                steps = scope.In(steps),
                step_count = NativeMemory.LengthOf(steps),
            };
        }
    }
}
