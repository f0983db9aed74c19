using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;

namespace Cardwright
{
    /// <summary>Memory and handles for the time of one call. At the end the memory, which may hold keys, is wiped.</summary>
    internal sealed class NativeScope : IDisposable
    {
        private readonly List<KeyValuePair<IntPtr, int>> blocks = new List<KeyValuePair<IntPtr, int>>();
        private readonly List<SafeHandle> handles = new List<SafeHandle>();

        public void Dispose()
        {
            foreach (KeyValuePair<IntPtr, int> block in blocks)
            {
                Marshal.Copy(new byte[block.Value], 0, block.Key, block.Value);
                Marshal.FreeHGlobal(block.Key);
            }
            blocks.Clear();
            foreach (SafeHandle handle in handles)
                handle.DangerousRelease();
            handles.Clear();
        }

        /// <summary>A struct for a result.</summary>
        internal IntPtr Room<T>() where T : struct
        {
            return In(default(T));
        }

        internal IntPtr In<T>(T value) where T : struct
        {
            return In(new[] { value });
        }

        internal IntPtr In<T>(T[] values) where T : struct
        {
            int size = Marshal.SizeOf(typeof(T));
            IntPtr block = Block(size * values.Length);
            for (int i = 0; i < values.Length; i++)
            {
                IntPtr at = IntPtr.Add(block, i * size);
                Marshal.StructureToPtr(values[i], at, false);
                if (values[i] is IGrows)
                    Marshal.WriteInt32(at, size);
            }
            return block;
        }

        /// <summary>Bytes; NULL for null.</summary>
        internal IntPtr Bytes(byte[] bytes)
        {
            if (bytes == null)
                return IntPtr.Zero;
            IntPtr block = Block(bytes.Length);
            Marshal.Copy(bytes, 0, block, bytes.Length);
            return block;
        }

        /// <summary>A string; NULL for null.</summary>
        internal IntPtr String(string text)
        {
            return text == null ? IntPtr.Zero : Bytes(Utf8.WithNul(text));
        }

        /// <summary>A handle that is not freed meanwhile; NULL for null. For handles in structs, of which the marshaller does not
        /// know, and for second arguments: when one of two is disposed, Mono's marshaller never gives the other back.</summary>
        internal IntPtr Handle(SafeHandle handle)
        {
            if (handle == null)
                return IntPtr.Zero;
            bool added = false;
            handle.DangerousAddRef(ref added);
            handles.Add(handle);
            return handle.DangerousGetHandle();
        }

        private IntPtr Block(int size)
        {
            // An empty array has an address too.
            int room = Math.Max(size, 1);
            IntPtr block = Marshal.AllocHGlobal(room);
            blocks.Add(new KeyValuePair<IntPtr, int>(block, room));
            // Marshallers leave fields without a value as they were.
            Marshal.Copy(new byte[room], 0, block, room);
            return block;
        }
    }
}
