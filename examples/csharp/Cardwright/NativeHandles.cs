using System;
using System.Runtime.InteropServices;

namespace Cardwright
{
    /// <summary>A handle of the library. The runtime frees it once, and not while a call uses it: a callback may dispose the object
    /// whose call it serves.</summary>
    internal abstract class NativeHandle : SafeHandle
    {
        protected NativeHandle() : base(IntPtr.Zero, true)
        {
            Library.CheckAbi();
        }

        public override bool IsInvalid
        {
            get { return handle == IntPtr.Zero; }
        }

        /// <summary>What the library may call as long as the handle lives: kept here, so that the collector leaves it alone.</summary>
        internal object Callbacks { get; set; }
    }

    internal sealed class SessionHandle : NativeHandle
    {
        /// <summary>What <see cref="NativeHandle.Callbacks"/> is for those of the card.</summary>
        internal cw_trace_fn Trace { get; set; }

        protected override bool ReleaseHandle()
        {
            return Native.cw_session_free(handle) == 0;
        }
    }

    internal sealed class KeysHandle : NativeHandle
    {
        protected override bool ReleaseHandle()
        {
            return Native.cw_keys_free(handle) == 0;
        }
    }

    internal sealed class LoadFileHandle : NativeHandle
    {
        protected override bool ReleaseHandle()
        {
            return Native.cw_load_file_free(handle) == 0;
        }
    }

    internal sealed class ProfileHandle : NativeHandle
    {
        protected override bool ReleaseHandle()
        {
            return Native.cw_profile_free(handle) == 0;
        }
    }

    internal sealed class JournalHandle : NativeHandle
    {
        protected override bool ReleaseHandle()
        {
            return Native.cw_journal_free(handle) == 0;
        }
    }

    internal sealed class ProcessHandle : NativeHandle
    {
        protected override bool ReleaseHandle()
        {
            return Native.cw_process_free(handle) == 0;
        }
    }

    internal sealed class ReaderWatcherHandle : NativeHandle
    {
        protected override bool ReleaseHandle()
        {
            return Native.cw_reader_watcher_free(handle) == 0;
        }
    }
}
