using System;
using static Cardwright.Constants;

namespace Cardwright
{
    /// <summary>Whether others may use the card at the same time.</summary>
    public enum Share
    {
        /// <summary>They may.</summary>
        Shared = 1,

        /// <summary>They may not.</summary>
        Exclusive = 2,
    }

    /// <summary>The protocol between reader and card.</summary>
    public enum Protocol
    {
        /// <summary>Whichever card and service agree on.</summary>
        Any = 0,

        /// <summary>T=0.</summary>
        T0 = 1,

        /// <summary>T=1.</summary>
        T1 = 2,
    }

    /// <summary>How to connect to a card in a reader.</summary>
    public sealed class ReaderOptions
    {
        /// <summary>Card and reader are known to carry extended lengths; not over T=0.</summary>
        public bool Extended { get; set; }

        /// <summary>Whether others may use the card at the same time.</summary>
        public Share Share { get; set; } = Share.Exclusive;

        /// <summary>The protocol.</summary>
        public Protocol Protocol { get; set; }

        /// <summary>How long to wait for a card, or for another program that holds it; zero for not at all.</summary>
        public TimeSpan Wait { get; set; }

        /// <summary>How long a command may take; zero for a minute.</summary>
        public TimeSpan Timeout { get; set; }

        internal IntPtr ToNative(NativeScope scope)
        {
            return scope.In(new cw_reader_options
            {
                flags = Extended ? CW_TRANSPORT_EXTENDED : 0,
                share = (uint)Share,
                protocol = (uint)Protocol,
                wait_ms = Milliseconds(Wait),
                timeout_ms = Milliseconds(Timeout),
            });
        }

        internal static uint Milliseconds(TimeSpan time)
        {
            return checked((uint)time.TotalMilliseconds);
        }
    }
}
