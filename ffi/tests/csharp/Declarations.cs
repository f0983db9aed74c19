using System;
using System.Collections.Generic;
using System.Linq;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using Cardwright;

/// <summary>Tells what the binding declares, to be compared with what programs rely on; every pointer is a star.</summary>
internal static class Declarations
{
    /// <summary>What the names of an enum's members begin with in C.</summary>
    private static readonly Dictionary<Type, string> Enums = new Dictionary<Type, string>
    {
        { typeof(Status), "CW_" },
        { typeof(KeyKind), "CW_KEY_" },
        { typeof(KeyScheme), "CW_SCHEME_" },
        { typeof(KeyOperation), "CW_KEYS_" },
        { typeof(SecurityLevel), "CW_SECURITY_" },
        { typeof(ChallengePolicy), "CW_CHALLENGE_" },
        { typeof(Counted), "CW_COUNTED_" },
        { typeof(Scp11Variant), "CW_SCP11_" },
        { typeof(Scope), "CW_SCOPE_" },
        { typeof(StatusTarget), "CW_TARGET_" },
        { typeof(StoreStructure), "CW_STRUCTURE_" },
        { typeof(StoreEncryption), "CW_ENCRYPTION_" },
        { typeof(EventKind), "CW_EVENT_" },
        { typeof(RowKind), "CW_ROW_" },
        { typeof(ApplicationStatus), "CW_ROW_STATUS_" },
        { typeof(QuestionKind), "CW_ASK_" },
        { typeof(Share), "CW_SHARE_" },
        { typeof(Protocol), "CW_PROTOCOL_" },
        { typeof(ReaderEventKind), "CW_READER_" },
    };

    private static readonly Dictionary<Type, string> Types = new Dictionary<Type, string>
    {
        { typeof(byte), "uint8_t" },
        { typeof(int), "int32_t" },
        { typeof(uint), "uint32_t" },
        { typeof(ulong), "uint64_t" },
        { typeof(UIntPtr), "size_t" },
        { typeof(void), "void" },
    };

    private const BindingFlags All =
        BindingFlags.Static | BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;

    private static void Main()
    {
        Type[] types = typeof(Session).Assembly.GetTypes();
        Type native = types.Single(type => type.Name == "Native");
        foreach (MethodInfo method in native.GetMethods(All).Where(one => one.Name.StartsWith("cw_")))
            Write("function", method.Name, method);
        foreach (Type type in types.Where(type => type.Name.StartsWith("cw_") && type.IsValueType))
        {
            Console.WriteLine("struct {0} {1}", type.Name, Marshal.SizeOf(type));
            foreach (FieldInfo field in type.GetFields(All))
                Console.WriteLine("field {0}.{1} {2}", type.Name, field.Name, Marshal.OffsetOf(type, field.Name));
        }
        foreach (Type type in types.Where(type => type.Name.StartsWith("cw_") && !type.IsValueType))
            Write("callback", type.Name, type.GetMethod("Invoke"));
        foreach (FieldInfo constant in types.Single(type => type.Name == "Constants").GetFields(All))
            Console.WriteLine("constant {0} {1}", constant.Name, constant.GetRawConstantValue());
        foreach (Type type in types.Where(type => type.IsEnum && type.Namespace == "Cardwright"))
            foreach (object value in Enum.GetValues(type))
                Console.WriteLine("constant {0} {1}", NameOf(type, value), (int)value);
    }

    private static void Write(string kind, string name, MethodInfo method)
    {
        string parameters = string.Join(", ", method.GetParameters().Select(one => TypeOf(one.ParameterType)));
        Console.WriteLine("{0} {1} {2} ({3})", kind, name, TypeOf(method.ReturnType), parameters);
    }

    private static string TypeOf(Type type)
    {
        return Types.TryGetValue(type, out string name) ? name : "*";
    }

    private static string NameOf(Type type, object value)
    {
        if (type == typeof(ApplicationStatus) && (int)value == 0)
            return "CW_ROW_STATUS_NONE";
        return Enums[type] + Regex.Replace(value.ToString(), "(?<!^)([A-Z])", "_$1").ToUpperInvariant();
    }
}
