//! PC/SC readers, with a card in vpcd's first slot. `scripts/check-readers.sh` starts what this needs.
#![cfg(feature = "pcsc")]

use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use cardwright_apdu::transport::pcsc::{Options, PcscCard, Protocol, ReaderEvent, ReaderWatcher, Share, readers};
use cardwright_apdu::transport::vpcd::{VPCD_PORT, VirtualCard};
use cardwright_apdu::{CommandApdu, Delivery, Ne, StatusWord, Transport, TransportError, TransportErrorKind};

/// Historical bytes `T=0` and `T=1`, check byte.
const ATR_T0: &[u8] = b"\x3B\x03T=0";
const ATR_T1: &[u8] = b"\x3B\x83\x01T=1\xDA";
const LONG: Duration = Duration::from_secs(20);
/// Pulls the card out.
const PULL: u8 = 0xEE;
/// Takes its time.
const SLOW: u8 = 0xDD;

/// Answers with 9000, or `61xx` and the command as it came; keeps what came.
struct Card {
    atr: &'static [u8],
    came: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Transport for Card {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), TransportError> {
        self.came.lock().unwrap().push(command.to_vec());
        match command[1] {
            PULL => return Err(TransportError::unknown(TransportErrorKind::CardRemoved)),
            SLOW => thread::sleep(Duration::from_millis(600)),
            _ => {}
        }
        *response = vec![0x90, 0x00];
        Ok(())
    }

    fn reset(&mut self) -> Result<Vec<u8>, TransportError> {
        Ok(self.atr.to_vec())
    }
}

type Came = Arc<Mutex<Vec<Vec<u8>>>>;

fn insert(atr: &'static [u8]) -> (JoinHandle<()>, Came) {
    let came = Came::default();
    let mut card = Card { atr, came: Arc::clone(&came) };
    let served = thread::spawn(move || {
        let _ = VirtualCard::connect(("127.0.0.1", VPCD_PORT)).unwrap().serve(&mut card);
    });
    (served, came)
}

fn command(instruction: u8) -> CommandApdu {
    CommandApdu::new(0x80, instruction, 0, 0)
}

/// Waits for the event that `wanted` accepts.
fn wait_for(watcher: &mut ReaderWatcher, wanted: impl Fn(&ReaderEvent) -> bool) {
    let until = Instant::now() + LONG;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let event = watcher.next_event(Some(left)).unwrap().expect("the event did not come");
        if wanted(&event) {
            return;
        }
    }
}

#[test]
#[ignore = "needs pcscd with vpcd: run scripts/check-readers.sh"]
fn cards_in_a_reader() {
    let mut watcher = ReaderWatcher::new().unwrap();
    wait_for(&mut watcher, |event| matches!(event, ReaderEvent::Plugged { .. }));
    let name = readers().unwrap().first().unwrap().clone();
    let connect = |options| PcscCard::connect(&name, options);
    let waiting = Options { wait: LONG, ..Options::default() };
    let is_in = |atr: &'static [u8]| {
        let name = name.clone();
        move |event: &ReaderEvent| matches!(event, ReaderEvent::CardIn { reader, atr: came } if *reader == name && came == atr)
    };
    let is_out = |event: &ReaderEvent| matches!(event, ReaderEvent::CardOut { reader } if *reader == name);

    assert_eq!(PcscCard::connect("no such reader", waiting).unwrap_err(), TransportErrorKind::NoReader);
    assert_eq!(connect(Options::default()).unwrap_err(), TransportErrorKind::NoCard);

    // T=1: commands pass as they are, one program has the card.
    let (served, came) = insert(ATR_T1);
    let mut card = connect(waiting).unwrap();
    wait_for(&mut watcher, is_in(ATR_T1));
    assert_eq!((card.atr(), card.protocol()), (ATR_T1, Protocol::T1));
    assert_eq!(connect(Options::default()).unwrap_err(), TransportErrorKind::Busy);
    let with_le = command(0xCA).with_data([1, 2]).with_ne(Ne::MAX_SHORT);
    assert_eq!(card.exchange(&with_le).unwrap().sw(), StatusWord::OK);
    assert_eq!(came.lock().unwrap().last().unwrap(), &[0x80, 0xCA, 0, 0, 2, 1, 2, 0]);
    assert_eq!(Transport::reset(&mut card).unwrap(), ATR_T1);
    let begun = Instant::now();
    for _ in 0..1000 {
        card.exchange(&with_le).unwrap();
    }
    println!("{} us a command", begun.elapsed().as_micros() / 1000);
    assert!(begun.elapsed() < LONG, "acknowledgements are delayed");
    drop(card);

    // A transaction keeps others off until it ends.
    let shared = Options { share: Share::Shared, timeout: Duration::from_millis(300), ..Options::default() };
    let (mut one, mut other) = (connect(shared).unwrap(), connect(shared).unwrap());
    other.exchange(&command(0x10)).unwrap();
    let mut transaction = one.transaction().unwrap();
    transaction.exchange(&command(0x11)).unwrap();
    let held = other.exchange(&command(0x12)).unwrap_err();
    assert!(matches!(held.kind, TransportErrorKind::Busy | TransportErrorKind::Timeout), "{held}");
    assert!(came.lock().unwrap().iter().all(|command| command[1] != 0x12));
    drop(transaction);
    one.exchange(&command(0x13)).unwrap();
    drop((one, other));

    // A card that takes too long: unknown, and nothing is sent until it has been reset.
    let mut card = connect(Options { timeout: Duration::from_millis(300), ..waiting }).unwrap();
    let error = card.exchange(&command(SLOW)).unwrap_err();
    assert_eq!((error.kind, error.delivery), (TransportErrorKind::Timeout, Delivery::Unknown));
    let error = card.exchange(&command(0x20)).unwrap_err();
    assert_eq!((error.kind, error.delivery), (TransportErrorKind::Timeout, Delivery::NotSent));
    let until = Instant::now() + LONG;
    while Transport::reset(&mut card).is_err() {
        assert!(Instant::now() < until);
        thread::sleep(Duration::from_millis(20));
    }
    card.exchange(&command(0x21)).unwrap();

    // Pulled out at a command: unknown. Then there is no card, until one is put in again.
    let error = card.exchange(&command(PULL)).unwrap_err();
    assert_eq!(error.delivery, Delivery::Unknown, "{error}");
    served.join().unwrap();
    wait_for(&mut watcher, is_out);
    assert!(Transport::reset(&mut card).is_err());
    let (served, came) = insert(ATR_T0);
    wait_for(&mut watcher, is_in(ATR_T0));
    drop(card);

    // T=0: no Le behind data, five bytes where there are four.
    assert!(connect(Options { protocol: Protocol::T1, ..waiting }).is_err());
    let mut card = connect(Options { extended: true, ..waiting }).unwrap();
    assert_eq!((card.protocol(), card.limits().extended), (Protocol::T0, false));
    card.exchange(&with_le).unwrap();
    card.exchange(&command(0x30)).unwrap();
    let last: Vec<_> = came.lock().unwrap().iter().rev().take(2).cloned().collect();
    assert_eq!(last, [vec![0x80, 0x30, 0, 0, 0], vec![0x80, 0xCA, 0, 0, 2, 1, 2]]);
    let _ = card.exchange(&command(PULL));
    served.join().unwrap();
    // A card that is put in before pcscd has looked is not seen.
    wait_for(&mut watcher, is_out);
}
