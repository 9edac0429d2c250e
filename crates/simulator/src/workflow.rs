//! What a resource goes through: each course of events that a plan disturbs.

use chrono::TimeDelta;
use futures::FutureExt as _;
use futures::future::LocalBoxFuture;
use serde_json::{Value, json};

use crate::by_hand;
use crate::hands::Hands;
use crate::happening::Happening;
use crate::oracle::Oracle;
use crate::scenario::{certificate, secret, secret_of_service_principal, signing, stamp};
use crate::setup::{Kind, Setup};
use crate::world::{NAMESPACE, World};

/// One course of events.
pub struct Workflow {
    /// Kind and course, such as `secret.rotation`.
    pub name: &'static str,
    /// In a sentence.
    pub about: &'static str,
    spec: fn() -> Value,
    course: Course,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Course {
    /// From the manifest to the first credential at rest.
    FirstIssue,
    /// The same, with the certificate of another resource as the proof.
    FirstIssueByProof,
    /// A new one is asked for, until the old one is gone.
    Rotation,
    /// What is published is removed in Entra, until it is replaced.
    Repair,
    /// Something made by hand is to be taken over.
    Adoption,
    /// Everything issued so far is to go at once.
    Revocation,
    /// The resource is deleted in the middle of a rotation, with all it made.
    Deletion,
    /// The same, by the end of its namespace.
    EndOfNamespace,
    /// The certificate before is pinned, and let go again.
    PinAndBack,
    /// Nobody approves, and the successor is withdrawn at the deadline.
    Withdrawal,
    /// The application rolls itself, without any right of the operator's.
    SelfRoll,
}

/// All there are.
pub const ALL: &[Workflow] = &[
    of("secret.first-issue", "A client secret is issued for the first time.", secret, Course::FirstIssue),
    of("secret.rotation", "A client secret is replaced, and the old one removed after its overlap.", secret, Course::Rotation),
    of("secret.repair", "A client secret that somebody removed in Entra is replaced.", secret, Course::Repair),
    of("secret.adoption", "A client secret made by hand is adopted, replaced and removed.", secret, Course::Adoption),
    of("secret.revocation", "All client secrets issued so far are revoked.", secret, Course::Revocation),
    of("secret.deletion", "A resource that revokes is deleted in the middle of a rotation.", revoked_secret, Course::Deletion),
    of("secret.end-of-namespace", "A namespace is deleted in the middle of a rotation.", revoked_secret, Course::EndOfNamespace),
    of(
        "secret-of-service-principal.rotation",
        "A client secret of a service principal is replaced.",
        secret_of_service_principal,
        Course::Rotation,
    ),
    of(
        "certificate.first-issue",
        "A client certificate is added by one update of the list, as there is none to prove it with.",
        certificate,
        Course::FirstIssue,
    ),
    of(
        "certificate.rotation",
        "A client certificate is replaced by addKey with proof, and the old one removed.",
        certificate,
        Course::Rotation,
    ),
    of("certificate.repair", "A client certificate that somebody removed in Entra is replaced.", certificate, Course::Repair),
    of("certificate.adoption", "A client certificate made by hand is adopted, replaced and removed.", certificate, Course::Adoption),
    of("certificate.revocation", "All client certificates issued so far are revoked.", certificate, Course::Revocation),
    of("certificate.deletion", "A resource that revokes is deleted in the middle of a rotation.", revoked_certificate, Course::Deletion),
    of("certificate.end-of-namespace", "A namespace is deleted in the middle of a rotation.", revoked_certificate, Course::EndOfNamespace),
    of("certificate.self-roll", "An application rolls its own certificate, without any permission.", certificate, Course::SelfRoll),
    of("signing.first-issue", "A token signing certificate is made where there was none.", signing, Course::FirstIssue),
    of("signing.rotation", "A token signing certificate is announced, activated, and the old one removed.", signing, Course::Rotation),
    of("signing.repair", "A token signing certificate that somebody removed in Entra is replaced.", signing, Course::Repair),
    of("signing.adoption", "A token signing certificate made by hand is adopted, replaced and removed.", signing, Course::Adoption),
    of("signing.revocation", "All token signing certificates issued so far are revoked.", signing, Course::Revocation),
    of("signing.deletion", "A resource that revokes is deleted in the middle of a rollover.", revoked_signing, Course::Deletion),
    of("signing.end-of-namespace", "A namespace is deleted in the middle of a rollover.", revoked_signing, Course::EndOfNamespace),
    of("signing.pin-and-back", "The old signing certificate is pinned in its overlap, and let go again.", long_overlap, Course::PinAndBack),
    of("signing.withdrawal", "Nobody approves a successor, and it is withdrawn.", signing, Course::Withdrawal),
    of("own-key.first-issue", "A signing key of our own is brought by one update of the lists.", own_key, Course::FirstIssue),
    of("own-key.rotation", "A signing key of our own is replaced.", own_key, Course::Rotation),
    of(
        "own-key.first-issue-by-proof",
        "A signing key of our own is brought by addKey, with the proof of another resource.",
        proven_key,
        Course::FirstIssueByProof,
    ),
];

const fn of(name: &'static str, about: &'static str, spec: fn() -> Value, course: Course) -> Workflow {
    Workflow { name, about, spec, course }
}

/// The one of this name.
pub fn find(name: &str) -> Option<&'static Workflow> {
    ALL.iter().find(|workflow| workflow.name == name)
}

impl Workflow {
    /// What is kept in it.
    pub(crate) fn kind(&self) -> Kind {
        Kind::of(&(self.spec)())
    }

    /// The world in which it takes place.
    pub fn setup(&self) -> Setup {
        let setup = Setup::of((self.spec)());
        Setup { allow_adoption: self.course == Course::Adoption, powerless: self.course == Course::SelfRoll, ..setup }
    }

    /// Whether the resource is gone in the end.
    pub fn ends_with_nothing(&self) -> bool {
        matches!(self.course, Course::Deletion | Course::EndOfNamespace)
    }

    /// Whether it takes days, undisturbed as well.
    pub(crate) fn rolls_itself(&self) -> bool {
        self.course == Course::SelfRoll
    }

    pub(crate) fn is_long(&self) -> bool {
        matches!(self.course, Course::Withdrawal | Course::PinAndBack)
    }

    /// Whether its end is the wait for another attempt, not rest.
    pub(crate) fn ends_withdrawn(&self) -> bool {
        self.course == Course::Withdrawal
    }

    /// What is there before anything is disturbed.
    pub(crate) fn prepare<'a>(&'a self, world: &'a World) -> LocalBoxFuture<'a, ()> {
        async move {
            match self.course {
                Course::FirstIssue => {}
                Course::FirstIssueByProof => {
                    world.declare_prover().await;
                    world.wait_until(TimeDelta::hours(6), "the proof", prover_is_ready).await;
                }
                Course::SelfRoll => {
                    by_hand::hand_over(world, TimeDelta::days(2), &certificate()).await;
                    // What was made by hand stays until its end, as nobody knows what Entra calls it.
                    world.wait_until(TimeDelta::days(3), "one of its own alone", |world| world.newest() > 0 && world.is_at_rest()).await;
                }
                _ => {
                    world.declare(&(self.spec)()).await;
                    world.rest().await;
                }
            }
        }
        .boxed_local()
    }

    /// What happens, while the operator is driven.
    pub(crate) fn run<'a>(&'a self, world: &'a World, oracle: &'a Oracle) -> LocalBoxFuture<'a, ()> {
        async move {
            match self.course {
                Course::FirstIssue | Course::FirstIssueByProof => {
                    world.declare(&(self.spec)()).await;
                    world.rest().await;
                }
                Course::Rotation => rotate(world, LIMIT).await,
                Course::SelfRoll => rotate(world, LIFE).await,
                Course::Repair => repair(world, oracle).await,
                Course::Adoption => adopt(world).await,
                Course::Revocation => revoke(world).await,
                Course::Deletion => {
                    half_way(world).await;
                    world.delete().await;
                    end(world).await;
                }
                Course::EndOfNamespace => {
                    half_way(world).await;
                    world.delete_namespace().await;
                    end(world).await;
                }
                Course::PinAndBack => pin_and_back(world).await,
                Course::Withdrawal => withdraw(world).await,
            }
        }
        .boxed_local()
    }
}

/// The longest that any stage of a course may take, disturbances and all.
const LIMIT: TimeDelta = TimeDelta::days(4);

/// A key that Entra never told the name of is not removed but expires.
pub(crate) const LIFE: TimeDelta = TimeDelta::days(14);

impl World {
    /// Until one credential is published, and nothing is left to be done.
    pub(crate) async fn rest(&self) {
        self.wait_until(LIMIT, "rest", Self::is_at_rest).await;
    }

    pub(crate) fn is_at_rest(&self) -> bool {
        self.find_resource().is_some()
            && self.condition("Ready").starts_with("True/")
            && self.condition("Rotating") == "False/AtRest"
            && self.condition("Reconciling").starts_with("False/")
            && self.entries().len() == 1
    }

    /// An application that rolls itself, and that Entra accepts no certificate from any more; or nobody knows who should sign, or somebody named one that is gone.
    pub(crate) fn awaits_a_person(&self) -> bool {
        ["True/SelfCredentialExpired", "True/SeveralPossibleSigners", "True/PinNotUsable"].contains(&self.condition("Stalled").as_str())
    }

    fn newest(&self) -> u64 {
        self.entries().iter().filter_map(|entry| entry["seq"].as_u64()).max().unwrap_or_default()
    }

    async fn declare_prover(&self) {
        self.create(json!({"apiVersion": "entra-rotator.io/v1alpha1", "kind": "ServicePrincipalCredential",
            "metadata": {"name": PROVER, "namespace": NAMESPACE}, "spec": {"secretName": PROVER, "clientCertificate": {},
            "target": {"objectID": self.target.service_principal.to_string(), "object": "ServicePrincipal"}}}))
            .await;
    }
}

const PROVER: &str = "prover";

fn prover_is_ready(world: &World) -> bool {
    let prover = world.cluster.get(crate::oracle::RESOURCE, NAMESPACE, PROVER).unwrap_or_default();
    let conditions = prover["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
        && conditions.iter().any(|condition| condition["type"] == "Rotating" && condition["reason"] == "AtRest")
}

/// To the end, unless a person takes away the only credential with which the application could go on.
async fn rotate(world: &World, limit: TimeDelta) {
    let before = world.newest();
    world.renew().await;
    let is_over = |world: &World| (world.newest() > before && world.is_at_rest()) || world.awaits_a_person();
    world.wait_until(limit, "a successor at rest", is_over).await;
}

async fn repair(world: &World, oracle: &Oracle) {
    let before = world.newest();
    Hands::on(world, oracle.strangers()).happen(Happening::OursRemoved);
    world.wait_until(LIMIT, "a replacement at rest", |world| world.newest() > before && world.is_at_rest()).await;
}

async fn adopt(world: &World) {
    let key_id = by_hand::credential(world);
    let listed = |world: &World| world.listed().iter().any(|entry| entry["keyId"] == key_id.as_str());
    assert!(listed(world));
    world.edit(json!({"spec": {"adoptKeyIDs": [key_id]}})).await;
    // Where somebody takes ours away meanwhile, it may be what signs.
    let signs = |world: &World| world.current()["keyIDs"].as_array().is_some_and(|ids| ids.iter().any(|id| id == key_id.as_str()));
    world.wait_until(LIMIT, "the end of what was adopted", |world| (!listed(world) || signs(world)) && world.is_at_rest()).await;
}

async fn revoke(world: &World) {
    let before = world.newest();
    world.edit(json!({"spec": {"rotation": {"revokeIssuedBefore": stamp(world.now())}}})).await;
    world.wait_until(LIMIT, "a successor alone", |world| world.newest() > before && world.is_at_rest()).await;
}

/// Into the middle of a rotation.
async fn half_way(world: &World) {
    world.renew().await;
    world.wait_until(LIMIT, "two credentials", |world| world.entries().len() >= 2).await;
    tokio::time::sleep(std::time::Duration::from_secs(1_800)).await;
}

async fn end(world: &World) {
    world.wait_until(LIMIT, "the end", |world| world.find_resource().is_none()).await;
}

async fn pin_and_back(world: &World) {
    let first = world.current();
    let pin = |thumbprint: Value| world.edit(json!({"spec": {"tokenSigningCertificate": {"pinnedThumbprint": thumbprint}}}));
    world.renew().await;
    let is_first = |world: &World| world.current()["thumbprint"] == first["thumbprint"];
    world.wait_until(LIMIT, "the successor", |world| !world.current().is_null() && !is_first(world)).await;
    pin(first["thumbprint"].clone()).await;
    let is_back = |world: &World| (is_first(world) && world.condition("Ready").starts_with("True/")) || world.awaits_a_person();
    world.wait_until(LIMIT, "the way back", is_back).await;
    pin(Value::Null).await;
    let is_over = |world: &World| (!is_first(world) && world.is_at_rest()) || world.awaits_a_person();
    world.wait_until(TimeDelta::days(8), "a fresh one at rest", is_over).await;
}

async fn withdraw(world: &World) {
    world.edit(json!({"spec": withdrawn_at_the_deadline()})).await;
    world.renew().await;
    let waits = |world: &World| world.condition("Rotating") == "True/AwaitingApproval";
    world.wait_until(LIMIT, "a wait for approval", waits).await;
    // Where somebody takes ours away meanwhile, it ends and a person is waited for.
    let ended = |world: &World| world.condition("Ready") == "False/Expired" && waits(world);
    world.wait_until(TimeDelta::days(14), "the withdrawal", |world| world.entries().len() == 1 || ended(world)).await;
    world.wait_until(LIMIT, "a pause", |world| world.condition("Ready").starts_with("True/") || ended(world)).await;
}

fn revoking(mut spec: Value) -> Value {
    spec["deletionPolicy"] = json!("Revoke");
    spec
}

fn revoked_secret() -> Value {
    revoking(secret())
}

fn revoked_certificate() -> Value {
    revoking(certificate())
}

fn revoked_signing() -> Value {
    revoking(signing())
}

fn long_overlap() -> Value {
    let mut spec = signing();
    spec["rotation"]["overlap"] = json!("24h");
    spec
}

/// Without the approval: the first one would wait for it as well.
fn withdrawn_at_the_deadline() -> Value {
    let mut spec = signing();
    spec["tokenSigningCertificate"]["activation"] = json!({"soak": "2h", "approval": "Required", "onDeadline": "Withdraw"});
    spec
}

fn own_key() -> Value {
    let mut spec = signing();
    spec["tokenSigningCertificate"]["keySource"] = json!("Operator");
    spec
}

fn proven_key() -> Value {
    let mut spec = own_key();
    spec["tokenSigningCertificate"]["proofFrom"] = json!({"name": PROVER});
    spec
}
