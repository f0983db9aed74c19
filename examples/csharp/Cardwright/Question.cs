using System;

namespace Cardwright
{
    /// <summary>What a process wants next. New kinds may come.</summary>
    public enum QuestionKind
    {
        /// <summary>Send the bytes to the card, and hand its response in with <see cref="IssuingProcess.AnswerBytes"/>.</summary>
        Transmit = 1,

        /// <summary>Reset the card, and hand its ATR in with <see cref="IssuingProcess.AnswerBytes"/>.</summary>
        Reset = 2,

        /// <summary>Answer the key request with <see cref="IssuingProcess.AnswerKeys"/>.</summary>
        Keys = 3,

        /// <summary>Hand all records of the entity in with <see cref="IssuingProcess.AnswerHistory"/>.</summary>
        History = 4,

        /// <summary>Write the transaction, and answer with <see cref="IssuingProcess.AnswerCommitted"/> when it is on stable
        /// storage.</summary>
        Commit = 5,

        /// <summary>Hand 8 random bytes from a generator fit for keys in with <see cref="IssuingProcess.AnswerBytes"/>.</summary>
        Random = 6,

        /// <summary>An event happened; there is nothing to answer.</summary>
        Nothing = 7,

        /// <summary>The process has ended: <see cref="IssuingProcess.Report"/>.</summary>
        Done = 8,

        /// <summary>Ask the keeper of accounts: only of processes that load purses, which this binding does not make yet.</summary>
        Account = 9,
    }

    /// <summary>What a process wants next; null what the kind does not name.</summary>
    public sealed class Question
    {
        internal Question(cw_question native)
        {
            Kind = (QuestionKind)native.kind;
            Bytes = NativeMemory.Bytes(native.bytes, native.length);
            Keys = native.keys == IntPtr.Zero ? null : KeyRequest.FromNative(native.keys);
            Entity = Utf8.Read(native.entity);
            Transaction = native.transaction == IntPtr.Zero ? null : new Transaction(native.transaction);
            Event = native.@event == IntPtr.Zero ? null : new ProcessEvent(native.@event);
        }

        /// <summary>What is wanted.</summary>
        public QuestionKind Kind { get; }

        /// <summary>A command for the card. It may hold a key: do not log it.</summary>
        public byte[] Bytes { get; }

        /// <summary>A key request.</summary>
        public KeyRequest Keys { get; }

        /// <summary>An entity.</summary>
        public string Entity { get; }

        /// <summary>What is to be written.</summary>
        public Transaction Transaction { get; }

        /// <summary>What happened.</summary>
        public ProcessEvent Event { get; }
    }
}
