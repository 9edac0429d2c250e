//! Writes the ledger and its report into status: one compare-and-swap per fact.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt as _;
use kube::api::PostParams;
use rotation::{Application, Case, Fact, Ledger, Stamp, Wait, report};
use tokio::time::Instant;
use tracing::{debug, info};

use super::cluster::ask;
use super::pass::{Cut, Pass};
use super::trouble::Upset;
use super::{events, status};
use crate::api::v1alpha1::{Lenient, ServicePrincipalCredentialStatus};
use crate::last_word::LastWord;

impl Pass<'_> {
    /// Changes the ledger by one fact. The write is the live read of the resource: it fails if what was decided on is stale.
    pub(super) async fn note(&mut self, fact: &Fact) -> Result<(), Cut> {
        let nonce: String = self.context.seams.ids.uuid().simple().to_string().chars().take(12).collect();
        let stamp = Stamp { now: self.context.now(), nonce: nonce.clone() };
        let ledger = self.ledger.apply(fact, &stamp, &self.policy, &self.desk.memory);
        let application = self.context.application(&self.policy.uid);
        let status = self.describe(&ledger, None, &application);
        self.desk.memory.licensing(&nonce);
        self.desk.licence = Some((nonce, Instant::now()));
        self.write_status(status).await?;
        info!(fact = events::name(fact), "noted");
        self.count(fact);
        events::publish(self.context, &self.resource, fact);
        self.ledger = ledger;
        self.desk.memory.settle(&self.ledger);
        self.share();
        Ok(())
    }

    /// Brings conditions and columns up to date at the end of a pass, if anything in them changed. Answers how long to leave them as another process wrote them.
    pub(super) async fn refresh_status(&mut self, wait: &Wait, application: &Application) -> Result<Option<Duration>, Cut> {
        // Outcomes go in with the next change of the ledger; what the object holds besides is news of its own.
        let ledger = Ledger { foreign: self.ledger.caught_up(&self.policy, &self.desk.memory).foreign, ..self.ledger.clone() };
        let status = self.describe(&ledger, Some(wait), application);
        let present = self.resource.status.as_ref().and_then(|status| status.read().ok());
        if present != Some(&status) {
            if let Some(left) = self.desk.last_word.left_to_another(&self.resource.status) {
                return Ok(Some(left));
            }
            debug!("the report changed");
            self.write_status(status).await?;
            self.ledger = ledger;
            self.share();
        }
        self.sample();
        Ok(None)
    }

    fn describe(&self, ledger: &Ledger, wait: Option<&Wait>, application: &Application) -> ServicePrincipalCredentialStatus {
        let case = Case { policy: &self.policy, ledger, memory: &self.desk.memory, application, now: self.context.now() };
        status::status(&self.resource, ledger, &report(&case, wait), &self.policy, self.context.now())
    }

    async fn write_status(&mut self, status: ServicePrincipalCredentialStatus) -> Result<(), Cut> {
        let before = Arc::clone(&self.resource);
        let mut changed = (*self.resource).clone();
        changed.metadata.managed_fields = None;
        changed.status = Some(Lenient::Read(status));
        let name = self.resource.name_any();
        let resources = self.context.resources(&self.namespace());
        let params = PostParams::default();
        let request = resources.replace_status(&name, &params, &changed);
        let written = ask(format!("write the status of ServicePrincipalCredential {name}"), request).await;
        let written = written.map_err(|error| if error.is_conflict() { Cut::Conflict } else { Cut::Cluster(error) })?;
        self.resource = Arc::new(written);
        self.desk.written = Some(Arc::clone(&self.resource));
        self.desk.last_word = LastWord::had(&self.resource.status);
        self.is_confirmed = true;
        self.sample();
        events::publish_changes(self.context, &before, &self.resource);
        Ok(())
    }

    /// Looks whether the resource still is what this pass works with. Output and slots were looked at later: by an older ledger, what another process published
    /// since would be taken back, and its slot deleted as a stranger's.
    pub(super) async fn confirm(&mut self) -> Result<(), Upset> {
        if self.is_confirmed {
            return Ok(());
        }
        let name = self.resource.name_any();
        let resources = self.context.resources(&self.namespace());
        let found = ask(format!("read ServicePrincipalCredential {name}"), resources.get_opt(&name)).await.map_err(Upset::Cluster)?;
        let Some(live) = found else { return Err(Upset::Overtaken) };
        if live.metadata.resource_version != self.resource.metadata.resource_version {
            self.desk.written = Some(Arc::new(live));
            return Err(Upset::Overtaken);
        }
        self.is_confirmed = true;
        Ok(())
    }

    fn count(&self, fact: &Fact) {
        if matches!(fact, Fact::Published(_)) {
            let cause = self.ledger.rotation.reason.unwrap_or(rotation::Cause::FirstIssue);
            self.context.metrics.rotated(self.kind(), cause);
        }
    }
}
