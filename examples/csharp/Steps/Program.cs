using System;
using System.IO;
using Cardwright;

/// <summary>Issues a card question by question: the library decides, the program does. For programs that have a loop of their own, a
/// reader on another machine, or a database transaction around each step.
///
///   Steps CAP JOURNAL TRACE [SCP [CUT [EXECUTED]]]
///
/// Arguments as for Issue.</summary>
internal static class Program
{
    private static int Main(string[] arguments)
    {
        if (arguments.Length < 3)
        {
            Console.Error.WriteLine("usage: Steps CAP JOURNAL TRACE [SCP [CUT [EXECUTED]]]");
            return 2;
        }
        try
        {
            using (StreamWriter trace = Demo.Trace(arguments[2]))
            using (LoadFile loadFile = LoadFile.Parse(File.ReadAllBytes(arguments[0])))
            using (TestCard card = Demo.Card(arguments))
            using (Keys keys = Demo.TestKeys())
            {
                FileStore store = new FileStore(arguments[1]);
                Demo.Issue(loadFile, process => Drive(process, card, keys, store, trace));
            }
            return 0;
        }
        catch (Exception exception) when (exception is CardwrightException || exception is IOException)
        {
            Console.Error.WriteLine(exception.Message);
            return 1;
        }
    }

    /// <summary>Drives one process to its end.</summary>
    private static void Drive(IssuingProcess process, ICardTransport card, IKeyService keys, IJournalStore store, TextWriter trace)
    {
        for (;;)
        {
            Question question = process.Next();
            if (question.Kind == QuestionKind.Done)
                return;
            try
            {
                Answer(process, question, card, keys, store, trace);
            }
            catch (Failed failed)
            {
                process.AnswerFailure((CardwrightException)failed.InnerException);
            }
        }
    }

    private static void Answer(
        IssuingProcess process, Question question, ICardTransport card, IKeyService keys, IJournalStore store, TextWriter trace)
    {
        switch (question.Kind)
        {
            case QuestionKind.Nothing:
                if (question.Event.Kind == EventKind.Step)
                    Demo.Print(question.Event);
                break;
            case QuestionKind.Transmit:
                process.AnswerBytes(Traced(trace, question.Bytes, () => card.Transmit(question.Bytes)));
                break;
            case QuestionKind.Reset:
                process.AnswerBytes(Traced(trace, null, card.Reset));
                break;
            case QuestionKind.Keys:
                using (KeyAnswer answer = Try(() => keys.Answer(question.Keys)))
                    process.AnswerKeys(answer);
                break;
            case QuestionKind.History:
                process.AnswerHistory(Try(() => store.History(question.Entity)));
                break;
            case QuestionKind.Commit:
                process.AnswerCommitted(Try(() => store.Commit(question.Transaction)));
                break;
            case QuestionKind.Random:
                byte[] bytes = new byte[8];
                Demo.NotRandom(bytes);
                process.AnswerBytes(bytes);
                break;
            default:
                throw new NotSupportedException("question " + question.Kind + " is not known");
        }
    }

    private static byte[] Traced(TextWriter trace, byte[] command, Func<byte[]> ask)
    {
        byte[] response = null;
        try
        {
            return response = Try(ask);
        }
        finally
        {
            trace.WriteLine(Hex.Write(command) + " " + Hex.Write(response));
        }
    }

    /// <summary>Tells failures of the program's own parts, which the process is told of, from those of the process.</summary>
    private static T Try<T>(Func<T> ask)
    {
        try
        {
            return ask();
        }
        catch (CardwrightException exception)
        {
            throw new Failed(exception);
        }
    }

    private sealed class Failed : Exception
    {
        internal Failed(CardwrightException failure) : base(failure.Message, failure)
        {
        }
    }
}
