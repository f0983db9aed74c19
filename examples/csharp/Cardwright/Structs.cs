using System;
using System.Runtime.InteropServices;

// Filled and read by the marshaller, so that the compiler sees no assignment.
#pragma warning disable 649

namespace Cardwright
{
    /// <summary>A struct that begins with struct_size. Structs and fields have the names of cardwright.h.</summary>
    internal interface IGrows
    {
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_error : IGrows
    {
        public uint struct_size;
        public int status;
        public ushort sw;
        public byte in_doubt;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 5)]
        public byte[] reserved;
        public long offset;
        public uint message_len;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 60)]
        public byte[] command;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 512)]
        public byte[] message;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_command_apdu : IGrows
    {
        public uint struct_size;
        public byte cla;
        public byte ins;
        public byte p1;
        public byte p2;
        public IntPtr data;
        public UIntPtr nc;
        public uint ne;
        public uint extended;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_response_apdu : IGrows
    {
        public uint struct_size;
        public ushort sw;
        public ushort reserved;
        public IntPtr data;
        public UIntPtr nr;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_answer : IGrows
    {
        public uint struct_size;
        public uint delivery;
        public IntPtr bytes;
        public UIntPtr capacity;
        public UIntPtr length;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_transport : IGrows
    {
        public uint struct_size;
        public uint flags;
        public cw_transmit_fn transmit;
        public cw_reset_fn reset;
        public IntPtr user;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_reader_options : IGrows
    {
        public uint struct_size;
        public uint flags;
        public uint share;
        public uint protocol;
        public uint wait_ms;
        public uint timeout_ms;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_pkcs11_options : IGrows
    {
        public uint struct_size;
        public uint flags;
        public IntPtr module;
        public IntPtr token_label;
        public IntPtr token_serial;
        public IntPtr pin;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_reader_event : IGrows
    {
        public uint struct_size;
        public uint kind;
        public uint atr_len;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 36)]
        public byte[] atr;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 256)]
        public byte[] reader;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_trace : IGrows
    {
        public uint struct_size;
        public uint micros;
        public IntPtr command_text;
        public IntPtr response_text;
        public IntPtr command;
        public UIntPtr command_len;
        public IntPtr response;
        public UIntPtr response_len;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_aid
    {
        public byte length;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 16)]
        public byte[] bytes;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_key_information
    {
        public byte kvn;
        public byte kid;
        public byte key_type;
        public byte reserved;
        public ushort length;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_card_data : IGrows
    {
        public uint struct_size;
        public uint key_count;
        public cw_aid domain;
        public byte i_scp01;
        public byte i_scp02;
        public byte i_scp03;
        public byte i_scp11;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 3)]
        public byte[] version;
        public byte cplc_len;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 42)]
        public byte[] cplc;
        public byte iin_len;
        public byte cin_len;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 16)]
        public byte[] iin;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 32)]
        public byte[] cin;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 132)]
        public byte[] identity;
        [MarshalAs(UnmanagedType.ByValArray, ArraySubType = UnmanagedType.Struct, SizeConst = 32)]
        public cw_key_information[] keys;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_key_derivation : IGrows
    {
        public uint struct_size;
        public uint scheme;
        public uint purpose;
        public uint factor_len;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 16)]
        public byte[] factor;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_key_ref : IGrows
    {
        public uint struct_size;
        public uint reserved;
        public IntPtr name;
        public IntPtr steps;
        public UIntPtr step_count;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_key_request : IGrows
    {
        public uint struct_size;
        public uint operation;
        public IntPtr keys;
        public UIntPtr key_count;
        public IntPtr data;
        public UIntPtr data_len;
        public IntPtr challenge_data;
        public UIntPtr challenge_data_len;
        public UIntPtr challenge_len;
        public IntPtr session_dek;
        public UIntPtr session_dek_len;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 4)]
        public byte[] header;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 4)]
        public byte[] reserved;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 8)]
        public byte[] iv;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_key_answer : IGrows
    {
        public uint struct_size;
        public uint key_kind;
        public uint key_len;
        public uint session_key_len;
        public uint card_challenge_len;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 32)]
        public byte[] session_enc;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 32)]
        public byte[] session_mac;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 32)]
        public byte[] session_rmac;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 32)]
        public byte[] session_dek;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 16)]
        public byte[] card_challenge;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 3)]
        public byte[] kcv;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 1)]
        public byte[] reserved;
        public uint output_len;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 256)]
        public byte[] output;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 128)]
        public byte[] reason;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_key_component : IGrows
    {
        public uint struct_size;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 3)]
        public byte[] kcv;
        public byte reserved;
        public IntPtr value;
        public UIntPtr value_len;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_key_service : IGrows
    {
        public uint struct_size;
        public uint flags;
        public cw_key_request_fn answer;
        public IntPtr user;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_key_candidate : IGrows
    {
        public uint struct_size;
        public uint key_kind;
        public uint scheme;
        public uint kvn;
        public IntPtr key_name;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_open_options : IGrows
    {
        public uint struct_size;
        public uint security_level;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 8)]
        public byte[] host_challenge;
        public IntPtr candidates;
        public UIntPtr candidate_count;
        public cw_aid domain;
        public byte kvn;
        public byte scp02_i;
        public byte scp01_i;
        public uint challenge_policy;
        public uint flags;
        public IntPtr profile;
        public IntPtr journal;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_certificate : IGrows
    {
        public uint struct_size;
        public uint reserved;
        public IntPtr bytes;
        public UIntPtr length;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_scp11_options : IGrows
    {
        public uint struct_size;
        public uint variant;
        public uint security_level;
        public uint flags;
        public uint key_length;
        public uint curve;
        public uint date;
        public byte kid;
        public byte kvn;
        public byte ca_kid;
        public byte ca_kvn;
        public cw_aid domain;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 7)]
        public byte[] reserved;
        public IntPtr ca_key;
        public UIntPtr ca_key_len;
        public IntPtr card_key;
        public UIntPtr card_key_len;
        public IntPtr host_key;
        public IntPtr chain;
        public UIntPtr chain_count;
        public IntPtr profile;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_opened : IGrows
    {
        public uint struct_size;
        public uint protocol;
        public uint candidate;
        public int challenge_verified;
        public byte kvn;
        public byte reserved;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 10)]
        public byte[] kdd;
        public uint counted;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_registry_entry : IGrows
    {
        public uint struct_size;
        public uint scope;
        public int life_cycle;
        public int version;
        public cw_aid aid;
        public cw_aid load_file;
        public cw_aid security_domain;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 3)]
        public byte[] privileges;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 2)]
        public byte[] reserved;
        public IntPtr modules;
        public UIntPtr module_count;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_load_file_info : IGrows
    {
        public uint struct_size;
        public uint applet_count;
        public UIntPtr length;
        public cw_aid aid;
        public byte major;
        public byte minor;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 5)]
        public byte[] reserved;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_install : IGrows
    {
        public uint struct_size;
        public cw_aid load_file;
        public cw_aid module;
        public cw_aid application;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 3)]
        public byte[] privileges;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 2)]
        public byte[] reserved;
        public IntPtr parameters;
        public UIntPtr parameters_len;
        public IntPtr system_parameters;
        public UIntPtr system_parameters_len;
        public IntPtr token;
        public UIntPtr token_len;
        public uint flags;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_store_data : IGrows
    {
        public uint struct_size;
        public uint structure;
        public uint encryption;
        public cw_aid application;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 3)]
        public byte[] reserved;
        public IntPtr data;
        public UIntPtr data_len;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_record : IGrows
    {
        public uint struct_size;
        public uint reserved;
        public ulong seq;
        public IntPtr entity;
        public IntPtr body;
        public UIntPtr body_len;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_entry : IGrows
    {
        public uint struct_size;
        public uint reserved;
        public IntPtr entity;
        public IntPtr body;
        public UIntPtr body_len;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_expectation : IGrows
    {
        public uint struct_size;
        public uint reserved;
        public IntPtr entity;
        public ulong last_seq;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_transaction : IGrows
    {
        public uint struct_size;
        public uint reserved;
        public IntPtr entries;
        public UIntPtr entry_count;
        public IntPtr expectations;
        public UIntPtr expectation_count;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_store : IGrows
    {
        public uint struct_size;
        public uint flags;
        public cw_history_fn history;
        public cw_commit_fn commit;
        public IntPtr user;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_lockout : IGrows
    {
        public uint struct_size;
        public uint failures;
        public uint unanswered;
        public uint locked_out;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_key_record : IGrows
    {
        public uint struct_size;
        public byte kid;
        public byte use_right;
        public byte change_right;
        public byte next_state;
        public byte error_counter;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 3)]
        public byte[] reserved;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_application_order : IGrows
    {
        public uint struct_size;
        public uint flags;
        public IntPtr load_file;
        public cw_aid module;
        public cw_aid instance;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 2)]
        public byte[] version;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 4)]
        public byte[] reserved;
        public IntPtr parameters;
        public UIntPtr parameters_len;
        public IntPtr initial_master_key;
        public IntPtr master_key;
        public IntPtr maintenance_key;
        public IntPtr master_record;
        public IntPtr maintenance_record;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_order : IGrows
    {
        public uint struct_size;
        public uint flags;
        public uint security_level;
        public uint challenge_policy;
        public cw_aid domain;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 7)]
        public byte[] reserved;
        public IntPtr current_keys;
        public UIntPtr current_key_count;
        public IntPtr new_keys;
        public UIntPtr new_key_count;
        public IntPtr applications;
        public UIntPtr application_count;
        public IntPtr profile;
        public IntPtr release;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_held : IGrows
    {
        public uint struct_size;
        public uint number;
        public uint attempts;
        public uint reserved;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 32)]
        public byte[] what;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 204)]
        public byte[] job;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 104)]
        public byte[] step;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 304)]
        public byte[] reason;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_signature : IGrows
    {
        public uint struct_size;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 32)]
        public byte[] approver;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 64)]
        public byte[] signature;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_approval : IGrows
    {
        public uint struct_size;
        public uint reserved;
        public ulong until_ms;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 16)]
        public byte[] id;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 32)]
        public byte[] what;
        public IntPtr purpose;
        public IntPtr signatures;
        public UIntPtr signature_count;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_release : IGrows
    {
        public uint struct_size;
        public uint required;
        public IntPtr approvers;
        public UIntPtr approver_count;
        public IntPtr approvals;
        public UIntPtr approval_count;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_row : IGrows
    {
        public uint struct_size;
        public uint kind;
        public uint status;
        public int life_cycle;
        public cw_aid aid;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 7)]
        public byte[] reserved;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 24)]
        public byte[] state;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_event : IGrows
    {
        public uint struct_size;
        public uint kind;
        public IntPtr text;
        public IntPtr outcome;
        public UIntPtr done;
        public UIntPtr total;
        public IntPtr rows;
        public UIntPtr row_count;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_ports : IGrows
    {
        public uint struct_size;
        public uint flags;
        public IntPtr session;
        public IntPtr keys;
        public IntPtr journal;
        public cw_event_fn @event;
        public cw_random_fn random;
        public IntPtr user;
        public cw_account_fn account;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_question : IGrows
    {
        public uint struct_size;
        public uint kind;
        public IntPtr bytes;
        public UIntPtr length;
        public IntPtr keys;
        public IntPtr entity;
        public IntPtr transaction;
        public IntPtr @event;
        public IntPtr account;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_report : IGrows
    {
        public uint struct_size;
        public uint protocol;
        public byte kvn;
        public byte changed;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 2)]
        public byte[] reserved;
        public uint before_count;
        public uint after_count;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 132)]
        public byte[] card;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_account_request : IGrows
    {
        public uint struct_size;
        public uint operation;
        public IntPtr booking;
        public IntPtr debit;
        public IntPtr account;
        public uint amount;
        public uint reserved;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_booking : IGrows
    {
        public uint struct_size;
        public uint status;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 68)]
        public byte[] reference;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_purse_terminal : IGrows
    {
        public uint struct_size;
        public uint flags;
        public cw_aid application;
        public byte load_kid;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 6)]
        public byte[] number;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 7)]
        public byte[] time;
        public byte pin_id;
        public uint algorithm;
        public uint tac;
        public uint prove;
        public uint rules_version;
        public uint max_amount;
        public uint max_balance;
        public ulong now_ms;
        public IntPtr load_key;
        public IntPtr tac_key;
        public IntPtr levels;
        public UIntPtr level_count;
        public IntPtr pin;
        public UIntPtr pin_len;
        public IntPtr pin_profile;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_script_value : IGrows
    {
        public uint struct_size;
        public uint reserved;
        public IntPtr name;
        public IntPtr bytes;
        public UIntPtr length;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_script : IGrows
    {
        public uint struct_size;
        public uint flags;
        public IntPtr profile;
        public IntPtr profiles;
        public UIntPtr profiles_len;
        public IntPtr text;
        public UIntPtr text_len;
        public IntPtr name;
        public IntPtr values;
        public UIntPtr value_count;
        public IntPtr card;
        public IntPtr release;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_number : IGrows
    {
        public uint struct_size;
        public uint flags;
        public IntPtr profile;
        public IntPtr profiles;
        public UIntPtr profiles_len;
        public IntPtr iccid;
        public IntPtr imsi;
        public IntPtr number;
        public IntPtr sms_center;
        public IntPtr home;
        public IntPtr adm;
        public IntPtr pin;
        public IntPtr puk;
        public IntPtr k;
        public IntPtr opc;
        public IntPtr op;
        public IntPtr release;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_purse_load : IGrows
    {
        public uint struct_size;
        public uint purse;
        public IntPtr id;
        public IntPtr account;
        public uint amount;
        public uint reserved;
        public IntPtr terminal;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct cw_purse_load_report : IGrows
    {
        public uint struct_size;
        public uint state;
        public uint reason;
        public uint purse;
        public uint amount;
        public uint credits;
        public uint initialized;
        public uint serial;
        public uint balance_before;
        public uint balance_after;
        public ulong number;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 68)]
        public byte[] id;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 68)]
        public byte[] account;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 204)]
        public byte[] dispute;
    }
}
