//! The network between terminals and server; with a seed, one whose connections break.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

pub(crate) struct Wire {
    pub(crate) address: SocketAddr,
    cuts: Arc<AtomicU64>,
}

impl Wire {
    /// Carries connections to the server; with a seed, about two in three of them break after some bytes.
    pub(crate) fn new(server: SocketAddr, seed: Option<u64>) -> io::Result<Self> {
        let cuts = Arc::new(AtomicU64::new(0));
        let Some(seed) = seed else { return Ok(Self { address: server, cuts }) };
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (counting, mut dice) = (Arc::clone(&cuts), ChaCha20Rng::seed_from_u64(seed));
        // Ends with the program.
        std::thread::spawn(move || {
            while let Ok((terminal, _)) = listener.accept() {
                let Ok(server) = TcpStream::connect(server) else { continue };
                let breaks = [dice.next_u32(), dice.next_u32()]
                    .map(|roll| (roll.is_multiple_of(3)).then_some(400 + roll % 20_000));
                for (from, to, breaks) in [(&terminal, &server, breaks[0]), (&server, &terminal, breaks[1])] {
                    let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else { continue };
                    let cuts = Arc::clone(&counting);
                    std::thread::spawn(move || carry(from, to, breaks, &cuts));
                }
            }
        });
        Ok(Self { address, cuts })
    }

    pub(crate) fn cuts(&self) -> u64 {
        self.cuts.load(SeqCst)
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, breaks: Option<u32>, cuts: &AtomicU64) {
    let (mut carried, mut buffer) = (0, [0; 1024]);
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        carried += length as u32;
        if breaks.is_some_and(|limit| carried > limit) {
            cuts.fetch_add(1, SeqCst);
            let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
            return;
        }
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    // The other direction goes on to its end.
    let _ = to.shutdown(Shutdown::Write);
}
