using System;

namespace Cardwright
{
    /// <summary>A command that was not answered: what an <see cref="ICardTransport"/> throws.</summary>
    public sealed class TransportException : CardwrightException
    {
        /// <summary>A failure on the way to the card: one of <see cref="Status.CardRemoved"/> to <see cref="Status.LineLost"/>, or
        /// <see cref="Status.Transport"/>.</summary>
        public TransportException(Status status, bool notSent = false, string message = null, Exception inner = null)
            : base(status, message ?? Library.NameOf(status), inner)
        {
            NotSent = notSent;
        }

        /// <summary>Whether it is certain that not a byte of the command reached the card. Only then say so: anything else is
        /// treated as "the card may have executed it".</summary>
        public bool NotSent { get; }
    }
}
