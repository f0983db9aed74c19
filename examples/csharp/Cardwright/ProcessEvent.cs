using System;
using System.Collections.Generic;

namespace Cardwright
{
    /// <summary>Hears what happens. True goes on; false stops the process between two commands, and the call ends with
    /// <see cref="Status.Cancelled"/>: run again with the same journal, it goes on there.</summary>
    public delegate bool EventCallback(ProcessEvent happened);

    /// <summary>What happened on the way. New kinds may come: pass over those that you do not know.</summary>
    public enum EventKind
    {
        /// <summary>The card is known; the text is its identity.</summary>
        Card = 1,

        /// <summary>What is on the card, in the rows.</summary>
        Applications = 2,

        /// <summary>A stage begins; the text names it.</summary>
        Stage = 3,

        /// <summary>So many blocks of a load file are on the card.</summary>
        Loading = 4,

        /// <summary>The step named by the text is settled; the outcome says how.</summary>
        Step = 5,
    }

    /// <summary>Something that happened on the way.</summary>
    public sealed class ProcessEvent
    {
        internal ProcessEvent(IntPtr from)
        {
            cw_event native = NativeMemory.Read<cw_event>(from);
            Kind = (EventKind)native.kind;
            Text = Utf8.Read(native.text);
            Outcome = Utf8.Read(native.outcome);
            Done = NativeMemory.Length(native.done);
            Total = NativeMemory.Length(native.total);
            Rows = Array.ConvertAll(NativeMemory.ReadArray<cw_row>(native.rows, native.row_count), row => new CardRow(row));
        }

        /// <summary>What happened.</summary>
        public EventKind Kind { get; }

        /// <summary>Words, or null.</summary>
        public string Text { get; }

        /// <summary>How a step came out, in words, or null.</summary>
        public string Outcome { get; }

        /// <summary>Blocks done.</summary>
        public int Done { get; }

        /// <summary>Blocks in all.</summary>
        public int Total { get; }

        /// <summary>Objects on the card.</summary>
        public IReadOnlyList<CardRow> Rows { get; }
    }
}
