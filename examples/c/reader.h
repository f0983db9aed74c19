/* A program's own reader, as the two callbacks that a session takes. This one holds a card in memory; yours calls SCard,
 * a vendor's library, or a line to a terminal. */
#ifndef READER_H
#define READER_H

#include <cardwright.h>
#include <testcard.h>

static cw_status reader_status(int32_t result, cw_answer *answer)
{
    if (result == 0)
        return CW_OK;
    /* Say "not sent" only when you know it: anything else is treated as "the card may have executed the command". */
    if (result == 1)
        answer->delivery = CW_DELIVERY_NOT_SENT;
    return CW_CARD_REMOVED;
}

static cw_status CW_CALL reader_transmit(void *user, const uint8_t *command, size_t command_len, cw_answer *answer)
{
    return reader_status(
        cw_test_card_transmit(user, command, command_len, answer->bytes, answer->capacity, &answer->length), answer);
}

static cw_status CW_CALL reader_reset(void *user, cw_answer *answer)
{
    return reader_status(cw_test_card_reset(user, answer->bytes, answer->capacity, &answer->length), answer);
}

#endif
