using System;
using System.Collections.Generic;
using System.Linq;
using System.Runtime.InteropServices;

namespace Cardwright
{
    /// <summary>A journal that the program keeps itself: a table with the columns number, time, entity and body, to which rows are
    /// only added.
    ///
    /// Called by the thread that is in a call which uses it: by several at the same time when several threads use it. It throws a
    /// <see cref="CardwrightException"/> with <see cref="Status.StoreConflict"/> to <see cref="Status.StoreDamaged"/>; what else it
    /// throws comes out of the call.</summary>
    public interface IJournalStore
    {
        /// <summary>All records of an entity, in the order of their numbers.</summary>
        IEnumerable<JournalRecord> History(string entity);

        /// <summary>Writes all records of a transaction or none, gives them numbers that rise by one, above all numbers given before,
        /// and returns the first of them.
        ///
        /// To return is a promise: the records are on stable storage, and survive a power cut from now on. Only then are commands
        /// sent that cannot be undone. <see cref="Status.StoreConflict"/>, and nothing written, when an expectation does not hold;
        /// <see cref="Status.StoreInDoubt"/> when it cannot be told whether they were written: that is also what any other exception
        /// counts as.</summary>
        ulong Commit(Transaction transaction);
    }

    /// <summary>One record of an entity.</summary>
    public sealed class JournalRecord
    {
        /// <summary>A record with the number, the entity and the bytes that it was written with.</summary>
        public JournalRecord(ulong seq, string entity, byte[] body)
        {
            Seq = seq;
            Entity = Require.NotNull(entity, nameof(entity));
            Body = Require.NotNull(body, nameof(body));
        }

        /// <summary>Its number.</summary>
        public ulong Seq { get; }

        /// <summary>What <see cref="JournalEntry.Entity"/> was. A record of another entity than was asked for ends the call.</summary>
        public string Entity { get; }

        /// <summary>The bytes that <see cref="JournalEntry.Body"/> had.</summary>
        public byte[] Body { get; }

        internal cw_record ToNative(NativeScope scope)
        {
            return new cw_record
            {
                seq = Seq,
                entity = scope.Bytes(Utf8.WithNul(Entity)),
                body = scope.Bytes(Body),
                body_len = NativeMemory.LengthOf(Body),
            };
        }
    }

    /// <summary>One record to be written.</summary>
    public sealed class JournalEntry
    {
        internal JournalEntry(cw_entry native)
        {
            Entity = Utf8.Read(native.entity);
            Body = NativeMemory.Bytes(native.body, native.body_len) ?? new byte[0];
        }

        /// <summary>What the record belongs to: 1 to 200 characters of printable ASCII.</summary>
        public string Entity { get; }

        /// <summary>The bytes to keep, at most 1048576. They hold no key.</summary>
        public byte[] Body { get; }
    }

    /// <summary>What must still hold when a transaction is written.</summary>
    public sealed class Expectation
    {
        internal Expectation(cw_expectation native)
        {
            Entity = Utf8.Read(native.entity);
            LastSeq = native.last_seq;
        }

        /// <summary>An entity.</summary>
        public string Entity { get; }

        /// <summary>Number of its last record, 0 for none.</summary>
        public ulong LastSeq { get; }
    }

    /// <summary>What is written together or not at all.</summary>
    public sealed class Transaction
    {
        internal Transaction(IntPtr from)
        {
            cw_transaction native = NativeMemory.Read<cw_transaction>(from);
            Entries = NativeMemory.ReadArray<cw_entry>(native.entries, native.entry_count)
                .Select(one => new JournalEntry(one)).ToArray();
            Expectations = NativeMemory.ReadArray<cw_expectation>(native.expectations, native.expectation_count)
                .Select(one => new Expectation(one)).ToArray();
        }

        /// <summary>The records, in order; at least one.</summary>
        public IReadOnlyList<JournalEntry> Entries { get; }

        /// <summary>The expectations.</summary>
        public IReadOnlyList<Expectation> Expectations { get; }
    }

    /// <summary>A store as the library calls it.</summary>
    internal sealed class StoreCallbacks
    {
        private readonly IJournalStore store;
        private readonly cw_history_fn history;
        private readonly cw_commit_fn commit;

        internal StoreCallbacks(IJournalStore store)
        {
            this.store = Require.NotNull(store, nameof(store));
            history = History;
            commit = Commit;
        }

        internal cw_store ToNative()
        {
            return new cw_store { history = history, commit = commit };
        }

        private int History(IntPtr user, IntPtr entity, cw_take_record_fn take, IntPtr taker)
        {
            return Callback.Answer(Status.StoreFailed, delegate
            {
                foreach (JournalRecord record in Require.Given(store.History(Utf8.Read(entity)), "the store"))
                    using (NativeScope scope = new NativeScope())
                        if (take(taker, scope.In(record.ToNative(scope))) != (int)Status.Ok)
                            break;
            });
        }

        private int Commit(IntPtr user, IntPtr transaction, IntPtr firstSeq)
        {
            return Callback.Answer(Status.StoreInDoubt, delegate
            {
                Marshal.WriteInt64(firstSeq, unchecked((long)store.Commit(new Transaction(transaction))));
            });
        }
    }
}
