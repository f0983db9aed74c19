using System;
using System.Collections.Generic;
using static Cardwright.Constants;

namespace Cardwright
{
    /// <summary>Hears how many LOAD blocks of how many are done. True goes on; false breaks the load off before the next
    /// block.</summary>
    public delegate bool LoadProgress(int done, int total);

    /// <summary>A CAP file, checked and ready to be loaded; never changes.</summary>
    public sealed class LoadFile : IDisposable
    {
        private LoadFile(LoadFileHandle handle)
        {
            Handle = handle;
            using (NativeScope scope = new NativeScope())
            {
                IntPtr room = scope.Room<cw_load_file_info>();
                Callback.Check(Native.cw_load_file_describe(handle, room));
                cw_load_file_info info = NativeMemory.Read<cw_load_file_info>(room);
                Aid = Aid.FromNative(info.aid);
                Length = NativeMemory.Length(info.length);
                Major = info.major;
                Minor = info.minor;
                Aid[] applets = new Aid[info.applet_count];
                for (int i = 0; i < applets.Length; i++)
                {
                    IntPtr applet = scope.Room<cw_aid>();
                    Callback.Check(Native.cw_load_file_applet(handle, (UIntPtr)(uint)i, applet));
                    applets[i] = Aid.FromNative(NativeMemory.Read<cw_aid>(applet));
                }
                Applets = applets;
            }
        }

        /// <summary>AID of the executable load file: that of the package.</summary>
        public Aid Aid { get; }

        /// <summary>Version of the package, major.</summary>
        public byte Major { get; }

        /// <summary>Version of the package, minor.</summary>
        public byte Minor { get; }

        /// <summary>Length of the whole load file, in bytes: what the LOAD commands carry.</summary>
        public int Length { get; }

        /// <summary>AIDs of the applets: what <see cref="InstallParameters.Module"/> names.</summary>
        public IReadOnlyList<Aid> Applets { get; }

        internal LoadFileHandle Handle { get; }

        /// <summary>Reads a CAP file: an archive, or an image of its components. The Descriptor component is left out, as the tools
        /// of the field do, or sent as the last one.</summary>
        public static LoadFile Parse(byte[] bytes, bool sendDescriptor = false)
        {
            Require.NotNull(bytes, nameof(bytes));
            Callback.Check(Native.cw_load_file_parse(
                bytes, NativeMemory.LengthOf(bytes), sendDescriptor ? CW_DESCRIPTOR_SEND : CW_DESCRIPTOR_OMIT, out LoadFileHandle handle));
            return new LoadFile(handle);
        }

        /// <summary>Frees the load file. Processes that were ordered with it go on.</summary>
        public void Dispose()
        {
            Handle.Dispose();
        }
    }
}
