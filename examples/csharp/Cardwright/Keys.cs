using System;

namespace Cardwright
{
    /// <summary>A key service: keys in the memory of this process, for development, tests and cards with published test keys; or one
    /// of the program.</summary>
    public sealed class Keys : IKeyService, IDisposable
    {
        /// <summary>Keys in memory, none yet.</summary>
        public Keys()
        {
            Callback.Check(Native.cw_keys_new(out KeysHandle handle));
            Handle = handle;
        }

        /// <summary>A key service of the program.</summary>
        public Keys(IKeyService service)
        {
            KeyServiceCallbacks callbacks = new KeyServiceCallbacks(service);
            using (NativeScope scope = new NativeScope())
            {
                Callback.Check(Native.cw_keys_new_service(scope.In(callbacks.ToNative()), out KeysHandle handle));
                handle.Callbacks = callbacks;
                Handle = handle;
            }
        }

        internal KeysHandle Handle { get; }

        /// <summary>Adds a key to those in memory, or replaces the one of this name. Wipe the array afterwards.</summary>
        public void Add(string name, KeyKind kind, byte[] value)
        {
            Require.NotNull(name, nameof(name));
            Require.NotNull(value, nameof(value));
            Callback.Check(Native.cw_keys_add(
                Handle, Utf8.WithNul(name), (uint)kind, value, NativeMemory.LengthOf(value)));
        }

        /// <summary>Answers one question, as it answers the library: so that a program's own key service can hand on what it does
        /// not hold itself.</summary>
        public KeyAnswer Answer(KeyRequest request)
        {
            Require.NotNull(request, nameof(request));
            using (NativeScope scope = new NativeScope())
            {
                IntPtr room = scope.Room<cw_key_answer>();
                Callback.Check(Native.cw_keys_answer(Handle, request.ToNative(scope), room));
                return KeyAnswer.FromNative(room);
            }
        }

        /// <summary>Wipes and frees the keys. Sessions that were opened with them go on.</summary>
        public void Dispose()
        {
            Handle.Dispose();
        }
    }
}
