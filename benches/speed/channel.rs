use std::hint::black_box;

use aes::cipher::{Block, BlockModeEncrypt, InnerIvInit, KeyInit, KeyIvInit};
use cardwright::apdu::{CommandApdu, ResponseApdu};
use cardwright::gp::channel::InitializeUpdate;
use cardwright::gp::{SecureChannel, SecurityLevel};
use cardwright::keys::{KeyKind, KeyRef, KeyService, KeySet, KeyValue, SoftwareKeys, scp02, scp03};
use cmac::{Cmac, Mac};
use criterion::{BatchSize, Criterion};

use crate::table::count_allocations;

const KEY: [u8; 16] = *b"@ABCDEFGHIJKLMNO";
const HOST: [u8; 8] = [1; 8];

fn keys(kind: KeyKind) -> (SoftwareKeys, KeySet) {
    let mut keys = SoftwareKeys::new();
    keys.insert("test", kind, &KEY).expect("16 bytes");
    (keys, KeySet::same(KeyRef::new("test")))
}

/// An answer to INITIALIZE UPDATE with the right cryptogram.
fn answer(kind: KeyKind) -> ResponseApdu {
    let key = KeyValue::new(&KEY).expect("16 bytes");
    let card = [2; 8];
    let mut data = vec![0; 10];
    match kind {
        KeyKind::Tdes => {
            let session = scp02::session_keys(&key, &key, &key, [2, 2]).expect("a DES key");
            let mut text = [&HOST[..], &card, &[0x80, 0, 0, 0, 0, 0, 0, 0]].concat();
            let enc = cardwright::keys::cipher::Tdes::new(&session.enc).expect("a DES key");
            enc.cbc_encrypt(&[0; 8], &mut text);
            data.extend([&[0x01, 0x02][..], &card, &text[16..]].concat());
        }
        _ => {
            let context = [HOST, card].concat();
            let session = scp03::session_keys(&key, &key, &context).expect("an AES key");
            let cryptogram =
                scp03::derive(&session.mac, scp03::constant::CARD_CRYPTOGRAM, 8, &context).expect("an AES key");
            data.extend([&[0x01, 0x03, 0x70][..], &card, &cryptogram, &[0, 0, 1]].concat());
        }
    }
    ResponseApdu::new(data, 0x9000.into())
}

fn handshake(kind: KeyKind, answer: &ResponseApdu, level: SecurityLevel) -> SecureChannel {
    let (mut service, set) = keys(kind);
    let (state, _) = InitializeUpdate::new(0, HOST);
    let answer = state.handle_response(answer).expect("a well-formed answer");
    let session = service.answer(&answer.key_request(&set)).expect("a key").into_session().expect("session keys");
    let Ok(verified) = answer.verify(session) else { panic!("the cryptogram is right") };
    let (state, _) = verified.external_authenticate(level).expect("a level of the protocol");
    state.handle_response(&ResponseApdu::status(0x9000.into())).expect("9000")
}

pub(crate) fn benchmarks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("channel");
    let command = CommandApdu::new(0x80, 0xE2, 0x00, 0x00).with_data([0x5A; 200]);
    let done = ResponseApdu::status(0x9000.into());

    for (name, kind) in [("scp02", KeyKind::Tdes), ("scp03", KeyKind::Aes)] {
        let answer = answer(kind);
        let mut channel = handshake(kind, &answer, SecurityLevel::C_DECRYPTION);
        let mut wrap = || {
            let protected = channel.wrap(black_box(&command)).expect("the command fits");
            channel.unwrap(done.clone()).expect("no R-MAC at this level");
            protected
        };
        count_allocations(&format!("channel/{name} wrap 200"), &mut wrap);
        group.bench_function(format!("{name} wrap 200"), |b| b.iter(&mut wrap));
        group.bench_function(format!("{name} handshake"), |b| {
            b.iter(|| handshake(kind, black_box(&answer), SecurityLevel::C_DECRYPTION));
        });
    }
    group.bench_function("scp03 wrap 200 floor", floor_scp03);
    group.bench_function("scp02 wrap 200 floor", floor_scp02);
    group.bench_function("scp03 unwrap 200", |b| {
        // The first response after the handshake, protected with the same session keys.
        let key = KeyValue::new(&KEY).expect("16 bytes");
        let answer = answer(KeyKind::Aes);
        let context = [HOST, [2; 8]].concat();
        let session = scp03::session_keys(&key, &key, &context).expect("an AES key");
        let rmac = session.rmac.as_ref().expect("SCP03 has an S-RMAC");
        b.iter_batched(
            || {
                let mut channel = handshake(KeyKind::Aes, &answer, SecurityLevel::C_MAC_R_MAC);
                let sent = channel.wrap(&command).expect("the command fits");
                (channel, protected_response(&session.mac, rmac, &answer, &sent))
            },
            |(mut channel, response)| channel.unwrap(response).expect("the R-MAC is right"),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("scp03 unwrap 200 floor", |b| {
        let keyed = Cmac::<aes::Aes128>::new_from_slice(&KEY).expect("16 bytes");
        let message = [0x5A; 16 + 200 + 2];
        b.iter(|| {
            let mut mac = keyed.clone();
            mac.update(black_box(&message));
            (mac.finalize().into_bytes(), black_box(&message)[16..216].to_vec())
        });
    });
    group.bench_function("scp02 unwrap 200", |b| {
        let answer = answer(KeyKind::Tdes);
        b.iter_batched(
            || {
                let (mut service, set) = keys(KeyKind::Tdes);
                let (state, _) = InitializeUpdate::new(0, HOST);
                let answer = state.handle_response(&answer).expect("a well-formed answer").with_i(0x35);
                let session = service.answer(&answer.key_request(&set)).expect("a key").into_session().expect("keys");
                let rmac = session.keys.rmac.clone().expect("SCP02 has an R-MAC key");
                let Ok(verified) = answer.verify(session) else { panic!("the cryptogram is right") };
                let (state, authenticate) = verified.external_authenticate(SecurityLevel::R_MAC).expect("i has R-MAC");
                let mut channel = state.handle_response(&done).expect("9000");
                channel.wrap(&command).expect("the command fits");
                (channel, protected_by_scp02(&rmac, &authenticate, &command))
            },
            |(mut channel, response)| channel.unwrap(response).expect("the R-MAC is right"),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("scp02 unwrap 200 floor", |b| {
        let (enc, left) = (des::TdesEde2::new_from_slice(&KEY), des::Des::new_from_slice(&KEY[..8]));
        let (enc, left) = (enc.expect("16 bytes"), left.expect("8 bytes"));
        // Command, Li, response, status, padding.
        let mut input = [0x5A; 416];
        b.iter(|| {
            let (blocks, _) = aes::cipher::Array::slice_as_chunks_mut(&mut black_box(&mut input)[..]);
            let (front, last) = blocks.split_at_mut(51);
            cbc::Encryptor::inner_iv_init(&left, &Block::<des::Des>::default()).encrypt_blocks(front);
            cbc::Encryptor::inner_iv_init(&enc, &front[50]).encrypt_blocks(last);
            (last[0], black_box(&input)[..200].to_vec())
        });
    });
    group.finish();
}

/// 200 bytes of response data as a card with R-MAC of SCP02 gives them to this command (GPCS 2.3.1 E.4.5).
fn protected_by_scp02(rmac: &KeyValue, authenticate: &CommandApdu, command: &CommandApdu) -> ResponseApdu {
    let data = [0x5A; 200];
    let header = [0x80, 0xE2, 0x00, 0x00, command.nc() as u8];
    let mut message = [&header, command.data(), &[200], &data, &[0x90, 0x00, 0x80]].concat();
    message.resize(message.len().next_multiple_of(8), 0);
    let icv = authenticate.data().last_chunk().expect("EXTERNAL AUTHENTICATE has a MAC");
    let mac = cardwright::keys::cipher::Tdes::new(rmac).expect("a DES key").mac(icv, &mut message);
    ResponseApdu::new([&data[..], &mac].concat(), 0x9000.into())
}

/// 200 bytes of response data as a card protects them after EXTERNAL AUTHENTICATE and this one command (Amd D 6.2.5).
fn protected_response(mac: &KeyValue, rmac: &KeyValue, answer: &ResponseApdu, sent: &CommandApdu) -> ResponseApdu {
    use cardwright::keys::cipher::AesCmac;
    let (mac, rmac) = (AesCmac::new(mac).expect("an AES key"), AesCmac::new(rmac).expect("an AES key"));
    let (mut service, set) = keys(KeyKind::Aes);
    let (state, _) = InitializeUpdate::new(0, HOST);
    let parsed = state.handle_response(answer).expect("a well-formed answer");
    let session = service.answer(&parsed.key_request(&set)).expect("a key").into_session().expect("session keys");
    let Ok(verified) = parsed.verify(session) else { panic!("the cryptogram is right") };
    let (_, authenticate) =
        verified.external_authenticate(SecurityLevel::C_MAC_R_MAC).expect("a level of the protocol");
    let mut chaining = [0; 16];
    for command in [&authenticate, sent] {
        let bytes = command.to_bytes().expect("a short command");
        chaining = mac.mac(&[&chaining, &bytes[..5 + command.nc() - 8]]);
    }
    let data = vec![0x5A; 200];
    let tag = rmac.mac(&[&chaining, &data, &[0x90, 0x00]]);
    ResponseApdu::new([&data[..], &tag[..8]].concat(), 0x9000.into())
}

/// ICV, CBC of 208 bytes, CMAC of chaining value, header and cipher text as CBC over a scratch buffer (the subkey left
/// out: it costs nothing), one allocation for the result.
fn floor_scp03(b: &mut criterion::Bencher<'_>) {
    use aes::cipher::BlockCipherEncrypt;
    let enc = aes::Aes128Enc::new_from_slice(&KEY).expect("16 bytes");
    let mut message = [0x5A; 208];
    let mut scratch = [0x5A; 240];
    b.iter(|| {
        let mut icv = Block::<aes::Aes128Enc>::default();
        enc.encrypt_block(&mut icv);
        let (blocks, _) = aes::cipher::Array::slice_as_chunks_mut(&mut black_box(&mut message)[..]);
        cbc::Encryptor::inner_iv_init(&enc, &icv).encrypt_blocks(blocks);
        scratch[21..229].copy_from_slice(&message);
        let (blocks, _) = aes::cipher::Array::slice_as_chunks_mut(&mut scratch[..]);
        cbc::Encryptor::inner_iv_init(&enc, &Default::default()).encrypt_blocks(blocks);
        [&message[..], &scratch[224..232]].concat()
    });
}

/// Retail MAC of 216 bytes (single DES, the last block with triple DES), triple DES CBC of 208 bytes.
fn floor_scp02(b: &mut criterion::Bencher<'_>) {
    let enc = des::TdesEde2::new_from_slice(&KEY).expect("16 bytes");
    let left = des::Des::new_from_slice(&KEY[..8]).expect("8 bytes");
    let mut message = [0x5A; 208];
    let mut input = [0x5A; 208];
    let zero = Block::<des::Des>::default();
    let _ = cbc::Encryptor::<des::Des>::new(&zero, &zero);
    b.iter(|| {
        let (blocks, _) = aes::cipher::Array::slice_as_chunks_mut(&mut black_box(&mut input)[..]);
        let (front, last) = blocks.split_at_mut(25);
        cbc::Encryptor::inner_iv_init(&left, &zero).encrypt_blocks(front);
        cbc::Encryptor::inner_iv_init(&enc, &front[24]).encrypt_blocks(last);
        let (blocks, _) = aes::cipher::Array::slice_as_chunks_mut(&mut black_box(&mut message)[..]);
        cbc::Encryptor::inner_iv_init(&enc, &zero).encrypt_blocks(blocks);
        [&message[..], &input[200..]].concat()
    });
}
