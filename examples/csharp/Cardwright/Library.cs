using System;
using static Cardwright.Constants;

namespace Cardwright
{
    /// <summary>The native library.</summary>
    public static class Library
    {
        /// <summary>Version of the library, such as "0.1.0".</summary>
        public static string Version
        {
            get { return Utf8.Read(Native.cw_version()); }
        }

        /// <summary>The name of a status in C, such as "CW_BUSY".</summary>
        public static string NameOf(Status status)
        {
            return Utf8.Read(Native.cw_status_name((int)status));
        }

        internal static void CheckAbi()
        {
            uint found = Native.cw_abi_version();
            if (found != CW_ABI_VERSION)
                throw new DllNotFoundException("cardwright has interface " + found + ", not " + CW_ABI_VERSION);
        }
    }
}
