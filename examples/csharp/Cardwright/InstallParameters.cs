using System;
using static Cardwright.Constants;

namespace Cardwright
{
    /// <summary>What INSTALL [for install and make selectable] says (GPCS 2.3.1 11.5.2.3.2).</summary>
    public sealed class InstallParameters
    {
        /// <summary>AID of the executable load file.</summary>
        public Aid LoadFile { get; set; }

        /// <summary>AID of the module in it.</summary>
        public Aid Module { get; set; }

        /// <summary>AID that the application gets; null for that of the module.</summary>
        public Aid Application { get; set; }

        /// <summary>Privileges of the application, 3 bytes; null for none.</summary>
        public byte[] Privileges { get; set; }

        /// <summary>What the application itself gets: the value of C9, which is always sent.</summary>
        public byte[] Parameters { get; set; }

        /// <summary>Further parameters in TLV (EF, CA, EA).</summary>
        public byte[] SystemParameters { get; set; }

        /// <summary>Install Token.</summary>
        public byte[] Token { get; set; }

        /// <summary>That the privilege Mandated DAP Verification is meant: the card then loads nothing without a signature.</summary>
        public bool Irreversible { get; set; }

        internal IntPtr ToNative(NativeScope scope)
        {
            if (Privileges != null && Privileges.Length != 3)
                throw new ArgumentException("privileges have 3 bytes");
            return scope.In(new cw_install
            {
                load_file = Aid.ToNative(LoadFile),
                module = Aid.ToNative(Module),
                application = Aid.ToNative(Application ?? Module),
                privileges = Privileges ?? new byte[3],
                parameters = scope.Bytes(Parameters),
                parameters_len = NativeMemory.LengthOf(Parameters),
                system_parameters = scope.Bytes(SystemParameters),
                system_parameters_len = NativeMemory.LengthOf(SystemParameters),
                token = scope.Bytes(Token),
                token_len = NativeMemory.LengthOf(Token),
                flags = Irreversible ? CW_IRREVERSIBLE : 0,
            });
        }
    }
}
