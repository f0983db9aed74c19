/* A card in memory with the published test keys 40 41 .. 4F (AES, key version 01), for the examples and tests only. */
#ifndef CARDWRIGHT_TESTCARD_H
#define CARDWRIGHT_TESTCARD_H

#include <stddef.h>
#include <stdint.h>

/* The card is pulled out before command number cut_at, counted from 1; 0 for never. */
void *cw_test_card_new(uint64_t cut_at);
/* The same with SCP01, SCP02 or SCP03 (1, 2, 3) or SCP03 with challenges of 16 bytes (16), and pulled out after the command where executed is not 0. */
void *cw_test_card_new_scp(uint32_t scp, uint64_t cut_at, uint32_t executed);
/* A native card issued by the script of the FMCOS 2.0 manual, with the keys printed there and empty purses; pulled out as above. */
void *cw_test_card_new_purse(uint64_t cut_at, uint32_t executed);
/* Ends a card; NULL is fine. */
void cw_test_card_free(void *card);
/* Both return 0, 1 when the card did not get the command, 2 when that is not known. They write at most capacity bytes. */
int32_t cw_test_card_reset(void *card, uint8_t *atr, size_t capacity, size_t *length);
int32_t cw_test_card_transmit(void *card, const uint8_t *command, size_t command_len, uint8_t *response,
                              size_t capacity, size_t *length);

#endif
