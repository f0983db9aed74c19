using System;
using System.Collections.Generic;

namespace Cardwright
{
    /// <summary>What a secure channel protects.</summary>
    public enum SecurityLevel
    {
        /// <summary>Authentication only.</summary>
        Authenticated = 0x100,

        /// <summary>C-MAC.</summary>
        CMac = 0x01,

        /// <summary>C-DECRYPTION and C-MAC.</summary>
        CDecryption = 0x03,

        /// <summary>C-MAC and R-MAC.</summary>
        CMacRMac = 0x11,

        /// <summary>C-DECRYPTION, C-MAC and R-MAC.</summary>
        CDecryptionRMac = 0x13,

        /// <summary>C-DECRYPTION, R-ENCRYPTION, C-MAC and R-MAC.</summary>
        Full = 0x33,
    }

    /// <summary>What is done with the card challenge.</summary>
    public enum ChallengePolicy
    {
        /// <summary>A card whose <c>i</c> promises the pseudo-random one and that gives another is refused.</summary>
        Require = 0,

        /// <summary><see cref="OpenedChannel.ChallengeVerified"/> tells whether it is the pseudo-random one.</summary>
        Report = 1,

        /// <summary>It is not looked at.</summary>
        Ignore = 2,
    }

    /// <summary>What failed authentications are counted for.</summary>
    public enum Counted
    {
        /// <summary>Nothing: there was no journal.</summary>
        Not = 0,

        /// <summary>The card, in whatever reader.</summary>
        Card = 1,

        /// <summary>This session alone: the card tells no identity.</summary>
        Session = 2,
    }

    /// <summary>How a secure channel is to be opened.</summary>
    public sealed class OpenOptions
    {
        /// <summary>The key sets that the card may hold: all that come into question. They are tried off the card.</summary>
        public IList<KeyCandidate> Candidates { get; } = new List<KeyCandidate>();

        /// <summary>What the channel protects.</summary>
        public SecurityLevel Level { get; set; } = SecurityLevel.CDecryption;

        /// <summary>What is done with the card challenge.</summary>
        public ChallengePolicy Challenge { get; set; }

        /// <summary>Security domain to select; null for the issuer security domain.</summary>
        public Aid Domain { get; set; }

        /// <summary>Key version to ask for; 0 leaves the choice to the card.</summary>
        public byte Kvn { get; set; }

        /// <summary><c>i</c> of SCP02 from the card recognition data, 0 when not known.</summary>
        public byte Scp02I { get; set; }

        /// <summary><c>i</c> of SCP01 from the card recognition data, 0 when not known.</summary>
        public byte Scp01I { get; set; }

        /// <summary>Whether the card is known to speak SCP03 with challenges of 16 bytes.</summary>
        public bool S16 { get; set; }

        /// <summary>Eight bytes for tests; null, as it should be, has the library draw them.</summary>
        public byte[] HostChallenge { get; set; }

        /// <summary>What the card does otherwise than the standard says; null for nothing.</summary>
        public Profile Profile { get; set; }

        /// <summary>Where failed authentications of the card are counted; null for nowhere. A card that had too many is not tried
        /// (<see cref="Status.LockedOut"/>).</summary>
        public Journal Journal { get; set; }

        /// <summary>Try although the card had too many failed authentications. It may lock the card for ever.</summary>
        public bool OverrideLockout { get; set; }

        internal IntPtr ToNative(NativeScope scope)
        {
            if (HostChallenge != null && HostChallenge.Length != 8)
                throw new ArgumentException("a host challenge has 8 bytes");
            cw_key_candidate[] candidates = KeyCandidate.ToNative(scope, Candidates);
            return scope.In(new cw_open_options
            {
                security_level = (uint)Level,
                host_challenge = HostChallenge ?? new byte[8],
                candidates = scope.In(candidates),
                candidate_count = NativeMemory.LengthOf(candidates),
                domain = Aid.ToNative(Domain),
                kvn = Kvn,
                scp02_i = Scp02I,
                scp01_i = Scp01I,
                flags = (S16 ? Constants.CW_OPEN_S16 : 0) | (OverrideLockout ? Constants.CW_OPEN_OVERRIDE_LOCKOUT : 0),
                challenge_policy = (uint)Challenge,
                profile = scope.Handle(Profile?.Handle),
                journal = scope.Handle(Journal?.Handle),
            });
        }
    }

    /// <summary>What was learnt while a secure channel was opened.</summary>
    public sealed class OpenedChannel
    {
        internal OpenedChannel(cw_opened native)
        {
            Protocol = (int)native.protocol;
            Candidate = (int)native.candidate;
            ChallengeVerified = native.challenge_verified < 0 ? (bool?)null : native.challenge_verified != 0;
            Kvn = native.kvn;
            Kdd = native.kdd;
            Counted = (Counted)native.counted;
        }

        /// <summary>1 for SCP01, 2 for SCP02, 3 for SCP03.</summary>
        public int Protocol { get; }

        /// <summary>Index of the candidate that fits.</summary>
        public int Candidate { get; }

        /// <summary>Whether the card challenge is the pseudo-random one; null where it was not checked.</summary>
        public bool? ChallengeVerified { get; }

        /// <summary>Version of the key set in use.</summary>
        public byte Kvn { get; }

        /// <summary>What failed authentications are counted for.</summary>
        public Counted Counted { get; }

        /// <summary>Key diversification data of the card.</summary>
        public byte[] Kdd { get; }
    }
}
