using System;
using System.IO;
using System.Runtime.CompilerServices;
using Cardwright;

/// <summary>Issues a card while the collector takes what nobody holds, in each callback: the library calls nothing that is gone.
///
///   Pressure CAP JOURNAL TRACE</summary>
internal static class Program
{
    private sealed class Pressing : ICardTransport, IKeyService, IJournalStore
    {
        private readonly TestCard card;
        private readonly Keys keys;
        private readonly FileStore store;

        internal Pressing(TestCard card, Keys keys, FileStore store)
        {
            this.card = card;
            this.keys = keys;
            this.store = store;
        }

        public byte[] Transmit(byte[] command)
        {
            Collect();
            return card.Transmit(command);
        }

        public byte[] Reset()
        {
            Collect();
            return card.Reset();
        }

        public KeyAnswer Answer(KeyRequest request)
        {
            Collect();
            return keys.Answer(request);
        }

        public System.Collections.Generic.IEnumerable<JournalRecord> History(string entity)
        {
            Collect();
            return store.History(entity);
        }

        public ulong Commit(Transaction transaction)
        {
            Collect();
            return store.Commit(transaction);
        }
    }

    private static int Main(string[] arguments)
    {
        using (StreamWriter trace = Demo.Trace(arguments[2]))
        using (TestCard card = new TestCard())
        using (Keys keys = Demo.TestKeys())
        {
            FileStore store = new FileStore(arguments[1]);
            // More than one, so that the places of those that were taken are used again.
            for (int i = 0; i < 20; i++)
                Abandon(card, keys, store, trace);
            Issue(File.ReadAllBytes(arguments[0]), new Pressing(card, keys, store), trace);
            Collect();
        }
        return 0;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Abandon(TestCard card, Keys keys, FileStore store, TextWriter trace)
    {
        Begin(new Pressing(card, keys, store), trace);
        Collect();
    }

    /// <summary>All that the callbacks hang on is what the returned objects hold.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Tuple<Session, Keys, Journal> Begin(Pressing pressing, TextWriter trace)
    {
        Session session = new Session(pressing);
        session.SetTrace(one => Write(trace, one), bytes: true);
        return Tuple.Create(session, new Keys(pressing), new Journal(pressing));
    }

    /// <summary>Not disposed: that is left to the collector too.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Issue(byte[] cap, Pressing pressing, TextWriter trace)
    {
        Tuple<Session, Keys, Journal> ports = Begin(pressing, trace);
        Collect();
        IssuingProcess process = Demo.NewIssue(LoadFile.Parse(cap));
        Collect();
        process.Run(ports.Item1, ports.Item2, ports.Item3, happened =>
        {
            Collect();
            return Demo.Print(happened);
        }, bytes =>
        {
            Collect();
            Demo.NotRandom(bytes);
        });
        Demo.Print(process.Report());
    }

    private static void Write(TextWriter trace, Trace one)
    {
        Collect();
        trace.WriteLine(Hex.Write(one.Command) + " " + Hex.Write(one.Response));
    }

    private static void Collect()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
    }
}
