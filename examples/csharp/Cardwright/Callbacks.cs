using System;
using System.Runtime.InteropServices;

namespace Cardwright
{
    [UnmanagedFunctionPointer(CallingConvention.Winapi)]
    internal delegate int cw_transmit_fn(IntPtr user, IntPtr command, UIntPtr command_len, IntPtr answer);

    [UnmanagedFunctionPointer(CallingConvention.Winapi)]
    internal delegate int cw_reset_fn(IntPtr user, IntPtr answer);

    [UnmanagedFunctionPointer(CallingConvention.Winapi)]
    internal delegate int cw_reader_fn(IntPtr user, IntPtr reader);

    [UnmanagedFunctionPointer(CallingConvention.Winapi)]
    internal delegate void cw_trace_fn(IntPtr user, IntPtr trace);

    [UnmanagedFunctionPointer(CallingConvention.Winapi)]
    internal delegate int cw_key_request_fn(IntPtr user, IntPtr request, IntPtr answer);

    [UnmanagedFunctionPointer(CallingConvention.Winapi)]
    internal delegate int cw_registry_fn(IntPtr user, IntPtr entry);

    [UnmanagedFunctionPointer(CallingConvention.Winapi)]
    internal delegate int cw_progress_fn(IntPtr user, UIntPtr done, UIntPtr total);

    [UnmanagedFunctionPointer(CallingConvention.Winapi)]
    internal delegate int cw_take_record_fn(IntPtr taker, IntPtr record);

    [UnmanagedFunctionPointer(CallingConvention.Winapi)]
    internal delegate int cw_history_fn(IntPtr user, IntPtr entity, cw_take_record_fn take, IntPtr taker);

    [UnmanagedFunctionPointer(CallingConvention.Winapi)]
    internal delegate int cw_commit_fn(IntPtr user, IntPtr transaction, IntPtr first_seq);

    [UnmanagedFunctionPointer(CallingConvention.Winapi)]
    internal delegate int cw_event_fn(IntPtr user, IntPtr @event);

    [UnmanagedFunctionPointer(CallingConvention.Winapi)]
    internal delegate int cw_random_fn(IntPtr user, IntPtr @out, UIntPtr length);

    [UnmanagedFunctionPointer(CallingConvention.Winapi)]
    internal delegate int cw_account_fn(IntPtr user, IntPtr request, IntPtr answer);
}
