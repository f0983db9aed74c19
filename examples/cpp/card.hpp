// A card in memory as a transport: a reader of yours is a class like this one.
#ifndef CARD_HPP
#define CARD_HPP

#include <cardwright.hpp>

extern "C" {
#include <testcard.h>
}

class memory_card : public cardwright::transport {
public:
    explicit memory_card(std::uint32_t scp = 3, std::uint64_t cut_at = 0, std::uint32_t executed = 0)
        : card_(cw_test_card_new_scp(scp, cut_at, executed))
    {
    }
    ~memory_card() override { cw_test_card_free(card_); }
    memory_card(const memory_card &) = delete;
    memory_card &operator=(const memory_card &) = delete;

    cardwright::bytes transmit(const cardwright::bytes &command) override
    {
        return result([&](cardwright::bytes &out, std::size_t &length) {
            return cw_test_card_transmit(card_, command.data(), command.size(), out.data(), out.size(), &length);
        });
    }
    cardwright::bytes reset() override
    {
        return result([&](cardwright::bytes &out, std::size_t &length) {
            return cw_test_card_reset(card_, out.data(), out.size(), &length);
        });
    }

private:
    template <class F> cardwright::bytes result(F call)
    {
        cardwright::bytes out(65538);
        std::size_t length = 0;
        const int status = call(out, length);
        if (status != 0)
            throw cardwright::transport_error(CW_CARD_REMOVED, status == 1);
        out.resize(length);
        return out;
    }
    void *card_;
};

#endif
