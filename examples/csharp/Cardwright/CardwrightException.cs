using System;
using System.Text;

namespace Cardwright
{
    /// <summary>A call that failed. Key services and journals of the program throw it too, with a status and a reason.</summary>
    public class CardwrightException : Exception
    {
        /// <summary>A failure of a callback: its status, and words without a secret.</summary>
        public CardwrightException(Status status, string message, Exception inner = null) : base(message, inner)
        {
            if (status == Status.Ok)
                throw new ArgumentException("CW_OK is no failure", nameof(status));
            Status = status;
            Command = "";
            Offset = -1;
        }

        /// <summary>How the call ended.</summary>
        public Status Status { get; }

        /// <summary>SW1-SW2 with which the card refused; 0 where none did.</summary>
        public ushort StatusWord { get; private set; }

        /// <summary>Name of the command in question, such as "INITIALIZE UPDATE", or empty.</summary>
        public string Command { get; private set; }

        /// <summary>Whether the card may have executed the command, or a part of it, all the same. Find out before you repeat
        /// it.</summary>
        public bool InDoubt { get; private set; }

        /// <summary>Where in the input or in the card's answer the fault is, in bytes from its start; -1 where there is no such
        /// place.</summary>
        public long Offset { get; private set; }

        internal static CardwrightException OfLastCall(int status, Exception inner)
        {
            using (NativeScope scope = new NativeScope())
            {
                IntPtr room = scope.Room<cw_error>();
                Native.cw_last_error(room);
                cw_error error = NativeMemory.Read<cw_error>(room);
                if (error.status != status)
                    return new CardwrightException((Status)status, Library.NameOf((Status)status), inner);
                return new CardwrightException((Status)status, WholeMessage(error), inner)
                {
                    StatusWord = error.sw,
                    Command = Utf8.Read(error.command),
                    InDoubt = error.in_doubt != 0,
                    Offset = error.offset,
                };
            }
        }

        private static string WholeMessage(cw_error error)
        {
            byte[] room = new byte[error.message_len + 1];
            int status = Native.cw_last_error_message(room, NativeMemory.LengthOf(room), out UIntPtr _);
            return Utf8.Read(status == 0 ? room : error.message);
        }
    }
}
