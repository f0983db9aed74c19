/* cardwright for C: issues smart cards. SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Generated from the sources of the library; do not edit it, run scripts/header.sh.
 *
 * Calls. A function returns a cw_status: CW_OK or a fixed number that says who is at fault. cw_last_error tells more
 * about the last call of the same thread that failed. Results are written only on success; the one exception is the
 * needed length when a buffer is too small (CW_BUFFER_TOO_SMALL), and that is refused before anything goes to a card.
 *
 * Handles. cw_session, cw_keys and cw_load_file are opaque. What a _new or _parse gave is ended by its _free, once;
 * _free(NULL) is fine. A handle is no address: one that was freed, made up or of another type is found out and answered
 * with CW_BAD_HANDLE. Any thread may use a handle, one at a time: a second one gets CW_BUSY and may try again. A handle
 * whose callback calls back gets CW_REENTRANT.
 *
 * Structs begin with struct_size, so that they can grow: set it to sizeof of the struct, and all you do not use to zero.
 * A library that knows fewer fields ignores the others; one that knows more takes them as zero. cw_aid does not grow.
 * A struct that a function fills needs its struct_size set before.
 *
 * Pointers. What is handed in is not kept when the function has returned, except the callbacks and `user` of a
 * cw_transport. Pointers must be good for the length that goes with them; a NULL with length 0 is fine. Strings are
 * UTF-8, end with a NUL and have at most 1023 bytes.
 *
 * Callbacks are called only while a call that needs them is under way, by the thread of that call. They return; they do
 * not throw and do not longjmp.
 *
 * A panic inside the library becomes CW_INTERNAL; the handle in use then answers CW_POISONED until it is freed. The
 * library prints nothing. No message holds a key, a PIN or a card's data.
 *
 * Link with -lcardwright; the static library also needs -lpthread -ldl -lm on Linux.
 *
 * To list a card: cw_keys_new, cw_keys_add, cw_session_new with your own cw_transport, cw_session_open, cw_session_list,
 * cw_session_free, cw_keys_free. To load: cw_load_file_parse, cw_session_load, cw_session_install after cw_session_open.
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
 Key kind: DES with 8 bytes, triple DES with 16.
 */
#define CW_KEY_TDES 1

/*
 Key kind: AES with 16, 24 or 32 bytes.
 */
#define CW_KEY_AES 2

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
 Security level: authentication only.
 */
#define CW_SECURITY_AUTHENTICATED 0x00

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
 Card challenge: not looked at.
 */
#define CW_CHALLENGE_IGNORE 0

/*
 Card challenge: `cw_opened.challenge_verified` tells whether it is the pseudo-random one.
 */
#define CW_CHALLENGE_REPORT 1

/*
 Card challenge: a card whose `i` promises the pseudo-random one and that gives another is refused.
 */
#define CW_CHALLENGE_REQUIRE 2

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
 Keys in the memory of this process, by name: for development, tests and cards with published test keys. Made by
 `cw_keys_new`, ended by `cw_keys_free`. Key bytes are copied, wiped when freed, and never given back.
 */
typedef struct cw_keys cw_keys;

/*
 A CAP file, checked and ready to be loaded; never changes. Made by `cw_load_file_parse`, ended by `cw_load_file_free`.
 Any number of threads may use it at the same time.
 */
typedef struct cw_load_file cw_load_file;

/*
 A conversation with one card. Made by `cw_session_new`, ended by `cw_session_free`.
 */
typedef struct cw_session cw_session;

/*
 How a call ended: `CW_OK`, or one of the numbers below.

 Who is at fault: 1xx the caller, 2xx the way to the card, 3xx the card, 4xx secure channel and keys, 5xx an issuing
 process, 6xx storage, 9xx this library. 5xx and 6xx are not in use yet. A number never changes its meaning; new ones
 may come, so that a switch needs a default.
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
   1: the card may have executed the command, or a part of it, all the same. Find out before you repeat it. 0: it did
   not, or it answered.
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
   Length of the whole message, in bytes without the NUL; greater than 511 when `message` was cut.
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
 Resets the card and gives its ATR. All else as for `cw_transmit_fn`.
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
   Eight random bytes from a generator fit for keys, new for each call. All zero is refused.
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
   Security domain to select; length 0 for the issuer security domain.
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
   Zero.
   */
  uint8_t reserved;
  /*
   One of `CW_CHALLENGE_IGNORE` to `CW_CHALLENGE_REQUIRE`.
   */
  uint32_t challenge_policy;
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
   2 for SCP02, 3 for SCP03.
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
} cw_opened;

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
} cw_install;

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
 `struct_size` is smaller than any version of the struct was.
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
#define CW_SECURITY_LEVEL 407

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
 A key service without keys.
 */
cw_status CW_CALL cw_keys_new(struct cw_keys **out);

/*
 Adds a key, or replaces the one of this name. A length that the kind does not have ends with `CW_KEY_MISFIT`.
 */
cw_status CW_CALL cw_keys_add(struct cw_keys *keys,
                      const char *name,
                      uint32_t key_kind,
                      const uint8_t *value,
                      size_t value_len);

/*
 Wipes and frees the keys; NULL is fine. Sessions that were opened with them go on.
 */
cw_status CW_CALL cw_keys_free(struct cw_keys *keys);

/*
 Begins a session over callbacks, which are copied. Nothing is sent to the card.
 */
cw_status CW_CALL cw_session_new(const struct cw_transport *transport, struct cw_session **out);

/*
 Ends a session; NULL is fine. Nothing is sent to the card. A session in use is not freed: `CW_BUSY`, `CW_REENTRANT`.
 */
cw_status CW_CALL cw_session_free(struct cw_session *session);

/*
 Resets the card, which closes the secure channel, and gives the ATR; `capacity` must be at least 33.
 */
cw_status CW_CALL cw_session_reset(struct cw_session *session, uint8_t *atr, size_t capacity, size_t *atr_len);

/*
 Selects a security domain and opens a secure channel to it: SELECT, INITIALIZE UPDATE and, only when one of the
 candidates fits the card's cryptogram, EXTERNAL AUTHENTICATE. A channel that was open before is given up.

 `out` may be NULL. A wrong argument (1xx, `CW_SECURITY_LEVEL` for an unknown one) leaves the session as it was; after any
 other error it has no channel. `CW_WRONG_KEYS` counts as one failure of this card: do not try key after key on a card,
 but give all that come into question as candidates of one call.
 */
cw_status CW_CALL cw_session_open(struct cw_session *session,
                          struct cw_keys *keys,
                          const struct cw_open_options *options,
                          struct cw_opened *out);

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

#ifdef __cplusplus
}  // extern "C"
#endif  /* __cplusplus */

#endif  /* CARDWRIGHT_H */
