//! The instance metadata service: gives tokens to whoever runs on a machine that has a managed identity.

use std::fmt;

use entra_types::ClientId;
use http::{HeaderName, HeaderValue};

use crate::send::Content;
use crate::wire::Wire;

/// Where the instance metadata service is on every machine of Azure: link-local, by plain http, never through a proxy.
pub const INSTANCE_METADATA: &str = "http://169.254.169.254";

/// The oldest version that has tokens, so the one that every machine has.
const VERSION: &str = "2018-02-01";

/// A page in a browser, or a request that was made to be redirected, cannot send it.
const MARK: (HeaderName, HeaderValue) = (HeaderName::from_static("metadata"), HeaderValue::from_static("true"));

/// The instance metadata service (Microsoft Entra, "How to use managed identities to acquire an access token"). Clones share the connections.
#[derive(Clone)]
pub struct InstanceMetadata {
    wire: Wire,
    root: String,
}

impl InstanceMetadata {
    /// The service at `root`, by default [`INSTANCE_METADATA`], over a wire of its own: [`network`](crate::network) with
    /// [`NetworkOptions::instance_metadata`](crate::NetworkOptions::instance_metadata).
    pub fn new(wire: Wire, root: &str) -> Self {
        Self { wire, root: root.trim_end_matches('/').to_owned() }
    }

    pub(crate) fn wire(&self) -> Wire {
        self.wire.clone()
    }

    /// The request for a token of the resource.
    pub(crate) fn request(&self, resource: &str, client_id: Option<ClientId>) -> Content {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("api-version", VERSION).append_pair("resource", resource);
        if let Some(client_id) = client_id {
            query.append_pair("client_id", &client_id.to_string());
        }
        Content::get(format!("{}/metadata/identity/oauth2/token?{}", self.root, query.finish())).with(MARK)
    }
}

impl fmt::Debug for InstanceMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstanceMetadata").field("root", &self.root).finish_non_exhaustive()
    }
}
