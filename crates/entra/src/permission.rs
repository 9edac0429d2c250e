//! Asking once more before the last step.

use std::fmt;
use std::sync::Arc;

/// Whether a write may still be sent: asked when its request is made, after a token was fetched for it, and by [`network`](crate::network) once more
/// when the body is about to go into the connection, which may have taken seconds to come about. A request without its body is not carried out.
#[derive(Clone)]
pub struct Permission(Arc<dyn Fn() -> bool + Send + Sync>);

impl Permission {
    /// One that holds as long as `holds` says so. It must return at once.
    pub fn new(holds: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(holds))
    }

    /// Whether it holds now.
    pub fn holds(&self) -> bool {
        (self.0)()
    }
}

impl fmt::Debug for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permission").finish_non_exhaustive()
    }
}
