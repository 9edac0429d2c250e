use std::{fmt, mem, path::Path};

use tokio::{
    select,
    sync::{Barrier, watch},
};

use super::{
    client::{Attempt, Client},
    installed::{Installed, Language},
    output::{Output, Version},
};

/// Somebody who signs in with an output in one way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct User {
    pub(super) language: Language,
    /// What the script calls it.
    pub(super) way: &'static str,
    /// The name of the output.
    pub(super) output: &'static str,
    /// The key of the output that holds the credential.
    pub(super) credential: &'static str,
    pub(super) environment: Environment,
}

/// What a process finds in its environment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Environment {
    /// Nothing: it reads files.
    Empty,
    /// All that `envFrom` takes over, and the path of the mounted certificate, which is read again each time, by the password that there was at
    /// the start.
    WithPath,
    /// All that `envFrom` takes over. When the output changes, the process gives way to a new one.
    Restarted,
    /// All that `envFrom` took over at the first start, for ever.
    Kept,
}

/// What users need beside an output.
pub(super) struct Workplace<'a> {
    pub(super) installed: &'a Installed,
    /// For what their processes complain of.
    pub(super) folder: &'a Path,
    /// What they trust.
    pub(super) ca: &'a Path,
    /// Where they meet once each has signed in.
    pub(super) begun: &'a Barrier,
    /// When to stop.
    pub(super) over: watch::Receiver<bool>,
}

impl User {
    /// Signs in from the first publication on until it is over, and tells each attempt.
    pub(super) async fn work(self, output: &Output, workplace: &Workplace<'_>) -> Vec<Attempt> {
        let (mut versions, mut over) = (output.versions.clone(), workplace.over.clone());
        let first = versions.wait_for(|versions| !versions.is_empty()).await.unwrap().last().cloned();
        let (mut client, mut attempts) = (self.start(output, &first.unwrap(), workplace).await, Vec::new());
        workplace.begun.wait().await;
        loop {
            select! {
                _ = over.wait_for(|over| *over) => break,
                changed = versions.changed(), if self.environment == Environment::Restarted => {
                    changed.unwrap();
                    let version = versions.borrow_and_update().last().cloned().unwrap();
                    // As in a rolling update: the old process works until the new one does.
                    let successor = self.start(output, &version, workplace).await;
                    attempts.extend(mem::replace(&mut client, successor).end().await);
                }
            }
        }
        attempts.extend(client.end().await);
        attempts
    }

    async fn start(self, output: &Output, version: &Version, workplace: &Workplace<'_>) -> Client {
        let mut command = workplace.installed.script(self.language, workplace.ca);
        command.arg(self.way);
        match self.environment {
            Environment::Empty => {
                command.arg(&output.folder);
            }
            Environment::WithPath => {
                command.envs(version.environment()).env("AZURE_CLIENT_CERTIFICATE_PATH", output.folder.join(self.credential));
                if self.credential == "keystore.p12" {
                    command.env("AZURE_CLIENT_CERTIFICATE_PASSWORD", version.text("keystore.password"));
                }
            }
            Environment::Restarted | Environment::Kept => {
                command.envs(version.environment());
            }
        }
        let errors = format!("{self}, {}.errors", version.key_id);
        Client::start(&mut command, workplace.folder.join(errors)).await
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}, environment {:?}, {}", self.language, self.way, self.environment, self.credential)
    }
}
