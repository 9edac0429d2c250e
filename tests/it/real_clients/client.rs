use std::{fs, fs::File, path::PathBuf, process::Stdio, time::Duration};

use serde::Deserialize;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, ChildStdout, Command},
    sync::watch,
    task::JoinHandle,
    time::timeout,
};

/// One sign-in, as the client tells it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Attempt {
    /// Seconds of the wall clock.
    pub(super) began: f64,
    pub(super) ended: f64,
    /// Whether it got a token.
    pub(super) ok: bool,
    /// A fingerprint of what it signed in with.
    pub(super) credential: Option<String>,
    /// What went wrong, if anything did.
    pub(super) error: Option<String>,
}

/// A process that signs in again and again.
pub(super) struct Client {
    child: Child,
    attempts: watch::Receiver<Vec<Attempt>>,
    reader: JoinHandle<()>,
    errors: PathBuf,
}

/// Far longer than an interpreter takes to start on a busy machine, or a sign-in.
const LONG: Duration = Duration::from_secs(60);

impl Client {
    /// Starts it, and waits for its first sign-in. What it says beside goes into the file `errors`.
    pub(super) async fn start(command: &mut Command, errors: PathBuf) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(&errors).unwrap()).kill_on_drop(true);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot run {:?}: {error}", command.as_std().get_program()));
        let (sender, attempts) = watch::channel(Vec::new());
        let reader = tokio::spawn(read(child.stdout.take().unwrap(), sender));
        let mut client = Self { child, attempts, reader, errors };
        let begun = timeout(LONG, client.attempts.wait_for(|attempts| !attempts.is_empty())).await.is_ok_and(|begun| begun.is_ok());
        assert!(begun, "a client never signed in: {}", client.complaints());
        client
    }

    /// Ends it, and tells all it did.
    pub(super) async fn end(mut self) -> Vec<Attempt> {
        assert!(self.child.try_wait().unwrap().is_none(), "a client ended by itself: {}", self.complaints());
        drop(self.child.stdin.take());
        let ended = timeout(LONG, self.child.wait()).await.expect("a client ends when its input does").unwrap();
        assert!(ended.success(), "a client ended with {ended}: {}", self.complaints());
        (&mut self.reader).await.unwrap();
        self.attempts.borrow().clone()
    }

    fn complaints(&self) -> String {
        fs::read_to_string(&self.errors).unwrap_or_default()
    }
}

async fn read(output: ChildStdout, attempts: watch::Sender<Vec<Attempt>>) {
    let mut lines = BufReader::new(output).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        let attempt = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        attempts.send_modify(|attempts| attempts.push(attempt));
    }
}
