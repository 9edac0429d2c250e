//! Tokens of another issuer that sign a client in: workload identity.

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;

use keys::Sensitive;
use tokio::io::AsyncReadExt as _;

/// The longest token that is read, in bytes. Those of Kubernetes are one or two thousand.
const MAX_ASSERTION: u64 = 64 * 1024;

/// Gives the token that another issuer made for us, as it is now. Its keeper renews it (the kubelet does, an hour at a time), so nothing is cached.
pub trait Assertions: Send + Sync {
    /// The token: a JWT, without white space around it.
    fn assertion(&self) -> Pin<Box<dyn Future<Output = Result<Sensitive<String>, AssertionError>> + Send + '_>>;
}

impl fmt::Debug for dyn Assertions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Assertions")
    }
}

/// There is no token to sign in with.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct AssertionError(String);

impl AssertionError {
    /// For people: what was attempted, on what, why it failed and what to do. Nothing of the token.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// The file that `AZURE_FEDERATED_TOKEN_FILE` names, read anew each time. At most 64 KiB.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TokenFile(PathBuf);

impl TokenFile {
    /// The file at this path, which need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    async fn read(&self) -> Result<Sensitive<String>, AssertionError> {
        let bytes = self.bytes().await.map_err(|error| self.unread(&error.to_string()))?;
        if bytes.expose().len() as u64 > MAX_ASSERTION {
            return Err(self.unread("it is longer than any token (64 KiB)"));
        }
        match std::str::from_utf8(bytes.expose()).map(str::trim) {
            Ok("") => Err(self.unread("it is empty")),
            Ok(token) => Ok(Sensitive::new(token.to_owned())),
            Err(_) => Err(self.unread("it is no text")),
        }
    }

    async fn bytes(&self) -> std::io::Result<Sensitive<Vec<u8>>> {
        let mut bytes = Vec::with_capacity(8192);
        tokio::fs::File::open(&self.0).await?.take(MAX_ASSERTION + 1).read_to_end(&mut bytes).await?;
        Ok(Sensitive::new(bytes))
    }

    fn unread(&self, why: &str) -> AssertionError {
        let path = self.0.display();
        AssertionError(format!("cannot read the federated token in {path}: {why}; mount a projected service account token there"))
    }
}

impl Assertions for TokenFile {
    fn assertion(&self) -> Pin<Box<dyn Future<Output = Result<Sensitive<String>, AssertionError>> + Send + '_>> {
        Box::pin(self.read())
    }
}
