// Issues a card, as examples/c/issue.c does, with the library's journal in a file.
//
//   c++ -std=c++17 issue.cpp -lcardwright -lcardwright_testcard -o issue
//   ./issue CAP JOURNAL TRACE [SCP [CUT [EXECUTED]]]
//
// SCP is 1, 2, 3 or 16 (SCP03 with challenges of 16 bytes). CUT tears the card out before that command, or with EXECUTED 1 after it;
// the program then puts it back and goes on.
#include "card.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <tuple>

namespace cw = cardwright;

namespace {

cw::bytes key(const char *digits)
{
    cw::bytes out;
    for (; digits[0] != '\0'; digits += 2)
        out.push_back(static_cast<std::uint8_t>(std::stoi(std::string(digits, 2), nullptr, 16)));
    return out;
}

// The same bytes for each run, so that runs can be compared. A program of yours leaves this to the system.
std::int32_t CW_CALL not_random(void *, std::uint8_t *out, std::size_t length)
{
    static std::uint8_t counter;
    std::memset(out, ++counter, length);
    return 0;
}

void CW_CALL write_down(void *user, const cw_trace *trace)
{
    auto *file = static_cast<std::FILE *>(user);
    for (std::size_t i = 0; i < trace->command_len; i++)
        std::fprintf(file, "%02X", trace->command[i]);
    std::fprintf(file, " ");
    for (std::size_t i = 0; i < trace->response_len; i++)
        std::fprintf(file, "%02X", trace->response[i]);
    std::fprintf(file, "\n");
}

void run(int argc, char **argv)
{
    const auto number = [=](int n, int otherwise) {
        return static_cast<std::uint32_t>(argc > n ? std::atoi(argv[n]) : otherwise);
    };
    std::ifstream cap(argv[1], std::ios::binary);
    const cw::load_file load_file(cw::bytes(std::istreambuf_iterator<char>(cap), {}));
    cw::keys keys;
    for (const auto &[name, kind, digits] : std::vector<std::tuple<const char *, std::uint32_t, const char *>>{
             {"test-aes", CW_KEY_AES, "404142434445464748494A4B4C4D4E4F"},
             {"test-des", CW_KEY_TDES, "404142434445464748494A4B4C4D4E4F"},
             {"domain-aes", CW_KEY_AES, "000102030405060708090A0B0C0D0E0F"},
             {"domain-des", CW_KEY_TDES, "A1A2A3A4A1A2A3A4A1A2A3A4A1A2A3A4"},
             {"application-initial", CW_KEY_TDES, "00112233445566778899AABBCCDDEEFF"},
             {"application-master", CW_KEY_TDES, "11223344556677888877665544332211"},
             {"application-maintenance", CW_KEY_TDES, "FFEEDDCCBBAA99887766554433221100"}})
        keys.add(name, kind, key(digits));

    cw::order order;
    order.current_keys = {{"test-aes", CW_KEY_AES, CW_SCHEME_AS_IS, 0}, {"test-des", CW_KEY_TDES, CW_SCHEME_AS_IS, 0}};
    order.new_keys = {{"domain-aes", CW_KEY_AES, CW_SCHEME_KDF3, 0}, {"domain-des", CW_KEY_TDES, CW_SCHEME_EMV, 0}};
    cw::application_order application;
    application.load_file = &load_file;
    application.initial_master_key = "application-initial";
    application.master_key = "application-master";
    application.maintenance_key = "application-maintenance";
    application.flags = CW_APPLICATION_VERSION;
    application.version[0] = load_file.info().major;
    application.version[1] = load_file.info().minor;
    order.applications = {application};

    const std::unique_ptr<std::FILE, int (*)(std::FILE *)> trace(std::fopen(argv[3], "w"), std::fclose);
    if (!trace)
        throw std::runtime_error(std::string(argv[3]) + ": cannot be written");
    memory_card card(number(4, 3), number(5, 0), number(6, 0));
    cw::session session(card);
    session.set_trace(write_down, trace.get(), CW_TRACE_BYTES);
    const cw::journal journal{std::string(argv[2])};
    const auto issue = [&] {
        cw::process process = cw::process::issue(order);
        process.run(session, keys, journal, {}, not_random);
        return process;
    };
    cw::process process = [&] {
        try {
            return issue();
        } catch (const cw::error &error) {
            if (error.status() != CW_INTERRUPTED)
                throw;
            std::printf("interrupted; the card is put back, and a new process takes up\n");
            return issue();
        }
    }();

    const cw_report report = process.report();
    std::printf("card %s\n", report.card);
    for (const cw_row &row : process.rows())
        std::printf("%s %s%s\n", cw::aid(row.aid).str().c_str(), row.state,
                    row.status == CW_ROW_STATUS_ISSUED ? ", issued" : "");
    std::printf("%s; SCP%02u, key version %02X\n", report.changed ? "complete" : "complete before",
                static_cast<unsigned>(report.protocol), report.kvn);
}

} // namespace

int main(int argc, char **argv)
{
    if (argc < 4) {
        std::fprintf(stderr, "usage: %s CAP JOURNAL TRACE [SCP [CUT [EXECUTED]]]\n", argv[0]);
        return 2;
    }
    try {
        run(argc, argv);
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
