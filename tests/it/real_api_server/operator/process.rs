use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, sleep},
};

use super::{deployed::Deployed, stage::LONG};
use crate::control_plane::Processes;

const PROGRAM: &str = "entra-rotator";
/// How often a file or a page is looked at while something is awaited.
pub(super) const POLL: Duration = Duration::from_millis(20);

/// One running replica. It ends with the test process at the latest.
pub(super) struct Operator {
    id: Pid,
    address: String,
    processes: Processes,
}

impl Operator {
    /// Runs what the Deployment says as the pod of this name, and waits until it serves its pages.
    pub(super) async fn start(deployed: &Deployed, kubeconfig: &Path, pod: &str) -> Self {
        Self::start_by(&mut deployed.command(pod, kubeconfig)).await
    }

    /// Runs this command, which was made of the Deployment.
    pub(super) async fn start_by(command: &mut Command) -> Self {
        let folder = tempfile::Builder::new().prefix("operator-").tempdir().unwrap().keep();
        let mut processes = Processes::in_folder(&folder).unwrap();
        let id = processes.start(PROGRAM, command).unwrap();
        let id = Pid::from_raw(i32::try_from(id).unwrap()).unwrap();
        let mut operator = Self { id, address: String::new(), processes };
        let serving = operator.says("serving /livez, /readyz and /metrics").await;
        serving["address"].as_str().unwrap().clone_into(&mut operator.address);
        operator
    }

    /// The fields of the first line of the log that has this message.
    pub(super) async fn says(&self, message: &str) -> Value {
        let deadline = Instant::now() + LONG;
        loop {
            let log = self.log();
            let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            if let Some(line) = lines.into_iter().find(|line| line["fields"]["message"] == message) {
                return line["fields"].clone();
            }
            assert!(self.is_running() && Instant::now() < deadline, "the operator does not say {message:?}:\n{}", self.last_lines(""));
            sleep(POLL).await;
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.ended(WaitIdOptions::NOHANG).is_none()
    }

    pub(super) fn send(&self, signal: Signal) {
        kill_process(self.id, signal).unwrap();
    }

    /// Waits until a signal has stopped all of it. `false` where it had ended before.
    pub(super) async fn stopped(&self) -> bool {
        let options = WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        while self.is_running() {
            if waitid(WaitId::Pid(self.id), options).unwrap().is_some() {
                return true;
            }
            sleep(POLL).await;
        }
        false
    }

    /// A handle by which anybody may send signals, as long as the operator is not dropped.
    pub(super) fn id(&self) -> Pid {
        self.id
    }

    /// Waits for the end, and tells the exit code; `None` where a signal ended it.
    pub(super) async fn exit_code(&self) -> Option<i32> {
        let deadline = Instant::now() + LONG;
        loop {
            match self.ended(WaitIdOptions::NOHANG) {
                Some(code) => return code,
                None => assert!(Instant::now() < deadline, "the operator does not end:\n{}", self.last_lines("")),
            }
            sleep(POLL).await;
        }
    }

    /// The process is not reaped: its id stays its own until it is dropped.
    fn ended(&self, how: WaitIdOptions) -> Option<Option<i32>> {
        let status = waitid(WaitId::Pid(self.id), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | how).unwrap();
        status.map(|status| status.exit_status())
    }

    /// What a GET of one of its pages answers, head included.
    pub(super) async fn page(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.address);
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// Waits until one of its pages holds this.
    pub(super) async fn shows(&self, path: &str, text: &str) {
        let deadline = Instant::now() + LONG;
        loop {
            let answer = self.page(path).await;
            if answer.contains(text) {
                return;
            }
            assert!(Instant::now() < deadline, "{path} never shows {text}:\n{answer}\n{}", self.last_lines(""));
            sleep(POLL).await;
        }
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap()
    }

    fn log_file(&self) -> PathBuf {
        self.processes.log(PROGRAM)
    }

    /// The end of the log as far as it is about this, without what libraries say.
    pub(super) fn last_lines(&self, about: &str) -> String {
        let log = self.log();
        let is_ours = |line: &str| line.contains("\"target\":\"entra") && !line.contains("{\"message\":\"next\"");
        let lines: Vec<_> = log.lines().filter(|line| line.contains(about) && is_ours(line)).collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("what the operator logged last:\n{}", self.last_lines(""));
        }
    }
}
