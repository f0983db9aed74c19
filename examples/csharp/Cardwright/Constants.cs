namespace Cardwright
{
    /// <summary>Flags that are no enum here. They have the names of cardwright.h.</summary>
    internal static class Constants
    {
        internal const uint CW_ABI_VERSION = 0;
        internal const int CW_ANSWER_CAPACITY = 65538;
        internal const uint CW_TRANSPORT_EXTENDED = 0x01;
        internal const uint CW_PKCS11_DERIVED_IN_MEMORY = 0x01;
        internal const uint CW_PKCS11_FINAL_TRY = 0x02;
        internal const uint CW_DELIVERY_UNKNOWN = 0;
        internal const uint CW_DELIVERY_NOT_SENT = 1;
        internal const uint CW_TRACE_BYTES = 0x01;
        internal const uint CW_EXCHANGE_SECURE = 0x01;
        internal const uint CW_DESCRIPTOR_OMIT = 0;
        internal const uint CW_DESCRIPTOR_SEND = 1;
        internal const uint CW_DELETE_RELATED = 0x01;
        internal const uint CW_DELETE_FORCE = 0x02;
        internal const uint CW_IRREVERSIBLE = 0x80;
        internal const uint CW_OPEN_S16 = 0x01;
        internal const uint CW_OPEN_OVERRIDE_LOCKOUT = 0x02;
        internal const uint CW_COUNTED_NOT = 0;
        internal const uint CW_COUNTED_CARD = 1;
        internal const uint CW_COUNTED_SESSION = 2;
        internal const uint CW_KEY_EC_P256 = 3;
        internal const uint CW_KEY_EC_P384 = 4;
        internal const uint CW_KEY_EC_BRAINPOOL_P256 = 5;
        internal const uint CW_SCP11_A = 1;
        internal const uint CW_SCP11_B = 2;
        internal const uint CW_SCP11_C = 3;
        internal const uint CW_SCP11_S16 = 0x01;
        internal const uint CW_SCP11_MARK_CLASS = 0x02;
        internal const uint CW_PUT_KEYS_ADD = 0x01;
        internal const uint CW_ORDER_OVERRIDE_LOCKOUT = 0x01;
        internal const uint CW_ORDER_RELEASE_QUARANTINE = 0x02;
        internal const uint CW_APPLICATION_VERSION = 0x01;
        internal const uint CW_APPLICATION_NO_TRIES = 0x02;
    }
}
