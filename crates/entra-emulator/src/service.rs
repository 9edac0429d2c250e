//! The emulator as a tower service: how a request becomes an answer.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use tower::Service;

use crate::emulator::Emulator;

/// A future answer.
pub type Exchange = Pin<Box<dyn Future<Output = io::Result<Response<Bytes>>> + Send>>;

/// The emulator in process: no sockets, no threads. An error is a connection that was cut.
#[derive(Clone, Debug)]
pub struct EmulatorService(pub(crate) Emulator);

impl Service<Request<Bytes>> for EmulatorService {
    type Response = Response<Bytes>;
    type Error = io::Error;
    type Future = Exchange;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Bytes>) -> Exchange {
        let emulator = self.0.clone();
        Box::pin(async move { emulator.exchange(request).await })
    }
}
