using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text;
using Cardwright;

/// <summary>The program's own journal: one line a record, with number, entity and body. A database does better; what counts is that
/// a record is on the disk before Commit returns.</summary>
internal sealed class FileStore : IJournalStore
{
    private readonly string path;
    private readonly List<JournalRecord> records = new List<JournalRecord>();

    internal FileStore(string path)
    {
        this.path = path;
        string text = File.Exists(path) ? File.ReadAllText(path, Encoding.ASCII) : "";
        // A line without its end was not written wholly: a crash came between, and nobody was told that it is there.
        int whole = text.LastIndexOf('\n') + 1;
        if (whole < text.Length)
            using (FileStream file = new FileStream(path, FileMode.Open))
                file.SetLength(whole);
        foreach (string line in text.Substring(0, whole).Split(new[] { '\n' }, StringSplitOptions.RemoveEmptyEntries))
        {
            string[] columns = line.Split(' ');
            ulong seq = ulong.Parse(columns[0], CultureInfo.InvariantCulture);
            records.Add(new JournalRecord(seq, columns[1], Hex.Read(columns[2])));
        }
    }

    public IEnumerable<JournalRecord> History(string entity)
    {
        return records.Where(one => one.Entity == entity);
    }

    public ulong Commit(Transaction transaction)
    {
        foreach (Expectation expectation in transaction.Expectations)
        {
            JournalRecord last = History(expectation.Entity).LastOrDefault();
            if ((last == null ? 0 : last.Seq) != expectation.LastSeq)
                throw new CardwrightException(Status.StoreConflict, "another program wrote to this card's record");
        }
        ulong first = records.Count == 0 ? 1 : records.Last().Seq + 1;
        ulong seq = first;
        StringBuilder lines = new StringBuilder();
        List<JournalRecord> added = new List<JournalRecord>();
        foreach (JournalEntry entry in transaction.Entries)
        {
            lines.Append(seq).Append(' ').Append(entry.Entity).Append(' ').Append(Hex.Write(entry.Body)).Append('\n');
            added.Add(new JournalRecord(seq++, entry.Entity, entry.Body));
        }
        byte[] bytes = Encoding.ASCII.GetBytes(lines.ToString());
        using (FileStream file = new FileStream(path, FileMode.Append))
        {
            file.Write(bytes, 0, bytes.Length);
            file.Flush(true);
        }
        records.AddRange(added);
        return first;
    }
}
