use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// A way to a server that can be steered. It sees encrypted bytes only: what it counts is what the client hands over at a time, mostly one
/// request.
pub(super) struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: SocketAddr,
    mode: watch::Sender<Mode>,
    /// Connections of an earlier epoch are cut.
    epoch: watch::Sender<u64>,
    messages: AtomicU64,
    trap: Mutex<Option<Trap>>,
}

/// What becomes of bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Mode {
    /// They are passed on.
    Pass,
    /// Nothing moves, and no connection ends.
    Hold,
}

/// Whether a trap springs before the message is passed on, or after.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Side {
    Before,
    After,
}

struct Trap {
    at: u64,
    side: Side,
    spring: Box<dyn FnOnce() + Send>,
}

impl Relay {
    /// A relay on a thread of its own, so that what the tests compute does not slow it.
    pub(super) fn to(upstream: SocketAddr) -> Self {
        let shared = Shared {
            upstream,
            mode: watch::Sender::new(Mode::Pass),
            epoch: watch::Sender::new(0),
            messages: AtomicU64::new(0),
            trap: Mutex::default(),
        };
        let shared = Arc::new(shared);
        let (sender, address) = mpsc::channel();
        let served = Arc::clone(&shared);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                sender.send(listener.local_addr().unwrap()).unwrap();
                served.serve(listener).await;
            });
        });
        Self { address: address.recv().unwrap(), shared }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many messages clients have sent.
    pub(super) fn messages(&self) -> u64 {
        self.shared.messages.load(Ordering::SeqCst)
    }

    pub(super) fn set(&self, mode: Mode) {
        self.shared.mode.send_replace(mode);
    }

    /// Cuts every connection there is; what was held goes nowhere. New ones can be made.
    pub(super) fn cut(&self) {
        self.shared.epoch.send_modify(|epoch| *epoch += 1);
    }

    /// Something that happens at the message that is so many from now; it takes the place of any other that is waiting. It runs on the relay's
    /// thread, so nothing moves meanwhile.
    pub(super) fn trap(&self, messages: u64, side: Side, spring: impl FnOnce() + Send + 'static) {
        let mut trap = self.shared.trap.lock().unwrap();
        *trap = Some(Trap { at: self.messages() + messages, side, spring: Box::new(spring) });
    }

    pub(super) fn disarm(&self) {
        self.shared.trap.lock().unwrap().take();
    }

    /// What cuts all connections, for a trap.
    pub(super) fn scissors(&self) -> impl FnOnce() + Send + 'static {
        let shared = Arc::clone(&self.shared);
        move || shared.epoch.send_modify(|epoch| *epoch += 1)
    }

    /// What changes the mode, for a trap.
    pub(super) fn switch(&self, mode: Mode) -> impl FnOnce() + Send + 'static {
        let shared = Arc::clone(&self.shared);
        move || {
            shared.mode.send_replace(mode);
        }
    }
}

impl Shared {
    async fn serve(self: Arc<Self>, listener: TcpListener) {
        loop {
            let Ok((client, _)) = listener.accept().await else { continue };
            tokio::spawn(Arc::clone(&self).connect(client));
        }
    }

    async fn connect(self: Arc<Self>, client: TcpStream) {
        let mut cut = self.epoch.subscribe();
        let both_ways = async {
            self.until_moving().await;
            let Ok(server) = TcpStream::connect(self.upstream).await else { return };
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::join!(self.pump(from_client, to_server, true), self.pump(from_server, to_client, false));
        };
        tokio::select! {
            () = both_ways => {}
            _ = cut.changed() => {}
        }
    }

    async fn pump(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, is_counted: bool) {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            self.until_moving().await;
            let number = is_counted.then(|| self.messages.fetch_add(1, Ordering::SeqCst) + 1);
            number.inspect(|number| self.spring(*number, Side::Before));
            // A trap may have changed the mode.
            self.until_moving().await;
            let passed = to.write_all(&buffer[..length]).await;
            number.inspect(|number| self.spring(*number, Side::After));
            if passed.is_err() {
                break;
            }
        }
        // The other side hears of the end; an error means that it knows.
        let _ = to.shutdown().await;
    }

    async fn until_moving(&self) {
        let mut mode = self.mode.subscribe();
        // An error means that nobody is left to steer.
        let _ = mode.wait_for(|mode| *mode != Mode::Hold).await;
    }

    fn spring(&self, number: u64, side: Side) {
        let mut waiting = self.trap.lock().unwrap();
        if waiting.as_ref().is_some_and(|trap| number >= trap.at && side == trap.side) {
            let trap = waiting.take().unwrap();
            drop(waiting);
            (trap.spring)();
        }
    }
}

/// Answers every message with itself.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    address
}

/// Sends a message; the answer, or nothing where the connection ended.
async fn say(stream: &mut TcpStream, message: &[u8]) -> Vec<u8> {
    stream.write_all(message).await.unwrap();
    let mut answer = vec![0; message.len()];
    if stream.read_exact(&mut answer).await.is_ok() { answer } else { Vec::new() }
}

#[tokio::test]
async fn messages_pass_are_counted_and_can_be_cut_off() {
    let relay = Relay::to(echo().await);
    let mut stream = TcpStream::connect(relay.address()).await.unwrap();
    assert_eq!(say(&mut stream, b"one").await, b"one");
    assert_eq!(say(&mut stream, b"two").await, b"two");
    assert_eq!(relay.messages(), 2);
    relay.cut();
    assert_eq!(stream.read(&mut [0]).await.unwrap_or_default(), 0);
    let mut another = TcpStream::connect(relay.address()).await.unwrap();
    assert_eq!(say(&mut another, b"three").await, b"three");
}

#[tokio::test]
async fn what_is_held_arrives_late_or_never() {
    let relay = Relay::to(echo().await);
    let mut stream = TcpStream::connect(relay.address()).await.unwrap();
    assert_eq!(say(&mut stream, b"one").await, b"one");
    relay.set(Mode::Hold);
    stream.write_all(b"two").await.unwrap();
    let mut answer = [0; 3];
    let held = tokio::time::timeout(std::time::Duration::from_millis(50), stream.read_exact(&mut answer)).await;
    assert!(held.is_err());
    relay.set(Mode::Pass);
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"two");

    relay.set(Mode::Hold);
    stream.write_all(b"three").await.unwrap();
    relay.cut();
    relay.set(Mode::Pass);
    assert_eq!(stream.read(&mut answer).await.unwrap_or_default(), 0);
}

#[tokio::test]
async fn a_trap_springs_once_at_its_message_before_or_after_it_is_passed_on() {
    for (side, answer) in [(Side::Before, &b""[..]), (Side::After, b"two")] {
        let relay = Relay::to(echo().await);
        let mut stream = TcpStream::connect(relay.address()).await.unwrap();
        let sprung = Arc::new(AtomicU64::new(0));
        let (count, hold) = (Arc::clone(&sprung), relay.switch(Mode::Hold));
        relay.trap(2, side, move || {
            count.fetch_add(1, Ordering::SeqCst);
            if side == Side::Before {
                hold();
            }
        });
        assert_eq!(say(&mut stream, b"one").await, b"one");
        assert_eq!(sprung.load(Ordering::SeqCst), 0);
        let said = tokio::time::timeout(std::time::Duration::from_millis(50), say(&mut stream, b"two")).await.unwrap_or_default();
        assert_eq!((said.as_slice(), sprung.load(Ordering::SeqCst)), (answer, 1));
    }
}
