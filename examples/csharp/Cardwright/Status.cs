namespace Cardwright
{
    /// <summary>How a call ended. Who is at fault: 1xx the caller, 2xx the way to the card, 3xx the card, 4xx secure channel
    /// and keys, 5xx an issuing process, 6xx storage, 9xx the library. A number never changes its meaning; new ones may come.</summary>
    public enum Status
    {
        /// <summary>Done.</summary>
        Ok = 0,

        /// <summary>A pointer that must not be NULL is NULL.</summary>
        Null = 101,

        /// <summary>A handle that this library did not give, or of another type, or that was freed.</summary>
        BadHandle = 102,

        /// <summary>Another thread is in a call with this handle.</summary>
        Busy = 103,

        /// <summary>A callback calls back with the handle whose call it serves.</summary>
        Reentrant = 104,

        /// <summary>The buffer is too small; the needed length was written, and nothing else happened.</summary>
        BufferTooSmall = 105,

        /// <summary>The size is smaller than any version of the struct was.</summary>
        StructSize = 106,

        /// <summary>A string is not UTF-8.</summary>
        BadUtf8 = 107,

        /// <summary>An argument has a value that it must not have.</summary>
        BadValue = 108,

        /// <summary>Bytes that are no command or response APDU, or a command that cannot be coded.</summary>
        BadApdu = 109,

        /// <summary>Bytes that are no CAP file, or one that cannot be loaded.</summary>
        BadLoadFile = 110,

        /// <summary>A callback of the caller asked to stop, and the call stopped.</summary>
        Cancelled = 111,

        /// <summary>An index is not below the number of elements.</summary>
        OutOfRange = 112,

        /// <summary>The generator that the caller brought gave no random bytes.</summary>
        NoRandom = 113,

        /// <summary>The card was taken out.</summary>
        CardRemoved = 201,

        /// <summary>The card was reset by somebody else.</summary>
        CardReset = 202,

        /// <summary>There is no card, or a mute one.</summary>
        NoCard = 203,

        /// <summary>The reader is gone or not known.</summary>
        NoReader = 204,

        /// <summary>The service that owns the readers does not run.</summary>
        NoService = 205,

        /// <summary>No answer in time.</summary>
        Timeout = 206,

        /// <summary>Another program holds the card.</summary>
        CardInUse = 207,

        /// <summary>The line to a remote reader broke.</summary>
        LineLost = 208,

        /// <summary>What came back is no response, or breaks ISO 7816-4 5.3.</summary>
        BadResponse = 209,

        /// <summary>A callback says that it gave more bytes than its buffer takes.</summary>
        ResponseTooLong = 210,

        /// <summary>Something else went wrong on the way to the card; also any number out of a callback that is not of 201 to
        /// 208.</summary>
        Transport = 211,

        /// <summary>The card refused a command; <see cref="CardwrightException.StatusWord"/> is its status word.</summary>
        Refused = 301,

        /// <summary>The card answered something that the standard does not allow.</summary>
        CardFault = 302,

        /// <summary>The card needs something that this library does not support.</summary>
        Unsupported = 303,

        /// <summary>The session has no open secure channel.</summary>
        NotOpen = 401,

        /// <summary>None of the key sets fits the card's cryptogram; EXTERNAL AUTHENTICATE was not sent.</summary>
        WrongKeys = 402,

        /// <summary>None of the key sets is of the card's protocol and key version; nothing was tried.</summary>
        NoKeys = 403,

        /// <summary>The protection of a response is wrong; the channel is closed.</summary>
        BadProtection = 404,

        /// <summary>The secure channel is closed.</summary>
        ChannelClosed = 405,

        /// <summary>The command is too long to be protected.</summary>
        CommandTooLong = 406,

        /// <summary>The security level is not possible with this protocol or card.</summary>
        BadSecurityLevel = 407,

        /// <summary>A certificate of the card is not accepted. Nothing of the host was sent.</summary>
        BadCertificate = 408,

        /// <summary>There is no key of this name.</summary>
        KeyNotFound = 411,

        /// <summary>The key is for another algorithm, or has a length that its algorithm does not have.</summary>
        KeyMisfit = 412,

        /// <summary>The key service refuses.</summary>
        KeyRefused = 413,

        /// <summary>The key service does not answer now.</summary>
        KeyUnavailable = 414,

        /// <summary>The key service cannot do this, or answered another question.</summary>
        KeyService = 415,

        /// <summary>The card was torn out, or the line to it broke: what was under way is not known. Put the same card back
        /// and run again with the same journal and order: the card is asked then.</summary>
        Interrupted = 501,

        /// <summary>A step waits for persons: <see cref="IssuingProcess.Held"/> says which one and why. Run again with <see
        /// cref="Order.Release"/> when they have decided that it may go on.</summary>
        Quarantined = 502,

        /// <summary>Too many failed authentications of this card: nothing was tried. Another attempt may lock it for
        /// ever.</summary>
        LockedOut = 503,

        /// <summary>Another card than the one that the run began with, or a damaged answer: its keys were left as they
        /// are.</summary>
        OtherCard = 504,

        /// <summary>Card and record do not go together, or the order and one of them; nothing was sent that changes the
        /// card.</summary>
        Contradiction = 505,

        /// <summary>The card has nothing that tells it from others: an issue that is interrupted could not be resumed.</summary>
        NoIdentity = 506,

        /// <summary>There is nothing of this AID on the card, or in its record.</summary>
        NotFound = 507,

        /// <summary>A guard: what is to be deleted is in use. Force overrides some.</summary>
        Guarded = 508,

        /// <summary>The card does not list what has to be known, or at the end not what it should hold.</summary>
        NotProved = 509,

        /// <summary>A question of the process was not answered, or answered with something that belongs to another one.</summary>
        OutOfTurn = 510,

        /// <summary>The load of a purse has ended without money on the card: it was not allowed, not debited, given up, or
        /// reversed.</summary>
        NotLoaded = 511,

        /// <summary>The keeper of accounts gave no definite answer: it may have booked.</summary>
        AccountUnknown = 512,

        /// <summary>Another writer worked on the same card.</summary>
        StoreConflict = 601,

        /// <summary>Others kept the store locked; nothing was written.</summary>
        StoreBusy = 602,

        /// <summary>No room; nothing was written.</summary>
        StoreFull = 603,

        /// <summary>The store failed; nothing was written.</summary>
        StoreFailed = 604,

        /// <summary>Whether the records were written is not known: open the journal again and run again.</summary>
        StoreInDoubt = 605,

        /// <summary>The file cannot be opened: it is not there, is something else, or the system does not let this program at
        /// it.</summary>
        StoreFile = 606,

        /// <summary>The journal is damaged or was changed: the message names the place.</summary>
        StoreDamaged = 607,

        /// <summary>An error in this library: please report what the message says. A handle that was in use is
        /// poisoned.</summary>
        Internal = 901,

        /// <summary>An earlier call with this handle ended with <see cref="Internal"/>: it can only be freed.</summary>
        Poisoned = 902,
    }
}
