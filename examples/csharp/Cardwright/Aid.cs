using System;
using System.Collections.Generic;

namespace Cardwright
{
    /// <summary>An AID: 5 to 16 bytes (ISO 7816-4). Where none is meant, null stands.</summary>
    public sealed class Aid : IEquatable<Aid>
    {
        private readonly byte[] bytes;

        /// <summary>An AID of these bytes.</summary>
        public Aid(params byte[] bytes)
        {
            if (Require.NotNull(bytes, nameof(bytes)).Length < 5 || bytes.Length > 16)
                throw new ArgumentException("an AID has 5 to 16 bytes", nameof(bytes));
            this.bytes = (byte[])bytes.Clone();
        }

        /// <summary>An AID from hexadecimal digits.</summary>
        public static Aid Parse(string hex)
        {
            if (Require.NotNull(hex, nameof(hex)).Length % 2 != 0)
                throw new FormatException("an odd number of hexadecimal digits");
            byte[] bytes = new byte[hex.Length / 2];
            for (int i = 0; i < bytes.Length; i++)
                bytes[i] = Convert.ToByte(hex.Substring(2 * i, 2), 16);
            return new Aid(bytes);
        }

        /// <summary>The bytes.</summary>
        public byte[] ToBytes()
        {
            return (byte[])bytes.Clone();
        }

        /// <summary>The bytes in hexadecimal digits.</summary>
        public override string ToString()
        {
            return BitConverter.ToString(bytes).Replace("-", "");
        }

        /// <summary>Whether the bytes are the same.</summary>
        public bool Equals(Aid other)
        {
            return other != null && ToString() == other.ToString();
        }

        /// <summary>Whether the bytes are the same.</summary>
        public override bool Equals(object other)
        {
            return Equals(other as Aid);
        }

        /// <summary>A number for hash tables.</summary>
        public override int GetHashCode()
        {
            return ToString().GetHashCode();
        }

        internal static cw_aid ToNative(Aid aid)
        {
            cw_aid native = new cw_aid { bytes = new byte[16] };
            if (aid != null)
            {
                native.length = (byte)aid.bytes.Length;
                aid.bytes.CopyTo(native.bytes, 0);
            }
            return native;
        }

        /// <summary>For arguments where NULL stands for none.</summary>
        internal static IntPtr ToNative(NativeScope scope, Aid aid)
        {
            return aid == null ? IntPtr.Zero : scope.In(ToNative(aid));
        }

        internal static Aid FromNative(cw_aid native)
        {
            return native.length == 0 ? null : new Aid(NativeMemory.Take(native.bytes, native.length));
        }

        internal static IReadOnlyList<Aid> FromNative(cw_aid[] natives)
        {
            return Array.ConvertAll(natives, FromNative);
        }
    }
}
