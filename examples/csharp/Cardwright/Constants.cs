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
        internal const uint CW_ORDER_REPLACE_INITIAL_KEYS = 0x04;
        internal const uint CW_APPLICATION_VERSION = 0x01;
        internal const uint CW_APPLICATION_NO_TRIES = 0x02;
        internal const uint CW_ACCOUNT_DEBIT = 1;
        internal const uint CW_ACCOUNT_REVERSE = 2;
        internal const uint CW_ACCOUNT_QUERY = 3;
        internal const uint CW_BOOKING_BOOKED = 1;
        internal const uint CW_BOOKING_REFUSED = 2;
        internal const uint CW_BOOKING_PENDING = 3;
        internal const uint CW_BOOKING_NOT_SEEN = 4;
        internal const uint CW_SCRIPT_LINES = 0x01;
        internal const uint CW_PURSE_DEPOSIT = 1;
        internal const uint CW_PURSE_WALLET = 2;
        internal const uint CW_PURSE_TDES = 1;
        internal const uint CW_PURSE_DES = 2;
        internal const uint CW_PURSE_SM4 = 3;
        internal const uint CW_TAC_FOLDED = 1;
        internal const uint CW_TAC_WHOLE = 2;
        internal const uint CW_PROVE_BOTH = 0;
        internal const uint CW_PROVE_OWN = 1;
        internal const uint CW_PROVE_NEXT = 2;
        internal const uint CW_PURSE_SM4_BY_VERSION = 0x01;
        internal const uint CW_PURSE_KEYS_AS_IS = 0x02;
        internal const uint CW_LOADING_NONE = 0;
        internal const uint CW_LOADING_CARD_READ = 1;
        internal const uint CW_LOADING_MATCHED = 2;
        internal const uint CW_LOADING_INITIALIZED = 3;
        internal const uint CW_LOADING_DEBIT_REQUESTED = 4;
        internal const uint CW_LOADING_DEBIT_UNKNOWN = 5;
        internal const uint CW_LOADING_DEBITED = 6;
        internal const uint CW_LOADING_CREDIT_SENT = 7;
        internal const uint CW_LOADING_CREDIT_UNKNOWN = 8;
        internal const uint CW_LOADING_NOT_LOADED = 9;
        internal const uint CW_LOADING_REVERSAL_PENDING = 10;
        internal const uint CW_LOADING_CLOSED = 11;
        internal const uint CW_LOADING_LOADED = 12;
        internal const uint CW_LOADING_REVERSED = 13;
        internal const uint CW_LOADING_DISPUTED = 14;
    }
}
