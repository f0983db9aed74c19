using System;
using System.Runtime.InteropServices;
using static Cardwright.Constants;

namespace Cardwright
{
    /// <summary>A way to a card: a reader, a line, another library.
    ///
    /// Called by the thread that is in a call with the session, one at a time. It throws a <see cref="TransportException"/> where
    /// there is no answer; what else it throws comes out of the call, and the card counts as one that may have executed the
    /// command. A call with the session that it serves ends with <see cref="Status.Reentrant"/>.</summary>
    public interface ICardTransport
    {
        /// <summary>Carries one command to the card as it is, and its response, with SW1-SW2, back. The command may hold a key: do
        /// not log it.</summary>
        byte[] Transmit(byte[] command);

        /// <summary>Resets the card and gives its ATR.</summary>
        byte[] Reset();
    }

    /// <summary>A transport as the library calls it.</summary>
    internal sealed class TransportCallbacks
    {
        private readonly ICardTransport transport;
        private readonly cw_transmit_fn transmit;
        private readonly cw_reset_fn reset;

        internal TransportCallbacks(ICardTransport transport)
        {
            this.transport = Require.NotNull(transport, nameof(transport));
            transmit = Transmit;
            reset = Reset;
        }

        internal cw_transport ToNative(bool extended)
        {
            return new cw_transport
            {
                flags = extended ? CW_TRANSPORT_EXTENDED : 0,
                transmit = transmit,
                reset = reset,
            };
        }

        private int Transmit(IntPtr user, IntPtr command, UIntPtr length, IntPtr answer)
        {
            return Give(answer, () => transport.Transmit(NativeMemory.Bytes(command, length)));
        }

        private int Reset(IntPtr user, IntPtr answer)
        {
            return Give(answer, () => transport.Reset());
        }

        private static int Give(IntPtr to, Func<byte[]> ask)
        {
            cw_answer answer = NativeMemory.Read<cw_answer>(to);
            return Callback.Answer(Status.Transport, delegate
            {
                byte[] bytes = Require.Given(ask(), "the transport");
                // More than there is room for is for the library to refuse: it knows what was under way.
                if ((ulong)bytes.Length <= answer.capacity.ToUInt64())
                    Marshal.Copy(bytes, 0, answer.bytes, bytes.Length);
                answer.length = NativeMemory.LengthOf(bytes);
                Marshal.StructureToPtr(answer, to, false);
            }, delegate(CardwrightException exception)
            {
                bool notSent = exception is TransportException known && known.NotSent;
                answer.delivery = notSent ? CW_DELIVERY_NOT_SENT : CW_DELIVERY_UNKNOWN;
                Marshal.StructureToPtr(answer, to, false);
            });
        }
    }
}
