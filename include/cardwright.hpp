/* cardwright for C++17: a header-only wrapper of cardwright.h, which says what each call does. SPDX-License-Identifier: MIT OR
 * Apache-2.0
 *
 * Handles free themselves; they move and are not copied. A call that does not end with CW_OK throws cardwright::error. What a
 * callback of yours throws ends the call that it serves, and comes out of that call as it was thrown. Threads: as cardwright.h says. */
#ifndef CARDWRIGHT_HPP
#define CARDWRIGHT_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "cardwright.h"

namespace cardwright {

using bytes = std::vector<std::uint8_t>;

/* A call that did not succeed. */
class error : public std::runtime_error {
public:
    error(cw_status status, const cw_error &detail)
        : std::runtime_error(detail.message), status_(status), sw_(detail.sw), in_doubt_(detail.in_doubt != 0),
          offset_(detail.offset), command_(detail.command)
    {
    }

    cw_status status() const noexcept { return status_; }
    const char *status_name() const noexcept { return cw_status_name(status_); }
    /* SW1-SW2 with which the card refused; 0 where none did. */
    std::uint16_t sw() const noexcept { return sw_; }
    /* The card may have executed the command, or a part of it, all the same. */
    bool in_doubt() const noexcept { return in_doubt_; }
    /* Where in the input or in the card's answer the fault is; -1 where there is no such place. */
    std::int64_t offset() const noexcept { return offset_; }
    /* Name of the command in question, or empty. */
    const std::string &command() const noexcept { return command_; }

private:
    cw_status status_;
    std::uint16_t sw_;
    bool in_doubt_;
    std::int64_t offset_;
    std::string command_;
};

/* What a transport of yours throws when a command brings no response: CW_CARD_REMOVED to CW_LINE_LOST or CW_TRANSPORT. `not_sent`
 * only when it is certain that the card got nothing. */
class transport_error : public std::runtime_error {
public:
    explicit transport_error(cw_status status, bool not_sent = false)
        : std::runtime_error(cw_status_name(status)), status_(status), not_sent_(not_sent)
    {
    }
    cw_status status() const noexcept { return status_; }
    bool not_sent() const noexcept { return not_sent_; }

private:
    cw_status status_;
    bool not_sent_;
};

namespace detail {

/* A C struct with its struct_size set and all else zero. */
template <class T> T sized()
{
    T value{};
    value.struct_size = sizeof(T);
    return value;
}

/* What a callback of this thread has thrown, until the call that it served has returned. */
inline std::exception_ptr &thrown()
{
    thread_local std::exception_ptr kept;
    return kept;
}

/* Runs the body of a callback; what it throws is kept, and `failure` returned. */
template <class T, class F> T guard(T failure, F body) noexcept
{
    try {
        return body();
    } catch (...) {
        thrown() = std::current_exception();
        return failure;
    }
}

inline void check(cw_status status)
{
    std::exception_ptr kept = std::exchange(thrown(), nullptr);
    if (status == CW_OK)
        return;
    if (kept)
        std::rethrow_exception(kept);
    cw_error last = sized<cw_error>();
    cw_last_error(&last);
    throw error(status, last);
}

template <class T, cw_status(CW_CALL *Free)(T *)> struct freed {
    void operator()(T *handle) const noexcept { Free(handle); }
};
template <class T, cw_status(CW_CALL *Free)(T *)> using handle = std::unique_ptr<T, freed<T, Free>>;

inline bytes copied(const std::uint8_t *from, std::size_t length)
{
    return length == 0 ? bytes() : bytes(from, from + length);
}

inline const std::uint8_t *pointer(const bytes &from) { return from.empty() ? nullptr : from.data(); }

inline std::string text(const char *words) { return words == nullptr ? std::string() : std::string(words); }

} // namespace detail

/* Version of the library. */
inline std::string version() { return cw_version(); }

/* Throws when the library has another interface than this header. */
inline void check_abi()
{
    if (cw_abi_version() != CW_ABI_VERSION)
        throw std::runtime_error("built for another interface than that of cardwright " + version());
}

/* An AID of 5 to 16 bytes, or none. */
class aid {
public:
    aid() = default;
    aid(const cw_aid &raw) : raw_(raw) {}
    explicit aid(const bytes &value)
    {
        if (value.size() > sizeof raw_.bytes)
            throw std::length_error("an AID has at most 16 bytes");
        raw_.length = static_cast<std::uint8_t>(value.size());
        std::copy(value.begin(), value.end(), raw_.bytes);
    }

    bool empty() const noexcept { return raw_.length == 0; }
    const cw_aid &raw() const noexcept { return raw_; }
    std::string str() const
    {
        static const char digits[] = "0123456789ABCDEF";
        std::string out;
        for (std::size_t i = 0; i < raw_.length; i++) {
            out += digits[raw_.bytes[i] >> 4];
            out += digits[raw_.bytes[i] & 15];
        }
        return out;
    }
    friend bool operator==(const aid &a, const aid &b)
    {
        return a.raw_.length == b.raw_.length && std::equal(a.raw_.bytes, a.raw_.bytes + a.raw_.length, b.raw_.bytes);
    }
    friend bool operator!=(const aid &a, const aid &b) { return !(a == b); }

private:
    cw_aid raw_{};
};

/* A way to a card: a reader, a line, another library. Both throw transport_error, or anything else, when there is no response. */
class transport {
public:
    virtual ~transport() = default;
    virtual bytes transmit(const bytes &command) = 0;
    virtual bytes reset() = 0;
    /* Whether extended length fields pass. */
    virtual bool extended() const { return false; }
};

/* A key service of the program's own: fills in the answer and returns CW_OK, or says why not, as cw_key_request_fn. */
class key_service {
public:
    virtual ~key_service() = default;
    virtual cw_status answer(const cw_key_request &request, cw_key_answer &answer) = 0;
};

/* Keys in memory by name, or the program's own key service, which must outlive this. */
class keys {
public:
    keys()
    {
        cw_keys *raw = nullptr;
        detail::check(cw_keys_new(&raw));
        handle_.reset(raw);
    }
    explicit keys(key_service &service)
    {
        cw_key_service callbacks = detail::sized<cw_key_service>();
        callbacks.answer = ask;
        callbacks.user = &service;
        cw_keys *raw = nullptr;
        detail::check(cw_keys_new_service(&callbacks, &raw));
        handle_.reset(raw);
    }

    /* `kind` is CW_KEY_TDES or CW_KEY_AES. */
    void add(const std::string &name, std::uint32_t kind, const bytes &value)
    {
        detail::check(cw_keys_add(get(), name.c_str(), kind, detail::pointer(value), value.size()));
    }
    /* Keys of a text with check values, all or none; see cw_keys_add_text. */
    void add_text(const std::string &text)
    {
        detail::check(cw_keys_add_text(get(), reinterpret_cast<const std::uint8_t *>(text.data()), text.size()));
    }
    cw_status answer(const cw_key_request &request, cw_key_answer &answer) noexcept
    {
        return cw_keys_answer(get(), &request, &answer);
    }
    cw_keys *get() const noexcept { return handle_.get(); }

private:
    static cw_status CW_CALL ask(void *user, const cw_key_request *request, cw_key_answer *answer) noexcept
    {
        return detail::guard<cw_status>(CW_KEY_SERVICE,
                                        [=] { return static_cast<key_service *>(user)->answer(*request, *answer); });
    }
    detail::handle<cw_keys, cw_keys_free> handle_;
};

/* A CAP file, checked and ready to be loaded. */
class load_file {
public:
    explicit load_file(const bytes &cap, std::uint32_t descriptor = CW_DESCRIPTOR_OMIT)
    {
        cw_load_file *raw = nullptr;
        detail::check(cw_load_file_parse(detail::pointer(cap), cap.size(), descriptor, &raw));
        handle_.reset(raw);
    }
    cw_load_file_info info() const
    {
        auto out = detail::sized<cw_load_file_info>();
        detail::check(cw_load_file_describe(get(), &out));
        return out;
    }
    cardwright::aid applet(std::size_t index) const
    {
        cw_aid out{};
        detail::check(cw_load_file_applet(get(), index, &out));
        return out;
    }
    cw_load_file *get() const noexcept { return handle_.get(); }

private:
    detail::handle<cw_load_file, cw_load_file_free> handle_;
};

/* A key set that a card may hold, or shall get. */
struct key_candidate {
    std::string name;
    std::uint32_t kind = CW_KEY_AES;
    std::uint32_t scheme = CW_SCHEME_AS_IS;
    std::uint8_t kvn = 0;

    cw_key_candidate raw() const
    {
        auto out = detail::sized<cw_key_candidate>();
        out.key_kind = kind;
        out.scheme = scheme;
        out.kvn = kvn;
        out.key_name = name.c_str();
        return out;
    }
};

namespace detail {
inline std::vector<cw_key_candidate> raw(const std::vector<key_candidate> &all)
{
    std::vector<cw_key_candidate> out;
    for (const auto &one : all)
        out.push_back(one.raw());
    return out;
}
} // namespace detail

/* How a secure channel is to be opened; the host challenge is drawn by the library. */
struct open_options {
    std::uint32_t security_level = CW_SECURITY_C_DECRYPTION;
    std::vector<key_candidate> candidates;
    aid domain;
    std::uint8_t kvn = 0;
    std::uint8_t scp02_i = 0;
    std::uint8_t scp01_i = 0;
    /* Whether the card is known to speak SCP03 with challenges of 16 bytes. */
    bool s16 = false;
    std::uint32_t challenge_policy = CW_CHALLENGE_REQUIRE;
};

/* One entry of the registry. */
struct registry_entry {
    std::uint32_t scope;
    std::int32_t life_cycle;
    std::int32_t version;
    cardwright::aid aid, load_file, security_domain;
    std::uint8_t privileges[3];
    std::vector<cardwright::aid> modules;
};

struct registry {
    std::vector<registry_entry> entries;
    /* Sum of the CW_SCOPE_ numbers of the parts that the card does not list. */
    std::uint32_t untold = 0;
};

/* What INSTALL [for install and make selectable] says. */
struct install {
    aid load_file, module, application;
    std::uint8_t privileges[3] = {0, 0, 0};
    bytes parameters, system_parameters, token;
};

/* A conversation with one card. */
class session {
public:
    /* Over a transport of yours, which must outlive the session. */
    explicit session(transport &way)
    {
        cw_transport callbacks = detail::sized<cw_transport>();
        callbacks.flags = way.extended() ? CW_TRANSPORT_EXTENDED : 0;
        callbacks.transmit = transmit;
        callbacks.reset = reset_card;
        callbacks.user = &way;
        cw_session *raw = nullptr;
        detail::check(cw_session_new(&callbacks, &raw));
        handle_.reset(raw);
    }
    /* With the card in a PC/SC reader. */
    explicit session(const std::string &reader, const cw_reader_options *options = nullptr)
    {
        cw_session *raw = nullptr;
        detail::check(cw_session_new_reader(reader.c_str(), options, &raw));
        handle_.reset(raw);
    }

    bytes reset()
    {
        bytes atr(33);
        std::size_t length = 0;
        detail::check(cw_session_reset(get(), atr.data(), atr.size(), &length));
        atr.resize(length);
        return atr;
    }
    cw_card_data read_card_data(const aid &domain = {})
    {
        auto out = detail::sized<cw_card_data>();
        detail::check(cw_session_read_card_data(get(), &domain.raw(), &out));
        return out;
    }
    cw_opened open(const keys &service, const open_options &options)
    {
        auto raw = detail::sized<cw_open_options>();
        auto candidates = detail::raw(options.candidates);
        raw.security_level = options.security_level;
        raw.candidates = candidates.data();
        raw.candidate_count = candidates.size();
        raw.domain = options.domain.raw();
        raw.kvn = options.kvn;
        raw.scp02_i = options.scp02_i;
        raw.scp01_i = options.scp01_i;
        raw.flags = options.s16 ? CW_OPEN_S16 : 0;
        raw.challenge_policy = options.challenge_policy;
        auto out = detail::sized<cw_opened>();
        detail::check(cw_session_open(get(), service.get(), &raw, &out));
        return out;
    }
    void close() { detail::check(cw_session_close(get())); }
    bool is_open() const
    {
        std::int32_t out = 0;
        detail::check(cw_session_is_open(get(), &out));
        return out != 0;
    }

    /* Sends one command; the response ends with its status word. `flags` is 0 or CW_EXCHANGE_SECURE. */
    bytes exchange(const cw_command_apdu &command, std::uint32_t flags = 0)
    {
        bytes response(std::max<std::size_t>(command.ne, 256) + 2);
        std::size_t length = 0;
        detail::check(cw_session_exchange(get(), &command, flags, response.data(), response.size(), &length));
        response.resize(length);
        return response;
    }
    cardwright::registry list()
    {
        cardwright::registry out;
        detail::check(cw_session_list(get(), entry, &out.entries, &out.untold));
        return out;
    }
    /* `progress` hears how many blocks of how many are done; `false` breaks the load off. */
    void load(const load_file &file, const std::function<bool(std::size_t done, std::size_t total)> &progress = {},
              const aid &domain = {})
    {
        auto *user = const_cast<std::function<bool(std::size_t, std::size_t)> *>(&progress);
        detail::check(cw_session_load(get(), file.get(), &domain.raw(), progress ? tell : nullptr, user));
    }
    void install(const cardwright::install &what)
    {
        auto raw = detail::sized<cw_install>();
        raw.load_file = what.load_file.raw();
        raw.module = what.module.raw();
        raw.application = what.application.raw();
        std::copy_n(what.privileges, 3, raw.privileges);
        raw.parameters = detail::pointer(what.parameters);
        raw.parameters_len = what.parameters.size();
        raw.system_parameters = detail::pointer(what.system_parameters);
        raw.system_parameters_len = what.system_parameters.size();
        raw.token = detail::pointer(what.token);
        raw.token_len = what.token.size();
        detail::check(cw_session_install(get(), &raw));
    }
    /* `false` when there was nothing of this AID. */
    bool remove(const aid &object, std::uint32_t flags = 0)
    {
        std::int32_t found = 0;
        detail::check(cw_session_delete(get(), &object.raw(), flags, &found));
        return found != 0;
    }
    /* No AID for the card itself. */
    void set_status(std::uint32_t target, const aid &object, std::uint8_t state, std::uint32_t flags = 0)
    {
        detail::check(cw_session_set_status(get(), target, object.empty() ? nullptr : &object.raw(), state, flags));
    }
    /* Without response data. */
    void store_data(const bytes &data, std::uint32_t structure = CW_STRUCTURE_OWN, const aid &application = {},
                    std::uint32_t encryption = CW_ENCRYPTION_NONE)
    {
        auto raw = detail::sized<cw_store_data>();
        raw.structure = structure;
        raw.encryption = encryption;
        raw.application = application.raw();
        raw.data = detail::pointer(data);
        raw.data_len = data.size();
        detail::check(cw_session_store_data(get(), &raw, nullptr, 0, nullptr));
    }
    void put_keys(const keys &service, const key_candidate &new_keys, std::uint32_t flags = 0)
    {
        cw_key_candidate raw = new_keys.raw();
        detail::check(cw_session_put_keys(get(), service.get(), &raw, flags));
    }
    /* Nobody hears of commands any more with NULL; `user` must outlive the session. The callback does not throw. */
    void set_trace(cw_trace_fn trace, void *user, std::uint32_t flags = 0)
    {
        detail::check(cw_session_set_trace(get(), trace, user, flags));
    }
    cw_session *get() const noexcept { return handle_.get(); }

private:
    template <class F> static cw_status answer(cw_answer *answer, F body) noexcept
    {
        return detail::guard<cw_status>(CW_TRANSPORT, [=] {
            try {
                bytes out = body();
                answer->length = out.size();
                if (out.size() <= answer->capacity)
                    std::copy(out.begin(), out.end(), answer->bytes);
                return static_cast<cw_status>(CW_OK);
            } catch (const transport_error &error) {
                answer->delivery = error.not_sent() ? CW_DELIVERY_NOT_SENT : CW_DELIVERY_UNKNOWN;
                return error.status();
            }
        });
    }
    static cw_status CW_CALL transmit(void *user, const std::uint8_t *command, std::size_t length, cw_answer *out) noexcept
    {
        return answer(out, [=] { return static_cast<transport *>(user)->transmit(detail::copied(command, length)); });
    }
    static cw_status CW_CALL reset_card(void *user, cw_answer *out) noexcept
    {
        return answer(out, [=] { return static_cast<transport *>(user)->reset(); });
    }
    static std::int32_t CW_CALL tell(void *user, std::size_t done, std::size_t total) noexcept
    {
        return detail::guard<std::int32_t>(1, [=] {
            return (*static_cast<const std::function<bool(std::size_t, std::size_t)> *>(user))(done, total) ? 0 : 1;
        });
    }
    static std::int32_t CW_CALL entry(void *user, const cw_registry_entry *raw) noexcept
    {
        return detail::guard<std::int32_t>(1, [=] {
            registry_entry out{raw->scope, raw->life_cycle, raw->version, raw->aid, raw->load_file, raw->security_domain, {}, {}};
            std::copy_n(raw->privileges, 3, out.privileges);
            out.modules.assign(raw->modules, raw->modules + raw->module_count);
            static_cast<std::vector<registry_entry> *>(user)->push_back(std::move(out));
            return 0;
        });
    }
    detail::handle<cw_session, cw_session_free> handle_;
};

/* One record of an entity. */
struct record {
    std::uint64_t seq;
    bytes body;
};

/* A journal that the program keeps itself, as cw_store. A status other than CW_OK, or an exception, stops the process. */
class store {
public:
    virtual ~store() = default;
    /* All records of an entity, in the order of their numbers. */
    virtual std::vector<record> history(const std::string &entity) = 0;
    /* Writes all or nothing; CW_OK is a promise that it is on stable storage. */
    virtual cw_status commit(const cw_transaction &transaction, std::uint64_t &first_seq) = 0;
};

/* A journal, in a file or the program's own. */
class journal {
public:
    explicit journal(const std::string &path)
    {
        cw_journal *raw = nullptr;
        detail::check(cw_journal_open(path.c_str(), &raw));
        handle_.reset(raw);
    }
    /* Over a store of yours, which must outlive this. */
    explicit journal(store &own)
    {
        cw_store callbacks = detail::sized<cw_store>();
        callbacks.history = history;
        callbacks.commit = commit;
        callbacks.user = &own;
        cw_journal *raw = nullptr;
        detail::check(cw_journal_new_store(&callbacks, &raw));
        handle_.reset(raw);
    }
    cw_lockout lockout(const std::string &card)
    {
        auto out = detail::sized<cw_lockout>();
        detail::check(cw_journal_lockout(get(), card.c_str(), &out));
        return out;
    }
    cw_journal *get() const noexcept { return handle_.get(); }

private:
    static cw_status CW_CALL history(void *user, const char *entity, cw_take_record_fn take, void *taker) noexcept
    {
        return detail::guard<cw_status>(CW_STORE_FAILED, [=] {
            for (const record &one : static_cast<store *>(user)->history(entity)) {
                auto raw = detail::sized<cw_record>();
                raw.seq = one.seq;
                raw.entity = entity;
                raw.body = detail::pointer(one.body);
                raw.body_len = one.body.size();
                if (const cw_status status = take(taker, &raw); status != CW_OK)
                    return static_cast<cw_status>(CW_STORE_DAMAGED);
            }
            return static_cast<cw_status>(CW_OK);
        });
    }
    static cw_status CW_CALL commit(void *user, const cw_transaction *transaction, std::uint64_t *first_seq) noexcept
    {
        return detail::guard<cw_status>(CW_STORE_IN_DOUBT,
                                        [=] { return static_cast<store *>(user)->commit(*transaction, *first_seq); });
    }
    detail::handle<cw_journal, cw_journal_free> handle_;
};

/* One application for a card; see cw_application_order. The load file must outlive the call that takes the order. */
struct application_order {
    const cardwright::load_file *load_file = nullptr;
    std::string initial_master_key, master_key, maintenance_key;
    aid module, instance;
    bytes parameters;
    std::uint32_t flags = 0;
    std::uint8_t version[2] = {0, 0};
};

/* What a card is to become; see cw_order. */
struct order {
    std::uint32_t security_level = CW_SECURITY_C_DECRYPTION;
    std::uint32_t challenge_policy = CW_CHALLENGE_REQUIRE;
    aid domain;
    std::vector<key_candidate> current_keys, new_keys;
    std::vector<application_order> applications;
    std::uint32_t flags = 0;
    /* What persons have decided about quarantined steps, with CW_ORDER_RELEASE_QUARANTINE; it lives until the process is made. */
    const cw_release *release = nullptr;
};

/* A durable issuing process. */
class process {
public:
    static process issue(const order &what)
    {
        return made(what, [](const cw_order &raw, cw_process **out) { return cw_process_new_issue(&raw, out); });
    }
    static process remove(const order &access, const aid &object, std::uint32_t flags = 0)
    {
        return made(access, [&](const cw_order &raw, cw_process **out) {
            return cw_process_new_delete(&raw, &object.raw(), flags, out);
        });
    }
    static process record_use(const aid &application)
    {
        cw_process *raw = nullptr;
        detail::check(cw_process_new_use(&application.raw(), &raw));
        return process(raw);
    }

    /* Drives the process to its end. `event` hears what happens; `false` stops between two commands. */
    void run(const session &card, const keys &service, const journal &records,
             const std::function<bool(const cw_event &)> &event = {}, cw_random_fn random = nullptr)
    {
        auto ports = detail::sized<cw_ports>();
        ports.session = card.get();
        ports.keys = service.get();
        ports.journal = records.get();
        ports.event = event ? hear : nullptr;
        ports.random = random;
        ports.user = const_cast<std::function<bool(const cw_event &)> *>(&event);
        detail::check(cw_process_run(get(), &ports));
    }
    /* For programs that answer the questions themselves: see cw_process_next, and get() for the answers. */
    cw_question next()
    {
        auto out = detail::sized<cw_question>();
        detail::check(cw_process_next(get(), &out));
        return out;
    }
    cw_report report() const
    {
        auto out = detail::sized<cw_report>();
        detail::check(cw_process_report(get(), &out));
        return out;
    }
    /* Which step waits for persons, after CW_QUARANTINED. */
    cw_held held() const
    {
        auto out = detail::sized<cw_held>();
        detail::check(cw_process_held(get(), &out));
        return out;
    }
    /* What is on the card now, or was before. */
    std::vector<cw_row> rows(bool before = false) const
    {
        cw_report told = report();
        std::vector<cw_row> out(before ? told.before_count : told.after_count, detail::sized<cw_row>());
        for (std::size_t i = 0; i < out.size(); i++)
            detail::check(cw_process_row(get(), before ? 1 : 0, i, &out[i]));
        return out;
    }
    cw_process *get() const noexcept { return handle_.get(); }

private:
    explicit process(cw_process *raw) : handle_(raw) {}

    template <class F> static process made(const order &what, F make)
    {
        auto current = detail::raw(what.current_keys), next = detail::raw(what.new_keys);
        std::vector<cw_application_order> applications;
        for (const auto &one : what.applications) {
            auto raw = detail::sized<cw_application_order>();
            raw.flags = one.flags;
            raw.load_file = one.load_file == nullptr ? nullptr : one.load_file->get();
            raw.module = one.module.raw();
            raw.instance = one.instance.raw();
            std::copy_n(one.version, 2, raw.version);
            raw.parameters = detail::pointer(one.parameters);
            raw.parameters_len = one.parameters.size();
            raw.initial_master_key = one.initial_master_key.c_str();
            raw.master_key = one.master_key.c_str();
            raw.maintenance_key = one.maintenance_key.c_str();
            applications.push_back(raw);
        }
        auto raw = detail::sized<cw_order>();
        raw.flags = what.flags;
        raw.security_level = what.security_level;
        raw.challenge_policy = what.challenge_policy;
        raw.domain = what.domain.raw();
        raw.current_keys = current.data();
        raw.current_key_count = current.size();
        raw.new_keys = next.data();
        raw.new_key_count = next.size();
        raw.applications = applications.data();
        raw.application_count = applications.size();
        raw.release = what.release;
        cw_process *out = nullptr;
        detail::check(make(raw, &out));
        return process(out);
    }
    static std::int32_t CW_CALL hear(void *user, const cw_event *event) noexcept
    {
        return detail::guard<std::int32_t>(
            1, [=] { return (*static_cast<const std::function<bool(const cw_event &)> *>(user))(*event) ? 0 : 1; });
    }
    detail::handle<cw_process, cw_process_free> handle_;
};

/* Something at a reader. */
struct reader_event {
    std::uint32_t kind;
    std::string reader;
    bytes atr;
};

/* Names of the PC/SC readers that are plugged in. */
inline std::vector<std::string> readers()
{
    struct collect {
        static std::int32_t CW_CALL name(void *user, const char *reader) noexcept
        {
            return detail::guard<std::int32_t>(1, [=] {
                static_cast<std::vector<std::string> *>(user)->emplace_back(reader);
                return 0;
            });
        }
    };
    std::vector<std::string> out;
    detail::check(cw_reader_list(collect::name, &out));
    return out;
}

/* Watches readers come and go, and cards in them. */
class reader_watcher {
public:
    reader_watcher()
    {
        cw_reader_watcher *raw = nullptr;
        detail::check(cw_reader_watcher_new(&raw));
        handle_.reset(raw);
    }
    /* The kind is CW_READER_NOTHING when nothing happened in time. */
    reader_event next(std::uint32_t timeout_ms)
    {
        auto out = detail::sized<cw_reader_event>();
        detail::check(cw_reader_watcher_next(handle_.get(), timeout_ms, &out));
        return {out.kind, detail::text(out.reader), detail::copied(out.atr, out.atr_len)};
    }

private:
    detail::handle<cw_reader_watcher, cw_reader_watcher_free> handle_;
};

} // namespace cardwright

#endif
