using System;
using System.IO;
using System.Linq;
using Cardwright;

/// <summary>Uses all calls of a session, and processes with a journal of the library, and prints what they give.
///
///   Content CAP JOURNAL</summary>
internal static class Program
{
    private static void Main(string[] arguments)
    {
        using (LoadFile loadFile = LoadFile.Parse(File.ReadAllBytes(arguments[0])))
        {
            Console.WriteLine("{0} {1}.{2}, {3} bytes", loadFile.Aid, loadFile.Major, loadFile.Minor, loadFile.Length);
            using (TestCard card = new TestCard())
            using (Session session = new Session(card))
            using (Keys keys = Demo.TestKeys())
                Calls(session, keys, loadFile);
            using (TestCard card = new TestCard(2))
            using (Session session = new Session(card))
            using (Keys keys = Demo.TestKeys())
                Processes(session, keys, loadFile, arguments[1]);
        }
    }

    private static void Calls(Session session, Keys keys, LoadFile loadFile)
    {
        CardData data = session.ReadCardData();
        Console.WriteLine("{0}, GlobalPlatform {1}, i {2:X2} {3:X2}, CPLC of {4} bytes", data.Domain, data.Version,
            data.IScp02, data.IScp03, data.Cplc.Length);
        Console.WriteLine(string.Join(", ", data.Keys.Select(key => string.Format(
            "{0:X2}/{1:X2} {2:X2} {3}", key.Kvn, key.Kid, key.KeyType, key.Length))));
        Aid applet = loadFile.Applets[0];
        OpenedChannel opened = session.Open(keys, Options("domain-aes", "test-aes"));
        Console.WriteLine("candidate {0}, KVN {1:X2}, {2} bytes of key diversification data", opened.Candidate, opened.Kvn, opened.Kdd.Length);
        session.Load(loadFile);
        session.Install(new InstallParameters
        {
            LoadFile = loadFile.Aid,
            Module = applet,
            Application = Aid.Parse("A000000003869807FF"),
            Parameters = new byte[] { 1, 2, 3 },
        });
        List(session);
        session.SetStatus(StatusTarget.Application, Aid.Parse("A000000003869807FF"), 0x80);
        List(session);
        session.StoreData(new PersonalizationData(Hex.Read("4203123456")) { Structure = StoreStructure.BerTlv });
        byte[] answer = session.StoreData(
            new PersonalizationData(Hex.Read("0070074205A0B0C0D0E0")) { Structure = StoreStructure.Dgi }, wantResponse: true);
        Console.WriteLine("{0} bytes; 0042 is {1}", answer.Length,
            Hex.Write(session.Exchange(new CommandApdu(0x80, 0xCA, 0x00, 0x42, null, 256), secure: true).Data));
        session.PutKeys(keys, new KeyCandidate("domain-aes", KeyKind.Aes, KeyScheme.AsIs, 0x30), add: true);
        session.PutKeys(keys, new KeyCandidate("domain-aes", KeyKind.Aes, KeyScheme.AsIs));
        opened = session.Open(keys, Options("test-aes", "domain-aes"));
        Console.WriteLine("candidate {0}, KVN {1:X2}", opened.Candidate, opened.Kvn);
        Console.WriteLine(session.Delete(loadFile.Aid, related: true) + " " + session.Delete(loadFile.Aid, related: true));
        List(session);
    }

    private static void Processes(Session session, Keys keys, LoadFile loadFile, string path)
    {
        string identity;
        using (Journal journal = Journal.Open(path))
        using (IssuingProcess process = Demo.NewIssue(loadFile))
        {
            process.Run(session, keys, journal);
            Report report = process.Report();
            identity = report.Card;
            Console.WriteLine("{0} before, {1} after", report.Before.Count, report.After.Count);
        }
        using (Journal journal = Journal.Open(path))
        {
            Aid applet = loadFile.Applets[0];
            using (IssuingProcess process = IssuingProcess.RecordUse(applet))
                process.Run(session, null, journal);
            using (IssuingProcess process = Demo.NewIssue(loadFile))
            {
                string rows = null;
                process.Run(session, keys, journal, happened =>
                {
                    if (happened.Kind == EventKind.Applications)
                        rows = string.Join(", ", happened.Rows.Select(row => row.Kind + " " + row.Status));
                    return true;
                });
                Console.WriteLine("{0}; changed: {1}", rows, process.Report().Changed);
            }
            using (IssuingProcess process = Delete(applet, false))
            {
                try
                {
                    process.Run(session, keys, journal);
                }
                catch (CardwrightException exception)
                {
                    Console.WriteLine(Library.NameOf(exception.Status));
                }
            }
            using (IssuingProcess process = Delete(applet, true))
            {
                process.Run(session, keys, journal);
                Console.WriteLine(string.Join(", ", process.Report().After.Select(row => row.Kind + " " + row.State)));
            }
            Lockout lockout = journal.Lockout(identity);
            Console.WriteLine("{0} failures, locked out: {1}", lockout.Failures, lockout.LockedOut);
        }
    }

    private static IssuingProcess Delete(Aid aid, bool force)
    {
        Order order = new Order
        {
            CurrentKeys =
            {
                new KeyCandidate("test-des", KeyKind.Tdes, KeyScheme.AsIs),
                new KeyCandidate("domain-des", KeyKind.Tdes, KeyScheme.Emv),
            },
        };
        return IssuingProcess.Delete(order, aid, force);
    }

    private static OpenOptions Options(params string[] keys)
    {
        OpenOptions options = new OpenOptions { Challenge = ChallengePolicy.Report };
        foreach (string key in keys)
            options.Candidates.Add(new KeyCandidate(key, KeyKind.Aes, KeyScheme.AsIs));
        return options;
    }

    private static void List(Session session)
    {
        Registry registry = session.List();
        Console.WriteLine(string.Join(", ", registry.Entries.Select(entry => string.Format(
            "{0} {1} {2:X2}{3}", entry.Scope, entry.Aid, entry.LifeCycle, string.Concat(entry.Modules.Select(one => " " + one))))));
    }
}
