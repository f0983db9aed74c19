//! Enciphered Load File Data Blocks (GPCS 2.3.1 11.6.2.3, C.6): what goes out, and what a card would make of it.

mod support;

use cardwright::apdu::tlv::{Reader, Tag};
use cardwright::apdu::{Aid, block_on};
use cardwright::gp::channel::Protocol;
use cardwright::gp::command::InstallForLoad;
use cardwright::gp::load_file::HashAlgorithm;
use cardwright::gp::plan::Plan;
use cardwright::gp::{Error, LoadFile, SecurityLevel, procedure};
use cardwright::keys::cipher::{Aes, Tdes};
use cardwright::keys::{KeyError, KeyKind, KeyRef, KeyValue, SoftwareKeys};

const AES: [u8; 16] = [0x4A; 16];
const DES: [u8; 16] = [1, 2, 4, 7, 8, 11, 13, 14, 16, 19, 21, 22, 25, 26, 28, 31];

fn load_file() -> LoadFile {
    support::order(300).applications.remove(0).load_file
}

fn ciphered(key: &str, icv: Option<&[u8]>, file: LoadFile) -> Result<LoadFile, Error> {
    let mut keys = SoftwareKeys::new();
    keys.insert("aes", KeyKind::Aes, &AES).unwrap();
    keys.insert("des", KeyKind::Tdes, &DES).unwrap();
    block_on(procedure::cipher_load_file(&mut keys, &KeyRef::new(key), file, icv))
}

fn objects(file: &LoadFile) -> Vec<(u32, Vec<u8>)> {
    Reader::new(file.as_bytes())
        .map(|object| object.unwrap())
        .map(|object| (object.tag.0, object.value.to_vec()))
        .collect()
}

#[test]
fn the_block_is_padded_and_enciphered_and_hash_and_signatures_stay_over_the_clear() {
    let plain = load_file();
    for (key, icv) in [("aes", Some(&[0x1C; 16][..])), ("aes", None), ("des", Some(&[0x1C; 8][..])), ("des", None)] {
        let file = ciphered(key, icv, plain.clone()).unwrap();
        assert!(file.is_ciphered() && !plain.is_ciphered());
        assert_eq!(file.data_block(), plain.data_block());
        assert_eq!(file.hash(HashAlgorithm::Sha256), plain.hash(HashAlgorithm::Sha256));
        let mut objects = objects(&file);
        let (tag, mut cipher) = objects.pop().unwrap();
        assert_eq!(tag, 0xD4);
        assert_eq!(objects, icv.map(|icv| (0xD3, icv.to_vec())).into_iter().collect::<Vec<_>>());
        // What comes out when the card deciphers it, or when it is enciphered by hand.
        let mut padded = plain.data_block().to_vec();
        padded.push(0x80);
        if key == "aes" {
            padded.resize(padded.len().next_multiple_of(16), 0);
            let icv = icv.map_or([0; 16], |icv| icv.try_into().unwrap());
            Aes::new(&KeyValue::new(&AES).unwrap()).unwrap().cbc_decrypt(&icv, &mut cipher);
            assert_eq!(cipher, padded);
        } else {
            padded.resize(padded.len().next_multiple_of(8), 0);
            let icv = icv.map_or([0; 8], |icv| icv.try_into().unwrap());
            Tdes::new(&KeyValue::new(&DES).unwrap()).unwrap().cbc_encrypt(&icv, &mut padded);
            assert_eq!(cipher, padded);
        }
    }
}

#[test]
fn dap_blocks_come_first_whenever_they_are_added() {
    let domain: Aid = "A000000151000000".parse().unwrap();
    let before = ciphered("aes", None, load_file().with_dap_block(domain, &[1; 16])).unwrap();
    let after = ciphered("aes", None, load_file()).unwrap().with_dap_block(domain, &[1; 16]);
    assert_eq!(before, after);
    assert_eq!(objects(&before).iter().map(|(tag, _)| *tag).collect::<Vec<_>>(), [0xE2, 0xD4]);
    assert_eq!(Reader::new(before.as_bytes()).next().unwrap().unwrap().tag, Tag(0xE2));
}

#[test]
fn wrong_icvs_and_keys_are_refused() {
    for (key, icv) in [("aes", &[0; 8][..]), ("des", &[0; 16][..]), ("aes", &[0; 15][..])] {
        let error = ciphered(key, Some(icv), load_file()).unwrap_err();
        assert!(matches!(error, Error::Keys(KeyError::DataLength { .. })), "{error}");
    }
    assert!(matches!(ciphered("none", None, load_file()), Err(Error::Keys(KeyError::NotFound { .. }))));
    let twice = ciphered("aes", None, ciphered("aes", None, load_file()).unwrap());
    assert!(matches!(twice, Err(Error::Structure { .. })), "{twice:?}");
}

/// GPCS 2.3.1 C.2: INSTALL [for load] has to carry the hash.
#[test]
fn an_enciphered_load_file_is_sent_with_its_hash_only() {
    let file = ciphered("aes", Some(&[7; 16]), load_file()).unwrap();
    let mut plan = Plan::new();
    let mut channel = plan.open(Protocol::Scp03, SecurityLevel::C_MAC).unwrap();
    let sent = plan.commands().len();
    let refused = block_on(procedure::load(&mut plan, &mut channel, None, &file, None, |_, _| {}));
    assert!(matches!(refused, Err(Error::HashMissing)), "{refused:?}");
    let go_on = |_, _| std::ops::ControlFlow::Continue(());
    let install = InstallForLoad::new(file.aid(), None);
    let refused = block_on(procedure::load_as(&mut plan, &mut channel, &install, &file, None, go_on));
    assert!(matches!(refused, Err(Error::HashMissing)), "{refused:?}");
    assert_eq!(plan.commands().len(), sent, "nothing was sent");
    let hash = file.hash(HashAlgorithm::Sha256);
    let install = install.with_hash(hash.as_bytes());
    let loaded = block_on(procedure::load_as(&mut plan, &mut channel, &install, &file, None, go_on)).unwrap();
    assert!(loaded.is_continue());
    assert!(plan.commands().len() > sent + 1);
}
