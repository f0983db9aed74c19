using System;
using System.Runtime.InteropServices;
using System.Text;

namespace Cardwright
{
    /// <summary>Strings of the library: UTF-8 with a NUL at the end, which no marshaller of netstandard2.0 makes.</summary>
    internal static class Utf8
    {
        // Half a surrogate pair has no UTF-8: better an exception than another name.
        private static readonly UTF8Encoding Strict = new UTF8Encoding(false, true);

        internal static byte[] WithNul(string text)
        {
            if (text.IndexOf('\0') >= 0)
                throw new ArgumentException("a string with a NUL inside");
            byte[] bytes = new byte[Strict.GetByteCount(text) + 1];
            Strict.GetBytes(text, 0, text.Length, bytes, 0);
            return bytes;
        }

        /// <summary>The string at an address; null for NULL.</summary>
        internal static string Read(IntPtr text)
        {
            if (text == IntPtr.Zero)
                return null;
            int length = 0;
            while (Marshal.ReadByte(text, length) != 0)
                length++;
            byte[] bytes = new byte[length];
            Marshal.Copy(text, bytes, 0, length);
            return Encoding.UTF8.GetString(bytes);
        }

        /// <summary>The string in an array of fixed size.</summary>
        internal static string Read(byte[] array)
        {
            int length = Array.IndexOf(array, (byte)0);
            return Encoding.UTF8.GetString(array, 0, length < 0 ? array.Length : length);
        }

        /// <summary>Puts a string into an array of fixed size, cut between two characters where it is too long.</summary>
        internal static byte[] Fixed(string text, int size)
        {
            byte[] array = new byte[size];
            int characters = Math.Min(text.Length, size - 1);
            while (Encoding.UTF8.GetByteCount(text.Substring(0, characters)) >= size
                || characters < text.Length && characters > 0 && char.IsHighSurrogate(text[characters - 1]))
                characters--;
            Encoding.UTF8.GetBytes(text, 0, characters, array, 0);
            return array;
        }
    }
}
