using System;
using static Cardwright.Constants;

namespace Cardwright
{
    /// <summary>A key record of a PBOC application: what WRITE KEY, enciphered and with MAC, puts in front of the key.</summary>
    public sealed class KeyRecord
    {
        /// <summary>Key identifier.</summary>
        public byte Kid { get; set; }

        /// <summary>Right to use it: a security state.</summary>
        public byte UseRight { get; set; }

        /// <summary>Right to change it.</summary>
        public byte ChangeRight { get; set; }

        /// <summary>Security state after it was used with success; only of master keys.</summary>
        public byte NextState { get; set; }

        /// <summary>Retry counter: high nibble the most, low nibble what remains.</summary>
        public byte ErrorCounter { get; set; }

        internal static IntPtr ToNative(NativeScope scope, KeyRecord record)
        {
            return record == null ? IntPtr.Zero : scope.In(new cw_key_record
            {
                kid = record.Kid,
                use_right = record.UseRight,
                change_right = record.ChangeRight,
                next_state = record.NextState,
                error_counter = record.ErrorCounter,
            });
        }
    }

    /// <summary>One application for the card. Keys are named as the key service names them, before diversification by the
    /// application's serial number.</summary>
    public sealed class ApplicationOrder
    {
        /// <summary>An application of a load file. The version on the card must be that of the load file.</summary>
        public ApplicationOrder(LoadFile loadFile)
        {
            LoadFile = Require.NotNull(loadFile, nameof(loadFile));
            Version = new Version(loadFile.Major, loadFile.Minor);
        }

        /// <summary>What to load, if the card lacks it.</summary>
        public LoadFile LoadFile { get; }

        /// <summary>Module in the load file; null for its first applet.</summary>
        public Aid Module { get; set; }

        /// <summary>AID that the application gets; null for that of the module.</summary>
        public Aid Instance { get; set; }

        /// <summary>Version that the card's load file must have; null for any.</summary>
        public Version Version { get; set; }

        /// <summary>The application does not tell its retry counter when EXTERNAL AUTHENTICATE comes without data.</summary>
        public bool TellsNoTries { get; set; }

        /// <summary>Parameters of the application: the value of C9.</summary>
        public byte[] Parameters { get; set; }

        /// <summary>Master key that the application is born with.</summary>
        public string InitialMasterKey { get; set; }

        /// <summary>Card master key that it gets.</summary>
        public string MasterKey { get; set; }

        /// <summary>Maintenance key that it gets.</summary>
        public string MaintenanceKey { get; set; }

        /// <summary>Record of the master key; null for the usual one of PBOC applications.</summary>
        public KeyRecord MasterRecord { get; set; }

        /// <summary>Record of the maintenance key; null for the usual one.</summary>
        public KeyRecord MaintenanceRecord { get; set; }

        internal cw_application_order ToNative(NativeScope scope)
        {
            return new cw_application_order
            {
                flags = (Version == null ? 0 : CW_APPLICATION_VERSION) | (TellsNoTries ? CW_APPLICATION_NO_TRIES : 0),
                load_file = scope.Handle(LoadFile.Handle),
                module = Aid.ToNative(Module),
                instance = Aid.ToNative(Instance),
                version = Version == null ? new byte[2] : new[] { checked((byte)Version.Major), checked((byte)Version.Minor) },
                parameters = scope.Bytes(Parameters),
                parameters_len = NativeMemory.LengthOf(Parameters),
                initial_master_key = scope.String(InitialMasterKey),
                master_key = scope.String(MasterKey),
                maintenance_key = scope.String(MaintenanceKey),
                master_record = KeyRecord.ToNative(scope, MasterRecord),
                maintenance_record = KeyRecord.ToNative(scope, MaintenanceRecord),
            };
        }
    }
}
