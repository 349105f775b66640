//! A relay in front of a server: it reports what passes, and stops after a number of bytes. So tests can kill a client at a
//! given point without a clock.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

/// What passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The server returned 201.
    Created,
    /// One connection has transferred as many bytes as may pass. It stays open, and no more bytes pass.
    Held,
}

/// A relay to a port of the loopback address. Its threads end with the process.
#[derive(Debug)]
pub struct Relay {
    /// Where it listens.
    pub port: u16,
    events: Receiver<Event>,
}

impl Relay {
    /// Relays to `port`. On each connection, `limit` bytes from the client pass.
    ///
    /// # Panics
    ///
    /// If there is no port to listen on.
    #[must_use]
    pub fn start(port: u16, limit: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap().port();
        let (sender, events) = mpsc::channel();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(("127.0.0.1", port)).unwrap());
                let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
                let (up, down) = (sender.clone(), sender.clone());
                // Either side may close the connection at any moment.
                std::thread::spawn(move || forward(client, server, limit, &up));
                std::thread::spawn(move || watch(back.0, back.1, &down));
            }
        });
        Self { port: own, events }
    }

    /// Waits for this event.
    ///
    /// # Panics
    ///
    /// If nothing passes for five minutes: the client has given up.
    pub fn wait(&self, wanted: &[Event]) {
        let mut missing = wanted.to_vec();
        while !missing.is_empty() {
            let event = self.events.recv_timeout(Duration::from_secs(300)).unwrap();
            missing.retain(|one| *one != event);
        }
    }
}

/// From the client to the server.
fn forward(mut from: TcpStream, mut to: TcpStream, limit: usize, events: &Sender<Event>) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    let mut passed = 0;
    while passed < limit {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            return to.shutdown(Shutdown::Write);
        }
        to.write_all(&buffer[..count])?;
        passed += count;
    }
    // Nobody may be listening any more.
    let _ = events.send(Event::Held);
    // Both ends stay open: the client waits for its bytes to be taken.
    loop {
        std::thread::park();
    }
}

/// From the server to the client.
fn watch(mut from: TcpStream, mut to: TcpStream, events: &Sender<Event>) -> io::Result<()> {
    const CREATED: &[u8] = b"HTTP/1.1 201 ";
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            return to.shutdown(Shutdown::Write);
        }
        to.write_all(&buffer[..count])?;
        // The head of a response arrives in one piece.
        if buffer[..count].windows(CREATED.len()).any(|window| window == CREATED) {
            let _ = events.send(Event::Created);
        }
    }
}
