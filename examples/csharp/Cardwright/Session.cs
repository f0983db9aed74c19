using System;
using System.Collections.Generic;
using static Cardwright.Constants;

namespace Cardwright
{
    /// <summary>What SET STATUS is about.</summary>
    public enum StatusTarget
    {
        /// <summary>The card, whose state is that of the issuer security domain.</summary>
        Card = 0x80,

        /// <summary>An application or supplementary security domain.</summary>
        Application = 0x40,

        /// <summary>A security domain and all applications that belong to it.</summary>
        DomainAndApplications = 0x60,
    }

    /// <summary>A conversation with one card. Any thread may use it, one at a time: another gets <see cref="Status.Busy"/>.</summary>
    public sealed class Session : IDisposable
    {
        /// <summary>Begins a session over a transport. Nothing is sent to the card. Without extended lengths longer commands are
        /// chained.</summary>
        public Session(ICardTransport transport, bool extended = false)
        {
            TransportCallbacks callbacks = new TransportCallbacks(transport);
            using (NativeScope scope = new NativeScope())
            {
                Callback.Check(Native.cw_session_new(scope.In(callbacks.ToNative(extended)), out SessionHandle handle));
                handle.Callbacks = callbacks;
                Handle = handle;
            }
        }

        private Session(SessionHandle handle)
        {
            Handle = handle;
        }

        internal SessionHandle Handle { get; }

        /// <summary>Connects to the card in a reader of this machine, by a name of <see cref="Readers.List"/>. Dispose resets the card
        /// and lets it go.</summary>
        public static Session Connect(string reader, ReaderOptions options = null)
        {
            Require.NotNull(reader, nameof(reader));
            using (NativeScope scope = new NativeScope())
            {
                IntPtr how = options == null ? IntPtr.Zero : options.ToNative(scope);
                Callback.Check(Native.cw_session_new_reader(Utf8.WithNul(reader), how, out SessionHandle handle));
                return new Session(handle);
            }
        }

        /// <summary>Ends the session. Nothing is sent to the card of a transport.</summary>
        public void Dispose()
        {
            Handle.Dispose();
        }

        /// <summary>Resets the card, which closes the secure channel, and gives the ATR.</summary>
        public byte[] Reset()
        {
            byte[] atr = new byte[33];
            Callback.Check(Native.cw_session_reset(Handle, atr, NativeMemory.LengthOf(atr), out UIntPtr length));
            return NativeMemory.Take(atr, length.ToUInt64());
        }

        /// <summary>Sets who hears of each command; null for nobody. Bytes hold keys and data of cards wherever no secure channel
        /// protects them; without them there are only words, which hold none.</summary>
        public void SetTrace(TraceCallback callback, bool bytes = false)
        {
            cw_trace_fn hear = null;
            if (callback != null)
                hear = (user, trace) => Callback.Tell(delegate
                {
                    callback(new Trace(NativeMemory.Read<cw_trace>(trace)));
                    return true;
                });
            // The one that is set last is kept.
            lock (Handle)
            {
                Callback.Check(Native.cw_session_set_trace(Handle, hear, IntPtr.Zero, bytes ? CW_TRACE_BYTES : 0));
                Handle.Trace = hear;
            }
        }

        /// <summary>Sends one command and gives the whole response; any status word of the card is a success of the call. GET
        /// RESPONSE, a wrong Le and command chaining are done on the way.</summary>
        public ResponseApdu Exchange(CommandApdu command, bool secure = false)
        {
            Require.NotNull(command, nameof(command));
            using (NativeScope scope = new NativeScope())
            {
                byte[] room = new byte[CW_ANSWER_CAPACITY];
                Callback.Check(Native.cw_session_exchange(Handle, command.ToNative(scope), secure ? CW_EXCHANGE_SECURE : 0,
                    room, NativeMemory.LengthOf(room), out UIntPtr length));
                return ResponseApdu.Parse(NativeMemory.Take(room, length.ToUInt64()));
            }
        }

        /// <summary>Selects a security domain, null for the issuer security domain, and reads CPLC data, card recognition data and
        /// key information. A secure channel is given up.</summary>
        public CardData ReadCardData(Aid domain = null)
        {
            using (NativeScope scope = new NativeScope())
            {
                IntPtr room = scope.Room<cw_card_data>();
                Callback.Check(Native.cw_session_read_card_data(Handle, Aid.ToNative(scope, domain), room));
                return new CardData(NativeMemory.Read<cw_card_data>(room));
            }
        }

        /// <summary>Selects a security domain and opens a secure channel to it. <see cref="Status.WrongKeys"/> counts as one failure
        /// of this card: do not try key after key, but give all that come into question as candidates of one call.</summary>
        public OpenedChannel Open(Keys keys, OpenOptions options)
        {
            Require.NotNull(keys, nameof(keys));
            Require.NotNull(options, nameof(options));
            using (NativeScope scope = new NativeScope())
            {
                IntPtr room = scope.Room<cw_opened>();
                Callback.Check(Native.cw_session_open(Handle, scope.Handle(keys.Handle), options.ToNative(scope), room));
                return new OpenedChannel(NativeMemory.Read<cw_opened>(room));
            }
        }

        /// <summary>Selects a security domain and opens a secure channel of SCP11 to it.</summary>
        public void OpenScp11(Keys keys, Scp11Options options)
        {
            Require.NotNull(keys, nameof(keys));
            Require.NotNull(options, nameof(options));
            using (NativeScope scope = new NativeScope())
                Callback.Check(Native.cw_session_open_scp11(Handle, scope.Handle(keys.Handle), options.ToNative(scope)));
        }

        /// <summary>Gives the secure channel up. Nothing is sent.</summary>
        public void Close()
        {
            Callback.Check(Native.cw_session_close(Handle));
        }

        /// <summary>Whether there is an open secure channel. One whose last command got no answer, or one that does not verify, is
        /// closed.</summary>
        public bool IsOpen
        {
            get
            {
                Callback.Check(Native.cw_session_is_open(Handle, out int isOpen));
                return isOpen != 0;
            }
        }

        /// <summary>Reads the registry in the open channel.</summary>
        public Registry List()
        {
            List<RegistryEntry> entries = new List<RegistryEntry>();
            cw_registry_fn take = (user, entry) => Callback.Tell(delegate
            {
                entries.Add(new RegistryEntry(NativeMemory.Read<cw_registry_entry>(entry)));
                return true;
            });
            Callback.Check(Native.cw_session_list(Handle, take, IntPtr.Zero, out uint untold));
            return new Registry(entries, (Scope)untold);
        }

        /// <summary>Loads a load file in the open channel. Without a domain it is left to the security domain of the channel. A load
        /// that was broken off is void and begins again; after <see cref="Status.Cancelled"/> the channel is still open.</summary>
        public void Load(LoadFile loadFile, Aid domain = null, LoadProgress progress = null)
        {
            Require.NotNull(loadFile, nameof(loadFile));
            cw_progress_fn hear = null;
            if (progress != null)
                hear = (user, done, total) =>
                    Callback.Tell(() => progress(NativeMemory.Length(done), NativeMemory.Length(total)));
            using (NativeScope scope = new NativeScope())
                Callback.Check(Native.cw_session_load(
                    Handle, scope.Handle(loadFile.Handle), Aid.ToNative(scope, domain), hear, IntPtr.Zero));
        }

        /// <summary>INSTALL [for install and make selectable] in the open channel.</summary>
        public void Install(InstallParameters parameters)
        {
            Require.NotNull(parameters, nameof(parameters));
            using (NativeScope scope = new NativeScope())
                Callback.Check(Native.cw_session_install(Handle, parameters.ToNative(scope)));
        }

        /// <summary>Deletes an application or load file in the open channel, with what depends on it where that is meant. False when
        /// there was nothing of this AID on the card: a deletion that is repeated ends that way.</summary>
        public bool Delete(Aid aid, bool related = false)
        {
            Require.NotNull(aid, nameof(aid));
            using (NativeScope scope = new NativeScope())
            {
                Callback.Check(Native.cw_session_delete(Handle, Aid.ToNative(scope, aid), related ? CW_DELETE_RELATED : 0, out int found));
                return found != 0;
            }
        }

        /// <summary>Sets the life cycle state (GPCS 2.3.1 tables 11-3 to 11-6). The AID is null for the card. Of the state of another
        /// application only bit 8 counts: 80 locks it, 00 unlocks it. A card that is set to FF (TERMINATED) is lost: that needs
        /// <paramref name="irreversible"/>.</summary>
        public void SetStatus(StatusTarget target, Aid aid, byte state, bool irreversible = false)
        {
            using (NativeScope scope = new NativeScope())
                Callback.Check(Native.cw_session_set_status(
                    Handle, (uint)target, Aid.ToNative(scope, aid), state, irreversible ? CW_IRREVERSIBLE : 0));
        }

        /// <summary>Sends data to a security domain or application in as many STORE DATA commands as it takes. Response data only
        /// where it is asked for; null otherwise.</summary>
        public byte[] StoreData(PersonalizationData data, bool wantResponse = false)
        {
            Require.NotNull(data, nameof(data));
            using (NativeScope scope = new NativeScope())
            {
                byte[] room = wantResponse ? new byte[CW_ANSWER_CAPACITY] : null;
                Callback.Check(Native.cw_session_store_data(
                    Handle, data.ToNative(scope), room, NativeMemory.LengthOf(room), out UIntPtr length));
                return room == null ? null : NativeMemory.Take(room, length.ToUInt64());
            }
        }

        /// <summary>Puts a key set into the security domain of the open channel, and verifies the check values that the card
        /// computed. It replaces the set which the channel was opened with, or is added. Initial keys (version FF) vanish when the
        /// first set comes: that needs <paramref name="irreversible"/>. When the answer is lost
        /// (<see cref="CardwrightException.InDoubt"/>), open the channel again with both key sets as candidates.</summary>
        public void PutKeys(Keys keys, KeyCandidate newKeys, bool add = false, bool irreversible = false)
        {
            Require.NotNull(keys, nameof(keys));
            Require.NotNull(newKeys, nameof(newKeys));
            using (NativeScope scope = new NativeScope())
                Callback.Check(Native.cw_session_put_keys(
                    Handle, scope.Handle(keys.Handle), scope.In(newKeys.ToNative(scope)),
                    (add ? CW_PUT_KEYS_ADD : 0) | (irreversible ? CW_IRREVERSIBLE : 0)));
        }
    }
}
