using System;
using System.Collections.Generic;
using System.Linq;
using static Cardwright.Constants;

namespace Cardwright
{
    /// <summary>What a card is to become.</summary>
    public sealed class Order
    {
        /// <summary>Key sets of the issuer security domain that the card may have now.</summary>
        public IList<KeyCandidate> CurrentKeys { get; } = new List<KeyCandidate>();

        /// <summary>Key sets that it shall get: the first whose kind fits the card's protocol counts. None only for a
        /// deletion.</summary>
        public IList<KeyCandidate> NewKeys { get; } = new List<KeyCandidate>();

        /// <summary>The applications, each a job of its own.</summary>
        public IList<ApplicationOrder> Applications { get; } = new List<ApplicationOrder>();

        /// <summary>What the secure channels protect.</summary>
        public SecurityLevel Level { get; set; } = SecurityLevel.CDecryption;

        /// <summary>What is done with the card challenge.</summary>
        public ChallengePolicy Challenge { get; set; } = ChallengePolicy.Require;

        /// <summary>AID of the issuer security domain; null for the card's own choice.</summary>
        public Aid Domain { get; set; }

        /// <summary>Try again although the card had too many failed authentications. It may lock the card for ever.</summary>
        public bool OverrideLockout { get; set; }

        /// <summary>What persons have decided about steps that wait for them (<see cref="Status.Quarantined"/>); null for
        /// nothing.</summary>
        public Release Release { get; set; }

        /// <summary>The initial keys of a card (version FF) may be replaced. They never come back; without it such a card is refused
        /// before anything is changed.</summary>
        public bool ReplaceInitialKeys { get; set; }

        /// <summary>What the cards do otherwise than the standard says; null for nothing.</summary>
        public Profile Profile { get; set; }

        internal IntPtr ToNative(NativeScope scope)
        {
            cw_key_candidate[] current = KeyCandidate.ToNative(scope, CurrentKeys);
            cw_key_candidate[] next = KeyCandidate.ToNative(scope, NewKeys);
            cw_application_order[] applications = Applications.Select(one => one.ToNative(scope)).ToArray();
            return scope.In(new cw_order
            {
                flags = (OverrideLockout ? CW_ORDER_OVERRIDE_LOCKOUT : 0) | (Release == null ? 0 : CW_ORDER_RELEASE_QUARANTINE)
                    | (ReplaceInitialKeys ? CW_ORDER_REPLACE_INITIAL_KEYS : 0),
                security_level = (uint)Level,
                challenge_policy = (uint)Challenge,
                domain = Aid.ToNative(Domain),
                current_keys = scope.In(current),
                current_key_count = NativeMemory.LengthOf(current),
                new_keys = scope.In(next),
                new_key_count = NativeMemory.LengthOf(next),
                applications = scope.In(applications),
                application_count = NativeMemory.LengthOf(applications),
                release = Release == null ? IntPtr.Zero : Release.ToNative(scope),
                profile = scope.Handle(Profile?.Handle),
            });
        }
    }
}
