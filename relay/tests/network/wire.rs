//! Somebody on the wire: records everything, cuts, swallows, flips bits.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

/// What is done with a piece of the stream.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Pass,
    /// The connection ends in both directions.
    Cut,
    /// It stays, and carries nothing more.
    Swallow,
    /// One bit of it is turned over.
    Flip,
}

type Decide = dyn FnMut(usize, bool, usize) -> Act + Send;

pub(crate) struct Wiretap {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    decide: Mutex<Box<Decide>>,
    recorded: Mutex<[Vec<u8>; 2]>,
    connections: AtomicUsize,
    is_over: AtomicBool,
    streams: Mutex<Vec<TcpStream>>,
}

impl Wiretap {
    /// Carries connections to `server`. For each piece `act` hears which connection it is, whether it goes to the terminal, and
    /// how many bytes went that way before.
    pub(crate) fn new(server: SocketAddr, act: impl FnMut(usize, bool, usize) -> Act + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            decide: Mutex::new(Box::new(act)),
            recorded: Mutex::default(),
            connections: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
            streams: Mutex::default(),
        });
        let carrying = Arc::clone(&shared);
        std::thread::spawn(move || {
            while let Ok((terminal, _)) = listener.accept() {
                if carrying.is_over.load(SeqCst) {
                    return;
                }
                let number = carrying.connections.fetch_add(1, SeqCst);
                let server = TcpStream::connect(server).unwrap();
                for (from, to, to_terminal) in [(&terminal, &server, false), (&server, &terminal, true)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    carrying.streams.lock().unwrap().push(from.try_clone().unwrap());
                    let shared = Arc::clone(&carrying);
                    std::thread::spawn(move || shared.carry(from, to, number, to_terminal));
                }
            }
        });
        Self { address, shared }
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(SeqCst)
    }

    pub(crate) fn recorded(&self) -> Vec<u8> {
        self.shared.recorded.lock().unwrap().concat()
    }

    pub(crate) fn recorded_to_server(&self) -> Vec<u8> {
        self.shared.recorded.lock().unwrap()[0].clone()
    }
}

impl Shared {
    fn carry(&self, mut from: TcpStream, mut to: TcpStream, number: usize, to_terminal: bool) {
        let (mut passed, mut buffer) = (0, [0; 512]);
        let mut is_silent = false;
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            let piece = &mut buffer[..length];
            let act = (self.decide.lock().unwrap())(number, to_terminal, passed);
            match act {
                Act::Pass => {}
                Act::Cut => break,
                Act::Swallow => is_silent = true,
                Act::Flip => piece[length / 2] ^= 0x10,
            }
            passed += length;
            if is_silent {
                continue;
            }
            self.recorded.lock().unwrap()[usize::from(to_terminal)].extend_from_slice(piece);
            if to.write_all(piece).is_err() {
                break;
            }
        }
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    }
}

impl Drop for Wiretap {
    fn drop(&mut self) {
        self.shared.is_over.store(true, SeqCst);
        let _ = TcpStream::connect(self.address);
        for stream in self.shared.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}
