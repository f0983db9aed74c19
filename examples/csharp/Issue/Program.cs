using System;
using System.IO;
using Cardwright;

/// <summary>Issues a card with a reader, a key service and a journal of the program's own, as callbacks.
///
///   Issue CAP JOURNAL TRACE [SCP [CUT [EXECUTED]]]
///
/// The card is one in memory (Demo/TestCard.cs), with published test keys and SCP03, or SCP02 with SCP 2. CUT tears it out before that
/// command, or with EXECUTED 1 after it; the program then puts it back and goes on.</summary>
internal static class Program
{
    /// <summary>What the key service of the program stands for: here another one of the library; yours asks an HSM.</summary>
    private sealed class Hsm : IKeyService
    {
        private readonly Keys keys;

        internal Hsm(Keys keys)
        {
            this.keys = keys;
        }

        public KeyAnswer Answer(KeyRequest request)
        {
            return keys.Answer(request);
        }
    }

    private static int Main(string[] arguments)
    {
        if (arguments.Length < 3)
        {
            Console.Error.WriteLine("usage: Issue CAP JOURNAL TRACE [SCP [CUT [EXECUTED]]]");
            return 2;
        }
        try
        {
            using (StreamWriter trace = Demo.Trace(arguments[2]))
            using (LoadFile loadFile = LoadFile.Parse(File.ReadAllBytes(arguments[0])))
            using (TestCard card = Demo.Card(arguments))
            using (Session session = new Session(card))
            using (Keys testKeys = Demo.TestKeys())
            using (Keys keys = new Keys(new Hsm(testKeys)))
            using (Journal journal = new Journal(new FileStore(arguments[1])))
            {
                session.SetTrace(one => trace.WriteLine(Hex.Write(one.Command) + " " + Hex.Write(one.Response)), bytes: true);
                Demo.Issue(loadFile, process => process.Run(session, keys, journal, Demo.Print, Demo.NotRandom));
            }
            return 0;
        }
        catch (Exception exception) when (exception is CardwrightException || exception is IOException)
        {
            Console.Error.WriteLine(exception.Message);
            return 1;
        }
    }
}
