using System;

namespace Cardwright
{
    /// <summary>How the data of STORE DATA is structured.</summary>
    public enum StoreStructure
    {
        /// <summary>As the application knows.</summary>
        Own = 0x00,

        /// <summary>Data groups (DGI, length, value).</summary>
        Dgi = 0x08,

        /// <summary>BER-TLV.</summary>
        BerTlv = 0x10,
    }

    /// <summary>What of the data of STORE DATA is enciphered.</summary>
    public enum StoreEncryption
    {
        /// <summary>Nothing, or nothing is said about it.</summary>
        None = 0x00,

        /// <summary>Some values, as the application knows.</summary>
        Application = 0x20,

        /// <summary>All values.</summary>
        All = 0x60,
    }

    /// <summary>Data for STORE DATA (GPCS 2.3.1 11.11).</summary>
    public sealed class PersonalizationData
    {
        /// <summary>Data of any length that 256 commands carry.</summary>
        public PersonalizationData(byte[] data)
        {
            Data = Require.NotNull(data, nameof(data));
        }

        /// <summary>The data.</summary>
        public byte[] Data { get; }

        /// <summary>How it is structured.</summary>
        public StoreStructure Structure { get; set; }

        /// <summary>What of it is enciphered.</summary>
        public StoreEncryption Encryption { get; set; }

        /// <summary>Application that gets the data, after INSTALL [for personalization]; null for the security domain of the
        /// channel.</summary>
        public Aid Application { get; set; }

        internal IntPtr ToNative(NativeScope scope)
        {
            return scope.In(new cw_store_data
            {
                structure = (uint)Structure,
                encryption = (uint)Encryption,
                application = Aid.ToNative(Application),
                data = scope.Bytes(Data),
                data_len = NativeMemory.LengthOf(Data),
            });
        }
    }
}
