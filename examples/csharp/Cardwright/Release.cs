using System;
using System.Collections.Generic;
using System.Linq;

namespace Cardwright
{
    /// <summary>A step in quarantine.</summary>
    public sealed class HeldStep
    {
        internal HeldStep(cw_held native)
        {
            Job = Utf8.Read(native.job);
            Step = Utf8.Read(native.step);
            Reason = Utf8.Read(native.reason);
            Number = native.number;
            Attempts = native.attempts;
            What = native.what;
        }

        /// <summary>Entity of the job, whose records in the journal are the evidence.</summary>
        public string Job { get; }

        /// <summary>The step.</summary>
        public string Step { get; }

        /// <summary>Why it waits.</summary>
        public string Reason { get; }

        /// <summary>Which quarantine of the job it is, from 1.</summary>
        public uint Number { get; }

        /// <summary>Attempts that were begun.</summary>
        public uint Attempts { get; }

        /// <summary>What persons sign to have it tried again: <see cref="Approval.What"/>.</summary>
        public byte[] What { get; }
    }

    /// <summary>An approver's signature.</summary>
    public sealed class ApproverSignature
    {
        /// <summary>Makes one from an Ed25519 public key of 32 bytes and a signature of 64 over <see
        /// cref="Release.SignedBytes"/>.</summary>
        public ApproverSignature(byte[] approver, byte[] signature)
        {
            Approver = Approval.Exactly(approver, 32, nameof(approver));
            Signature = Approval.Exactly(signature, 64, nameof(signature));
        }

        /// <summary>The public key.</summary>
        public byte[] Approver { get; }

        /// <summary>The signature.</summary>
        public byte[] Signature { get; }
    }

    /// <summary>What persons have decided about one step.</summary>
    public sealed class Approval
    {
        /// <summary>Proposes that a step is tried again. The id is random, 16 bytes, and no two proposals have the same.</summary>
        public Approval(byte[] id, HeldStep step, string purpose, DateTimeOffset until)
        {
            Require.NotNull(step, nameof(step));
            Require.NotNull(purpose, nameof(purpose));
            Id = Exactly(id, 16, nameof(id));
            What = step.What;
            Purpose = purpose;
            Until = until;
        }

        /// <summary>Its id.</summary>
        public byte[] Id { get; }

        /// <summary>What it is about.</summary>
        public byte[] What { get; }

        /// <summary>The same in words, for the approvers.</summary>
        public string Purpose { get; }

        /// <summary>Until when it may be used.</summary>
        public DateTimeOffset Until { get; }

        /// <summary>The signatures under it.</summary>
        public IList<ApproverSignature> Signatures { get; } = new List<ApproverSignature>();

        internal cw_approval ToNative(NativeScope scope)
        {
            cw_signature[] signatures = Signatures
                .Select(one => new cw_signature { approver = one.Approver, signature = one.Signature }).ToArray();
            return new cw_approval
            {
                until_ms = (ulong)Math.Max(0, Until.ToUnixTimeMilliseconds()),
                id = Id,
                what = What,
                purpose = scope.String(Purpose),
                signatures = scope.In(signatures),
                signature_count = NativeMemory.LengthOf(signatures),
            };
        }

        internal static byte[] Exactly(byte[] bytes, int length, string name)
        {
            Require.NotNull(bytes, name);
            if (bytes.Length != length)
                throw new ArgumentException(length + " bytes are needed, not " + bytes.Length, name);
            return bytes;
        }
    }

    /// <summary>Leave to try quarantined steps again: at least two different persons have signed for each.</summary>
    public sealed class Release
    {
        /// <summary>How many persons have to approve, 2 or more.</summary>
        public uint Required { get; set; } = 2;

        /// <summary>Who may: Ed25519 public keys of 32 bytes. They come from the program's own settings, never from where the
        /// signatures come from.</summary>
        public IList<byte[]> Approvers { get; } = new List<byte[]>();

        /// <summary>What they decided.</summary>
        public IList<Approval> Approvals { get; } = new List<Approval>();

        /// <summary>The bytes that approvers sign to approve one of <see cref="Approvals"/>.</summary>
        public byte[] SignedBytes(int index)
        {
            using (NativeScope scope = new NativeScope())
            {
                byte[] room = new byte[8192];
                UIntPtr length;
                IntPtr native = ToNative(scope);
                Callback.Check(Native.cw_release_signed_bytes(native, (UIntPtr)(uint)index, room, (UIntPtr)room.Length, out length));
                return NativeMemory.Take(room, (ulong)length);
            }
        }

        internal IntPtr ToNative(NativeScope scope)
        {
            cw_approval[] approvals = Approvals.Select(one => one.ToNative(scope)).ToArray();
            byte[] keys = Approvers.SelectMany(key => Approval.Exactly(key, 32, nameof(Approvers))).ToArray();
            return scope.In(new cw_release
            {
                required = Required,
                approvers = scope.Bytes(keys),
                approver_count = (UIntPtr)(uint)Approvers.Count,
                approvals = scope.In(approvals),
                approval_count = NativeMemory.LengthOf(approvals),
            });
        }
    }
}
