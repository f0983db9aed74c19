using System;
using System.Runtime.InteropServices;
using Cardwright;

/// <summary>A program's own reader. This one holds a card in memory; yours calls a vendor's library, or a line to a terminal.</summary>
internal sealed class TestCard : ICardTransport, IDisposable
{
    private readonly byte[] room = new byte[65538];
    private IntPtr card;

    /// <summary>A card with published test keys and SCP02 or SCP03, torn out before that command, or after it; 0 for
    /// never.</summary>
    internal TestCard(uint scp = 3, ulong cutAt = 0, bool executed = false)
    {
        card = cw_test_card_new_scp(scp, cutAt, executed ? 1u : 0u);
    }

    public byte[] Transmit(byte[] command)
    {
        return Give(cw_test_card_transmit(
            card, command, (UIntPtr)(uint)command.Length, room, (UIntPtr)(uint)room.Length, out UIntPtr length), length);
    }

    public byte[] Reset()
    {
        return Give(cw_test_card_reset(card, room, (UIntPtr)(uint)room.Length, out UIntPtr length), length);
    }

    public void Dispose()
    {
        cw_test_card_free(card);
        card = IntPtr.Zero;
    }

    private byte[] Give(int result, UIntPtr length)
    {
        // Say "not sent" only when you know it: anything else is treated as "the card may have executed the command".
        if (result != 0)
            throw new TransportException(Status.CardRemoved, notSent: result == 1);
        byte[] bytes = new byte[(int)length];
        Array.Copy(room, bytes, bytes.Length);
        return bytes;
    }

    private const string Library = "cardwright_testcard";

    [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
    private static extern IntPtr cw_test_card_new_scp(uint scp, ulong cut_at, uint executed);

    [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
    private static extern void cw_test_card_free(IntPtr card);

    [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
    private static extern int cw_test_card_reset(IntPtr card, byte[] atr, UIntPtr capacity, out UIntPtr length);

    [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
    private static extern int cw_test_card_transmit(
        IntPtr card, byte[] command, UIntPtr command_len, byte[] response, UIntPtr capacity, out UIntPtr length);
}
