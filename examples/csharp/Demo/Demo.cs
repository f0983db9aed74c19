using System;
using System.IO;
using Cardwright;

/// <summary>What the issuing programs share: the order, published test keys, and what they print.</summary>
internal static class Demo
{
    private static byte counter;

    /// <summary>The same bytes for each run, so that runs can be compared. A program of yours has the system draw them.</summary>
    internal static void NotRandom(byte[] bytes)
    {
        counter++;
        for (int i = 0; i < bytes.Length; i++)
            bytes[i] = counter;
    }

    internal static Keys TestKeys()
    {
        Keys keys = new Keys();
        keys.Add("test-aes", KeyKind.Aes, Hex.Read("404142434445464748494A4B4C4D4E4F"));
        keys.Add("test-des", KeyKind.Tdes, Hex.Read("404142434445464748494A4B4C4D4E4F"));
        keys.Add("domain-aes", KeyKind.Aes, Hex.Read("000102030405060708090A0B0C0D0E0F"));
        keys.Add("domain-des", KeyKind.Tdes, Hex.Read("A1A2A3A4A1A2A3A4A1A2A3A4A1A2A3A4"));
        keys.Add("application-initial", KeyKind.Tdes, Hex.Read("00112233445566778899AABBCCDDEEFF"));
        keys.Add("application-master", KeyKind.Tdes, Hex.Read("11223344556677888877665544332211"));
        keys.Add("application-maintenance", KeyKind.Tdes, Hex.Read("FFEEDDCCBBAA99887766554433221100"));
        return keys;
    }

    /// <summary>One application for a card with test keys, which gets keys of its own.</summary>
    internal static IssuingProcess NewIssue(LoadFile loadFile)
    {
        return IssuingProcess.Issue(new Order
        {
            CurrentKeys =
            {
                new KeyCandidate("test-aes", KeyKind.Aes, KeyScheme.AsIs),
                new KeyCandidate("test-des", KeyKind.Tdes, KeyScheme.AsIs),
            },
            NewKeys =
            {
                new KeyCandidate("domain-aes", KeyKind.Aes, KeyScheme.Kdf3),
                new KeyCandidate("domain-des", KeyKind.Tdes, KeyScheme.Emv),
            },
            Applications =
            {
                new ApplicationOrder(loadFile)
                {
                    InitialMasterKey = "application-initial",
                    MasterKey = "application-master",
                    MaintenanceKey = "application-maintenance",
                },
            },
        });
    }

    internal static bool Print(ProcessEvent happened)
    {
        switch (happened.Kind)
        {
            case EventKind.Stage:
                Console.WriteLine(happened.Text + " ..");
                break;
            case EventKind.Step:
                Console.WriteLine("  " + happened.Text + ": " + happened.Outcome);
                break;
            case EventKind.Loading:
                if (happened.Done == happened.Total)
                    Console.WriteLine("  " + happened.Total + " blocks");
                break;
        }
        return true;
    }

    internal static void Print(Report report)
    {
        Console.WriteLine("card " + report.Card);
        foreach (CardRow row in report.After)
            Console.WriteLine(row.Aid + " " + row.State + (row.Status == ApplicationStatus.Issued ? ", issued" : ""));
        Console.WriteLine("{0}; SCP{1:D2}, key version {2:X2}",
            report.Changed ? "complete" : "complete before", report.Protocol, report.Kvn);
    }

    /// <summary>Issues until the card is complete: after an interruption it is put back, and a new process takes up.</summary>
    internal static void Issue(LoadFile loadFile, Action<IssuingProcess> drive)
    {
        for (;;)
        {
            using (IssuingProcess process = NewIssue(loadFile))
            {
                try
                {
                    drive(process);
                    Print(process.Report());
                    return;
                }
                catch (CardwrightException exception) when (exception.Status == Status.Interrupted)
                {
                    Console.WriteLine("interrupted; the card is put back, and a new process takes up");
                }
            }
        }
    }

    internal static TestCard Card(string[] arguments)
    {
        return new TestCard(
            arguments.Length > 3 ? uint.Parse(arguments[3]) : 3,
            arguments.Length > 4 ? ulong.Parse(arguments[4]) : 0,
            arguments.Length > 5 && arguments[5] != "0");
    }

    /// <summary>A file for the trace, with the same ends of lines everywhere.</summary>
    internal static StreamWriter Trace(string path)
    {
        return new StreamWriter(path) { NewLine = "\n" };
    }
}
