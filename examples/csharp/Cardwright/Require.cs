using System;

namespace Cardwright
{
    internal static class Require
    {
        internal static T NotNull<T>(T value, string name) where T : class
        {
            return value ?? throw new ArgumentNullException(name);
        }

        /// <summary>What a callback of the program must not leave out.</summary>
        internal static T Given<T>(T value, string what) where T : class
        {
            return value ?? throw new InvalidOperationException(what + " gave null");
        }
    }
}
