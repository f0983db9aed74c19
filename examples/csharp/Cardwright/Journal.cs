using System;

namespace Cardwright
{
    /// <summary>What was decided and what happened, card by card, so that an interrupted run is finished by the next. Any number of
    /// threads may use it at the same time.</summary>
    public sealed class Journal : IDisposable
    {
        /// <summary>A journal that the program keeps itself.</summary>
        public Journal(IJournalStore store)
        {
            StoreCallbacks callbacks = new StoreCallbacks(store);
            using (NativeScope scope = new NativeScope())
            {
                Callback.Check(Native.cw_journal_new_store(scope.In(callbacks.ToNative()), out JournalHandle handle));
                handle.Callbacks = callbacks;
                Handle = handle;
            }
        }

        private Journal(JournalHandle handle)
        {
            Handle = handle;
        }

        internal JournalHandle Handle { get; }

        /// <summary>Opens the journal in a file (SQLite), and makes it when it is not there. One program at a time writes to a
        /// file.</summary>
        public static Journal Open(string path)
        {
            Require.NotNull(path, nameof(path));
            Callback.Check(Native.cw_journal_open(Utf8.WithNul(path), out JournalHandle handle));
            return new Journal(handle);
        }

        /// <summary>Tells how many attempts to open a secure channel to a card failed in a row. The card is named by its identity, as
        /// <see cref="CardData"/> and <see cref="Report"/> give it.</summary>
        public Lockout Lockout(string card)
        {
            Require.NotNull(card, nameof(card));
            using (NativeScope scope = new NativeScope())
            {
                IntPtr room = scope.Room<cw_lockout>();
                Callback.Check(Native.cw_journal_lockout(Handle, Utf8.WithNul(card), room));
                return new Lockout(NativeMemory.Read<cw_lockout>(room));
            }
        }

        /// <summary>Closes the journal.</summary>
        public void Dispose()
        {
            Handle.Dispose();
        }
    }

    /// <summary>Attempts to open a secure channel to one card.</summary>
    public sealed class Lockout
    {
        internal Lockout(cw_lockout native)
        {
            Failures = (int)native.failures;
            Unanswered = (int)native.unanswered;
            LockedOut = native.locked_out != 0;
        }

        /// <summary>Failures in a row: the keys did not fit. Many cards lock after three, some for ever.</summary>
        public int Failures { get; }

        /// <summary>Attempts in a row that the card never answered.</summary>
        public int Unanswered { get; }

        /// <summary>Whether another attempt needs <see cref="Order.OverrideLockout"/>.</summary>
        public bool LockedOut { get; }
    }
}
