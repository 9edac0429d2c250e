//! The client itself.

use std::fmt;
use std::sync::{Arc, Mutex};

use entra_types::{Endpoints, TenantId};

use crate::environment::Environment;
use crate::failure::Failure;
use crate::identity::Identity;
use crate::pacing::Pacing;
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
        }
    }

    /// A client of the same tenant under another identity. It shares the tenant's budget, not the token.
    #[must_use]
    pub fn signed_in_as(&self, sign_in: SignIn) -> Self {
        Self { sign_in: Arc::new(sign_in), tokens: Arc::default(), ..self.clone() }
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
