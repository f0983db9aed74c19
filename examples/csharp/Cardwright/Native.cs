using System;
using System.Runtime.InteropServices;

namespace Cardwright
{
    /// <summary>The functions of cardwright.h. Structs go in and out as memory of a <see cref="NativeScope"/>.</summary>
    internal static class Native
    {
        // Winapi is __stdcall in 32-bit Windows and the convention of C everywhere else, as CW_CALL is.
        private const CallingConvention Convention = CallingConvention.Winapi;

        private const string Library = "cardwright";

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern IntPtr cw_version();

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern uint cw_abi_version();

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern IntPtr cw_status_name(int status);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_last_error(IntPtr @out);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_last_error_message(byte[] @out, UIntPtr capacity, out UIntPtr out_len);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_last_error_utf16(ushort[] @out, UIntPtr capacity, out UIntPtr out_len);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_command_apdu_encode(IntPtr command, byte[] @out, UIntPtr capacity, out UIntPtr out_len);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_command_apdu_parse(IntPtr bytes, UIntPtr length, IntPtr @out);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_response_apdu_encode(IntPtr response, byte[] @out, UIntPtr capacity, out UIntPtr out_len);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_response_apdu_parse(IntPtr bytes, UIntPtr length, IntPtr @out);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_session_new(IntPtr transport, out SessionHandle @out);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_session_free(IntPtr handle);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_session_close(SessionHandle session);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_session_is_open(SessionHandle session, out int is_open);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_session_reset(SessionHandle session, byte[] atr, UIntPtr capacity, out UIntPtr atr_len);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_reader_list(cw_reader_fn reader, IntPtr user);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_session_new_reader(byte[] reader, IntPtr options, out SessionHandle @out);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_reader_watcher_new(out ReaderWatcherHandle @out);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_reader_watcher_next(ReaderWatcherHandle watcher, uint timeout_ms, IntPtr @out);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_reader_watcher_free(IntPtr handle);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_session_set_trace(SessionHandle session, cw_trace_fn trace, IntPtr user, uint flags);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_session_exchange(SessionHandle session, IntPtr command, uint flags, byte[] response,
            UIntPtr capacity, out UIntPtr response_len);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_session_read_card_data(SessionHandle session, IntPtr domain, IntPtr @out);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_keys_new(out KeysHandle @out);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_keys_new_service(IntPtr service, out KeysHandle @out);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_keys_new_pkcs11(IntPtr options, out KeysHandle @out);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_keys_add(KeysHandle keys, byte[] name, uint key_kind, byte[] value, UIntPtr value_len);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_keys_add_components(
            KeysHandle keys, byte[] name, uint key_kind, IntPtr components, UIntPtr count, byte[] kcv);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_keys_add_text(KeysHandle keys, byte[] text, UIntPtr length);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_keys_free(IntPtr handle);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_keys_answer(KeysHandle keys, IntPtr request, IntPtr @out);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_session_open(SessionHandle session, IntPtr keys, IntPtr options, IntPtr @out);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_session_open_scp11(SessionHandle session, IntPtr keys, IntPtr options);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_profile_new(byte[] name, out ProfileHandle @out);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_profile_parse(byte[] text, UIntPtr length, byte[] name, out ProfileHandle @out);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_profile_text(IntPtr profile, byte[] text, UIntPtr capacity, out UIntPtr length);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_profile_free(IntPtr handle);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_session_list(SessionHandle session, cw_registry_fn entry, IntPtr user, out uint untold);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_load_file_parse(byte[] bytes, UIntPtr length, uint descriptor, out LoadFileHandle @out);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_load_file_describe(LoadFileHandle load_file, IntPtr @out);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_load_file_applet(LoadFileHandle load_file, UIntPtr index, IntPtr @out);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_load_file_free(IntPtr handle);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_session_load(SessionHandle session, IntPtr load_file, IntPtr domain,
            cw_progress_fn progress, IntPtr user);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_session_install(SessionHandle session, IntPtr install);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_session_delete(SessionHandle session, IntPtr aid, uint flags, out int found);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_session_set_status(SessionHandle session, uint target, IntPtr aid, byte state, uint flags);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_session_store_data(SessionHandle session, IntPtr data, byte[] response, UIntPtr capacity,
            out UIntPtr response_len);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_session_put_keys(SessionHandle session, IntPtr keys, IntPtr new_keys, uint flags);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_journal_open(byte[] path, out JournalHandle @out);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_journal_new_store(IntPtr store, out JournalHandle @out);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_journal_free(IntPtr handle);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_journal_lockout(JournalHandle journal, byte[] card, IntPtr @out);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_process_new_issue(IntPtr order, out ProcessHandle @out);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_process_new_delete(IntPtr order, IntPtr aid, uint flags, out ProcessHandle @out);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_process_new_use(IntPtr application, out ProcessHandle @out);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_process_free(IntPtr handle);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_process_run(ProcessHandle process, IntPtr ports);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_process_next(ProcessHandle process, IntPtr @out);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_process_answer_bytes(ProcessHandle process, byte[] bytes, UIntPtr length, uint flags);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_process_answer_keys(ProcessHandle process, IntPtr answer);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_process_answer_history(ProcessHandle process, IntPtr records, UIntPtr count);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_process_answer_committed(ProcessHandle process, ulong first_seq);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_process_answer_failure(ProcessHandle process, int status, uint delivery, byte[] reason);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_process_report(ProcessHandle process, IntPtr @out);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_process_held(ProcessHandle process, IntPtr @out);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_release_signed_bytes(IntPtr release, UIntPtr index, byte[] @out, UIntPtr capacity, out UIntPtr out_len);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_process_row(ProcessHandle process, uint before, UIntPtr index, IntPtr @out);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_process_answer_account(ProcessHandle process, IntPtr answer);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_process_load_report(ProcessHandle process, IntPtr @out);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_process_new_script(IntPtr script, out ProcessHandle @out);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_process_new_number(IntPtr number, out ProcessHandle @out);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_process_new_load(IntPtr load, out ProcessHandle @out);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_process_resume_load(IntPtr terminal, out ProcessHandle @out);

        [DllImport(Library, CallingConvention = Convention)]
        internal static extern int cw_process_give_up_load(byte[] id, ulong now_ms, out ProcessHandle @out);
    }
}
