using System;
using System.Runtime.InteropServices;

namespace Cardwright
{
    /// <summary>Reads what the library hands out.</summary>
    internal static class NativeMemory
    {
        internal static T Read<T>(IntPtr from) where T : struct
        {
            return (T)Marshal.PtrToStructure(from, typeof(T));
        }

        /// <summary>An array, whose elements are as long as the library says: it may know more fields.</summary>
        internal static T[] ReadArray<T>(IntPtr from, UIntPtr count) where T : struct
        {
            T[] all = new T[Length(count)];
            int size = Marshal.SizeOf(typeof(T));
            if (all.Length > 0 && default(T) is IGrows)
                size = Marshal.ReadInt32(from);
            for (int i = 0; i < all.Length; i++)
                all[i] = Read<T>(IntPtr.Add(from, checked(i * size)));
            return all;
        }

        /// <summary>Bytes; null for NULL.</summary>
        internal static byte[] Bytes(IntPtr from, UIntPtr length)
        {
            if (from == IntPtr.Zero)
                return null;
            byte[] bytes = new byte[Length(length)];
            Marshal.Copy(from, bytes, 0, bytes.Length);
            return bytes;
        }

        internal static int Length(UIntPtr length)
        {
            return checked((int)length.ToUInt64());
        }

        /// <summary>The length of an array; 0 for null.</summary>
        internal static UIntPtr LengthOf(Array array)
        {
            return array == null ? UIntPtr.Zero : (UIntPtr)(uint)array.Length;
        }

        /// <summary>The first bytes of an array.</summary>
        internal static byte[] Take(byte[] bytes, ulong length)
        {
            byte[] some = new byte[checked((int)length)];
            Array.Copy(bytes, some, some.Length);
            return some;
        }
    }
}
