//! The client itself.

use std::fmt;
use std::sync::{Arc, Mutex};

use entra_types::{Endpoints, TenantId};

use crate::environment::Environment;
use crate::failure::Failure;
use crate::identity::Identity;
use crate::pacing::{Pacing, Share};
use crate::permission::Permission;
use crate::sign_in::SignIn;
use crate::token::Tokens;
use crate::wire::Wire;

/// A client of one tenant's Graph and token endpoint under one identity. Cheap to clone; clones share the token and the tenant's budget.
#[derive(Clone)]
pub struct Graph {
    pub(crate) wire: Wire,
    pub(crate) endpoints: Arc<Endpoints>,
    pub(crate) tenant_id: TenantId,
    pub(crate) sign_in: Arc<SignIn>,
    pub(crate) environment: Environment,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) pacing: Arc<Mutex<Pacing>>,
    pub(crate) share: Share,
    pub(crate) permission: Option<Permission>,
}

impl Graph {
    /// A client that has sent nothing yet.
    pub fn new(wire: Wire, endpoints: Endpoints, tenant_id: TenantId, sign_in: SignIn, environment: Environment) -> Self {
        Self {
            wire,
            endpoints: Arc::new(endpoints),
            tenant_id,
            sign_in: Arc::new(sign_in),
            environment,
            tokens: Arc::default(),
            pacing: Arc::default(),
            share: Share::default(),
            permission: None,
        }
    }

    /// A client of the same tenant under another identity. It shares the tenant's budget, not the token.
    #[must_use]
    pub fn signed_in_as(&self, sign_in: SignIn) -> Self {
        Self { sign_in: Arc::new(sign_in), tokens: Arc::default(), ..self.clone() }
    }

    /// The same client on behalf of a share of the tenant's budget, such as a namespace. It shares everything else, and is as cheap as a clone.
    ///
    /// While there is room, anybody may send. Where it gets short, those who were held back are told when to come again in turns, one of each share after
    /// another, and a share that had less goes before one that had more: a namespace with a thousand credentials due does not keep the others waiting. One
    /// share alone may use 97 % of the writes of a period; what is left lets others begin at once. Shares that send nothing are forgotten. The share that
    /// is not named, with which every client begins, has no such bound: it is for what a program does on its own behalf.
    #[must_use]
    pub fn for_share(&self, share: &str) -> Self {
        Self { share: share.into(), ..self.clone() }
    }

    /// The same client, whose writes are sent only while the permission holds; else they fail as settled, without an answer. Reads and sign-ins need none.
    #[must_use]
    pub fn only_while(&self, permission: Permission) -> Self {
        Self { permission: Some(permission), ..self.clone() }
    }

    /// The tenant.
    pub const fn tenant_id(&self) -> TenantId {
        self.tenant_id
    }

    /// Who Entra takes us for, from a token that may have been held for up to its life.
    ///
    /// # Errors
    /// When no token can be had: [`Category::TokenRefused`](crate::Category::TokenRefused),
    /// [`TenantNotFound`](crate::Category::TenantNotFound), [`ClockSkew`](crate::Category::ClockSkew), or those of any call.
    pub async fn identity(&self) -> Result<Identity, Failure> {
        Ok(self.token().await?.identity.clone())
    }
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Graph").field("tenant_id", &self.tenant_id).field("sign_in", &self.sign_in).finish_non_exhaustive()
    }
}
