use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use tokio::time::{Instant, sleep, timeout};

use super::{
    ControlPlane, Error, Issuer, client,
    kubeconfig::{self, Identity},
    start::{self, ETCD, ETCD_DATA},
};

/// What etcd held at some time.
pub(crate) struct Snapshot(PathBuf);

/// For tests that break what others take for granted.
impl ControlPlane {
    /// Where the API server listens.
    pub(crate) fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.ports.apiserver).into()
    }

    /// A kubeconfig for a client that goes to this address, trusts that authority, and finds its token in that file.
    ///
    /// # Errors
    /// [`Error::WriteFiles`].
    pub(crate) fn token_file_kubeconfig(&self, name: &str, server: SocketAddr, issuer: Issuer, token: &Path) -> Result<PathBuf, Error> {
        let authority = if issuer == Issuer::First { &self.pki.authority } else { &self.pki.next_authority };
        let path = self.folder.join(format!("{name}.kubeconfig"));
        kubeconfig::write(&path, &format!("https://{server}"), authority, &Identity::TokenFile(token))?;
        Ok(path)
    }

    /// A file of this name among those that go with the control plane.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Ends etcd at once, whatever it is doing. The API server goes on without it and answers errors.
    ///
    /// # Errors
    /// [`Error::WriteFiles`] where it cannot be killed.
    pub(crate) fn kill_etcd(&self) -> Result<(), Error> {
        self.with_processes(|processes| processes.kill(ETCD))
    }

    /// Starts etcd on its data, and waits until the API server is ready again.
    ///
    /// # Errors
    /// [`Error::WaitUntilReady`] and others.
    pub(crate) async fn start_etcd(&self) -> Result<(), Error> {
        let mut command = start::etcd_command(&self.tools, &self.folder, self.ports);
        self.with_processes(|processes| processes.start(ETCD, &mut command))?;
        self.until_ready().await
    }

    /// What etcd holds now. It must not be running.
    ///
    /// # Errors
    /// [`Error::WriteFiles`].
    pub(crate) fn snapshot(&self) -> Result<Snapshot, Error> {
        let snapshot = Snapshot(self.folder.join("etcd-snapshot"));
        copy_folder(&self.folder.join(ETCD_DATA), &snapshot.0)?;
        Ok(snapshot)
    }

    /// Puts the cluster back to where it was, as one does after a disaster: etcd and the API server are ended and started again.
    ///
    /// # Errors
    /// [`Error::WaitUntilReady`] and others.
    pub(crate) async fn restore(&self, snapshot: &Snapshot) -> Result<(), Error> {
        self.with_processes(|processes| processes.kill(start::APISERVER).and_then(|()| processes.kill(ETCD)))?;
        let data = self.folder.join(ETCD_DATA);
        fs::remove_dir_all(&data)?;
        copy_folder(&snapshot.0, &data)?;
        let mut etcd = start::etcd_command(&self.tools, &self.folder, self.ports);
        let mut apiserver = start::apiserver_command(&self.tools, &self.folder, self.ports);
        self.with_processes(|processes| {
            processes.start(ETCD, &mut etcd)?;
            processes.start(start::APISERVER, &mut apiserver)
        })?;
        self.until_ready().await
    }

    /// Puts another serving certificate before the API server, which finds it by itself after a while. The answer is that certificate, in PEM.
    ///
    /// # Errors
    /// [`Error::MakeCertificates`], [`Error::WriteFiles`].
    pub(crate) fn renew_serving_certificate(&self, issuer: Issuer) -> Result<String, Error> {
        self.pki.renew_server(&self.folder, issuer)
    }

    /// Ends the API server at once, and starts it again.
    ///
    /// # Errors
    /// [`Error::WaitUntilReady`] and others.
    pub(crate) async fn restart_apiserver(&self) -> Result<(), Error> {
        self.with_processes(|processes| processes.kill(start::APISERVER))?;
        self.until_ready().await
    }

    /// The authorities that the serving certificate may come from, in PEM.
    pub(crate) fn authorities(&self) -> String {
        self.pki.both_authorities()
    }

    fn with_processes<T>(&self, act: impl FnOnce(&mut super::Processes) -> T) -> T {
        act(&mut self.processes.lock().expect("no test panics while it holds this"))
    }

    async fn until_ready(&self) -> Result<(), Error> {
        let deadline = Instant::now() + start::READY_WITHIN;
        let client = client(&self.kubeconfig()).await?;
        loop {
            self.revive()?;
            let last = match timeout(start::ANSWER_WITHIN, start::answers_readyz(&client)).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => error.to_string(),
                Err(late) => late.to_string(),
            };
            if Instant::now() > deadline {
                return Err(Error::WaitUntilReady { seconds: start::READY_WITHIN.as_secs(), last });
            }
            sleep(start::POLL).await;
        }
    }

    /// Starts again what ended by itself: an API server gives up on an etcd that is slow to come.
    fn revive(&self) -> Result<(), Error> {
        let commands = [
            (ETCD, start::etcd_command(&self.tools, &self.folder, self.ports)),
            (start::APISERVER, start::apiserver_command(&self.tools, &self.folder, self.ports)),
        ];
        self.with_processes(|processes| {
            for (program, mut command) in commands {
                if processes.has_ended(program)? {
                    processes.start(program, &mut command)?;
                }
            }
            Ok(())
        })
    }
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() { copy_folder(&entry.path(), &target)? } else { fs::copy(entry.path(), target).map(drop)? }
    }
    Ok(())
}
