using System;
using System.Collections.Generic;
using System.IO;
using System.Threading;
using Cardwright;

/// <summary>What goes wrong when the library is used wrongly: each misuse has its exception, and nothing else happens.
///
///   WrongUse CAP
///
/// Ends with 0 when every exception is the documented one.</summary>
internal static class Program
{
    private static int failures;

    private static int Main(string[] arguments)
    {
        if (arguments.Length != 1)
            return 2;
        byte[] cap = File.ReadAllBytes(arguments[0]);
        Values();
        using (Keys keys = new Keys())
        {
            keys.Add("test", KeyKind.Aes, Hex.Read("404142434445464748494A4B4C4D4E4F"));
            Nulls(keys);
            KeyNames(keys);
            Disposed(keys, cap);
            Transports(keys);
            Channels(keys);
            Loads(keys, cap);
            Traces(keys);
            KeyServices(keys);
        }
        using (LoadFile loadFile = LoadFile.Parse(cap))
        {
            Stores(loadFile);
            Processes(loadFile);
        }
        ReadersOfThisMachine();
        Console.WriteLine(failures + " failures");
        return failures == 0 ? 0 : 1;
    }

    private static void Values()
    {
        Throws<ArgumentException>("an AID of 4 bytes", () => new Aid(1, 2, 3, 4));
        Throws<ArgumentException>("an AID of 17 bytes", () => new Aid(new byte[17]));
        Throws<ArgumentNullException>("no AID", () => new Aid(null));
        Throws<FormatException>("half a byte", () => Aid.Parse("A00000015"));
        Throws<ArgumentException>("CW_OK as a failure", () => new CardwrightException(Status.Ok, "fine"));
        CardwrightException torn = Fails("a torn command", Status.BadApdu, () => CommandApdu.Parse(Hex.Read("00A4040005A0")));
        Expect("the message is told", torn != null && torn.Message.Length > 10 && torn.Offset >= 0);
        Fails("a response of one byte", Status.BadApdu, () => ResponseApdu.Parse(new byte[1]));
        Fails("a command with too much data", Status.BadValue, () => new CommandApdu(0, 0, 0, 0, new byte[65536]).Encode());
        Fails("a command with a negative Ne", Status.BadValue, () => new CommandApdu(0, 0, 0, 0, null, -1).Encode());
        byte[] select = Hex.Read("00A4040005A00000015100");
        Expect("a command, read and coded", Hex.Write(CommandApdu.Parse(select).Encode()) == Hex.Write(select));
        Expect("a response, read and coded", Hex.Write(ResponseApdu.Parse(Hex.Read("01029000")).Encode()) == "01029000");
        Expect("the name of a status", Library.NameOf(Status.WrongKeys) == "CW_WRONG_KEYS");
    }

    private static void Nulls(Keys keys)
    {
        Throws<ArgumentNullException>("a session without a transport", () => new Session(null));
        Throws<ArgumentNullException>("keys without a service", () => new Keys(null));
        Throws<ArgumentNullException>("keys of no token", () => Keys.Open(null));
        Fails("keys of a token without a module", Status.Null, () => Keys.Open(new Pkcs11Options { TokenLabel = "x", Pin = "1" }));
        Throws<ArgumentNullException>("a journal without a store", () => new Journal(null));
        Throws<ArgumentNullException>("a journal without a path", () => Journal.Open(null));
        Throws<ArgumentNullException>("no CAP file", () => LoadFile.Parse(null));
        Throws<ArgumentNullException>("no order", () => IssuingProcess.Issue(null));
        Throws<ArgumentNullException>("no command", () => CommandApdu.Parse(null));
        using (TestCard card = new TestCard())
        using (Session session = new Session(card))
        {
            Throws<ArgumentNullException>("opened without keys", () => session.Open(null, Options("test")));
            Throws<ArgumentNullException>("opened without options", () => session.Open(keys, null));
            Throws<ArgumentNullException>("no command sent", () => session.Exchange(null));
            Throws<ArgumentNullException>("nothing loaded", () => session.Load(null));
            Throws<ArgumentNullException>("nothing deleted", () => session.Delete(null));
            using (IssuingProcess process = IssuingProcess.RecordUse(new Aid(1, 2, 3, 4, 5)))
                Throws<ArgumentNullException>("run without a journal", () => process.Run(session, keys, null));
        }
    }

    private static void KeyNames(Keys keys)
    {
        byte[] value = new byte[16];
        Throws<ArgumentNullException>("a key without a name", () => keys.Add(null, KeyKind.Aes, value));
        Throws<ArgumentException>("a name with a NUL inside", () => keys.Add("a\0b", KeyKind.Aes, value));
        Throws<ArgumentException>("a name with half a character", () => keys.Add("\uD800", KeyKind.Aes, value));
        OpenOptions longNames = new OpenOptions();
        string endless = new string('é', 500);
        longNames.Candidates.Add(new KeyCandidate(endless, KeyKind.Aes, KeyScheme.AsIs));
        using (TestCard card = new TestCard())
        using (Session session = new Session(card))
        {
            CardwrightException whole = Fails("a key with a long name", Status.KeyNotFound, () => session.Open(keys, longNames));
            Expect("the whole message", whole != null && whole.Message.Contains(endless));
        }
        Fails("a name of 2000 characters", Status.BadValue, () => keys.Add(new string('x', 2000), KeyKind.Aes, value));
        Fails("an unknown kind of key", Status.BadValue, () => keys.Add("x", (KeyKind)9, value));
        Fails("a key of 15 bytes", Status.KeyMisfit, () => keys.Add("x", KeyKind.Aes, new byte[15]));
        keys.Add("Schlüssel 钥匙 🔑", KeyKind.Aes, value);
        keys.Add("wrong", KeyKind.Aes, value);
    }

    private static void Disposed(Keys keys, byte[] cap)
    {
        using (TestCard card = new TestCard())
        {
            Session session = new Session(card);
            Keys other = new Keys();
            LoadFile loadFile = LoadFile.Parse(cap);
            session.Open(keys, Options("test"));
            other.Dispose();
            Throws<ObjectDisposedException>("opened with keys that are disposed", () => session.Open(other, Options("test")));
            loadFile.Dispose();
            Throws<ObjectDisposedException>("loaded what is disposed", () => session.Load(loadFile));
            Throws<ObjectDisposedException>("ordered what is disposed", () => Demo.NewIssue(loadFile));
            Expect("the channel is still open", session.List().Entries.Count == 1);
            session.Dispose();
            session.Dispose();
            Throws<ObjectDisposedException>("listed when disposed", () => session.List());
            Throws<ObjectDisposedException>("traced when disposed", () => session.SetTrace(null));
            using (Journal journal = new Journal(new Store()))
            using (IssuingProcess process = IssuingProcess.RecordUse(new Aid(1, 2, 3, 4, 5)))
                Throws<ObjectDisposedException>("run with a session that is disposed", () => process.Run(session, keys, journal));
        }
    }

    /// <summary>A transport that does something else once.</summary>
    private sealed class Reader : ICardTransport
    {
        private readonly ICardTransport card;

        internal Reader(ICardTransport card)
        {
            this.card = card;
        }

        internal Func<byte[], byte[]> Once { private get; set; }

        public byte[] Transmit(byte[] command)
        {
            Func<byte[], byte[]> now = Once ?? card.Transmit;
            Once = null;
            return now(command);
        }

        public byte[] Reset()
        {
            return card.Reset();
        }
    }

    private static void Transports(Keys keys)
    {
        using (TestCard card = new TestCard())
        {
            Reader reader = new Reader(card);
            Session session = new Session(reader);
            Action open = () => session.Open(keys, Options("test"));

            reader.Once = command => throw new IOException("the cable");
            IOException cable = Throws<IOException>("a transport that throws", open);
            Expect("it is the exception that was thrown", cable != null && cable.Message == "the cable");
            reader.Once = command => throw new TransportException(Status.NoReader, notSent: true, message: "unplugged");
            CardwrightException unplugged = Fails("a transport that sent nothing", Status.NoReader, open);
            Expect("the card has not got it", unplugged != null && !unplugged.InDoubt && unplugged.InnerException?.Message == "unplugged");
            reader.Once = command => throw new TransportException(Status.Timeout);
            CardwrightException late = Fails("a transport without an answer", Status.Timeout, open);
            Expect("the card may have got it", late != null && late.InDoubt && late.Command == "SELECT");
            reader.Once = command => throw new TransportException((Status)12345, message: "no such status");
            Fails("a transport with an unknown status", Status.Transport, open);
            reader.Once = command => null;
            Throws<InvalidOperationException>("a transport that gives null", open);
            reader.Once = command => new byte[65539];
            CardwrightException huge = Fails("a transport with too many bytes", Status.ResponseTooLong, open);
            Expect("the card may have executed it", huge != null && huge.InDoubt);
            reader.Once = command => new byte[1];
            Fails("a transport with one byte", Status.BadResponse, open);

            reader.Once = delegate(byte[] command)
            {
                Fails("a callback that calls back", Status.Reentrant, () => session.List());
                return card.Transmit(command);
            };
            open();
            reader.Once = delegate(byte[] command)
            {
                Fails("another thread that uses the session", Status.Busy, () => OnThread(() => session.List()));
                OnThread(session.Dispose);
                return card.Transmit(command);
            };
            open();
            Throws<ObjectDisposedException>("used after the callback disposed it", () => session.List());
        }
    }

    private static void Channels(Keys keys)
    {
        using (TestCard card = new TestCard())
        using (Session session = new Session(card))
        {
            Fails("listed before it was opened", Status.NotOpen, () => session.List());
            Fails("opened without candidates", Status.BadValue, () => session.Open(keys, new OpenOptions()));
            Fails("opened with a key that is not there", Status.KeyNotFound, () => session.Open(keys, Options("nobody")));
            OpenOptions odd = Options("test");
            odd.Level = (SecurityLevel)0x02;
            Fails("an unknown security level", Status.BadSecurityLevel, () => session.Open(keys, odd));
            OpenOptions shortChallenge = Options("test");
            shortChallenge.HostChallenge = new byte[7];
            Throws<ArgumentException>("a host challenge of 7 bytes", () => session.Open(keys, shortChallenge));
            CardwrightException wrong = Fails("wrong keys", Status.WrongKeys, () => session.Open(keys, Options("wrong")));
            Expect("the key is in no message", wrong != null && !wrong.ToString().Contains("4041"));
            OpenedChannel opened = session.Open(keys, Options("test"));
            Expect("opened", opened.Protocol == 3 && opened.Kvn == 1 && opened.Candidate == 0);
            session.Close();
            Fails("listed after it was closed", Status.NotOpen, () => session.List());
            session.Open(keys, Options("test"));
            CardwrightException refused = Fails("installed what is not loaded", Status.Refused,
                () => session.Install(new InstallParameters { LoadFile = new Aid(9, 9, 9, 9, 9), Module = new Aid(9, 9, 9, 9, 9) }));
            Expect("the status word", refused != null && refused.StatusWord == 0x6A88 && refused.Command.StartsWith("INSTALL"));
        }
        using (TestCard card = new TestCard(3, 4))
        using (Session session = new Session(card))
        {
            session.Open(keys, Options("test"));
            CardwrightException torn = Fails("torn out in a listing", Status.CardRemoved, () => session.List());
            Expect("in doubt", torn != null && torn.InDoubt && torn.Command == "GET STATUS");
            Fails("listed all the same", Status.ChannelClosed, () => session.List());
            Expect("the ATR", session.Reset().Length > 1);
            session.Open(keys, Options("test"));
            Expect("listed", session.List().Entries.Count == 1);
            Expect("what was not there is not deleted", !session.Delete(new Aid(9, 9, 9, 9, 9)));
            Fails("a card that is lost without a word", Status.BadValue, () => session.SetStatus(StatusTarget.Card, null, 0xFF));
            ResponseApdu response = session.Exchange(new CommandApdu(0x80, 0xCA, 0x9F, 0x7F, null, 256), secure: true);
            Expect("one command through the channel", response.StatusWord == 0x9000 && response.Data.Length == 45);
            Expect("what the card says of itself", session.ReadCardData().Cplc.Length == 42);
        }
    }

    private static void Loads(Keys keys, byte[] cap)
    {
        Fails("a torn CAP file", Status.BadLoadFile, () => LoadFile.Parse(new byte[100]));
        using (TestCard card = new TestCard())
        using (Session session = new Session(card))
        using (LoadFile loadFile = LoadFile.Parse(cap))
        {
            session.Open(keys, Options("test"));
            int last = 0;
            Fails("a load that is stopped", Status.Cancelled, () => session.Load(loadFile, null, (done, total) => (last = done) < 3));
            Expect("three blocks", last == 3);
            Throws<OperationCanceledException>("a load whose progress throws",
                () => session.Load(loadFile, null, (done, total) => throw new OperationCanceledException()));
            session.Load(loadFile);
            session.Install(new InstallParameters { LoadFile = loadFile.Aid, Module = loadFile.Applets[0] });
            Registry registry = session.List();
            Expect("loaded and installed", registry.Entries.Count == 3 && registry.Entries[2].Modules[0].Equals(loadFile.Applets[0]));
            Expect("deleted", session.Delete(loadFile.Aid, related: true));
        }
    }

    private static void Traces(Keys keys)
    {
        using (TestCard card = new TestCard())
        using (Session session = new Session(card))
        {
            session.SetTrace(trace => throw new IOException("the disk is full"));
            Throws<IOException>("a trace that throws", () => session.Open(keys, Options("test")));
            Reader reader = new Reader(card);
            using (Session other = new Session(reader))
            {
                int heard = 0;
                other.SetTrace(delegate(Trace trace)
                {
                    if (++heard == 1)
                        throw new IOException("the disk is full");
                });
                reader.Once = delegate(byte[] select)
                {
                    reader.Once = delegate(byte[] initializeUpdate)
                    {
                        Fails("a call inside, after the trace threw", Status.Reentrant, () => other.List());
                        throw new TransportException(Status.NoCard);
                    };
                    return card.Transmit(select);
                };
                Throws<IOException>("what was thrown first is not lost", () => other.Open(keys, Options("test")));
            }
            session.SetTrace(trace => Fails("a trace that sets another one", Status.Reentrant, () => session.SetTrace(null)));
            session.Reset();
            bool bytes = false, words = false;
            session.SetTrace(trace =>
            {
                bytes |= trace.Command != null || trace.Response != null;
                words |= trace.CommandText.Contains("INITIALIZE UPDATE") && trace.ResponseText.StartsWith("9000");
            });
            session.Open(keys, Options("test"));
            Expect("words without bytes", words && !bytes);
            session.SetTrace(null);
            Expect("the channel is open", session.List().Entries.Count == 1);
        }
    }

    /// <summary>A key service of one answer.</summary>
    private sealed class Service : IKeyService
    {
        private readonly Func<KeyRequest, KeyAnswer> answer;

        internal Service(Func<KeyRequest, KeyAnswer> answer)
        {
            this.answer = answer;
        }

        public KeyAnswer Answer(KeyRequest request)
        {
            return answer(request);
        }
    }

    private static void KeyServices(Keys keys)
    {
        Action<Func<KeyRequest, KeyAnswer>> open = delegate(Func<KeyRequest, KeyAnswer> answer)
        {
            using (TestCard card = new TestCard())
            using (Session session = new Session(card))
            using (Keys service = new Keys(new Service(answer)))
                session.Open(service, Options("test"));
        };
        KeyRequest asked = null;
        open(request => keys.Answer(asked = request));
        Expect("the question", asked.Operation == KeyOperation.Scp03Session && asked.Keys.Count == 3 && asked.Keys[0].Name == "test");
        CardwrightException policy = Fails("a service that refuses", Status.KeyRefused,
            () => open(request => throw new CardwrightException(Status.KeyRefused, "not on Sundays: " + new string('é', 200))));
        Expect("its reason", policy != null && policy.Message.Contains("not on Sundays: éé") && policy.InnerException != null);
        Fails("a service that hands on to nobody", Status.KeyNotFound, () => open(request =>
        {
            using (Keys none = new Keys())
                return none.Answer(request);
        }));
        Throws<NotSupportedException>("a service that throws", () => open(request => throw new NotSupportedException()));
        Throws<InvalidOperationException>("a service that gives null", () => open(request => null));
        Throws<InvalidOperationException>("a service with a key of 33 bytes",
            () => open(request => new KeyAnswer { SessionEnc = new byte[33] }));
        Throws<InvalidOperationException>("a service with a short key", () => open(delegate(KeyRequest request)
        {
            KeyAnswer answer = keys.Answer(request);
            answer.SessionMac = new byte[15];
            return answer;
        }));
        Fails("a service that answers nothing", Status.KeyService, () => open(request => new KeyAnswer()));
        KeyAnswer kept = null;
        open(request => kept = keys.Answer(request));
        Expect("the answer was wiped", Array.TrueForAll(kept.SessionEnc, one => one == 0) && kept.SessionEnc.Length == 16);
    }

    /// <summary>A journal in memory that does something before it writes.</summary>
    private sealed class Store : IJournalStore
    {
        private readonly List<KeyValuePair<string, JournalRecord>> records = new List<KeyValuePair<string, JournalRecord>>();

        internal Action BeforeHistory { get; set; }

        internal Action BeforeCommit { get; set; }

        public IEnumerable<JournalRecord> History(string entity)
        {
            BeforeHistory?.Invoke();
            foreach (KeyValuePair<string, JournalRecord> record in records)
                if (record.Key == entity)
                    yield return record.Value;
        }

        public ulong Commit(Transaction transaction)
        {
            BeforeCommit?.Invoke();
            ulong first = (ulong)records.Count + 1;
            foreach (JournalEntry entry in transaction.Entries)
                records.Add(new KeyValuePair<string, JournalRecord>(
                    entry.Entity, new JournalRecord((ulong)records.Count + 1, entry.Entity, entry.Body)));
            return first;
        }
    }

    private static void Stores(LoadFile loadFile)
    {
        Store store = new Store();
        using (TestCard card = new TestCard())
        using (Session session = new Session(card))
        using (Keys keys = Demo.TestKeys())
        using (Journal journal = new Journal(store))
        {
            EventCallback events = null;
            Action<byte[]> random = null;
            string identity = null;
            Action run = delegate
            {
                using (IssuingProcess process = Demo.NewIssue(loadFile))
                {
                    process.Run(session, keys, journal, events, random);
                    identity = process.Report().Card;
                }
            };
            store.BeforeHistory = () => throw new CardwrightException(Status.StoreBusy, "locked by another program");
            CardwrightException busy = Fails("a store that is locked", Status.StoreBusy, run);
            Expect("its reason", busy != null && busy.InnerException?.Message == "locked by another program");
            store.BeforeHistory = () => throw new NotSupportedException();
            Throws<NotSupportedException>("a store that throws while it reads", run);
            store.BeforeHistory = null;
            store.BeforeCommit = () => throw new CardwrightException(Status.StoreConflict, "another one writes");
            Fails("a store that finds another writer", Status.StoreConflict, run);
            store.BeforeCommit = () => throw new IOException("no room");
            Throws<IOException>("a store that throws while it writes", run);
            store.BeforeCommit = null;
            events = happened => happened.Kind != EventKind.Loading || happened.Done < 3;
            Fails("stopped while it loads", Status.Cancelled, run);
            events = happened => throw new FormatException();
            Throws<FormatException>("an event that throws", run);
            events = null;
            random = bytes => throw new TimeoutException();
            Throws<TimeoutException>("random bytes that throw", run);
            random = null;
            run();
            Expect("issued after all that", identity != null && identity.StartsWith("cplc"));
            Lockout lockout = journal.Lockout(identity);
            Expect("no failures", lockout.Failures == 0 && !lockout.LockedOut);
        }
    }

    private static void Processes(LoadFile loadFile)
    {
        Fails("an order without keys", Status.BadValue, () => IssuingProcess.Issue(new Order()));
        using (IssuingProcess process = Demo.NewIssue(loadFile))
        {
            Fails("a report before the end", Status.OutOfTurn, () => process.Report());
            Fails("an answer without a question", Status.OutOfTurn, () => process.AnswerCommitted(1));
            Question question = process.Next();
            while (question.Kind == QuestionKind.Nothing)
                question = process.Next();
            Fails("an answer to another question", Status.OutOfTurn, () => process.AnswerKeys(new KeyAnswer()));
            Expect("the same question again", process.Next().Kind == question.Kind);
            Throws<ArgumentNullException>("null as an answer", () => process.AnswerBytes(null));
            process.AnswerFailure(new TransportException(Status.NoCard, notSent: true, message: "empty"));
            Fails("after a failure the process has failed", Status.Interrupted, () => process.Next());
        }
    }

    private static void ReadersOfThisMachine()
    {
        try
        {
            Console.WriteLine(Readers.List().Count + " readers");
        }
        catch (CardwrightException exception)
        {
            // Built without PC/SC, or no service: what it is depends on the machine.
            Expect("why there are no readers", exception.Status == Status.Unsupported || exception.Status == Status.NoService);
            Fails("the same for a session", exception.Status, () => Session.Connect("no such reader"));
            Fails("the same for a watcher", exception.Status, () => new ReaderWatcher().Dispose());
        }
    }

    private static OpenOptions Options(string key)
    {
        return new OpenOptions { Candidates = { new KeyCandidate(key, KeyKind.Aes, KeyScheme.AsIs) } };
    }

    private static void OnThread(Action action)
    {
        Exception thrown = null;
        Thread thread = new Thread(delegate()
        {
            try
            {
                action();
            }
            catch (CardwrightException exception)
            {
                thrown = exception;
            }
        });
        thread.Start();
        thread.Join();
        if (thrown != null)
            throw thrown;
    }

    private static CardwrightException Fails(string what, Status expected, Action action)
    {
        CardwrightException exception = Throws<CardwrightException>(what, action);
        if (exception != null && (exception.Status != expected || exception.Message.Length == 0))
        {
            Console.WriteLine("    " + exception.Status + ", expected " + expected);
            failures++;
        }
        return exception;
    }

    private static T Throws<T>(string what, Action action) where T : Exception
    {
        try
        {
            action();
        }
        catch (T exception)
        {
            Console.WriteLine("{0,-44} {1} ({2})", what, exception.GetType().Name, exception.Message);
            return exception;
        }
        catch (Exception exception)
        {
            Console.WriteLine("{0,-44} {1}", what, exception);
        }
        Expect(what + ": " + typeof(T).Name, false);
        return null;
    }

    private static void Expect(string what, bool isSo)
    {
        if (isSo)
            return;
        Console.WriteLine("    not so: " + what);
        failures++;
    }
}
