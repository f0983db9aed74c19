using System;
using static Cardwright.Constants;

namespace Cardwright
{
    /// <summary>Where a PKCS#11 token is.</summary>
    public sealed class Pkcs11Options
    {
        /// <summary>Path of the module: the shared library that came with the token.</summary>
        public string Module { get; set; }

        /// <summary>Label of the token, or null where its serial number is given.</summary>
        public string TokenLabel { get; set; }

        /// <summary>Serial number of the token, or null where its label is given.</summary>
        public string TokenSerial { get; set; }

        /// <summary>The user's PIN.</summary>
        public string Pin { get; set; }

        /// <summary>A card's own key, derived on the token, may be in this process's memory while a question is answered: all keys
        /// derived from 3DES (PBOC, EMV, VISA), and those derived from AES-192 and AES-256. Otherwise they are refused.</summary>
        public bool DerivedKeysInMemory { get; set; }

        /// <summary>The PIN is used although the token says that one more wrong one locks it.</summary>
        public bool UseFinalTry { get; set; }

        internal IntPtr ToNative(NativeScope scope)
        {
            return scope.In(new cw_pkcs11_options
            {
                flags = (DerivedKeysInMemory ? CW_PKCS11_DERIVED_IN_MEMORY : 0) | (UseFinalTry ? CW_PKCS11_FINAL_TRY : 0),
                module = scope.String(Module),
                token_label = scope.String(TokenLabel),
                token_serial = scope.String(TokenSerial),
                pin = scope.String(Pin),
            });
        }
    }
}
