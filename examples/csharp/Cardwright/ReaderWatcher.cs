using System;

namespace Cardwright
{
    /// <summary>What happened at a reader.</summary>
    public enum ReaderEventKind
    {
        /// <summary>Nothing happened in time.</summary>
        Nothing = 0,

        /// <summary>A reader is there.</summary>
        Plugged = 1,

        /// <summary>A reader is gone.</summary>
        Unplugged = 2,

        /// <summary>A card is in the reader.</summary>
        CardIn = 3,

        /// <summary>The card is out of the reader.</summary>
        CardOut = 4,
    }

    /// <summary>Something that happened at a reader.</summary>
    public sealed class ReaderEvent
    {
        internal ReaderEvent(cw_reader_event native)
        {
            Kind = (ReaderEventKind)native.kind;
            Reader = Utf8.Read(native.reader);
            Atr = NativeMemory.Take(native.atr, native.atr_len);
        }

        /// <summary>What happened.</summary>
        public ReaderEventKind Kind { get; }

        /// <summary>Name of the reader.</summary>
        public string Reader { get; }

        /// <summary>ATR of the card that came; empty for a mute one.</summary>
        public byte[] Atr { get; }
    }

    /// <summary>Watches readers come and go, and cards in them. The readers and cards that are there are told as if they came when
    /// it began.</summary>
    public sealed class ReaderWatcher : IDisposable
    {
        private readonly ReaderWatcherHandle handle;

        /// <summary>Begins to watch.</summary>
        public ReaderWatcher()
        {
            Callback.Check(Native.cw_reader_watcher_new(out handle));
        }

        /// <summary>Waits for the next event.</summary>
        public ReaderEvent Next(TimeSpan timeout)
        {
            using (NativeScope scope = new NativeScope())
            {
                IntPtr room = scope.Room<cw_reader_event>();
                Callback.Check(Native.cw_reader_watcher_next(handle, ReaderOptions.Milliseconds(timeout), room));
                return new ReaderEvent(NativeMemory.Read<cw_reader_event>(room));
            }
        }

        /// <summary>Ends the watcher, when the thread that waits with it has returned.</summary>
        public void Dispose()
        {
            handle.Dispose();
        }
    }
}
