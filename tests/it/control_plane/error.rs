use std::{fmt, io, process::ExitStatus};

/// Why the control plane, or a command against it, failed. Prints the same as `{}` and `{:?}`, so that `unwrap` tells it well.
#[derive(thiserror::Error)]
pub(crate) enum Error {
    /// A client cannot be made from a kubeconfig.
    #[error("cannot make a client from the kubeconfig: {0}")]
    Connect(Box<dyn std::error::Error + Send + Sync>),
    /// A program of the control plane ended while it was waited for.
    #[error("{program} ended with {status} while the control plane was starting; the end of its log:\n{log}")]
    Exited { program: &'static str, status: ExitStatus, log: String },
    /// The programs are not built.
    #[error(
        "the programs of the control plane are not there, so this test cannot run: run `cargo xtask test`, which builds them \
         once, or `cargo xtask tools`, or point KUBEBUILDER_ASSETS at a folder with etcd, kube-apiserver, kubectl, \
         kube-controller-manager and helm"
    )]
    FindTools,
    /// Keys and certificates cannot be made.
    #[error("cannot make the certificates of the control plane: {0}")]
    MakeCertificates(#[from] rcgen::Error),
    /// No free port.
    #[error("cannot reserve a port on 127.0.0.1: {0}")]
    ReservePort(#[source] io::Error),
    /// The token of a service account cannot be had.
    #[error("cannot request a token of the service account {account}: {source}")]
    RequestToken { account: String, source: kube::Error },
    /// kubectl or helm did not succeed.
    #[error("{program} {arguments} ended with {status}:\n{said}")]
    Run { program: &'static str, arguments: String, status: ExitStatus, said: String },
    /// A program cannot be started at all.
    #[error("cannot run {program}: {source}")]
    Spawn { program: &'static str, source: io::Error },
    /// The control plane did not become ready.
    #[error("the control plane was not ready within {seconds} s: {last}")]
    WaitUntilReady { seconds: u64, last: String },
    /// A file of the control plane cannot be written.
    #[error("cannot write the files of the control plane: {0}")]
    WriteFiles(#[from] io::Error),
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
