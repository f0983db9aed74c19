using System;
using System.Collections.Generic;

namespace Cardwright
{
    /// <summary>The readers of this machine. All that has to do with them ends with <see cref="Status.Unsupported"/> in a library
    /// that was built without PC/SC, and with <see cref="Status.NoService"/> when the service does not run.</summary>
    public static class Readers
    {
        /// <summary>The names of the readers that are plugged in.</summary>
        public static IReadOnlyList<string> List()
        {
            Library.CheckAbi();
            List<string> names = new List<string>();
            cw_reader_fn take = (user, reader) => Callback.Tell(delegate
            {
                names.Add(Utf8.Read(reader));
                return true;
            });
            Callback.Check(Native.cw_reader_list(take, IntPtr.Zero));
            return names;
        }
    }
}
