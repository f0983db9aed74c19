using System;
using System.Collections.Generic;
using System.Linq;
using System.Runtime.InteropServices;
using static Cardwright.Constants;

namespace Cardwright
{
    /// <summary>An issuing process: it decides, and does nothing itself. It may be disposed at any time: the next one takes up from
    /// what the journal and the card say.
    ///
    /// Either <see cref="Run"/> answers all its questions from a session, keys and a journal. Or the program does, at its own pace:
    /// <see cref="Next"/> gives a question, one of the Answer methods takes the answer, until <see cref="QuestionKind.Done"/>.</summary>
    public sealed class IssuingProcess : IDisposable
    {
        private readonly ProcessHandle handle;

        private IssuingProcess(ProcessHandle handle)
        {
            this.handle = handle;
        }

        /// <summary>A process that makes of a card what the order says, whatever was done before.</summary>
        public static IssuingProcess Issue(Order order)
        {
            Require.NotNull(order, nameof(order));
            using (NativeScope scope = new NativeScope())
            {
                Callback.Check(Native.cw_process_new_issue(order.ToNative(scope), out ProcessHandle handle));
                return new IssuingProcess(handle);
            }
        }

        /// <summary>A process that deletes an application or load file from a card, with the keys of an order; its applications do not
        /// count. What depends on the object, and an application that is personalized, are deleted only with
        /// <paramref name="force"/>; without it the process ends with <see cref="Status.Guarded"/>.</summary>
        public static IssuingProcess Delete(Order order, Aid aid, bool force = false)
        {
            Require.NotNull(order, nameof(order));
            Require.NotNull(aid, nameof(aid));
            using (NativeScope scope = new NativeScope())
            {
                Callback.Check(Native.cw_process_new_delete(
                    order.ToNative(scope), Aid.ToNative(scope, aid), force ? CW_DELETE_FORCE : 0, out ProcessHandle handle));
                return new IssuingProcess(handle);
            }
        }

        /// <summary>A process that records that an application which was issued to the card was used. It opens no secure channel and
        /// asks no keys.</summary>
        public static IssuingProcess RecordUse(Aid application)
        {
            Require.NotNull(application, nameof(application));
            using (NativeScope scope = new NativeScope())
            {
                Callback.Check(Native.cw_process_new_use(Aid.ToNative(scope, application), out ProcessHandle handle));
                return new IssuingProcess(handle);
            }
        }

        /// <summary>Drives the process to its end, from its first question or from where <see cref="Next"/> has left it. Returns when
        /// everything is proved to be on the card; <see cref="Status.Interrupted"/> when the card was torn out. Keys may be null for a
        /// process that asks none; random bytes other than the system's are for tests.</summary>
        public void Run(Session session, Keys keys, Journal journal, EventCallback onEvent = null, Action<byte[]> random = null)
        {
            Require.NotNull(session, nameof(session));
            Require.NotNull(journal, nameof(journal));
            cw_event_fn hear = null;
            if (onEvent != null)
                hear = (user, happened) => Callback.Tell(() => onEvent(new ProcessEvent(happened)));
            cw_random_fn fill = null;
            if (random != null)
                fill = (user, to, length) => Callback.Tell(delegate
                {
                    byte[] bytes = new byte[NativeMemory.Length(length)];
                    random(bytes);
                    Marshal.Copy(bytes, 0, to, bytes.Length);
                    return true;
                });
            using (NativeScope scope = new NativeScope())
            {
                cw_ports ports = new cw_ports
                {
                    session = scope.Handle(session.Handle),
                    keys = scope.Handle(keys?.Handle),
                    journal = scope.Handle(journal.Handle),
                    @event = hear,
                    random = fill,
                };
                int status = Native.cw_process_run(handle, scope.In(ports));
                // The marshaller keeps no delegate of a struct.
                GC.KeepAlive(hear);
                GC.KeepAlive(fill);
                Callback.Check(status);
            }
        }

        /// <summary>Tells what the process wants next. The same question stays open until it is answered; events come once each.
        /// When the process has failed, its own failure comes out.</summary>
        public Question Next()
        {
            using (NativeScope scope = new NativeScope())
            {
                IntPtr room = scope.Room<cw_question>();
                // What the question leads to is good only until the next call with this process.
                lock (handle)
                {
                    Callback.Check(Native.cw_process_next(handle, room));
                    return new Question(NativeMemory.Read<cw_question>(room));
                }
            }
        }

        /// <summary>Answers <see cref="QuestionKind.Transmit"/> with the card's response and its status word,
        /// <see cref="QuestionKind.Reset"/> with the ATR, <see cref="QuestionKind.Random"/> with 8 bytes. With an ATR: whether extended
        /// length fields pass from now on.</summary>
        public void AnswerBytes(byte[] bytes, bool extended = false)
        {
            Require.NotNull(bytes, nameof(bytes));
            Answer(() => Native.cw_process_answer_bytes(
                handle, bytes, NativeMemory.LengthOf(bytes), extended ? CW_TRANSPORT_EXTENDED : 0));
        }

        /// <summary>Answers <see cref="QuestionKind.Keys"/>. The answer may be disposed afterwards.</summary>
        public void AnswerKeys(KeyAnswer answer)
        {
            Require.NotNull(answer, nameof(answer));
            using (NativeScope scope = new NativeScope())
            {
                IntPtr room = scope.Room<cw_key_answer>();
                answer.ToNative(room);
                Answer(() => Native.cw_process_answer_keys(handle, room));
            }
        }

        /// <summary>Answers <see cref="QuestionKind.History"/> with all records of the entity, in the order of their
        /// numbers.</summary>
        public void AnswerHistory(IEnumerable<JournalRecord> records)
        {
            Require.NotNull(records, nameof(records));
            using (NativeScope scope = new NativeScope())
            {
                cw_record[] all = records.Select(record => record.ToNative(scope)).ToArray();
                IntPtr natives = scope.In(all);
                Answer(() => Native.cw_process_answer_history(handle, natives, NativeMemory.LengthOf(all)));
            }
        }

        /// <summary>Answers <see cref="QuestionKind.Commit"/>: all records of the transaction are on stable storage, with numbers that
        /// rise by one from this one.</summary>
        public void AnswerCommitted(ulong firstSeq)
        {
            Answer(() => Native.cw_process_answer_committed(handle, firstSeq));
        }

        /// <summary>Answers the open question with a failure, as the callbacks of a session, a key service and a store throw it. The
        /// process then ends or goes on as it must: ask for its next question.</summary>
        public void AnswerFailure(CardwrightException failure)
        {
            Require.NotNull(failure, nameof(failure));
            bool notSent = failure is TransportException known && known.NotSent;
            uint delivery = notSent ? CW_DELIVERY_NOT_SENT : CW_DELIVERY_UNKNOWN;
            byte[] reason = Utf8.Fixed(failure.Message, 512);
            Answer(() => Native.cw_process_answer_failure(handle, (int)failure.Status, delivery, reason));
        }

        /// <summary>Tells what a process brought about that has ended well.</summary>
        public Report Report()
        {
            using (NativeScope scope = new NativeScope())
            {
                IntPtr room = scope.Room<cw_report>();
                Callback.Check(Native.cw_process_report(handle, room));
                cw_report native = NativeMemory.Read<cw_report>(room);
                return new Report(native, Rows(1, native.before_count), Rows(0, native.after_count));
            }
        }

        /// <summary>Tells which step waits for persons, of a process that has ended with <see cref="Status.Quarantined"/>.</summary>
        public HeldStep Held()
        {
            using (NativeScope scope = new NativeScope())
            {
                IntPtr room = scope.Room<cw_held>();
                Callback.Check(Native.cw_process_held(handle, room));
                return new HeldStep(NativeMemory.Read<cw_held>(room));
            }
        }

        /// <summary>Ends the process.</summary>
        public void Dispose()
        {
            handle.Dispose();
        }

        private CardRow[] Rows(uint before, uint count)
        {
            CardRow[] rows = new CardRow[count];
            using (NativeScope scope = new NativeScope())
            {
                IntPtr room = scope.Room<cw_row>();
                for (int i = 0; i < rows.Length; i++)
                {
                    Callback.Check(Native.cw_process_row(handle, before, (UIntPtr)(uint)i, room));
                    rows[i] = new CardRow(NativeMemory.Read<cw_row>(room));
                }
            }
            return rows;
        }

        private void Answer(Func<int> call)
        {
            lock (handle)
                Callback.Check(call());
        }
    }
}
