using System.Collections.Generic;

namespace Cardwright
{
    /// <summary>What a process brought about.</summary>
    public sealed class Report
    {
        internal Report(cw_report native, IReadOnlyList<CardRow> before, IReadOnlyList<CardRow> after)
        {
            Protocol = (int)native.protocol;
            Kvn = native.kvn;
            Changed = native.changed != 0;
            Card = Utf8.Read(native.card);
            Before = before;
            After = after;
        }

        /// <summary>1 for SCP01, 2 for SCP02, 3 for SCP03; 0 where no secure channel was needed.</summary>
        public int Protocol { get; }

        /// <summary>Version of the issuer security domain's keys now.</summary>
        public byte Kvn { get; }

        /// <summary>Whether something had to be done.</summary>
        public bool Changed { get; }

        /// <summary>Identity of the card.</summary>
        public string Card { get; }

        /// <summary>Objects that were on the card before.</summary>
        public IReadOnlyList<CardRow> Before { get; }

        /// <summary>Objects that are on the card now.</summary>
        public IReadOnlyList<CardRow> After { get; }
    }
}
