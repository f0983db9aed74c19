using System;

namespace Cardwright
{
    /// <summary>Hears each command after it was answered or failed, as it went over the line. What it throws comes out of the call
    /// when this has ended; the call is not stopped.</summary>
    public delegate void TraceCallback(Trace trace);

    /// <summary>One command and what came of it.</summary>
    public sealed class Trace
    {
        internal Trace(cw_trace native)
        {
            Time = TimeSpan.FromTicks(native.micros * 10L);
            CommandText = Utf8.Read(native.command_text);
            ResponseText = Utf8.Read(native.response_text);
            Command = NativeMemory.Bytes(native.command, native.command_len);
            Response = NativeMemory.Bytes(native.response, native.response_len);
        }

        /// <summary>Time until the response.</summary>
        public TimeSpan Time { get; }

        /// <summary>The command in words, such as "80 CA 9F 7F GET DATA, Ne 256"; of its data only what is public. "reset" for a
        /// reset.</summary>
        public string CommandText { get; }

        /// <summary>The response in words, such as "9000 (done), 42 bytes", or why there is none.</summary>
        public string ResponseText { get; }

        /// <summary>The command; null for a reset, and where bytes were not asked for.</summary>
        public byte[] Command { get; }

        /// <summary>The response with its status word, or the ATR; null when there is none, and where bytes were not asked
        /// for.</summary>
        public byte[] Response { get; }
    }
}
