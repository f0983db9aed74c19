namespace Cardwright
{
    /// <summary>What an object on a card is.</summary>
    public enum RowKind
    {
        /// <summary>The issuer security domain.</summary>
        IssuerSecurityDomain = 1,

        /// <summary>A supplementary security domain.</summary>
        SecurityDomain = 2,

        /// <summary>An application.</summary>
        Application = 3,

        /// <summary>An executable load file.</summary>
        LoadFile = 4,
    }

    /// <summary>How far an application is.</summary>
    public enum ApplicationStatus
    {
        /// <summary>It is no application.</summary>
        None = 0,

        /// <summary>On the card, without its own keys.</summary>
        Installed = 1,

        /// <summary>With the keys of the issuer.</summary>
        Issued = 2,

        /// <summary>Issued, and use was reported.</summary>
        Used = 3,
    }

    /// <summary>One object on the card.</summary>
    public sealed class CardRow
    {
        internal CardRow(cw_row native)
        {
            Kind = (RowKind)native.kind;
            Status = (ApplicationStatus)native.status;
            LifeCycle = native.life_cycle < 0 ? (byte?)null : (byte)native.life_cycle;
            Aid = Aid.FromNative(native.aid);
            State = Utf8.Read(native.state);
        }

        /// <summary>What it is.</summary>
        public RowKind Kind { get; }

        /// <summary>How far an application is.</summary>
        public ApplicationStatus Status { get; }

        /// <summary>Life cycle state; null where the card gives none.</summary>
        public byte? LifeCycle { get; }

        /// <summary>AID.</summary>
        public Aid Aid { get; }

        /// <summary>Life cycle state in the standard's words.</summary>
        public string State { get; }
    }
}
