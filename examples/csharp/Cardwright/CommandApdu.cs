using System;

namespace Cardwright
{
    /// <summary>A command APDU (ISO 7816-4 5.2).</summary>
    public sealed class CommandApdu
    {
        /// <summary>A command of these bytes. Ne is the greatest number of response data bytes: 0 to 65536, 256 for a short Le of
        /// 00.</summary>
        public CommandApdu(byte cla, byte ins, byte p1, byte p2, byte[] data = null, int ne = 0)
        {
            Cla = cla;
            Ins = ins;
            P1 = p1;
            P2 = p2;
            Data = data ?? new byte[0];
            Ne = ne;
        }

        /// <summary>CLA.</summary>
        public byte Cla { get; }

        /// <summary>INS.</summary>
        public byte Ins { get; }

        /// <summary>P1.</summary>
        public byte P1 { get; }

        /// <summary>P2.</summary>
        public byte P2 { get; }

        /// <summary>The command data field.</summary>
        public byte[] Data { get; }

        /// <summary>The greatest number of response data bytes.</summary>
        public int Ne { get; }

        /// <summary>Extended length fields even where short ones would do.</summary>
        public bool Extended { get; set; }

        /// <summary>Reads a command, short or extended.</summary>
        public static CommandApdu Parse(byte[] bytes)
        {
            Require.NotNull(bytes, nameof(bytes));
            using (NativeScope scope = new NativeScope())
            {
                IntPtr room = scope.Room<cw_command_apdu>();
                Callback.Check(Native.cw_command_apdu_parse(scope.Bytes(bytes), NativeMemory.LengthOf(bytes), room));
                cw_command_apdu native = NativeMemory.Read<cw_command_apdu>(room);
                return new CommandApdu(native.cla, native.ins, native.p1, native.p2,
                    NativeMemory.Bytes(native.data, native.nc), (int)native.ne)
                {
                    Extended = native.extended != 0,
                };
            }
        }

        /// <summary>The bytes of the command: short length fields where they do, extended ones otherwise or when asked
        /// for.</summary>
        public byte[] Encode()
        {
            using (NativeScope scope = new NativeScope())
            {
                byte[] room = new byte[Data.Length + 9];
                Callback.Check(Native.cw_command_apdu_encode(
                    ToNative(scope), room, NativeMemory.LengthOf(room), out UIntPtr length));
                return NativeMemory.Take(room, length.ToUInt64());
            }
        }

        internal IntPtr ToNative(NativeScope scope)
        {
            return scope.In(new cw_command_apdu
            {
                cla = Cla,
                ins = Ins,
                p1 = P1,
                p2 = P2,
                data = scope.Bytes(Data),
                nc = NativeMemory.LengthOf(Data),
                ne = unchecked((uint)Ne),
                extended = Extended ? 1u : 0u,
            });
        }
    }
}
