using System;
using System.Collections.Generic;

namespace Cardwright
{
    /// <summary>Parts of the registry (GPCS 2.3.1 11.4.2.1).</summary>
    [Flags]
    public enum Scope
    {
        /// <summary>The issuer security domain.</summary>
        Isd = 0x80,

        /// <summary>Applications and supplementary security domains.</summary>
        Applications = 0x40,

        /// <summary>Executable load files, of a card that does not tell their modules.</summary>
        LoadFiles = 0x20,

        /// <summary>Executable load files with their modules.</summary>
        LoadFilesAndModules = 0x10,
    }

    /// <summary>One entry of the registry (GPCS 2.3.1 11.4.3).</summary>
    public sealed class RegistryEntry
    {
        internal RegistryEntry(cw_registry_entry native)
        {
            Scope = (Scope)native.scope;
            LifeCycle = native.life_cycle < 0 ? (byte?)null : (byte)native.life_cycle;
            Version = native.version < 0 ? null : new Version(native.version / 256, native.version % 256);
            Aid = Aid.FromNative(native.aid);
            LoadFile = Aid.FromNative(native.load_file);
            SecurityDomain = Aid.FromNative(native.security_domain);
            Privileges = native.privileges;
            Modules = Aid.FromNative(NativeMemory.ReadArray<cw_aid>(native.modules, native.module_count));
        }

        /// <summary>Which part it was found in.</summary>
        public Scope Scope { get; }

        /// <summary>Life cycle state; null where the card gives none.</summary>
        public byte? LifeCycle { get; }

        /// <summary>Version of a load file; null where the card gives none.</summary>
        public Version Version { get; }

        /// <summary>AID.</summary>
        public Aid Aid { get; }

        /// <summary>Executable load file of an application; null where the card does not say it.</summary>
        public Aid LoadFile { get; }

        /// <summary>Security domain that it belongs to; null where the card does not say it.</summary>
        public Aid SecurityDomain { get; }

        /// <summary>Privileges of an application, 3 bytes.</summary>
        public byte[] Privileges { get; }

        /// <summary>Modules of a load file.</summary>
        public IReadOnlyList<Aid> Modules { get; }
    }

    /// <summary>What is on a card.</summary>
    public sealed class Registry
    {
        internal Registry(IReadOnlyList<RegistryEntry> entries, Scope untold)
        {
            Entries = entries;
            Untold = untold;
        }

        /// <summary>The entries in the card's order: issuer security domain, applications, load files.</summary>
        public IReadOnlyList<RegistryEntry> Entries { get; }

        /// <summary>The parts that the card does not list. What belongs there may be on the card all the same.</summary>
        public Scope Untold { get; }
    }
}
