using System;

namespace Cardwright
{
    /// <summary>A response APDU (ISO 7816-4 5.3).</summary>
    public sealed class ResponseApdu
    {
        /// <summary>A response of a status word and data.</summary>
        public ResponseApdu(ushort statusWord, byte[] data = null)
        {
            StatusWord = statusWord;
            Data = data ?? new byte[0];
        }

        /// <summary>SW1-SW2.</summary>
        public ushort StatusWord { get; }

        /// <summary>The response data field.</summary>
        public byte[] Data { get; }

        /// <summary>Reads a response.</summary>
        public static ResponseApdu Parse(byte[] bytes)
        {
            Require.NotNull(bytes, nameof(bytes));
            using (NativeScope scope = new NativeScope())
            {
                IntPtr room = scope.Room<cw_response_apdu>();
                Callback.Check(Native.cw_response_apdu_parse(scope.Bytes(bytes), NativeMemory.LengthOf(bytes), room));
                cw_response_apdu native = NativeMemory.Read<cw_response_apdu>(room);
                return new ResponseApdu(native.sw, NativeMemory.Bytes(native.data, native.nr));
            }
        }

        /// <summary>The bytes of the response: data, then SW1-SW2.</summary>
        public byte[] Encode()
        {
            using (NativeScope scope = new NativeScope())
            {
                cw_response_apdu native = new cw_response_apdu
                {
                    sw = StatusWord,
                    data = scope.Bytes(Data),
                    nr = NativeMemory.LengthOf(Data),
                };
                byte[] room = new byte[Data.Length + 2];
                Callback.Check(Native.cw_response_apdu_encode(
                    scope.In(native), room, NativeMemory.LengthOf(room), out UIntPtr length));
                return NativeMemory.Take(room, length.ToUInt64());
            }
        }
    }
}
