/* cardwright for C: issues smart cards. SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Generated from the sources of the library; do not edit it, run scripts/header.sh.
 *
 * Calls. A function returns a cw_status: CW_OK or a fixed number that says who is at fault. cw_last_error tells more
 * about the last call of the same thread that failed. Results are written only on success; the one exception is the
 * needed length when a buffer is too small (CW_BUFFER_TOO_SMALL), and that is refused before anything goes to a card.
 *
 * Handles. cw_session, cw_keys, cw_load_file, cw_journal, cw_process, cw_profile and cw_reader_watcher are opaque. What a function gave
 * through `out` is ended by the _free of its type, once; _free(NULL) is fine. A handle is no address: one that was freed,
 * made up or of another type is found out and answered with CW_BAD_HANDLE. Any thread may use a handle, one at a time: a
 * second one gets CW_BUSY and may try again. A handle whose callback calls back gets CW_REENTRANT.
 *
 * Structs begin with struct_size, so that they can grow: set it to sizeof of the struct, and all you do not use to zero.
 * A library that knows fewer fields ignores the others; one that knows more takes them as zero. cw_aid does not grow.
 * A struct that a function fills needs its struct_size set before. In arrays that you hand in, all elements have the
 * struct_size of the first and lie that far apart; so do those that the library hands out, with its own struct_size: a
 * library that is newer than your header has them farther apart than sizeof says.
 *
 * Pointers. What is handed in is not kept when the function has returned, except callbacks and their `user`. Pointers must
 * be good for the length that goes with them; a NULL with length 0 is fine. Strings are UTF-8, end with a NUL and have at
 * most 1023 bytes.
 *
 * Callbacks are called only while a call that needs them is under way, by the thread of that call. They return; they do
 * not throw and do not longjmp.
 *
 * A panic inside the library becomes CW_INTERNAL; the handle in use then answers CW_POISONED until it is freed. The
 * library prints nothing. No message holds a key, a PIN or a card's data.
 *
 * Link with -lcardwright; the static library also needs -lpthread -ldl -lm on Linux.
 *
 * To list a card: cw_keys_new, cw_keys_add, cw_session_new with your own cw_transport or cw_session_new_reader, cw_session_open,
 * cw_session_list, cw_session_free, cw_keys_free. To load: cw_load_file_parse, cw_session_load, cw_session_install after
 * cw_session_open.
 *
 * To issue a card so that it is finished by the next run wherever it is torn out, or the program killed: cw_keys, cw_session and
 * cw_load_file as above, cw_journal_open, cw_process_new_issue (after that the load file may be freed), cw_process_run,
 * cw_process_report, cw_process_free. On CW_INTERRUPTED put the same card back and begin with cw_process_new_issue again.
 * Begin all structs as zero and name the security level: 0 is refused, and of all other choices 0 is the safe or usual one.
 */


#ifndef CARDWRIGHT_H
#define CARDWRIGHT_H

#include <stddef.h>
#include <stdint.h>

/* Functions and callbacks have this calling convention: __stdcall in 32-bit Windows, that of C everywhere else. Write it before
 * the names of your callbacks: static cw_status CW_CALL my_transmit(void *user, ...). */
#if defined(_WIN32) && !defined(_WIN64)
#define CW_CALL __stdcall
#else
#define CW_CALL
#endif

/*
 Number of this interface. A program that was built with another number must not use the library: compare it with what
 `cw_abi_version` returns. Growth that older programs do not notice leaves it.
 */
#define CW_ABI_VERSION 0

/*
 What `cw_answer.capacity` is: the longest response, in bytes.
 */
#define CW_ANSWER_CAPACITY 65538

/*
 `cw_transport.flags`: extended length fields pass. Without, longer commands are chained.
 */
#define CW_TRANSPORT_EXTENDED 0x01

/*
 `cw_answer.delivery`: the card may have got the command, wholly or in part.
 */
#define CW_DELIVERY_UNKNOWN 0

/*
 `cw_answer.delivery`: it is certain that not a byte of the command reached the card.
 */
#define CW_DELIVERY_NOT_SENT 1

/*
 `cw_reader_options.share`: others may use the card at the same time.
 */
#define CW_SHARE_SHARED 1

/*
 `cw_reader_options.share`: they may not. What 0 stands for.
 */
#define CW_SHARE_EXCLUSIVE 2

/*
 `cw_reader_options.protocol`: whichever card and service agree on.
 */
#define CW_PROTOCOL_ANY 0

/*
 `cw_reader_options.protocol`: T=0.
 */
#define CW_PROTOCOL_T0 1

/*
 `cw_reader_options.protocol`: T=1.
 */
#define CW_PROTOCOL_T1 2

/*
 `cw_reader_event.kind`: nothing happened in time.
 */
#define CW_READER_NOTHING 0

/*
 `cw_reader_event.kind`: a reader is there.
 */
#define CW_READER_PLUGGED 1

/*
 `cw_reader_event.kind`: a reader is gone.
 */
#define CW_READER_UNPLUGGED 2

/*
 `cw_reader_event.kind`: a card is in the reader.
 */
#define CW_READER_CARD_IN 3

/*
 `cw_reader_event.kind`: the card is out of the reader.
 */
#define CW_READER_CARD_OUT 4

/*
 `flags` of `cw_session_set_trace`: command and response are handed out whole. They hold keys and data of cards wherever no
 secure channel protects them; without this flag there are only words, which hold none.
 */
#define CW_TRACE_BYTES 0x01

/*
 `flags` of `cw_session_exchange`: through the secure channel, which protects command and response.
 */
#define CW_EXCHANGE_SECURE 0x01

/*
 Key kind: DES with 8 bytes, triple DES with 16.
 */
#define CW_KEY_TDES 1

/*
 Key kind: AES with 16, 24 or 32 bytes.
 */
#define CW_KEY_AES 2

/*
 Key kind: a private key on NIST P-256, 32 bytes. For SCP11 (`cw_session_open_scp11`) alone.
 */
#define CW_KEY_EC_P256 3

/*
 Key kind: a private key on NIST P-384, 48 bytes.
 */
#define CW_KEY_EC_P384 4

/*
 Key kind: a private key on brainpoolP256r1, 32 bytes.
 */
#define CW_KEY_EC_BRAINPOOL_P256 5

/*
 `cw_pkcs11_options.flags`: a card's own key, derived on the token, may be in this process's memory while a question is answered:
 all keys derived from 3DES (PBOC, EMV, VISA), and those derived from AES-192 and AES-256. Without it they are `CW_KEY_REFUSED`.
 */
#define CW_PKCS11_DERIVED_IN_MEMORY 0x01

/*
 `cw_pkcs11_options.flags`: the PIN is used although the token says that one more wrong one locks it.
 */
#define CW_PKCS11_FINAL_TRY 0x02

/*
 `cw_key_request.operation`: session keys of SCP02 (GPCS 2.3.1 E.4.1).

 `keys`: Key-ENC, Key-MAC, Key-DEK. `data`: the sequence counter, 2 bytes. Answer: `session_enc`, `session_mac`, `session_rmac`,
 `session_dek`, 16 bytes each.
 */
#define CW_KEYS_SCP02_SESSION 1

/*
 `cw_key_request.operation`: session keys of SCP03 (Amendment D 6.2.1).

 `keys`: Key-ENC, Key-MAC, Key-DEK; the last one is not used. `data`: host challenge, then card challenge. Answer: `session_enc`,
 `session_mac`, `session_rmac`, each as long as the static keys. Where `challenge_len` is not 0, also `card_challenge`, so many
 bytes derived from Key-ENC with `challenge_data`: sequence counter (3 bytes), then AID (Amendment D 6.2.2.1).
 */
#define CW_KEYS_SCP03_SESSION 2

/*
 `cw_key_request.operation`: a key enciphered for PUT KEY.

 `keys`: the key that goes to the card; where `session_dek` is NULL, then the Key-DEK of the card: AES-CBC with an IV of zeros
 (Amendment D 6.2.8), or of SCP01: triple DES, ECB (GPCS 2.3.1 D.3.5). Otherwise it is enciphered under `session_dek`: triple DES, ECB (GPCS 2.3.1 E.4.7). Answer: `output`,
 `key_kind`, `key_len`, `kcv`: the first 3 bytes of the key's encryption of 8 bytes 00 (triple DES) or 16 bytes 01 (AES).
 */
#define CW_KEYS_WRAP 3

/*
 `cw_key_request.operation`: a challenge enciphered for EXTERNAL AUTHENTICATE of a PBOC card.

 `keys`: the authentication key. `data`: the challenge, 8 bytes. Answer: `output`, 8 bytes: triple DES or DES, ECB.
 */
#define CW_KEYS_CRYPTOGRAM 4

/*
 `cw_key_request.operation`: data field of WRITE KEY of a PBOC card, enciphered and with MAC.

 `keys`: the card's present master key, then the key that goes to the card. `data`: what precedes the key in the plain data.
 Answer: `output`: the plain data behind its length byte, padded with 80 00 .. to blocks of 8 only where it does not fill them,
 enciphered with ECB, then 4 bytes of MAC over `header`, Lc and the cipher text, with `iv` as the first block; and `kcv` of the
 key.
 */
#define CW_KEYS_KEY_COMMAND 5

/*
 `cw_key_request.operation`: a MAC of PBOC secure messaging.

 `keys`: the MAC key. `data`: header with Lc, and data. `iv`: the first block. Answer: `output`, 4 bytes.
 */
#define CW_KEYS_MAC 6

/*
 `cw_key_request.operation`: session keys of SCP01 (GPCS 2.3.1 D.3.1).

 `keys`: Key-ENC, Key-MAC, Key-DEK; the last one is not used. `data`: host challenge, then card challenge, 8 bytes each. Answer:
 `session_enc`, `session_mac`, 16 bytes each.
 */
#define CW_KEYS_SCP01_SESSION 7

/*
 Key scheme: the key itself, in all three places of the set.
 */
#define CW_SCHEME_AS_IS 1

/*
 Key scheme: EMV CPS, triple DES.
 */
#define CW_SCHEME_EMV 2

/*
 Key scheme: VISA2, triple DES.
 */
#define CW_SCHEME_VISA2 3

/*
 Key scheme: KDF3, AES.
 */
#define CW_SCHEME_KDF3 4

/*
 Key scheme: PBOC, triple DES, with the serial number of an application or an issuer code; only in key requests.
 */
#define CW_SCHEME_PBOC 5

/*
 Key scheme: VISA, triple DES.
 */
#define CW_SCHEME_VISA 6

/*
 Security level: authentication only. Not 0, so that a level that was never set is refused.
 */
#define CW_SECURITY_AUTHENTICATED 0x100

/*
 Security level: C-MAC.
 */
#define CW_SECURITY_C_MAC 0x01

/*
 Security level: C-DECRYPTION and C-MAC.
 */
#define CW_SECURITY_C_DECRYPTION 0x03

/*
 Security level: C-MAC and R-MAC.
 */
#define CW_SECURITY_C_MAC_R_MAC 0x11

/*
 Security level: C-DECRYPTION, C-MAC and R-MAC.
 */
#define CW_SECURITY_C_DECRYPTION_R_MAC 0x13

/*
 Security level: C-DECRYPTION, R-ENCRYPTION, C-MAC and R-MAC.
 */
#define CW_SECURITY_FULL 0x33

/*
 Card challenge: a card whose `i` promises the pseudo-random one and that gives another is refused.
 */
#define CW_CHALLENGE_REQUIRE 0

/*
 Card challenge: `cw_opened.challenge_verified` tells whether it is the pseudo-random one.
 */
#define CW_CHALLENGE_REPORT 1

/*
 Card challenge: not looked at.
 */
#define CW_CHALLENGE_IGNORE 2

/*
 `cw_open_options.flags`: the card is known to speak SCP03 with challenges of 16 bytes; it takes a `host_challenge` of zeros.
 */
#define CW_OPEN_S16 0x01

/*
 `cw_open_options.flags`: with a journal: try although the card had too many failed authentications. It may lock the card for ever.
 */
#define CW_OPEN_OVERRIDE_LOCKOUT 0x02

/*
 `cw_opened.counted`: failures are not counted: no journal was given.
 */
#define CW_COUNTED_NOT 0

/*
 `cw_opened.counted`: failures are counted for the card, in whatever reader.
 */
#define CW_COUNTED_CARD 1

/*
 `cw_opened.counted`: the card tells no identity: failures are counted as long as the session lives, and forgotten with it.
 */
#define CW_COUNTED_SESSION 2

/*
 `cw_scp11_options.variant`: SCP11a: card and host prove who they are.
 */
#define CW_SCP11_A 1

/*
 `cw_scp11_options.variant`: SCP11b: the card proves who it is; the host does not.
 */
#define CW_SCP11_B 2

/*
 `cw_scp11_options.variant`: SCP11c: as a, and the card answers with its static key.
 */
#define CW_SCP11_C 3

/*
 `cw_scp11_options.flags`: MACs of 16 bytes, as the card's recognition data says; else 8.
 */
#define CW_SCP11_S16 0x01

/*
 `cw_scp11_options.flags`: blocks of a certificate are marked in the class byte alone, and not in P1 too.
 */
#define CW_SCP11_MARK_CLASS 0x02

/*
 Part of the registry: the issuer security domain.
 */
#define CW_SCOPE_ISD 0x80

/*
 Part of the registry: applications and supplementary security domains.
 */
#define CW_SCOPE_APPLICATIONS 0x40

/*
 Part of the registry: executable load files, of a card that does not tell their modules.
 */
#define CW_SCOPE_LOAD_FILES 0x20

/*
 Part of the registry: executable load files with their modules.
 */
#define CW_SCOPE_LOAD_FILES_AND_MODULES 0x10

/*
 The Descriptor component is left out, as the tools of the field do.
 */
#define CW_DESCRIPTOR_OMIT 0

/*
 The Descriptor component is sent, as the last one.
 */
#define CW_DESCRIPTOR_SEND 1

/*
 `flags`: what depends on the object goes with it.
 */
#define CW_DELETE_RELATED 0x01

/*
 `flags`: what cannot be undone is meant.
 */
#define CW_IRREVERSIBLE 0x80

/*
 SET STATUS of the card, whose state is that of the issuer security domain.
 */
#define CW_TARGET_CARD 0x80

/*
 SET STATUS of an application or supplementary security domain.
 */
#define CW_TARGET_APPLICATION 0x40

/*
 SET STATUS of a security domain and all applications that belong to it.
 */
#define CW_TARGET_DOMAIN_AND_APPLICATIONS 0x60

/*
 `cw_store_data.structure`: as the application knows.
 */
#define CW_STRUCTURE_OWN 0x00

/*
 `cw_store_data.structure`: data groups (DGI, length, value).
 */
#define CW_STRUCTURE_DGI 0x08

/*
 `cw_store_data.structure`: BER-TLV.
 */
#define CW_STRUCTURE_BER_TLV 0x10

/*
 `cw_store_data.encryption`: nothing is enciphered, or nothing is said about it.
 */
#define CW_ENCRYPTION_NONE 0x00

/*
 `cw_store_data.encryption`: some values are, as the application knows.
 */
#define CW_ENCRYPTION_APPLICATION 0x20

/*
 `cw_store_data.encryption`: all values are enciphered.
 */
#define CW_ENCRYPTION_ALL 0x60

/*
 `flags` of `cw_session_put_keys`: the new key set is added, and no other replaced.
 */
#define CW_PUT_KEYS_ADD 0x01

/*
 `cw_order.flags`: try again although the card had too many failed authentications. It may lock the card for ever.
 */
#define CW_ORDER_OVERRIDE_LOCKOUT 0x01

/*
 `cw_order.flags`: try steps again that wait for persons (`CW_QUARANTINED`) and that `cw_order.release` decides about.
 */
#define CW_ORDER_RELEASE_QUARANTINE 0x02

/*
 `cw_order.flags`: the initial keys of a card (version FF) may be replaced. They never come back; without it such a card is refused
 before anything is changed.
 */
#define CW_ORDER_REPLACE_INITIAL_KEYS 0x04

/*
 `cw_application_order.flags`: the card's load file must have this version, major and minor.
 */
#define CW_APPLICATION_VERSION 0x01

/*
 `cw_application_order.flags`: the application does not tell its retry counter when EXTERNAL AUTHENTICATE comes without data.
 */
#define CW_APPLICATION_NO_TRIES 0x02

/*
 `cw_event.kind`: the card is known; `text` is its identity.
 */
#define CW_EVENT_CARD 1

/*
 `cw_event.kind`: what is on the card, in `rows`.
 */
#define CW_EVENT_APPLICATIONS 2

/*
 `cw_event.kind`: a stage begins; `text` names it.
 */
#define CW_EVENT_STAGE 3

/*
 `cw_event.kind`: `done` of `total` blocks of a load file are on the card.
 */
#define CW_EVENT_LOADING 4

/*
 `cw_event.kind`: the step named by `text` is settled; `outcome` says how.
 */
#define CW_EVENT_STEP 5

/*
 `cw_row.kind`: the issuer security domain.
 */
#define CW_ROW_ISSUER_SECURITY_DOMAIN 1

/*
 `cw_row.kind`: a supplementary security domain.
 */
#define CW_ROW_SECURITY_DOMAIN 2

/*
 `cw_row.kind`: an application.
 */
#define CW_ROW_APPLICATION 3

/*
 `cw_row.kind`: an executable load file.
 */
#define CW_ROW_LOAD_FILE 4

/*
 `cw_row.status`: of what is no application.
 */
#define CW_ROW_STATUS_NONE 0

/*
 `cw_row.status`: on the card, without its own keys.
 */
#define CW_ROW_STATUS_INSTALLED 1

/*
 `cw_row.status`: with the keys of the issuer.
 */
#define CW_ROW_STATUS_ISSUED 2

/*
 `cw_row.status`: issued, and use was reported.
 */
#define CW_ROW_STATUS_USED 3

/*
 `cw_account_request.operation`: take `amount` from `account`. Answer: `CW_BOOKING_BOOKED`, `CW_BOOKING_REFUSED` or
 `CW_BOOKING_PENDING`.
 */
#define CW_ACCOUNT_DEBIT 1

/*
 `cw_account_request.operation`: give `amount`, which `debit` took, back to `account`. A debit that was never seen is to be refused
 when it comes later. Answer: as for `CW_ACCOUNT_DEBIT`.
 */
#define CW_ACCOUNT_REVERSE 2

/*
 `cw_account_request.operation`: what came of `booking`. Answer: any of `CW_BOOKING_BOOKED` to `CW_BOOKING_NOT_SEEN`.
 */
#define CW_ACCOUNT_QUERY 3

/*
 `cw_booking.status`: booked, now or before; `reference` is the keeper's number of it.
 */
#define CW_BOOKING_BOOKED 1

/*
 `cw_booking.status`: refused for good; the same booking will never be made.
 */
#define CW_BOOKING_REFUSED 2

/*
 `cw_booking.status`: not decided yet; it is queried by a later run.
 */
#define CW_BOOKING_PENDING 3

/*
 `cw_booking.status`, only to `CW_ACCOUNT_QUERY`: the keeper never saw it. It may be under way.
 */
#define CW_BOOKING_NOT_SEEN 4

/*
 `cw_purse_load.purse`: electronic deposit (ED); it wants the holder's PIN.
 */
#define CW_PURSE_DEPOSIT 1

/*
 `cw_purse_load.purse`: electronic wallet (EP).
 */
#define CW_PURSE_WALLET 2

/*
 `cw_purse_terminal.algorithm`: triple DES with two keys.
 */
#define CW_PURSE_TDES 1

/*
 `cw_purse_terminal.algorithm`: single DES.
 */
#define CW_PURSE_DES 2

/*
 `cw_purse_terminal.algorithm`: SM4.
 */
#define CW_PURSE_SM4 3

/*
 `cw_purse_terminal.tac`: the halves of the TAC key, one xored onto the other, are the key.
 */
#define CW_TAC_FOLDED 1

/*
 `cw_purse_terminal.tac`: the TAC key is used as it is.
 */
#define CW_TAC_WHOLE 2

/*
 `cw_purse_terminal.prove`: GET TRANSACTION PROVE is asked with both serial numbers, the load's own first.
 */
#define CW_PROVE_BOTH 0

/*
 `cw_purse_terminal.prove`: with the load's own.
 */
#define CW_PROVE_OWN 1

/*
 `cw_purse_terminal.prove`: with the one after it.
 */
#define CW_PROVE_NEXT 2

/*
 `cw_purse_terminal.flags`: a card whose application has version 5 is used with its SM4 keys.
 */
#define CW_PURSE_SM4_BY_VERSION 0x01

/*
 `cw_purse_terminal.flags`: cards hold the keys as they are; they are not diversified.
 */
#define CW_PURSE_KEYS_AS_IS 0x02

/*
 `cw_purse_load_report.state`: the card has no load to resume; nothing was done.
 */
#define CW_LOADING_NONE 0

/*
 `cw_purse_load_report.state`: ordered, and the card read.
 */
#define CW_LOADING_CARD_READ 1

/*
 `cw_purse_load_report.state`: the rules allow it.
 */
#define CW_LOADING_MATCHED 2

/*
 `cw_purse_load_report.state`: the card is initialized for it.
 */
#define CW_LOADING_INITIALIZED 3

/*
 `cw_purse_load_report.state`: the debit was asked for.
 */
#define CW_LOADING_DEBIT_REQUESTED 4

/*
 `cw_purse_load_report.state`: the debit was not answered.
 */
#define CW_LOADING_DEBIT_UNKNOWN 5

/*
 `cw_purse_load_report.state`: the account is debited; no MAC2 that is worth anything was given out.
 */
#define CW_LOADING_DEBITED 6

/*
 `cw_purse_load_report.state`: MAC2 was given out.
 */
#define CW_LOADING_CREDIT_SENT 7

/*
 `cw_purse_load_report.state`: MAC2 was given out, and what came of it is not known.
 */
#define CW_LOADING_CREDIT_UNKNOWN 8

/*
 `cw_purse_load_report.state`: the card has proved that it does not have the money.
 */
#define CW_LOADING_NOT_LOADED 9

/*
 `cw_purse_load_report.state`: the account is to get its money back.
 */
#define CW_LOADING_REVERSAL_PENDING 10

/*
 `cw_purse_load_report.state`: ended without debit and load. `reason`: 1 the rules, 2 the account was not debited, 3 given up.
 */
#define CW_LOADING_CLOSED 11

/*
 `cw_purse_load_report.state`: ended, debited and loaded. `reason`, what shows it: 1 the TAC of CREDIT FOR LOAD, 2 the TAC of GET
 TRANSACTION PROVE, 3 MAC1 of a later initialization, 4 persons who settled its case.
 */
#define CW_LOADING_LOADED 12

/*
 `cw_purse_load_report.state`: ended, debited, not loaded, and reversed.
 */
#define CW_LOADING_REVERSED 13

/*
 `cw_purse_load_report.state`: debited; whether it is loaded cannot be told. `reason`: 1 MAC1 is wrong, 2 the proof is of another
 load, 3 serial number or balance moved on, 4 the card refuses to be initialized, 5 the card did not come back, 6 the keeper of
 accounts refuses the reversal.
 */
#define CW_LOADING_DISPUTED 14

/*
 `cw_script.flags`: the text is an operator's ready-made commands, line by line, not TOML.
 */
#define CW_SCRIPT_LINES 0x01

/*
 `flags` of `cw_process_new_delete`: also what depends on it, and personalized applications.
 */
#define CW_DELETE_FORCE 0x02

/*
 `cw_question.kind`: send `bytes` to the card, and hand its response in with `cw_process_answer_bytes`.
 */
#define CW_ASK_TRANSMIT 1

/*
 `cw_question.kind`: reset the card, and hand its ATR in with `cw_process_answer_bytes`.
 */
#define CW_ASK_RESET 2

/*
 `cw_question.kind`: answer the key request `keys` with `cw_process_answer_keys`.
 */
#define CW_ASK_KEYS 3

/*
 `cw_question.kind`: hand all records of `entity` in with `cw_process_answer_history`.
 */
#define CW_ASK_HISTORY 4

/*
 `cw_question.kind`: write `transaction`, and answer with `cw_process_answer_committed` when it is on stable storage.
 */
#define CW_ASK_COMMIT 5

/*
 `cw_question.kind`: hand 8 random bytes from a generator fit for keys in with `cw_process_answer_bytes`.
 */
#define CW_ASK_RANDOM 6

/*
 `cw_question.kind`: `event` happened; there is nothing to answer.
 */
#define CW_ASK_NOTHING 7

/*
 `cw_question.kind`: the process has ended: `cw_process_report`.
 */
#define CW_ASK_DONE 8

/*
 `cw_question.kind`: ask the keeper of accounts for `account`, and answer with `cw_process_answer_account`.
 */
#define CW_ASK_ACCOUNT 9

/*
 A journal: what was decided and what happened, card by card, so that an interrupted run is finished by the next. Made by
 `cw_journal_open` or `cw_journal_new_store`, ended by `cw_journal_free`. Any number of threads may use it at the same time.
 */
typedef struct cw_journal cw_journal;

/*
 A key service. `cw_keys_new` makes one that holds keys in the memory of this process, by name: for development, tests and
 cards with published test keys; key bytes are copied and wiped when freed; whoever has the
 handle can have them enciphered under a key of its own (`cw_keys_answer`). `cw_keys_new_service` makes one
 of the program's own callbacks, behind which an HSM stands, and `cw_keys_new_pkcs11` one of a token or HSM. Ended by `cw_keys_free`.
 */
typedef struct cw_keys cw_keys;

/*
 A CAP file, checked and ready to be loaded; never changes. Made by `cw_load_file_parse`, ended by `cw_load_file_free`.
 Any number of threads may use it at the same time.
 */
typedef struct cw_load_file cw_load_file;

/*
 An issuing process: a machine that decides, and does nothing itself. Made by `cw_process_new_issue`, `cw_process_new_delete`,
 `cw_process_new_use`, `cw_process_new_script`, `cw_process_new_number`, `cw_process_new_load`, `cw_process_resume_load` or `cw_process_give_up_load`, ended by `cw_process_free`, at any time: the next one takes up from what the journal and the card say. A process that has ended, well
 or not, stays so: to go on, make a new one.

 Either `cw_process_run` answers all its questions from a session, keys and a journal. Or the program does, with its own reader,
 HSM and database, at its own pace: `cw_process_next` gives a question, one of the `cw_process_answer_` functions takes the answer,
 until `CW_ASK_DONE`. An answer is taken once, and only when its question was given: all else ends with `CW_OUT_OF_TURN`, and the
 question stays open.
 */
typedef struct cw_process cw_process;

/*
 What a kind of card does otherwise than the standard says: named in `cw_open_options` and `cw_order`, which copy it. Made by
 `cw_profile_new` or `cw_profile_parse`, ended by `cw_profile_free`.
 */
typedef struct cw_profile cw_profile;

/*
 Watches readers come and go, and cards in them. Made by `cw_reader_watcher_new`, ended by `cw_reader_watcher_free`.
 */
typedef struct cw_reader_watcher cw_reader_watcher;

/*
 A conversation with one card. Made by `cw_session_new`, ended by `cw_session_free`.
 */
typedef struct cw_session cw_session;

/*
 How a call ended: `CW_OK`, or one of the numbers below.

 Who is at fault: 1xx the caller, 2xx the way to the card, 3xx the card, 4xx secure channel and keys, 5xx an issuing
 process, 6xx storage, 9xx this library. A number never changes its meaning; new ones may come, so that a switch needs a
 default.
 */
typedef int32_t cw_status;

/*
 What is known about a call that failed. Holds no key, no PIN and no data of a card.
 */
typedef struct cw_error {
  /*
   Set it to `sizeof(cw_error)`.
   */
  uint32_t struct_size;
  /*
   The status that the call returned; `CW_OK` when no call of this thread has failed yet.
   */
  cw_status status;
  /*
   SW1-SW2 with which the card refused; 0 where none did.
   */
  uint16_t sw;
  /*
   1: the answer to the command is missing or worthless, and the card may have executed it, wholly or in part: find out before
   you repeat it. 0: the card did not get it, or answered it as `sw` says.
   */
  uint8_t in_doubt;
  /*
   Zero.
   */
  uint8_t reserved[5];
  /*
   Where in the input or in the card's answer the fault is, in bytes from its start; -1 where there is no such place.
   */
  int64_t offset;
  /*
   Length of the whole message, in bytes without the NUL; greater than 511 when `message` was cut:
   `cw_last_error_message` gives all of it.
   */
  uint32_t message_len;
  /*
   Name of the command in question, such as "INITIALIZE UPDATE", or empty.
   */
  char command[60];
  /*
   What happened and what to do, in English; UTF-8, ends with a NUL, cut between two characters.
   */
  char message[512];
} cw_error;

/*
 A command APDU.
 */
typedef struct cw_command_apdu {
  /*
   Set it to `sizeof(cw_command_apdu)`.
   */
  uint32_t struct_size;
  /*
   CLA.
   */
  uint8_t cla;
  /*
   INS.
   */
  uint8_t ins;
  /*
   P1.
   */
  uint8_t p1;
  /*
   P2.
   */
  uint8_t p2;
  /*
   The command data field; may be NULL when `nc` is 0.
   */
  const uint8_t *data;
  /*
   Nc, the number of data bytes, 0 to 65535.
   */
  size_t nc;
  /*
   Ne, the greatest number of response data bytes, 0 to 65536; 0 for none, 256 for a short Le of 00.
   */
  uint32_t ne;
  /*
   1: extended length fields even where short ones would do; else 0.
   */
  uint32_t extended;
} cw_command_apdu;

/*
 A response APDU.
 */
typedef struct cw_response_apdu {
  /*
   Set it to `sizeof(cw_response_apdu)`.
   */
  uint32_t struct_size;
  /*
   SW1-SW2.
   */
  uint16_t sw;
  /*
   Zero.
   */
  uint16_t reserved;
  /*
   The response data field; may be NULL when `nr` is 0.
   */
  const uint8_t *data;
  /*
   Nr, the number of data bytes, 0 to 65536.
   */
  size_t nr;
} cw_response_apdu;

/*
 Where a callback puts what the card sent.
 */
typedef struct cw_answer {
  /*
   `sizeof(cw_answer)` of the library; a callback uses no field beyond it.
   */
  uint32_t struct_size;
  /*
   `CW_DELIVERY_UNKNOWN`; a callback that fails sets `CW_DELIVERY_NOT_SENT` when it is certain of that, and only then.
   */
  uint32_t delivery;
  /*
   Room for the bytes, the library's.
   */
  uint8_t *bytes;
  /*
   Number of bytes that there is room for: `CW_ANSWER_CAPACITY`.
   */
  size_t capacity;
  /*
   0; the callback sets how many bytes it has written. More than `capacity` ends the call with
   `CW_RESPONSE_TOO_LONG`.
   */
  size_t length;
} cw_answer;

/*
 Carries one command to the card and its response, with SW1-SW2, back; blocks until it is there.

 Called by the thread that is in a call with the session, one at a time, and never after that call has returned.
 `command` and `answer` are good until the callback returns. The callback returns `CW_OK`, or one of `CW_CARD_REMOVED`
 to `CW_LINE_LOST`, or `CW_TRANSPORT`; it does not throw and does not jump out. It may call this library, but a call
 with the session that it serves ends with `CW_REENTRANT`. GET RESPONSE, wrong Le and command chaining are done by the
 library: the bytes go to the card as they are. `command` may hold a key: do not log it.
 */
typedef cw_status (CW_CALL *cw_transmit_fn)(void *user, const uint8_t *command, size_t command_len, struct cw_answer *answer);

/*
 Resets the card, which closes what was open on it, and gives its ATR, at most 33 bytes. Must not be NULL in a `cw_transport`; called
 by `cw_session_reset` and at the beginning of each issuing process. All else as for `cw_transmit_fn`.
 */
typedef cw_status (CW_CALL *cw_reset_fn)(void *user, struct cw_answer *answer);

/*
 A way to a card: a reader, a line, another library, as callbacks.
 */
typedef struct cw_transport {
  /*
   Set it to `sizeof(cw_transport)`.
   */
  uint32_t struct_size;
  /*
   0, or `CW_TRANSPORT_EXTENDED`.
   */
  uint32_t flags;
  /*
   Carries a command.
   */
  cw_transmit_fn transmit;
  /*
   Resets the card.
   */
  cw_reset_fn reset;
  /*
   Handed to the callbacks, and not looked at otherwise. What it points to must live as long as the session.
   */
  void *user;
} cw_transport;

/*
 Takes the name of one reader, UTF-8, good until the callback returns. 0 goes on, anything else ends the call with `CW_CANCELLED`.
 Called by the thread that called `cw_reader_list`. It does not throw and does not jump out.
 */
typedef int32_t (CW_CALL *cw_reader_fn)(void *user, const char *reader);

/*
 How to connect to a card in a reader.
 */
typedef struct cw_reader_options {
  /*
   Set it to `sizeof(cw_reader_options)`.
   */
  uint32_t struct_size;
  /*
   0, or `CW_TRANSPORT_EXTENDED` when card and reader are known to carry extended lengths; not over T=0.
   */
  uint32_t flags;
  /*
   `CW_SHARE_SHARED` or `CW_SHARE_EXCLUSIVE`.
   */
  uint32_t share;
  /*
   One of `CW_PROTOCOL_ANY` to `CW_PROTOCOL_T1`.
   */
  uint32_t protocol;
  /*
   How long to wait for a card, or for another program that holds it, in milliseconds; 0 for not at all.
   */
  uint32_t wait_ms;
  /*
   How long a command may take, in milliseconds; 0 for 60000.
   */
  uint32_t timeout_ms;
} cw_reader_options;

/*
 What happened at a reader.
 */
typedef struct cw_reader_event {
  /*
   Set it to `sizeof(cw_reader_event)`.
   */
  uint32_t struct_size;
  /*
   One of `CW_READER_NOTHING` to `CW_READER_CARD_OUT`.
   */
  uint32_t kind;
  /*
   Length of the ATR, in bytes; 0 for a mute card.
   */
  uint32_t atr_len;
  /*
   ATR of the card that came.
   */
  uint8_t atr[36];
  /*
   Name of the reader: UTF-8, ends with a NUL.
   */
  char reader[256];
} cw_reader_event;

/*
 One command and what came of it.
 */
typedef struct cw_trace {
  /*
   `sizeof(cw_trace)` of the library; use no field beyond it.
   */
  uint32_t struct_size;
  /*
   Time until the response, in microseconds.
   */
  uint32_t micros;
  /*
   The command in words, such as "80 CA 9F 7F GET DATA, Ne 256"; of its data only what is public. "reset" for a reset; "card
   profile .." where one that is not the standard is followed from now on.
   */
  const char *command_text;
  /*
   The response in words, such as "9000 (done), 42 bytes", or why there is none.
   */
  const char *response_text;
  /*
   The command; NULL for a reset, and without `CW_TRACE_BYTES`.
   */
  const uint8_t *command;
  /*
   Length of the command, in bytes.
   */
  size_t command_len;
  /*
   The response with its status word, or the ATR; NULL when there is none, and without `CW_TRACE_BYTES`.
   */
  const uint8_t *response;
  /*
   Length of the response, in bytes.
   */
  size_t response_len;
} cw_trace;

/*
 Hears each command after it was answered or failed: command by command as they go over the line, GET RESPONSE and corrected Le
 too. Called by the thread that is in a call with the session; all pointers are good until it returns. It does not throw and
 does not jump out; a call with the same session ends with `CW_REENTRANT`.
 */
typedef void (CW_CALL *cw_trace_fn)(void *user, const struct cw_trace *trace);

/*
 An AID: `length` 5 to 16, or 0 for none.
 */
typedef struct cw_aid {
  /*
   Number of bytes that count.
   */
  uint8_t length;
  /*
   The bytes; those behind `length` are not looked at, and are zero in results.
   */
  uint8_t bytes[16];
} cw_aid;

/*
 One key of a security domain (GPCS 2.3.1 table 11-30). It does not grow.
 */
typedef struct cw_key_information {
  /*
   Key version.
   */
  uint8_t kvn;
  /*
   Key identifier.
   */
  uint8_t kid;
  /*
   Type of its first component: 80 to 84 DES, 88 AES, A0 to A8 RSA, B0 to B8 EC.
   */
  uint8_t key_type;
  /*
   Zero.
   */
  uint8_t reserved;
  /*
   Length of its first component, in bytes.
   */
  uint16_t length;
} cw_key_information;

/*
 What a card says of itself. What it does not tell is zero.
 */
typedef struct cw_card_data {
  /*
   Set it to `sizeof(cw_card_data)`.
   */
  uint32_t struct_size;
  /*
   Number of keys in `keys`, at most 32.
   */
  uint32_t key_count;
  /*
   AID of the selected security domain.
   */
  struct cw_aid domain;
  /*
   `i` of SCP01, SCP02, SCP03, SCP11 from the card recognition data, 0 where the card does not have the protocol.
   */
  uint8_t i_scp01;
  /*
   As above.
   */
  uint8_t i_scp02;
  /*
   As above.
   */
  uint8_t i_scp03;
  /*
   As above.
   */
  uint8_t i_scp11;
  /*
   GlobalPlatform version, such as 2, 3, 1.
   */
  uint8_t version[3];
  /*
   Length of the CPLC data: 42, or 0.
   */
  uint8_t cplc_len;
  /*
   CPLC data.
   */
  uint8_t cplc[42];
  /*
   Length of the issuer identification number, in bytes; it is read only where the CPLC data holds no serial number.
   */
  uint8_t iin_len;
  /*
   Length of the card image number, in bytes; read as `iin` is.
   */
  uint8_t cin_len;
  /*
   Issuer identification number.
   */
  uint8_t iin[16];
  /*
   Card image number.
   */
  uint8_t cin[32];
  /*
   Identity under which the journal knows the card: printable ASCII, ends with a NUL; empty where it has none.
   */
  char identity[132];
  /*
   Keys of the security domain.
   */
  struct cw_key_information keys[32];
} cw_card_data;

/*
 One step of the derivation of a card's own key.
 */
typedef struct cw_key_derivation {
  /*
   `sizeof(cw_key_derivation)`.
   */
  uint32_t struct_size;
  /*
   `CW_SCHEME_EMV`, `CW_SCHEME_VISA2`, `CW_SCHEME_KDF3`, `CW_SCHEME_VISA` or `CW_SCHEME_PBOC`.
   */
  uint32_t scheme;
  /*
   Which key of the set comes out: 1 Key-ENC, 2 Key-MAC, 3 Key-DEK; 0 for PBOC.
   */
  uint32_t purpose;
  /*
   Number of bytes in `factor`: 10 of key diversification data, or 8 for PBOC.
   */
  uint32_t factor_len;
  /*
   What it is derived with.
   */
  uint8_t factor[16];
} cw_key_derivation;

/*
 A key by name.
 */
typedef struct cw_key_ref {
  /*
   `sizeof(cw_key_ref)`.
   */
  uint32_t struct_size;
  /*
   Zero.
   */
  uint32_t reserved;
  /*
   What the key service calls the key at the root.
   */
  const char *name;
  /*
   The derivations, from the root key to the one that is meant.
   */
  const struct cw_key_derivation *steps;
  /*
   Number of derivations; 0 for the root key itself.
   */
  size_t step_count;
} cw_key_ref;

/*
 One question to a key service. The `CW_KEYS_` numbers say what each operation is given and what it answers; fields that an
 operation does not name are zero.
 */
typedef struct cw_key_request {
  /*
   `sizeof(cw_key_request)`.
   */
  uint32_t struct_size;
  /*
   One of `CW_KEYS_SCP02_SESSION` to `CW_KEYS_SCP01_SESSION`. New ones may come: answer those that you do not know with
   `CW_KEY_SERVICE`.
   */
  uint32_t operation;
  /*
   The keys.
   */
  const struct cw_key_ref *keys;
  /*
   Number of keys.
   */
  size_t key_count;
  /*
   What the operation is about.
   */
  const uint8_t *data;
  /*
   Length of `data`, in bytes.
   */
  size_t data_len;
  /*
   What a card challenge is derived with.
   */
  const uint8_t *challenge_data;
  /*
   Length of `challenge_data`, in bytes.
   */
  size_t challenge_data_len;
  /*
   Length of the card challenge that is asked for, in bytes; 0 for none.
   */
  size_t challenge_len;
  /*
   A session key, secret: do not log it.
   */
  const uint8_t *session_dek;
  /*
   Length of `session_dek`, in bytes.
   */
  size_t session_dek_len;
  /*
   CLA INS P1 P2.
   */
  uint8_t header[4];
  /*
   Zero.
   */
  uint8_t reserved[4];
  /*
   First block of a MAC.
   */
  uint8_t iv[8];
} cw_key_request;

/*
 A key service's answer. It is zero before; the operation says what is to be filled in. It holds keys: the library wipes its
 own.
 */
typedef struct cw_key_answer {
  /*
   `sizeof(cw_key_answer)`; a callback uses no field beyond it.
   */
  uint32_t struct_size;
  /*
   `CW_KEY_TDES` or `CW_KEY_AES`.
   */
  uint32_t key_kind;
  /*
   Length of the key that went into `output`, in bytes.
   */
  uint32_t key_len;
  /*
   Length of each session key, in bytes.
   */
  uint32_t session_key_len;
  /*
   Length of `card_challenge`, in bytes; 0 where none was asked for.
   */
  uint32_t card_challenge_len;
  /*
   S-ENC.
   */
  uint8_t session_enc[32];
  /*
   S-MAC.
   */
  uint8_t session_mac[32];
  /*
   S-RMAC.
   */
  uint8_t session_rmac[32];
  /*
   Session DEK of SCP02.
   */
  uint8_t session_dek[32];
  /*
   Card challenge.
   */
  uint8_t card_challenge[16];
  /*
   Key check value.
   */
  uint8_t kcv[3];
  /*
   Zero.
   */
  uint8_t reserved[1];
  /*
   Length of `output`, in bytes.
   */
  uint32_t output_len;
  /*
   What the operation produces.
   */
  uint8_t output[256];
  /*
   Why the service refuses or cannot be reached, for the error message: UTF-8, at most 127 bytes, ends with a NUL. No secret.
   */
  char reason[128];
} cw_key_answer;

/*
 Answers one question of the library to the program's key service; blocks until it has.

 Called by the thread that is in a call which uses the handle: by several at the same time when several threads use it. `request`
 and `answer` are good until the callback returns. It returns `CW_OK`, or `CW_KEY_NOT_FOUND`, `CW_KEY_MISFIT` or
 `CW_KEY_REFUSED` (policy; both end as `CW_KEY_REFUSED`), `CW_KEY_UNAVAILABLE` (the same request may be asked again), or `CW_KEY_SERVICE` (it cannot do this).
 The same request must get the same answer. It does not throw and does not jump out; it may call this library, but a call with
 the session or process that it serves, or with its own `cw_keys`, ends with `CW_REENTRANT`.
 */
typedef cw_status (CW_CALL *cw_key_request_fn)(void *user, const struct cw_key_request *request, struct cw_key_answer *answer);

/*
 The program's own key service: an HSM or a line to one.
 */
typedef struct cw_key_service {
  /*
   Set it to `sizeof(cw_key_service)`.
   */
  uint32_t struct_size;
  /*
   Zero.
   */
  uint32_t flags;
  /*
   Answers questions.
   */
  cw_key_request_fn answer;
  /*
   Handed to the callback, and not looked at otherwise.
   */
  void *user;
} cw_key_service;

/*
 One part of a key, which tells nothing of the key alone.
 */
typedef struct cw_key_component {
  /*
   Set it to `sizeof(cw_key_component)`.
   */
  uint32_t struct_size;
  /*
   Its check value, computed as for a key.
   */
  uint8_t kcv[3];
  /*
   Zero.
   */
  uint8_t reserved;
  /*
   The bytes.
   */
  const uint8_t *value;
  /*
   Number of bytes: those of the key.
   */
  size_t value_len;
} cw_key_component;

/*
 Where a token is.
 */
typedef struct cw_pkcs11_options {
  /*
   Set it to `sizeof(cw_pkcs11_options)`.
   */
  uint32_t struct_size;
  /*
   Sum of `CW_PKCS11_DERIVED_IN_MEMORY`, `CW_PKCS11_FINAL_TRY`.
   */
  uint32_t flags;
  /*
   Path of the module: the shared library that came with the token.
   */
  const char *module;
  /*
   Label of the token, or NULL where its serial number is given.
   */
  const char *token_label;
  /*
   Serial number of the token, or NULL where its label is given.
   */
  const char *token_serial;
  /*
   The user's PIN. It is copied, to connect again when the session is lost, and wiped when the handle is freed.
   */
  const char *pin;
} cw_pkcs11_options;

/*
 A key set that the card may hold.
 */
typedef struct cw_key_candidate {
  /*
   Set it to `sizeof(cw_key_candidate)`; the same in all elements of an array.
   */
  uint32_t struct_size;
  /*
   `CW_KEY_TDES` (SCP02) or `CW_KEY_AES` (SCP03).
   */
  uint32_t key_kind;
  /*
   How the card's keys come from the key: one of `CW_SCHEME_AS_IS` to `CW_SCHEME_KDF3`.
   */
  uint32_t scheme;
  /*
   Version of the key set, 01 to FF; 0 when any version will do.
   */
  uint32_t kvn;
  /*
   Name of the key, or of the master key of the scheme, in the key service.
   */
  const char *key_name;
} cw_key_candidate;

/*
 How a secure channel is to be opened.
 */
typedef struct cw_open_options {
  /*
   Set it to `sizeof(cw_open_options)`.
   */
  uint32_t struct_size;
  /*
   Security level: one of `CW_SECURITY_AUTHENTICATED` to `CW_SECURITY_FULL`.
   */
  uint32_t security_level;
  /*
   Host challenge. All zero has the library draw it from the system's generator, as it should be, also the 16 bytes of a card that
   takes no fewer; anything else is taken as
   it is and must be random and new for each call.
   */
  uint8_t host_challenge[8];
  /*
   The key sets that the card may hold. They are tried off the card: however many, a card with other keys sees
   INITIALIZE UPDATE and nothing more.
   */
  const struct cw_key_candidate *candidates;
  /*
   Number of candidates, 1 to 64.
   */
  size_t candidate_count;
  /*
   Security domain to select; length 0 for the issuer security domain: the card's own choice and, where the card refuses a SELECT
   without an AID, A000000151000000, A0000001510000, A000000003000000 and A000000018434D00.
   */
  struct cw_aid domain;
  /*
   Key version to ask for; 0 leaves the choice to the card.
   */
  uint8_t kvn;
  /*
   `i` of SCP02 from the card recognition data, 0 when not known.
   */
  uint8_t scp02_i;
  /*
   `i` of SCP01 from the card recognition data, 0 when not known.
   */
  uint8_t scp01_i;
  /*
   One of `CW_CHALLENGE_IGNORE` to `CW_CHALLENGE_REQUIRE`.
   */
  uint32_t challenge_policy;
  /*
   0, or the sum of `CW_OPEN_S16` and `CW_OPEN_OVERRIDE_LOCKOUT`.
   */
  uint32_t flags;
  /*
   What the card does otherwise than the standard says; may be NULL. What it says of the challenge comes before
   `challenge_policy`.
   */
  const struct cw_profile *profile;
  /*
   Where failed authentications of the card are counted; NULL for nowhere. With a journal the card is asked first who it is, and
   one that had too many failures is not tried: `CW_LOCKED_OUT`. The attempt is in the journal before INITIALIZE UPDATE goes out.
   Processes count in the same place. It takes a `host_challenge` of zeros.
   */
  struct cw_journal *journal;
} cw_open_options;

/*
 What was learnt while a secure channel was opened.
 */
typedef struct cw_opened {
  /*
   Set it to `sizeof(cw_opened)`.
   */
  uint32_t struct_size;
  /*
   1 for SCP01, 2 for SCP02, 3 for SCP03.
   */
  uint32_t protocol;
  /*
   Index of the candidate that fits.
   */
  uint32_t candidate;
  /*
   1 or 0; -1 where the challenge was not checked.
   */
  int32_t challenge_verified;
  /*
   Version of the key set in use.
   */
  uint8_t kvn;
  /*
   Zero.
   */
  uint8_t reserved;
  /*
   Key diversification data of the card.
   */
  uint8_t kdd[10];
  /*
   What failures are counted for: one of `CW_COUNTED_NOT` to `CW_COUNTED_SESSION`.
   */
  uint32_t counted;
} cw_opened;

/*
 One certificate.
 */
typedef struct cw_certificate {
  /*
   Set it to `sizeof(cw_certificate)`; the same in all elements of an array.
   */
  uint32_t struct_size;
  /*
   Zero.
   */
  uint32_t reserved;
  /*
   X.509 in DER, or of GlobalPlatform's format (7F21).
   */
  const uint8_t *bytes;
  /*
   Length of `bytes`, in bytes, at most 4096.
   */
  size_t length;
} cw_certificate;

/*
 How a secure channel of SCP11 is to be opened.
 */
typedef struct cw_scp11_options {
  /*
   Set it to `sizeof(cw_scp11_options)`.
   */
  uint32_t struct_size;
  /*
   One of `CW_SCP11_A` to `CW_SCP11_C`.
   */
  uint32_t variant;
  /*
   `CW_SECURITY_FULL` or `CW_SECURITY_C_MAC_R_MAC`.
   */
  uint32_t security_level;
  /*
   0, or the sum of `CW_SCP11_S16` and `CW_SCP11_MARK_CLASS`.
   */
  uint32_t flags;
  /*
   Length of the session keys, all of AES: 16, 24 or 32 bytes.
   */
  uint32_t key_length;
  /*
   Curve of `ca_key` or `card_key`: one of `CW_KEY_EC_P256` to `CW_KEY_EC_BRAINPOOL_P256`.
   */
  uint32_t curve;
  /*
   The day on which the card's certificates have to be valid, in UTC, as 20261122; 0 when their dates are not looked at.
   */
  uint32_t date;
  /*
   Key identifier and version of the card's key SK.SD.ECKA, such as 13 and 01.
   */
  uint8_t kid;
  /*
   Its version.
   */
  uint8_t kvn;
  /*
   Identifier of the card's key PK.CA-KLOC.ECDSA, which verifies the host's first certificate; not looked at for SCP11b.
   */
  uint8_t ca_kid;
  /*
   Its version.
   */
  uint8_t ca_kvn;
  /*
   Security domain to select; length 0 for the issuer security domain.
   */
  struct cw_aid domain;
  /*
   Zero.
   */
  uint8_t reserved[7];
  /*
   PK.CA-KLCC.ECDSA, an uncompressed point: cards with certificates of this CA are accepted, and their certificates are read.
   NULL with `card_key`.
   */
  const uint8_t *ca_key;
  /*
   Length of `ca_key`, in bytes.
   */
  size_t ca_key_len;
  /*
   PK.SD.ECKA, an uncompressed point, known from elsewhere: no certificate is read. NULL with `ca_key`.
   */
  const uint8_t *card_key;
  /*
   Length of `card_key`, in bytes.
   */
  size_t card_key_len;
  /*
   Name of the host's private key SK.OCE.ECKA in the key service; NULL for SCP11b.
   */
  const char *host_key;
  /*
   The host's certificates, from the one that the CA signed to that of its key; NULL and 0 for SCP11b, and for a card that has
   verified them in this card session.
   */
  const struct cw_certificate *chain;
  /*
   Number of certificates, up to 8.
   */
  size_t chain_count;
  /*
   What the card does otherwise than the standard says; may be NULL.
   */
  const struct cw_profile *profile;
} cw_scp11_options;

/*
 One entry of the registry (GPCS 2.3.1 11.4.3).
 */
typedef struct cw_registry_entry {
  /*
   `sizeof(cw_registry_entry)` of the library; use no field beyond it.
   */
  uint32_t struct_size;
  /*
   Which part it was found in: one of `CW_SCOPE_ISD` to `CW_SCOPE_LOAD_FILES_AND_MODULES`.
   */
  uint32_t scope;
  /*
   Life cycle state, 00 to FF; -1 where the card gives none.
   */
  int32_t life_cycle;
  /*
   Version of a load file, major * 256 + minor; -1 where the card gives none.
   */
  int32_t version;
  /*
   AID.
   */
  struct cw_aid aid;
  /*
   Executable load file of an application; length 0 where the card does not say it.
   */
  struct cw_aid load_file;
  /*
   Security domain that it belongs to; length 0 where the card does not say it.
   */
  struct cw_aid security_domain;
  /*
   Privileges of an application.
   */
  uint8_t privileges[3];
  /*
   Zero.
   */
  uint8_t reserved[2];
  /*
   Modules of a load file.
   */
  const struct cw_aid *modules;
  /*
   Number of modules.
   */
  size_t module_count;
} cw_registry_entry;

/*
 Takes one entry. Called by the thread that called `cw_session_list`, after the whole registry was read; `entry` and
 what it points to are good until the callback returns. 0 goes on, anything else ends the call with `CW_CANCELLED`. It
 does not throw and does not jump out; a call with the same session ends with `CW_REENTRANT`.
 */
typedef int32_t (CW_CALL *cw_registry_fn)(void *user, const struct cw_registry_entry *entry);

/*
 What a load file is.
 */
typedef struct cw_load_file_info {
  /*
   Set it to `sizeof(cw_load_file_info)`.
   */
  uint32_t struct_size;
  /*
   Number of applets; `cw_load_file_applet` gives their AIDs.
   */
  uint32_t applet_count;
  /*
   Length of the whole Load File, in bytes: what the LOAD commands carry.
   */
  size_t length;
  /*
   AID of the Executable Load File: that of the package.
   */
  struct cw_aid aid;
  /*
   Version of the package, major.
   */
  uint8_t major;
  /*
   Version of the package, minor.
   */
  uint8_t minor;
  /*
   Zero.
   */
  uint8_t reserved[5];
} cw_load_file_info;

/*
 Hears how many LOAD blocks of how many are done: first 0, then after each block. 0 goes on; anything else breaks the
 load off before the next block, and the call ends with `CW_CANCELLED`. Called by the thread that called
 `cw_session_load`; it does not throw and does not jump out; a call with the same session ends with `CW_REENTRANT`.
 */
typedef int32_t (CW_CALL *cw_progress_fn)(void *user, size_t done, size_t total);

/*
 What INSTALL [for install and make selectable] says (GPCS 2.3.1 11.5.2.3.2).
 */
typedef struct cw_install {
  /*
   Set it to `sizeof(cw_install)`.
   */
  uint32_t struct_size;
  /*
   AID of the executable load file.
   */
  struct cw_aid load_file;
  /*
   AID of the module in it.
   */
  struct cw_aid module;
  /*
   AID that the application gets.
   */
  struct cw_aid application;
  /*
   Privileges of the application.
   */
  uint8_t privileges[3];
  /*
   Zero.
   */
  uint8_t reserved[2];
  /*
   What the application itself gets: the value of C9, which is always sent. May be NULL when the length is 0.
   */
  const uint8_t *parameters;
  /*
   Length of `parameters`, in bytes.
   */
  size_t parameters_len;
  /*
   Further parameters in TLV (EF, CA, EA). May be NULL when the length is 0.
   */
  const uint8_t *system_parameters;
  /*
   Length of `system_parameters`, in bytes.
   */
  size_t system_parameters_len;
  /*
   Install Token. May be NULL when the length is 0.
   */
  const uint8_t *token;
  /*
   Length of `token`, in bytes.
   */
  size_t token_len;
  /*
   0, or `CW_IRREVERSIBLE`, which the privilege Mandated DAP Verification needs: the card then loads nothing without a signature.
   */
  uint32_t flags;
} cw_install;

/*
 Data for STORE DATA (GPCS 2.3.1 11.11).
 */
typedef struct cw_store_data {
  /*
   Set it to `sizeof(cw_store_data)`.
   */
  uint32_t struct_size;
  /*
   One of `CW_STRUCTURE_OWN` to `CW_STRUCTURE_BER_TLV`.
   */
  uint32_t structure;
  /*
   One of `CW_ENCRYPTION_NONE` to `CW_ENCRYPTION_ALL`.
   */
  uint32_t encryption;
  /*
   Application that gets the data, after INSTALL [for personalization]; length 0 for the security domain of the channel.
   */
  struct cw_aid application;
  /*
   Zero.
   */
  uint8_t reserved[3];
  /*
   The data, any length that 256 commands carry; may be NULL when the length is 0.
   */
  const uint8_t *data;
  /*
   Length of `data`, in bytes.
   */
  size_t data_len;
} cw_store_data;

/*
 One record of an entity.
 */
typedef struct cw_record {
  /*
   Set it to `sizeof(cw_record)`.
   */
  uint32_t struct_size;
  /*
   Zero.
   */
  uint32_t reserved;
  /*
   Its number.
   */
  uint64_t seq;
  /*
   What `cw_entry.entity` was. A record of another entity than was asked for ends the call with `CW_STORE_DAMAGED`.
   */
  const char *entity;
  /*
   The bytes that `cw_entry.body` had.
   */
  const uint8_t *body;
  /*
   Length of `body`, in bytes.
   */
  size_t body_len;
} cw_record;

/*
 Takes one record, which it copies; `taker` is what the library handed to `cw_history_fn`, and takes nothing when that has
 returned. A record that is wrong (of another entity, out of order, too long) is refused with a status other than `CW_OK`, and ends
 the call that needs the history.
 */
typedef cw_status (CW_CALL *cw_take_record_fn)(void *taker, const struct cw_record *record);

/*
 Hands all records of an entity, and of no other, to `take`, in the order of their numbers; none is fine.

 Called by the thread that is in a call which uses the handle: by several at the same time when several threads use it. Returns
 `CW_OK`, or one of `CW_STORE_BUSY` to `CW_STORE_DAMAGED`. It does not throw and does not jump out; it may call this library,
 but a call with the process that it serves, or with its own `cw_journal`, ends with `CW_REENTRANT`.
 */
typedef cw_status (CW_CALL *cw_history_fn)(void *user, const char *entity, cw_take_record_fn take, void *taker);

/*
 One record to be written.
 */
typedef struct cw_entry {
  /*
   `sizeof(cw_entry)` of the library; use no field beyond it.
   */
  uint32_t struct_size;
  /*
   Zero.
   */
  uint32_t reserved;
  /*
   What the record belongs to: 1 to 200 bytes of printable ASCII, such as "card/cplc-..".
   */
  const char *entity;
  /*
   The bytes to keep. They hold no key.
   */
  const uint8_t *body;
  /*
   Length of `body`, in bytes, at most 1048576.
   */
  size_t body_len;
} cw_entry;

/*
 What must still hold when a transaction is written.
 */
typedef struct cw_expectation {
  /*
   `sizeof(cw_expectation)` of the library; use no field beyond it.
   */
  uint32_t struct_size;
  /*
   Zero.
   */
  uint32_t reserved;
  /*
   An entity.
   */
  const char *entity;
  /*
   Number of its last record, 0 for none.
   */
  uint64_t last_seq;
} cw_expectation;

/*
 What is written together or not at all.
 */
typedef struct cw_transaction {
  /*
   `sizeof(cw_transaction)` of the library; use no field beyond it.
   */
  uint32_t struct_size;
  /*
   Zero.
   */
  uint32_t reserved;
  /*
   The records, in order.
   */
  const struct cw_entry *entries;
  /*
   Number of records, at least 1.
   */
  size_t entry_count;
  /*
   The expectations.
   */
  const struct cw_expectation *expectations;
  /*
   Number of expectations.
   */
  size_t expectation_count;
} cw_transaction;

/*
 Writes all records of a transaction or none, gives them numbers that rise by one, above all numbers given before, and sets
 `*first_seq` to the first of them.

 `CW_OK` is a promise: the records are on stable storage, and survive a power cut from now on. Only then are commands sent that
 cannot be undone. `CW_STORE_CONFLICT`, and nothing written, when an expectation does not hold: then somebody else works on
 the same card. `CW_STORE_IN_DOUBT` when it cannot be told whether they were written; numbers that are none of
 `CW_STORE_CONFLICT` to `CW_STORE_DAMAGED` count as that, too. All else as for `cw_history_fn`.
 */
typedef cw_status (CW_CALL *cw_commit_fn)(void *user, const struct cw_transaction *transaction, uint64_t *first_seq);

/*
 A journal that the program keeps itself: a table with the columns number, time, entity and body, to which rows are only
 added. It has no hash chain.
 */
typedef struct cw_store {
  /*
   Set it to `sizeof(cw_store)`.
   */
  uint32_t struct_size;
  /*
   Zero.
   */
  uint32_t flags;
  /*
   Reads.
   */
  cw_history_fn history;
  /*
   Writes.
   */
  cw_commit_fn commit;
  /*
   Handed to the callbacks, and not looked at otherwise.
   */
  void *user;
} cw_store;

/*
 Attempts to open a secure channel to one card.
 */
typedef struct cw_lockout {
  /*
   Set it to `sizeof(cw_lockout)`.
   */
  uint32_t struct_size;
  /*
   Failures in a row: the keys did not fit. Many cards lock after three, some for ever.
   */
  uint32_t failures;
  /*
   Attempts in a row that the card never answered.
   */
  uint32_t unanswered;
  /*
   1: another attempt needs `CW_ORDER_OVERRIDE_LOCKOUT`; else 0.
   */
  uint32_t locked_out;
} cw_lockout;

/*
 An approver's signature.
 */
typedef struct cw_signature {
  /*
   Set it to `sizeof(cw_signature)`.
   */
  uint32_t struct_size;
  /*
   The approver: an Ed25519 public key (RFC 8032).
   */
  uint8_t approver[32];
  /*
   Ed25519 signature over what `cw_release_signed_bytes` gives.
   */
  uint8_t signature[64];
} cw_signature;

/*
 What persons have decided about one step.
 */
typedef struct cw_approval {
  /*
   Set it to `sizeof(cw_approval)`.
   */
  uint32_t struct_size;
  /*
   Zero.
   */
  uint32_t reserved;
  /*
   Until when it may be used, in milliseconds since 1970-01-01 UTC.
   */
  uint64_t until_ms;
  /*
   Random; no two proposals have the same.
   */
  uint8_t id[16];
  /*
   `cw_held.what` of the step.
   */
  uint8_t what[32];
  /*
   What it is, in words for the approvers.
   */
  const char *purpose;
  /*
   The signatures under it. May be NULL when the count is 0.
   */
  const struct cw_signature *signatures;
  /*
   Number of them, up to 64.
   */
  size_t signature_count;
} cw_approval;

/*
 Leave to try quarantined steps again: at least two different persons have signed for each. Release, signatures and that they
 are used up are one transaction of the journal; a released step is not taken for done or not done, the card is asked.
 */
typedef struct cw_release {
  /*
   Set it to `sizeof(cw_release)`.
   */
  uint32_t struct_size;
  /*
   How many persons have to approve, 2 or more.
   */
  uint32_t required;
  /*
   Who may: Ed25519 public keys of 32 bytes each. They come from the program's own settings, never from where the signatures
   come from.
   */
  const uint8_t *approvers;
  /*
   Number of keys, up to 64.
   */
  size_t approver_count;
  /*
   What they decided. A step that none of these is about stays in quarantine.
   */
  const struct cw_approval *approvals;
  /*
   Number of them, up to 64.
   */
  size_t approval_count;
} cw_release;

/*
 Where, when and with which keys cards are loaded.
 */
typedef struct cw_purse_terminal {
  /*
   Set it to `sizeof(cw_purse_terminal)`.
   */
  uint32_t struct_size;
  /*
   0, or the sum of `CW_PURSE_SM4_BY_VERSION` and `CW_PURSE_KEYS_AS_IS`.
   */
  uint32_t flags;
  /*
   AID of the application that holds the purse.
   */
  struct cw_aid application;
  /*
   Identifier of the load key on the card, type 3F.
   */
  uint8_t load_kid;
  /*
   Number of the terminal.
   */
  uint8_t number[6];
  /*
   Date and time as the card gets them, in decimal digits: YYYY MM DD hh mm ss.
   */
  uint8_t time[7];
  /*
   Identifier of the holder's PIN.
   */
  uint8_t pin_id;
  /*
   `CW_PURSE_TDES`, `CW_PURSE_DES` or `CW_PURSE_SM4`.
   */
  uint32_t algorithm;
  /*
   `CW_TAC_FOLDED`, which is that of FMCOS 2.0, or `CW_TAC_WHOLE`.
   */
  uint32_t tac;
  /*
   One of `CW_PROVE_BOTH` to `CW_PROVE_NEXT`.
   */
  uint32_t prove;
  /*
   Version of the rules, for the record.
   */
  uint32_t rules_version;
  /*
   The most that is loaded at once, in the smallest unit of the currency.
   */
  uint32_t max_amount;
  /*
   The most that a purse may hold, in the smallest unit of the currency.
   */
  uint32_t max_balance;
  /*
   The same time, in milliseconds since 1970-01-01 UTC.
   */
  uint64_t now_ms;
  /*
   Load key (DLK), as the key service names it.
   */
  const char *load_key;
  /*
   TAC key (DTK); NULL for none: a load is proved by MAC1 alone then.
   */
  const char *tac_key;
  /*
   Codes of issuers that the keys are diversified with, 8 bytes each, before the serial number of the card. May be NULL when
   the count is 0.
   */
  const uint8_t *levels;
  /*
   Number of codes, up to 6.
   */
  size_t level_count;
  /*
   The PIN as its holder has just entered it and as the card wants it; NULL where the purse wants none. It is not tried again
   after a wrong one, and the last try is never made.
   */
  const uint8_t *pin;
  /*
   Length of `pin`, in bytes, up to 16.
   */
  size_t pin_len;
  /*
   How the card takes the PIN: name of a profile of native cards that is built in, such as "fmcos-2.0"; NULL without PIN.
   */
  const char *pin_profile;
} cw_purse_terminal;

/*
 A load as it is ordered.
 */
typedef struct cw_purse_load {
  /*
   Set it to `sizeof(cw_purse_load)`.
   */
  uint32_t struct_size;
  /*
   `CW_PURSE_DEPOSIT` or `CW_PURSE_WALLET`.
   */
  uint32_t purse;
  /*
   Its id, the same in every run, and never that of another load: 1 to 64 bytes of printable ASCII without spaces and `/`. Debit
   and reversal are booked under it.
   */
  const char *id;
  /*
   Who pays, as the keeper of accounts names it to you, never a card number: 1 to 64 bytes of printable ASCII without spaces.
   */
  const char *account;
  /*
   How much, in the smallest unit of the currency; not 0.
   */
  uint32_t amount;
  /*
   Zero.
   */
  uint32_t reserved;
  /*
   Where, when and with which keys.
   */
  const struct cw_purse_terminal *terminal;
} cw_purse_load;

/*
 A value that a script has a name for, different from card to card.
 */
typedef struct cw_script_value {
  /*
   Set it to `sizeof(cw_script_value)`.
   */
  uint32_t struct_size;
  /*
   Zero.
   */
  uint32_t reserved;
  /*
   Its name.
   */
  const char *name;
  /*
   Its bytes.
   */
  const uint8_t *bytes;
  /*
   Number of bytes: what the script says.
   */
  size_t length;
} cw_script_value;

/*
 An issue script, and what kind of card it is for.
 */
typedef struct cw_script {
  /*
   Set it to `sizeof(cw_script)`.
   */
  uint32_t struct_size;
  /*
   0, or `CW_SCRIPT_LINES`.
   */
  uint32_t flags;
  /*
   The card's profile: one that is built in, such as "fmcos-2.0", or a table `[profile.NAME]` of `profiles`.
   */
  const char *profile;
  /*
   More profiles of native cards in TOML, UTF-8; may be NULL when the length is 0.
   */
  const uint8_t *profiles;
  /*
   Length of `profiles`, in bytes.
   */
  size_t profiles_len;
  /*
   The script, UTF-8; with length 0 that of the FMCOS 2.0 manual.
   */
  const uint8_t *text;
  /*
   Length of `text`, in bytes.
   */
  size_t text_len;
  /*
   With `CW_SCRIPT_LINES` the script's name, under which the journal has it; not looked at otherwise.
   */
  const char *name;
  /*
   Values that the script wants; may be NULL when the count is 0.
   */
  const struct cw_script_value *values;
  /*
   Number of values, up to 256.
   */
  size_t value_count;
  /*
   What the card is known by, as a handler or the print on it says: 1 to 32 printable ASCII characters without `/`. NULL: where the
   profile says that cards tell it.
   */
  const char *card;
  /*
   What two persons have decided of a step that waits for them, with `CW_QUARANTINED`; NULL where none does.
   */
  const struct cw_release *release;
} cw_script;

/*
 What a blank SIM is to become.
 */
typedef struct cw_number {
  /*
   Set it to `sizeof(cw_number)`.
   */
  uint32_t struct_size;
  /*
   Zero.
   */
  uint32_t flags;
  /*
   What kind of SIM it is: a profile that is built in, such as "sysmousim-sjs1", or a table `[profile.NAME]` of `profiles`.
   */
  const char *profile;
  /*
   More profiles of SIMs in TOML, UTF-8; may be NULL when the length is 0.
   */
  const uint8_t *profiles;
  /*
   Length of `profiles`, in bytes.
   */
  size_t profiles_len;
  /*
   ICCID that it gets or, where it keeps its own, has to have; NULL for whichever it has.
   */
  const char *iccid;
  /*
   IMSI.
   */
  const char *imsi;
  /*
   The subscriber's number, with + international; NULL for none.
   */
  const char *number;
  /*
   Short message service centre; NULL for none.
   */
  const char *sms_center;
  /*
   Home network as "262-01": what the card knows of locations is written back to what a new one has. NULL: that stays.
   */
  const char *home;
  /*
   ADM key, 8 bytes; NULL where the profile names none.
   */
  const uint8_t *adm;
  /*
   PIN that it gets, 4 to 8 digits; NULL for none.
   */
  const char *pin;
  /*
   PUK that it gets, 8 digits; NULL for none.
   */
  const char *puk;
  /*
   K, as the key service names it; NULL for a card that keeps its keys.
   */
  const char *k;
  /*
   OPc, as the key service names it; NULL where `op` is given.
   */
  const char *opc;
  /*
   OP, as the key service names it; NULL where `opc` is given.
   */
  const char *op;
  /*
   What two persons have decided of a step that waits for them, with `CW_QUARANTINED`; NULL where none does.
   */
  const struct cw_release *release;
} cw_number;

/*
 A key record of a PBOC application: what WRITE KEY, enciphered and with MAC, puts in front of the key.
 */
typedef struct cw_key_record {
  /*
   Set it to `sizeof(cw_key_record)`.
   */
  uint32_t struct_size;
  /*
   Key identifier.
   */
  uint8_t kid;
  /*
   Right to use it: a security state.
   */
  uint8_t use_right;
  /*
   Right to change it.
   */
  uint8_t change_right;
  /*
   Security state after it was used with success; only of master keys.
   */
  uint8_t next_state;
  /*
   Retry counter: high nibble the most, low nibble what remains.
   */
  uint8_t error_counter;
  /*
   Zero.
   */
  uint8_t reserved[3];
} cw_key_record;

/*
 One application for the card. Its three keys are triple DES keys of 16 bytes, named as the key service names them; each is
 diversified by the application's serial number (`CW_SCHEME_PBOC`) before it is used.
 */
typedef struct cw_application_order {
  /*
   Set it to `sizeof(cw_application_order)`.
   */
  uint32_t struct_size;
  /*
   0, or the sum of `CW_APPLICATION_` numbers.
   */
  uint32_t flags;
  /*
   What to load, if the card lacks it.
   */
  const struct cw_load_file *load_file;
  /*
   Module in the load file; length 0 for its first applet.
   */
  struct cw_aid module;
  /*
   AID that the application gets; length 0 for that of the module.
   */
  struct cw_aid instance;
  /*
   Version of the load file, with `CW_APPLICATION_VERSION`: major, minor.
   */
  uint8_t version[2];
  /*
   Zero.
   */
  uint8_t reserved[4];
  /*
   Parameters of the application: the value of C9. May be NULL when the length is 0.
   */
  const uint8_t *parameters;
  /*
   Length of `parameters`, in bytes.
   */
  size_t parameters_len;
  /*
   Master key that the application is born with.
   */
  const char *initial_master_key;
  /*
   Card master key that it gets.
   */
  const char *master_key;
  /*
   Maintenance key that it gets.
   */
  const char *maintenance_key;
  /*
   Record of the master key; NULL for the usual one of PBOC applications (type F9, identifier 00, three tries).
   */
  const struct cw_key_record *master_record;
  /*
   Record of the maintenance key; NULL for the usual one (type F6, identifier 00, three tries).
   */
  const struct cw_key_record *maintenance_record;
} cw_application_order;

/*
 What a card is to become.
 */
typedef struct cw_order {
  /*
   Set it to `sizeof(cw_order)`.
   */
  uint32_t struct_size;
  /*
   0, or the sum of `CW_ORDER_` numbers.
   */
  uint32_t flags;
  /*
   Security level of the secure channels: one of `CW_SECURITY_AUTHENTICATED` to `CW_SECURITY_FULL`.
   */
  uint32_t security_level;
  /*
   One of `CW_CHALLENGE_IGNORE` to `CW_CHALLENGE_REQUIRE`.
   */
  uint32_t challenge_policy;
  /*
   AID of the issuer security domain; length 0 for the card's own choice.
   */
  struct cw_aid domain;
  /*
   Zero.
   */
  uint8_t reserved[7];
  /*
   Key sets of the issuer security domain that the card may have now.
   */
  const struct cw_key_candidate *current_keys;
  /*
   Number of them, 1 to 64.
   */
  size_t current_key_count;
  /*
   Key sets that it shall get: the first whose kind fits the card's protocol counts. `kvn` is 0 in all of them: the set
   replaces that of the card and gets its version, or 01 where that was the initial one (FF), with `CW_ORDER_REPLACE_INITIAL_KEYS`.
   */
  const struct cw_key_candidate *new_keys;
  /*
   Number of them, 1 to 64; 0 only for `cw_process_new_delete`.
   */
  size_t new_key_count;
  /*
   The applications, each a job of its own.
   */
  const struct cw_application_order *applications;
  /*
   Number of them, up to 64.
   */
  size_t application_count;
  /*
   What the cards do otherwise than the standard says; may be NULL. What it says of the challenge comes before `challenge_policy`.
   */
  const struct cw_profile *profile;
  /*
   What persons have decided about quarantined steps, with `CW_ORDER_RELEASE_QUARANTINE`; else NULL.
   */
  const struct cw_release *release;
} cw_order;

/*
 One object on the card.
 */
typedef struct cw_row {
  /*
   `sizeof(cw_row)` of the library in events; set it to `sizeof(cw_row)` for `cw_process_row`.
   */
  uint32_t struct_size;
  /*
   One of `CW_ROW_ISSUER_SECURITY_DOMAIN` to `CW_ROW_LOAD_FILE`.
   */
  uint32_t kind;
  /*
   One of `CW_ROW_STATUS_NONE` to `CW_ROW_STATUS_USED`.
   */
  uint32_t status;
  /*
   Life cycle state, 00 to FF; -1 where the card gives none.
   */
  int32_t life_cycle;
  /*
   AID.
   */
  struct cw_aid aid;
  /*
   Zero.
   */
  uint8_t reserved[7];
  /*
   Life cycle state in the standard's words, ends with a NUL.
   */
  char state[24];
} cw_row;

/*
 Something that happened on the way.
 */
typedef struct cw_event {
  /*
   `sizeof(cw_event)` of the library; use no field beyond it.
   */
  uint32_t struct_size;
  /*
   One of `CW_EVENT_CARD` to `CW_EVENT_STEP`; new ones may come, pass over those that you do not know.
   */
  uint32_t kind;
  /*
   Words, or NULL.
   */
  const char *text;
  /*
   How a step came out, in words, or NULL.
   */
  const char *outcome;
  /*
   Blocks done.
   */
  size_t done;
  /*
   Blocks in all.
   */
  size_t total;
  /*
   Objects, or NULL.
   */
  const struct cw_row *rows;
  /*
   Number of objects.
   */
  size_t row_count;
} cw_event;

/*
 Hears an event. `event` and what it points to are good until the callback returns. 0 goes on; anything else stops the process
 between two commands, and the call ends with `CW_CANCELLED`: a new process with the same journal goes on there. It does not
 throw and does not jump out; a call with the process or session in use ends with `CW_REENTRANT`.
 */
typedef int32_t (CW_CALL *cw_event_fn)(void *user, const struct cw_event *event);

/*
 Fills `out` with `length` random bytes from a generator fit for keys. 0 for success.
 */
typedef int32_t (CW_CALL *cw_random_fn)(void *user, uint8_t *out, size_t length);

/*
 What the keeper of accounts is asked: a bank, a payment provider, an operator's business system.

 A booking is made once, however often it is asked for: same `booking` and same content, same answer; same `booking` and other
 content, `CW_BOOKING_REFUSED`.
 */
typedef struct cw_account_request {
  /*
   `sizeof(cw_account_request)` of the library; use no field beyond it.
   */
  uint32_t struct_size;
  /*
   One of `CW_ACCOUNT_DEBIT` to `CW_ACCOUNT_QUERY`.
   */
  uint32_t operation;
  /*
   Id of the booking: 1 to 80 bytes of printable ASCII.
   */
  const char *booking;
  /*
   Id of the debit that is reversed; NULL otherwise.
   */
  const char *debit;
  /*
   The account: 1 to 64 bytes of printable ASCII; NULL for a query.
   */
  const char *account;
  /*
   How much, in the smallest unit of the currency; 0 for a query.
   */
  uint32_t amount;
  /*
   Zero.
   */
  uint32_t reserved;
} cw_account_request;

/*
 What came of a booking.
 */
typedef struct cw_booking {
  /*
   `sizeof(cw_booking)`; a callback uses no field beyond it.
   */
  uint32_t struct_size;
  /*
   One of `CW_BOOKING_BOOKED` to `CW_BOOKING_NOT_SEEN`.
   */
  uint32_t status;
  /*
   The keeper's number of a booking that is made: 1 to 64 bytes of printable ASCII without spaces, ends with a NUL.
   */
  char reference[68];
} cw_booking;

/*
 Asks the keeper of accounts; blocks until there is an answer. `request` and `answer`, which is zero before, are good until the
 callback returns. `CW_OK` when `answer` is filled in. Anything else, and an answer that cannot be, is no definite answer: the
 keeper may have booked, and is queried by a later run. It does not throw and does not jump out; a call with the process or session
 in use ends with `CW_REENTRANT`.
 */
typedef cw_status (CW_CALL *cw_account_fn)(void *user, const struct cw_account_request *request, struct cw_booking *answer);

/*
 What a process runs with.
 */
typedef struct cw_ports {
  /*
   Set it to `sizeof(cw_ports)`.
   */
  uint32_t struct_size;
  /*
   Zero.
   */
  uint32_t flags;
  /*
   The card; a secure channel of the session is given up. A process that issues resets the card and opens its own channels.
   */
  struct cw_session *session;
  /*
   The keys; may be NULL for a process that asks none.
   */
  struct cw_keys *keys;
  /*
   The journal.
   */
  struct cw_journal *journal;
  /*
   Hears what happens; may be NULL.
   */
  cw_event_fn event;
  /*
   Random bytes; NULL for the system's generator, which is what it should be outside of tests.
   */
  cw_random_fn random;
  /*
   Handed to the callbacks, and not looked at otherwise.
   */
  void *user;
  /*
   Asks the keeper of accounts; may be NULL for a process that moves no money. One that does ends with `CW_ACCOUNT_UNKNOWN` then.
   */
  cw_account_fn account;
} cw_ports;

/*
 What a process wants next. What the pointers lead to is good until the next call with this process.
 */
typedef struct cw_question {
  /*
   Set it to `sizeof(cw_question)`.
   */
  uint32_t struct_size;
  /*
   One of `CW_ASK_TRANSMIT` to `CW_ASK_ACCOUNT`. New ones may come with new functions that make processes.
   */
  uint32_t kind;
  /*
   A command for the card. It may hold a key: do not log it.
   */
  const uint8_t *bytes;
  /*
   Length of `bytes`, in bytes.
   */
  size_t length;
  /*
   A key request.
   */
  const struct cw_key_request *keys;
  /*
   An entity, printable ASCII.
   */
  const char *entity;
  /*
   What is to be written.
   */
  const struct cw_transaction *transaction;
  /*
   What happened.
   */
  const struct cw_event *event;
  /*
   What the keeper of accounts is asked.
   */
  const struct cw_account_request *account;
} cw_question;

/*
 What a process brought about. Its rows are given by `cw_process_row`.
 */
typedef struct cw_report {
  /*
   Set it to `sizeof(cw_report)`.
   */
  uint32_t struct_size;
  /*
   1 for SCP01, 2 for SCP02, 3 for SCP03; 0 where no secure channel was needed.
   */
  uint32_t protocol;
  /*
   Version of the issuer security domain's keys now.
   */
  uint8_t kvn;
  /*
   1: something had to be done; 0: the card was complete before.
   */
  uint8_t changed;
  /*
   Zero.
   */
  uint8_t reserved[2];
  /*
   Number of objects that were on the card before.
   */
  uint32_t before_count;
  /*
   Number of objects that are on the card now.
   */
  uint32_t after_count;
  /*
   Identity of the card: printable ASCII, ends with a NUL.
   */
  char card[132];
} cw_report;

/*
 How a process left a load. Besides `state` it is zero when there was none.
 */
typedef struct cw_purse_load_report {
  /*
   Set it to `sizeof(cw_purse_load_report)`.
   */
  uint32_t struct_size;
  /*
   One of `CW_LOADING_NONE` to `CW_LOADING_DISPUTED`.
   */
  uint32_t state;
  /*
   Why, as the states say; 0 where a state has no reasons.
   */
  uint32_t reason;
  /*
   `CW_PURSE_DEPOSIT` or `CW_PURSE_WALLET`.
   */
  uint32_t purse;
  /*
   How much, in the smallest unit of the currency.
   */
  uint32_t amount;
  /*
   How often CREDIT FOR LOAD was sent.
   */
  uint32_t credits;
  /*
   1: the card told serial number and balance under a MAC1 that verifies; 0: it did not come to that.
   */
  uint32_t initialized;
  /*
   Online transaction serial number before the load.
   */
  uint32_t serial;
  /*
   Balance before the load.
   */
  uint32_t balance_before;
  /*
   Balance after it, with `CW_LOADING_LOADED`.
   */
  uint32_t balance_after;
  /*
   Which load of the card it is, from 1.
   */
  uint64_t number;
  /*
   Its id, ends with a NUL.
   */
  char id[68];
  /*
   Who pays, ends with a NUL.
   */
  char account[68];
  /*
   Entity of the case that the process waits for, with `CW_QUARANTINED`; ends with a NUL.
   */
  char dispute[204];
} cw_purse_load_report;

/*
 A step in quarantine, of a process that has ended with `CW_QUARANTINED`.
 */
typedef struct cw_held {
  /*
   Set it to `sizeof(cw_held)`.
   */
  uint32_t struct_size;
  /*
   Which quarantine of the job it is, from 1: a decision on one is none on the next.
   */
  uint32_t number;
  /*
   Attempts that were begun.
   */
  uint32_t attempts;
  /*
   Zero.
   */
  uint32_t reserved;
  /*
   What persons sign to have it tried again: `cw_approval.what`.
   */
  uint8_t what[32];
  /*
   Entity of the job, whose records in the journal are the evidence; ends with a NUL.
   */
  char job[204];
  /*
   The step; ends with a NUL.
   */
  char step[104];
  /*
   Why it waits; ends with a NUL.
   */
  char reason[304];
} cw_held;

/*
 Done.
 */
#define CW_OK 0

/*
 A pointer that must not be NULL is NULL.
 */
#define CW_NULL 101

/*
 A handle that this library did not give, or of another type, or that was freed.
 */
#define CW_BAD_HANDLE 102

/*
 Another thread is in a call with this handle.
 */
#define CW_BUSY 103

/*
 A callback calls back with the handle whose call it serves.
 */
#define CW_REENTRANT 104

/*
 The buffer is too small; the needed length was written, and nothing else happened.
 */
#define CW_BUFFER_TOO_SMALL 105

/*
 `struct_size` is smaller than any version of the struct was, or so great that it was never set.
 */
#define CW_STRUCT_SIZE 106

/*
 A string is not UTF-8.
 */
#define CW_BAD_UTF8 107

/*
 An argument has a value that it must not have.
 */
#define CW_BAD_VALUE 108

/*
 Bytes that are no command or response APDU, or a command that cannot be coded.
 */
#define CW_BAD_APDU 109

/*
 Bytes that are no CAP file, or one that cannot be loaded.
 */
#define CW_BAD_LOAD_FILE 110

/*
 A callback of the caller asked to stop, and the call stopped.
 */
#define CW_CANCELLED 111

/*
 An index is not below the number of elements.
 */
#define CW_OUT_OF_RANGE 112

/*
 The generator gave no random bytes: the system's, or the one that the caller brought.
 */
#define CW_NO_RANDOM 113

/*
 The card was taken out.
 */
#define CW_CARD_REMOVED 201

/*
 The card was reset by somebody else.
 */
#define CW_CARD_RESET 202

/*
 There is no card, or a mute one.
 */
#define CW_NO_CARD 203

/*
 The reader is gone or not known.
 */
#define CW_NO_READER 204

/*
 The service that owns the readers does not run.
 */
#define CW_NO_SERVICE 205

/*
 No answer in time.
 */
#define CW_TIMEOUT 206

/*
 Another program holds the card.
 */
#define CW_CARD_IN_USE 207

/*
 The line to a remote reader broke.
 */
#define CW_LINE_LOST 208

/*
 What came back is no response, or breaks ISO 7816-4 5.3.
 */
#define CW_BAD_RESPONSE 209

/*
 A callback says that it gave more bytes than its buffer takes.
 */
#define CW_RESPONSE_TOO_LONG 210

/*
 Something else went wrong on the way to the card; also any number out of a callback that is not of 201 to 208.
 */
#define CW_TRANSPORT 211

/*
 The card refused a command; `cw_error.sw` is its status word.
 */
#define CW_REFUSED 301

/*
 The card answered something that the standard does not allow.
 */
#define CW_CARD_FAULT 302

/*
 The card needs something that this library does not support.
 */
#define CW_UNSUPPORTED 303

/*
 The session has no open secure channel.
 */
#define CW_NOT_OPEN 401

/*
 None of the key sets fits the card's cryptogram; EXTERNAL AUTHENTICATE was not sent.
 */
#define CW_WRONG_KEYS 402

/*
 None of the key sets is of the card's protocol and key version; nothing was tried.
 */
#define CW_NO_KEYS 403

/*
 The protection of a response is wrong; the channel is closed.
 */
#define CW_BAD_PROTECTION 404

/*
 The secure channel is closed.
 */
#define CW_CHANNEL_CLOSED 405

/*
 The command is too long to be protected.
 */
#define CW_COMMAND_TOO_LONG 406

/*
 The security level is not possible with this protocol or card.
 */
#define CW_BAD_SECURITY_LEVEL 407

/*
 A certificate of the card is not accepted: `cw_last_error` says which one and why. Nothing of the host was sent.
 */
#define CW_BAD_CERTIFICATE 408

/*
 There is no key of this name.
 */
#define CW_KEY_NOT_FOUND 411

/*
 The key is for another algorithm, or has a length that its algorithm does not have.
 */
#define CW_KEY_MISFIT 412

/*
 The key service refuses.
 */
#define CW_KEY_REFUSED 413

/*
 The key service does not answer now.
 */
#define CW_KEY_UNAVAILABLE 414

/*
 The key service cannot do this, or answered another question.
 */
#define CW_KEY_SERVICE 415

/*
 The card was torn out, or the line to it broke: what was under way is not known. Put the same card back and run a new process
 with the same journal and order: the card is asked then.
 */
#define CW_INTERRUPTED 501

/*
 A step needs a person: `cw_last_error` says which one and why. Run a new process with
 `CW_ORDER_RELEASE_QUARANTINE` when it may go on.
 */
#define CW_QUARANTINED 502

/*
 Too many failed authentications of this card: nothing was tried. Another attempt may lock it for ever.
 */
#define CW_LOCKED_OUT 503

/*
 Another card than the one that the run began with, or a damaged answer: its keys were left as they are.
 */
#define CW_OTHER_CARD 504

/*
 Card and record do not go together, or the order and one of them; nothing was sent that changes the card.
 */
#define CW_CONTRADICTION 505

/*
 The card has nothing that tells it from others: an issue that is interrupted could not be resumed.
 */
#define CW_NO_IDENTITY 506

/*
 There is nothing of this AID on the card, or in its record.
 */
#define CW_NOT_FOUND 507

/*
 A guard: what is to be deleted is in use. `CW_DELETE_FORCE` overrides some.
 */
#define CW_GUARDED 508

/*
 The card does not list what has to be known, or at the end not what it should hold.
 */
#define CW_NOT_PROVED 509

/*
 There is no open question, or it was answered with something that belongs to another one; or the process has not ended yet.
 */
#define CW_OUT_OF_TURN 510

/*
 The load of a purse has ended without money on the card: it was not allowed, not debited, given up, or reversed.
 `cw_process_load_report` says which.
 */
#define CW_NOT_LOADED 511

/*
 The keeper of accounts gave no definite answer: it may have booked. Run a new process with the same id later.
 */
#define CW_ACCOUNT_UNKNOWN 512

/*
 Another writer worked on the same card.
 */
#define CW_STORE_CONFLICT 601

/*
 Others kept the store locked; nothing was written.
 */
#define CW_STORE_BUSY 602

/*
 No room; nothing was written.
 */
#define CW_STORE_FULL 603

/*
 The store failed; nothing was written.
 */
#define CW_STORE_FAILED 604

/*
 Whether the records were written is not known: open the journal again and run a new process.
 */
#define CW_STORE_IN_DOUBT 605

/*
 The file cannot be opened: it is not there, is something else, or the system does not let this program at it.
 */
#define CW_STORE_FILE 606

/*
 The journal is damaged or was changed: `cw_last_error` names the place.
 */
#define CW_STORE_DAMAGED 607

/*
 An error in this library: please report what `cw_last_error` says. A handle that was in use is poisoned.
 */
#define CW_INTERNAL 901

/*
 An earlier call with this handle ended with `CW_INTERNAL`: it can only be freed.
 */
#define CW_POISONED 902

#ifdef __cplusplus
extern "C" {
#endif /* __cplusplus */

/*
 Version of the library, such as "0.1.0"; never NULL, never to be freed.
 */
const char *CW_CALL cw_version(void);

/*
 The `CW_ABI_VERSION` that the library was built with.
 */
uint32_t CW_CALL cw_abi_version(void);

/*
 The name of a status number, such as "CW_BUSY"; "unknown status" for a number that is none. Never NULL, never to be
 freed.
 */
const char *CW_CALL cw_status_name(cw_status status);

/*
 Tells about the last call of this thread that failed. Calls that succeed do not change it, and this one never does.
 */
cw_status CW_CALL cw_last_error(struct cw_error *out);

/*
 Gives the whole message of the last call of this thread that failed, in UTF-8, with a NUL at its end; an empty one when
 no call has failed yet. Never changes the last error.

 `*out_len` becomes the message's length in bytes without the NUL; when `capacity` is not at least one more, the call
 ends with `CW_BUFFER_TOO_SMALL` and `out` is not written: no message is cut.
 */
cw_status CW_CALL cw_last_error_message(char *out, size_t capacity, size_t *out_len);

/*
 Gives the whole message of the last call of this thread that failed, in UTF-16, with a NUL at its end; an empty one when
 no call has failed yet. Never changes the last error.

 `*out_len` becomes the message's length in units of 16 bits without the NUL, and `capacity` counts such units; when it is
 not at least one more, the call ends with `CW_BUFFER_TOO_SMALL` and `out` is not written: no message is cut.
 */
cw_status CW_CALL cw_last_error_utf16(uint16_t *out,
                              size_t capacity,
                              size_t *out_len);

/*
 Codes a command. Short length fields where they do, extended ones otherwise or when asked for.

 `*out_len` becomes the length of the coded command; when that is more than `capacity`, the call ends with
 `CW_BUFFER_TOO_SMALL` and `out` is not written.
 */
cw_status CW_CALL cw_command_apdu_encode(const struct cw_command_apdu *command, uint8_t *out, size_t capacity, size_t *out_len);

/*
 Reads a command, short or extended. `out->data` points into `bytes`, and is good for as long as these are.
 */
cw_status CW_CALL cw_command_apdu_parse(const uint8_t *bytes, size_t length, struct cw_command_apdu *out);

/*
 Codes a response: data, then SW1-SW2. Lengths as for `cw_command_apdu_encode`.
 */
cw_status CW_CALL cw_response_apdu_encode(const struct cw_response_apdu *response,
                                  uint8_t *out,
                                  size_t capacity,
                                  size_t *out_len);

/*
 Reads a response. `out->data` points into `bytes`, and is good for as long as these are.
 */
cw_status CW_CALL cw_response_apdu_parse(const uint8_t *bytes, size_t length, struct cw_response_apdu *out);

/*
 Begins a session over callbacks, which are copied. Nothing is sent to the card.
 */
cw_status CW_CALL cw_session_new(const struct cw_transport *transport, struct cw_session **out);

/*
 Ends a session; NULL is fine. Nothing is sent to the card. A session in use is not freed: `CW_BUSY`, `CW_REENTRANT`.
 */
cw_status CW_CALL cw_session_free(struct cw_session *session);

/*
 Gives the secure channel up; what follows goes to the card unprotected. Nothing is sent. Without a channel it does nothing.
 */
cw_status CW_CALL cw_session_close(struct cw_session *session);

/*
 Tells whether the session has an open secure channel: `*out` becomes 1 or 0. A channel whose last command got no answer, or one that
 does not verify, is closed.
 */
cw_status CW_CALL cw_session_is_open(struct cw_session *session,
                             int32_t *out);

/*
 Resets the card, which closes the secure channel, and gives the ATR; `capacity` must be at least 33.
 */
cw_status CW_CALL cw_session_reset(struct cw_session *session, uint8_t *atr, size_t capacity, size_t *atr_len);

/*
 Hands out the names of the readers that are plugged in; none is fine.

 All functions for readers end with `CW_UNSUPPORTED` in a library that was built without PC/SC, and with `CW_NO_SERVICE` when the
 service does not run.
 */
cw_status CW_CALL cw_reader_list(cw_reader_fn reader,
                         void *user);

/*
 Connects to the card in a reader and begins a session with it. `options` may be NULL: exclusive, any protocol, no waiting.

 `reader` is a name that `cw_reader_list` gave. `cw_session_free` resets the card and lets it go.
 */
cw_status CW_CALL cw_session_new_reader(const char *reader,
                                const struct cw_reader_options *options,
                                struct cw_session **out);

/*
 Begins to watch. The readers and cards that are there are told as if they came now.
 */
cw_status CW_CALL cw_reader_watcher_new(struct cw_reader_watcher **out);

/*
 Waits for the next event, at most `timeout_ms` milliseconds; `CW_READER_NOTHING` when none came.
 */
cw_status CW_CALL cw_reader_watcher_next(struct cw_reader_watcher *watcher, uint32_t timeout_ms, struct cw_reader_event *out);

/*
 Ends a watcher; NULL is fine. One that another thread waits with is not freed: `CW_BUSY`.
 */
cw_status CW_CALL cw_reader_watcher_free(struct cw_reader_watcher *watcher);

/*
 Sets who hears of each command of this session; NULL for nobody. `flags` is 0 or `CW_TRACE_BYTES`. What `user` points to must
 live as long as the session, or until another one is set.
 */
cw_status CW_CALL cw_session_set_trace(struct cw_session *session,
                               cw_trace_fn trace,
                               void *user,
                               uint32_t flags);

/*
 Sends one command and gives the whole response: data, then SW1-SW2. Any status word of the card is a success of the call.

 `flags` is 0 or `CW_EXCHANGE_SECURE`. GET RESPONSE, a wrong Le and command chaining are done on the way. `capacity` must be at
 least `ne` + 2; a card that sends more ends the call with `CW_RESPONSE_TOO_LONG`, after it executed the command. A SELECT or
 another command outside of the channel may close the channel on the card without this library knowing: open it again then.
 */
cw_status CW_CALL cw_session_exchange(struct cw_session *session,
                              const struct cw_command_apdu *command,
                              uint32_t flags,
                              uint8_t *response,
                              size_t capacity,
                              size_t *response_len);

/*
 Selects a security domain and reads CPLC data, card recognition data and key information: SELECT and three GET DATA, and two more on
 a card without a serial number. `domain` may be NULL for the issuer security domain. A secure channel is given up.
 */
cw_status CW_CALL cw_session_read_card_data(struct cw_session *session,
                                    const struct cw_aid *domain,
                                    struct cw_card_data *out);

/*
 A key service without keys.
 */
cw_status CW_CALL cw_keys_new(struct cw_keys **out);

/*
 A key service of the program's own. The callback and `user` are copied; what `user` points to must live until the handle is
 freed and the last call that uses it has returned.
 */
cw_status CW_CALL cw_keys_new_service(const struct cw_key_service *service,
                              struct cw_keys **out);

/*
 Adds a key, or replaces the one of this name. A length that the kind does not have ends with `CW_KEY_MISFIT`.
 */
cw_status CW_CALL cw_keys_add(struct cw_keys *keys,
                      const char *name,
                      uint32_t key_kind,
                      const uint8_t *value,
                      size_t value_len);

/*
 Adds a key put together from two or three components (exclusive or). Each component and the key are checked against their check
 values; one that does not fit is told with its number, and nothing is added: `CW_KEY_MISFIT`.
 */
cw_status CW_CALL cw_keys_add_components(struct cw_keys *keys,
                                 const char *name,
                                 uint32_t key_kind,
                                 const struct cw_key_component *components,
                                 size_t count,
                                 const uint8_t *kcv);

/*
 Adds the keys of a text, all or none: a line is NAME KIND KEY CHECK-VALUE, such as "issuer AES 4041..4F 504A77"; the kind is DES or
 AES, `#` begins a remark. A line that does not fit is told by its number: `CW_KEY_MISFIT`. Wipe the text afterwards.
 */
cw_status CW_CALL cw_keys_add_text(struct cw_keys *keys,
                           const uint8_t *text,
                           size_t length);

/*
 Wipes and frees the keys; NULL is fine. Sessions that were opened with them go on.
 */
cw_status CW_CALL cw_keys_free(struct cw_keys *keys);

/*
 A key service over a PKCS#11 token: a key's name is its `CKA_LABEL`, and static keys stay on the token. docs/pkcs11.md tells which
 attributes they need, and what is in memory.

 The PIN is tried once: one that is refused or locked is `CW_KEY_REFUSED`, and whatever else keeps the token from being used
 `CW_KEY_UNAVAILABLE`. When the session is lost later, one question ends with `CW_KEY_UNAVAILABLE` and the next one connects again.
 Threads that use the handle's keys at the same time wait for each other. In a library that was built without PKCS#11 the call ends
 with `CW_UNSUPPORTED`.
 */
cw_status CW_CALL cw_keys_new_pkcs11(const struct cw_pkcs11_options *options,
                             struct cw_keys **out);

/*
 Asks a key service one question, as the library itself does: so that a program's own key service can hand on what it does not
 hold itself. Wipe `out` when it is no longer needed.
 */
cw_status CW_CALL cw_keys_answer(struct cw_keys *keys,
                         const struct cw_key_request *request,
                         struct cw_key_answer *out);

/*
 A profile that is built in: "standard", "counts-commands-with-data", "yubikey", "open-platform-2.0.1" or "short-blocks"; else
 `CW_NOT_FOUND`.
 */
cw_status CW_CALL cw_profile_new(const char *name,
                         struct cw_profile **out);

/*
 A profile out of a text in TOML, in which it is the table `[profile.NAME]`:

     [profile.my-card]
     like = "yubikey"                 # a built-in profile that it begins with
     about = "how that was found out"
     counter = "with-data"            # or "every": which commands the counter of SCP03 counts
     enciphers_empty_data = true      # SCP03
     bare_key_components = true       # no length in front of keys under an AES Key-DEK
     privileges = "one"               # bytes of them; or "three", "shortest"
     le = "not-in-load"               # or "never-behind-data", "standard"
     max_command_data = 240
     listing = "legacy"               # or "tlv": the format of GET STATUS
     paging = "get-response"          # or "cut-off", "standard"
     unique_kdd = true                # failed authentications are counted by key diversification data
     challenge = "report"             # or "require", "ignore"
     s16 = true                       # challenges of 16 bytes
     scp01_i = 0x15
     scp02_i = 0x55

 What is not there is as the standard says. A line that is wrong is named: `CW_BAD_VALUE`; `CW_NOT_FOUND` for a text without the
 table.
 */
cw_status CW_CALL cw_profile_parse(const uint8_t *text,
                           size_t length,
                           const char *name,
                           struct cw_profile **out);

/*
 Gives a profile in words, its name and what is otherwise than the standard says, without a NUL: what traces show.
 `CW_BUFFER_TOO_SMALL` with the needed `*text_len` when it does not fit.
 */
cw_status CW_CALL cw_profile_text(const struct cw_profile *profile, uint8_t *text, size_t capacity, size_t *text_len);

/*
 Ends a profile; NULL is fine. What was made with it goes on.
 */
cw_status CW_CALL cw_profile_free(struct cw_profile *profile);

/*
 Selects a security domain and opens a secure channel to it: SELECT, INITIALIZE UPDATE and, only when one of the
 candidates fits the card's cryptogram, EXTERNAL AUTHENTICATE. A channel that was open before is given up.

 `out` may be NULL. A wrong argument (1xx, `CW_BAD_SECURITY_LEVEL` for an unknown one) leaves the session as it was; after any
 other error it has no channel. With a journal a card that was torn out ends with `CW_INTERRUPTED`. `CW_WRONG_KEYS` counts as one failure of this card: do not try key after key on a card,
 but give all that come into question as candidates of one call.
 */
cw_status CW_CALL cw_session_open(struct cw_session *session,
                          struct cw_keys *keys,
                          const struct cw_open_options *options,
                          struct cw_opened *out);

/*
 Selects a security domain and opens a secure channel of SCP11 to it: GET DATA for the card's certificates, PERFORM SECURITY OPERATION
 with the host's, MUTUAL or INTERNAL AUTHENTICATE. A channel that was open before is given up.

 The ephemeral key comes from the system's random numbers. Nothing of the host is sent before the card's certificates are verified: one
 that is not accepted ends with `CW_BAD_CERTIFICATE`. A card that does not have the key of its certificate ends with `CW_CARD_FAULT`.
 A wrong argument (1xx, `CW_BAD_SECURITY_LEVEL` for an unknown one) leaves the session as it was; after any other error it has no
 channel. Key services of the program's own (`cw_keys_new_service`) are not asked for these keys: `CW_KEY_SERVICE`.
 */
cw_status CW_CALL cw_session_open_scp11(struct cw_session *session,
                                struct cw_keys *keys,
                                const struct cw_scp11_options *options);

/*
 Reads the registry in the open channel, and hands out its entries in the card's order: issuer security domain,
 applications, load files.

 `untold` may be NULL; it becomes the sum of the `CW_SCOPE_` numbers of the parts that the card does not list. What
 belongs there may be on the card all the same.
 */
cw_status CW_CALL cw_session_list(struct cw_session *session, cw_registry_fn entry, void *user, uint32_t *untold);

/*
 Reads a CAP file (an archive, or an image of its components) and makes a load file of it. `bytes` is copied.

 `descriptor` is `CW_DESCRIPTOR_OMIT` or `CW_DESCRIPTOR_SEND`. What is wrong with the file is told by `cw_last_error`.
 */
cw_status CW_CALL cw_load_file_parse(const uint8_t *bytes, size_t length, uint32_t descriptor, struct cw_load_file **out);

/*
 Tells what a load file is.
 */
cw_status CW_CALL cw_load_file_describe(const struct cw_load_file *load_file, struct cw_load_file_info *out);

/*
 Gives the AID of one applet, counted from 0: what `cw_install.module` names. `CW_OUT_OF_RANGE` behind the last one.
 */
cw_status CW_CALL cw_load_file_applet(const struct cw_load_file *load_file, size_t index, struct cw_aid *out);

/*
 Frees a load file; NULL is fine. A load under way goes on.
 */
cw_status CW_CALL cw_load_file_free(struct cw_load_file *load_file);

/*
 Loads a load file in the open channel: INSTALL [for load], then LOAD in the longest blocks that fit.

 `domain` may be NULL, which leaves the load file to the security domain of the channel. `progress` may be NULL. A load
 that was broken off is void and begins again; after `CW_CANCELLED` the channel is still open.
 */
cw_status CW_CALL cw_session_load(struct cw_session *session,
                          const struct cw_load_file *load_file,
                          const struct cw_aid *domain,
                          cw_progress_fn progress,
                          void *user);

/*
 INSTALL [for install and make selectable] in the open channel.
 */
cw_status CW_CALL cw_session_install(struct cw_session *session, const struct cw_install *install);

/*
 Deletes an application or load file in the open channel. `flags` is 0 or `CW_DELETE_RELATED`.

 `found` may be NULL; it becomes 1, or 0 when there was nothing of this AID on the card, which is no error: a DELETE that is
 repeated ends that way.
 */
cw_status CW_CALL cw_session_delete(struct cw_session *session,
                            const struct cw_aid *aid,
                            uint32_t flags,
                            int32_t *found);

/*
 Sets the life cycle state (GPCS 2.3.1 tables 11-3 to 11-6) of `target`, one of `CW_TARGET_CARD` to
 `CW_TARGET_DOMAIN_AND_APPLICATIONS`.

 `aid` is NULL for the card. Of the state of another application only bit 8 counts: 80 locks it, 00 unlocks it. A card that is
 set to FF (TERMINATED) is lost: that needs `CW_IRREVERSIBLE` in `flags`, which is 0 otherwise.
 */
cw_status CW_CALL cw_session_set_status(struct cw_session *session,
                                uint32_t target,
                                const struct cw_aid *aid,
                                uint8_t state,
                                uint32_t flags);

/*
 Sends data to a security domain or application in as many STORE DATA commands as it takes.

 `response` may be NULL: the last command then asks for no response data. Otherwise `capacity` must be at least 256, and
 `*response_len` becomes the length of the response data, without a status word.
 */
cw_status CW_CALL cw_session_store_data(struct cw_session *session,
                                const struct cw_store_data *data,
                                uint8_t *response,
                                size_t capacity,
                                size_t *response_len);

/*
 Puts a key set into the security domain of the open channel, and verifies the check values that the card computed.

 `new_keys` names the key or master key in `keys`; its `kvn` is the version that the set gets, 0 for that of the set which the
 channel was opened with. Without `CW_PUT_KEYS_ADD` that set is replaced; in a channel of SCP11 keys are added, as they are, only. Initial keys (version FF) vanish for good when the
 first set comes, added or not; in their place it gets version 01. This needs `CW_IRREVERSIBLE`.

 When the answer is lost (`cw_error.in_doubt`), open the channel again with both key sets as candidates: the one that fits
 tells which is on the card. Nothing authenticates the key diversification data that the keys are derived with; `cw_process_run`
 has them shown twice before it puts keys.
 */
cw_status CW_CALL cw_session_put_keys(struct cw_session *session,
                              struct cw_keys *keys,
                              const struct cw_key_candidate *new_keys,
                              uint32_t flags);

/*
 Opens the journal in a file (SQLite), and makes it when it is not there. Its chain of records is verified. One program at a time
 writes to a file. `path` is UTF-8.
 */
cw_status CW_CALL cw_journal_open(const char *path,
                          struct cw_journal **out);

/*
 A journal that the program keeps itself. The callbacks and `user` are copied; what `user` points to must live until the handle is
 freed and the last call that uses it has returned.
 */
cw_status CW_CALL cw_journal_new_store(const struct cw_store *store,
                               struct cw_journal **out);

/*
 Closes a journal; NULL is fine. A process under way goes on.
 */
cw_status CW_CALL cw_journal_free(struct cw_journal *journal);

/*
 Tells how many attempts to open a secure channel to a card failed in a row. `card` is its identity, as `cw_card_data` and
 `cw_report` give it; a card that the journal does not know has none.
 */
cw_status CW_CALL cw_journal_lockout(struct cw_journal *journal,
                             const char *card,
                             struct cw_lockout *out);

/*
 The bytes that approvers sign with Ed25519 to approve `release.approvals[index]`; signatures need not be there yet.

 `*out_len` becomes their length; when that is more than `capacity`, the call ends with `CW_BUFFER_TOO_SMALL` and writes nothing
 else.
 */
cw_status CW_CALL cw_release_signed_bytes(const struct cw_release *release,
                                  size_t index,
                                  uint8_t *out,
                                  size_t capacity,
                                  size_t *out_len);

/*
 A process that loads the purse of the card in the reader, or finishes the load with this id: an account is debited and the card
 credited, and neither ever without the other.

 `CW_OK`: the account is debited, and the card has proved that it has the money. `CW_NOT_LOADED`: it has ended, and no money moved
 or is back. With `CW_INTERRUPTED`, `CW_ACCOUNT_UNKNOWN` and `CW_QUARANTINED` it has not ended: run again with the same id, or end it
 with `cw_process_give_up_load`. `cw_process_load_report` tells each time where it stands.

 Keys in memory or in a token answer it. Key services of programs, and `CW_ASK_KEYS`, are not asked for MACs of purses yet:
 `CW_KEY_SERVICE`.
 */
cw_status CW_CALL cw_process_new_load(const struct cw_purse_load *load,
                              struct cw_process **out);

/*
 A process that finishes whatever load of the card in the reader was cut off; `CW_OK` and `CW_LOADING_NONE` when there is none. A
 debit that was never booked is cancelled, not begun again. It ends as that of `cw_process_new_load` does.
 */
cw_status CW_CALL cw_process_resume_load(const struct cw_purse_terminal *terminal,
                                 struct cw_process **out);

/*
 A process that ends the load with this id without its card: what was debited and never credited is reversed; where a MAC2 was given
 out, it is disputed (`CW_QUARANTINED`), and once persons have settled its case, it ends as they say. It asks no card and no keys.
 `now_ms`: the time, in milliseconds since 1970-01-01 UTC.
 */
cw_status CW_CALL cw_process_give_up_load(const char *id,
                                  uint64_t now_ms,
                                  struct cw_process **out);

/*
 A process that runs an issue script on the card in the reader, or finishes one that was cut off: each step durable, and complete when
 everything that can be read was read back and every key that can be proved was.

 A script that another text was begun with ends with `CW_CONTRADICTION`; a card that is not blank, a MAC or a key that the card
 rejects, and what cannot be told, with `CW_QUARANTINED`. Keys in memory answer it; key services of programs, and `CW_ASK_KEYS`, are
 asked for what they know: `CW_KEY_SERVICE` for the rest.
 */
cw_status CW_CALL cw_process_new_script(const struct cw_script *script,
                                struct cw_process **out);

/*
 A process that writes a subscriber's numbers, codes and keys to the SIM in the reader, or finishes it where it was cut off: each step
 durable, each file read back, the keys proved by AUTHENTICATE.

 Values that do not fit the profile's numbering plan, and what the profile has no entry for, are refused before anything is sent:
 `CW_BAD_VALUE`, `CW_UNSUPPORTED`. A rejected ADM key, and one with a single try left, end with `CW_QUARANTINED`. Keys in memory answer
 it; key services of programs, and `CW_ASK_KEYS`, are not asked for MILENAGE yet: `CW_KEY_SERVICE`.
 */
cw_status CW_CALL cw_process_new_number(const struct cw_number *number,
                                struct cw_process **out);

/*
 A process that makes of a card what the order says, whatever was done before. Load files are shared; all else is copied.
 */
cw_status CW_CALL cw_process_new_issue(const struct cw_order *order,
                               struct cw_process **out);

/*
 A process that deletes an application or load file from a card, with the keys of an order; its applications do not count.

 What depends on the object, and an application that is personalized, are deleted only with `CW_DELETE_FORCE` in `flags`, which
 is 0 otherwise; without it the process ends with `CW_GUARDED`.
 */
cw_status CW_CALL cw_process_new_delete(const struct cw_order *order,
                                const struct cw_aid *aid,
                                uint32_t flags,
                                struct cw_process **out);

/*
 A process that records that an application which was issued to the card was used. It opens no secure channel and asks no keys.
 */
cw_status CW_CALL cw_process_new_use(const struct cw_aid *application,
                             struct cw_process **out);

/*
 Ends a process; NULL is fine.
 */
cw_status CW_CALL cw_process_free(struct cw_process *process);

/*
 Drives a process to its end, from its first question or from where `cw_process_next` has left it.

 The status is that of the process: `CW_OK` when everything is proved to be on the card, `CW_INTERRUPTED` when the card was
 torn out. `keys` may be NULL for a process that asks none. The session, and the process, are in use until it returns.
 A wrong argument (1xx) leaves the process as it was; `CW_CANCELLED` ends it.
 */
cw_status CW_CALL cw_process_run(struct cw_process *process,
                         const struct cw_ports *ports);

/*
 Tells what a process wants next. The same question stays open until it is answered; events come once each.

 When the process has failed, the status is its own (`CW_INTERRUPTED`, `CW_WRONG_KEYS` and so on), as `cw_process_run` would give
 it; with `CW_OK` and `CW_ASK_DONE` everything is proved to be on the card.
 */
cw_status CW_CALL cw_process_next(struct cw_process *process,
                          struct cw_question *out);

/*
 Answers `CW_ASK_TRANSMIT` with the card's response and its status word, `CW_ASK_RESET` with the ATR, `CW_ASK_RANDOM` with 8 bytes.
 `flags` is 0, or `CW_TRANSPORT_EXTENDED` with an ATR when extended length fields pass from now on.
 */
cw_status CW_CALL cw_process_answer_bytes(struct cw_process *process,
                                  const uint8_t *bytes,
                                  size_t length,
                                  uint32_t flags);

/*
 Answers `CW_ASK_KEYS`. `answer` may be wiped afterwards.
 */
cw_status CW_CALL cw_process_answer_keys(struct cw_process *process, const struct cw_key_answer *answer);

/*
 Answers `CW_ASK_HISTORY` with all records of the entity, in the order of their numbers. `records` may be NULL when `count` is 0.
 */
cw_status CW_CALL cw_process_answer_history(struct cw_process *process,
                                    const struct cw_record *records,
                                    size_t count);

/*
 Answers `CW_ASK_COMMIT`: all records of the transaction are on stable storage, with numbers that rise by one from `first_seq`.
 */
cw_status CW_CALL cw_process_answer_committed(struct cw_process *process,
                                      uint64_t first_seq);

/*
 Answers `CW_ASK_ACCOUNT`: `status`, and with `CW_BOOKING_BOOKED` `reference`.
 */
cw_status CW_CALL cw_process_answer_account(struct cw_process *process, const struct cw_booking *answer);

/*
 Answers the open question with a failure: for card questions one of `CW_CARD_REMOVED` to `CW_LINE_LOST` or `CW_TRANSPORT`, with
 `delivery` as in `cw_answer`; for `CW_ASK_KEYS` one of `CW_KEY_NOT_FOUND` to `CW_KEY_SERVICE`; for the journal one of
 `CW_STORE_CONFLICT` to `CW_STORE_DAMAGED`.

 `reason` may be NULL: words for the error message, without a secret; it is looked at for `CW_TRANSPORT`, `CW_KEY_REFUSED`,
 `CW_KEY_UNAVAILABLE` and the journal. `CW_ASK_RANDOM` takes `CW_NO_RANDOM`; `CW_ASK_ACCOUNT` takes `CW_TIMEOUT` or `CW_LINE_LOST`,
 after which the keeper is taken to have booked or not. The process then ends or goes on as it must: ask for its
 next question.
 */
cw_status CW_CALL cw_process_answer_failure(struct cw_process *process,
                                    cw_status status,
                                    uint32_t delivery,
                                    const char *reason);

/*
 Tells what a process brought about that has ended with `CW_OK`. One that loads a purse has `cw_process_load_report`, and ends this
 with `CW_OUT_OF_TURN`.
 */
cw_status CW_CALL cw_process_report(struct cw_process *process,
                            struct cw_report *out);

/*
 Tells how a process left the load of a purse, whatever it ended with. A process that has not ended, failed before it came to a
 load or is none of loads ends this with `CW_OUT_OF_TURN`.
 */
cw_status CW_CALL cw_process_load_report(struct cw_process *process,
                                 struct cw_purse_load_report *out);

/*
 Tells which step of a process that has ended with `CW_QUARANTINED` waits for persons, and what they sign to have it tried again. A
 process that has not ended so ends this with `CW_OUT_OF_TURN`.
 */
cw_status CW_CALL cw_process_held(struct cw_process *process,
                          struct cw_held *out);

/*
 Gives one object that is on the card after a process that has ended with `CW_OK`: `cw_report.after_count` of them, counted from 0;
 with `before` 1 one that was there before it. `CW_OUT_OF_RANGE` behind the last one.
 */
cw_status CW_CALL cw_process_row(struct cw_process *process,
                         uint32_t before,
                         size_t index,
                         struct cw_row *out);

#ifdef __cplusplus
}  // extern "C"
#endif  /* __cplusplus */

#endif  /* CARDWRIGHT_H */
