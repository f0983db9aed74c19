using System;

internal static class Hex
{
    internal static string Write(byte[] bytes)
    {
        return bytes == null ? "" : BitConverter.ToString(bytes).Replace("-", "");
    }

    internal static byte[] Read(string text)
    {
        byte[] bytes = new byte[text.Length / 2];
        for (int i = 0; i < bytes.Length; i++)
            bytes[i] = Convert.ToByte(text.Substring(2 * i, 2), 16);
        return bytes;
    }
}
