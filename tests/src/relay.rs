//! A relay before a server: it reports what passes, and stops in the middle of it. Tests that end a client at a given moment
//! need no clock that way.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

/// What passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The server answered 201.
    Created,
    /// One connection has brought as many bytes as are let through. It stays open, and nothing more passes.
    Held,
}

/// A relay to a port of the loopback address; its threads end with the process.
#[derive(Debug)]
pub struct Relay {
    /// Where it listens.
    pub port: u16,
    events: Receiver<Event>,
}

impl Relay {
    /// Relays to `port`. On each connection `limit` bytes from the client are let through.
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
                // Either side may hang up at any moment.
                std::thread::spawn(move || forward(client, server, limit, &up));
                std::thread::spawn(move || watch(back.0, back.1, &down));
            }
        });
        Self { port: own, events }
    }

    /// Waits until this has happened.
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
        // The head of an answer comes in one piece.
        if buffer[..count].windows(CREATED.len()).any(|window| window == CREATED) {
            let _ = events.send(Event::Created);
        }
    }
}
