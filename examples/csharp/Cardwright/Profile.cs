using System;
using System.Text;

namespace Cardwright
{
    /// <summary>What a kind of card does otherwise than the standard says.</summary>
    public sealed class Profile : IDisposable
    {
        /// <summary>A built-in profile, by its name.</summary>
        public Profile(string name)
        {
            Require.NotNull(name, nameof(name));
            Callback.Check(Native.cw_profile_new(Utf8.WithNul(name), out ProfileHandle handle));
            Handle = handle;
        }

        private Profile(ProfileHandle handle)
        {
            Handle = handle;
        }

        internal ProfileHandle Handle { get; }

        /// <summary>The profile of this name in the text of a TOML file.</summary>
        public static Profile Parse(string toml, string name)
        {
            Require.NotNull(toml, nameof(toml));
            Require.NotNull(name, nameof(name));
            byte[] text = Encoding.UTF8.GetBytes(toml);
            Callback.Check(Native.cw_profile_parse(text, NativeMemory.LengthOf(text), Utf8.WithNul(name),
                out ProfileHandle handle));
            return new Profile(handle);
        }

        /// <summary>Frees the profile; sessions and processes that follow it are not concerned.</summary>
        public void Dispose()
        {
            Handle.Dispose();
        }
    }
}
