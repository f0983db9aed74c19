using System;

namespace Cardwright
{
    /// <summary>A key service: keys in the memory of this process, for development, tests and cards with published test keys; one
    /// of the program; or a token.</summary>
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

        private Keys(KeysHandle handle)
        {
            Handle = handle;
        }

        /// <summary>Keys of a token or HSM. A PIN that the token refuses is tried once only.</summary>
        public static Keys Open(Pkcs11Options options)
        {
            Require.NotNull(options, nameof(options));
            using (NativeScope scope = new NativeScope())
            {
                Callback.Check(Native.cw_keys_new_pkcs11(options.ToNative(scope), out KeysHandle handle));
                return new Keys(handle);
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

        /// <summary>Adds a key put together from two or three components (exclusive or), each checked against its check value as the key
        /// is; <see cref="Status.KeyMisfit"/> names the component that does not fit. Wipe the arrays afterwards.</summary>
        public void AddComponents(string name, KeyKind kind, byte[] checkValue, params KeyComponent[] components)
        {
            Require.NotNull(name, nameof(name));
            Require.NotNull(checkValue, nameof(checkValue));
            Require.NotNull(components, nameof(components));
            if (checkValue.Length != 3)
                throw new ArgumentException("a check value has 3 bytes", nameof(checkValue));
            using (NativeScope scope = new NativeScope())
            {
                cw_key_component[] all = Array.ConvertAll(components, one => one.ToNative(scope));
                Callback.Check(Native.cw_keys_add_components(
                    Handle, Utf8.WithNul(name), (uint)kind, scope.In(all), NativeMemory.LengthOf(all), checkValue));
            }
        }

        /// <summary>Adds the keys of a text in UTF-8, all or none: a line is NAME KIND KEY CHECK-VALUE, such as "issuer AES 4041..4F
        /// 504A77". Wipe the array afterwards.</summary>
        public void AddText(byte[] text)
        {
            Require.NotNull(text, nameof(text));
            Callback.Check(Native.cw_keys_add_text(Handle, text, NativeMemory.LengthOf(text)));
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

    /// <summary>One part of a key, which tells nothing of the key alone.</summary>
    public sealed class KeyComponent
    {
        /// <summary>A component, and its check value, computed as for a key.</summary>
        public KeyComponent(byte[] value, byte[] checkValue)
        {
            Value = Require.NotNull(value, nameof(value));
            CheckValue = Require.NotNull(checkValue, nameof(checkValue));
            if (checkValue.Length != 3)
                throw new ArgumentException("a check value has 3 bytes", nameof(checkValue));
        }

        /// <summary>The bytes.</summary>
        public byte[] Value { get; }

        /// <summary>The check value.</summary>
        public byte[] CheckValue { get; }

        internal cw_key_component ToNative(NativeScope scope)
        {
            return new cw_key_component
            {
                kcv = CheckValue,
                value = scope.Bytes(Value),
                value_len = NativeMemory.LengthOf(Value),
            };
        }
    }
}
