// Loads and installs a CAP file with progress, lists the card, and issues it.
//
//   c++ -std=c++17 load.cpp -lcardwright -lcardwright_testcard -o load && ./load CAP JOURNAL
//
// The card is one in memory with published test keys; a reader of yours is a class like the one in card.hpp.
#include "card.hpp"

#include <cstdio>
#include <fstream>
#include <iterator>

namespace cw = cardwright;

namespace {

cw::bytes key(std::uint8_t first, std::uint8_t step)
{
    cw::bytes out(16);
    for (std::size_t i = 0; i < out.size(); i++)
        out[i] = static_cast<std::uint8_t>(first + i * step);
    return out;
}

void run(const char *cap, const char *journal_path)
{
    cw::check_abi();
    std::ifstream file(cap, std::ios::binary);
    const cw::load_file load_file(cw::bytes(std::istreambuf_iterator<char>(file), {}));
    const cw::aid package = load_file.info().aid, module = load_file.applet(0);

    cw::keys keys;
    keys.add("test", CW_KEY_AES, key(0x40, 1));
    keys.add("domain", CW_KEY_AES, key(0x00, 1));
    keys.add("initial", CW_KEY_TDES, key(0x00, 0x11));
    keys.add("master", CW_KEY_TDES, key(0x10, 3));
    keys.add("maintenance", CW_KEY_TDES, key(0x80, 5));

    memory_card first;
    cw::session session(first);
    session.reset();
    cw::open_options options;
    options.candidates = {{"test", CW_KEY_AES, CW_SCHEME_AS_IS, 0}};
    const cw_opened opened = session.open(keys, options);
    std::printf("SCP%02u with key version %02X\n", static_cast<unsigned>(opened.protocol), opened.kvn);
    session.load(load_file, [](std::size_t done, std::size_t total) {
        if (done == total)
            std::printf("%zu of %zu blocks\n", done, total);
        return true; // false breaks the load off
    });
    session.install({package, module, module, {}, {}, {}, {}});
    for (const auto &entry : session.list().entries)
        std::printf("%02X %s\n", static_cast<unsigned>(entry.scope), entry.aid.str().c_str());
    const bool deleted = session.remove(package, CW_DELETE_RELATED), again = session.remove(package);
    std::printf("deleted: %d, again: %d\n", deleted, again);

    cw::order order;
    order.current_keys = options.candidates;
    order.new_keys = {{"domain", CW_KEY_AES, CW_SCHEME_KDF3, 0}};
    order.applications.resize(1);
    order.applications[0].load_file = &load_file;
    order.applications[0].initial_master_key = "initial";
    order.applications[0].master_key = "master";
    order.applications[0].maintenance_key = "maintenance";
    memory_card second(3, 30); // this card is torn out before command 30
    cw::session issuing(second);
    cw::journal journal{std::string(journal_path)};
    for (int attempt = 1;; attempt++) {
        cw::process process = cw::process::issue(order);
        try {
            process.run(issuing, keys, journal);
        } catch (const cw::error &error) {
            if (error.status() != CW_INTERRUPTED || attempt > 3)
                throw;
            std::printf("interrupted at %s\n", error.command().c_str());
            continue;
        }
        for (const cw_row &row : process.rows())
            std::printf("%s %s\n", cw::aid(row.aid).str().c_str(), row.state);
        std::printf("card %s is complete, failed authentications: %u\n", process.report().card,
                    static_cast<unsigned>(journal.lockout(process.report().card).failures));
        return;
    }
}

} // namespace

int main(int argc, char **argv)
{
    if (argc < 3) {
        std::fprintf(stderr, "usage: %s CAP JOURNAL\n", argv[0]);
        return 2;
    }
    try {
        run(argv[1], argv[2]);
    } catch (const cw::error &error) {
        std::fprintf(stderr, "%s (SW %04X): %s\n", error.status_name(), error.sw(), error.what());
        return 1;
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
