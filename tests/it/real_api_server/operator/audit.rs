use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use chrono::{DateTime, Utc};
use serde::Deserialize;

use tokio::time::{Instant, sleep};

use super::{
    process::POLL,
    stage::{LONG, OPERATOR, OTHER_TEAM, Stage, TEAM},
};
use crate::control_plane::ControlPlane;

/// One request, as the API server recorded it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recorded {
    verb: String,
    user: User,
    object_ref: Option<Object>,
    #[serde(rename = "requestReceivedTimestamp")]
    at: DateTime<Utc>,
    response_status: Option<Status>,
}

#[derive(Clone, Debug, Deserialize)]
struct User {
    username: String,
    #[serde(default)]
    extra: BTreeMap<String, Vec<String>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Object {
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
    #[serde(rename = "apiGroup")]
    group: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Status {
    code: u16,
}

/// The operator's requests in a span of time.
pub(super) struct Requests(Vec<Recorded>);

impl Requests {
    /// Those that arrived from `since` on and before `until`. The operator must have ended, or be known to have asked whatever counts.
    pub(super) fn between(stage: &Stage, since: DateTime<Utc>, until: DateTime<Utc>) -> Self {
        let user = format!("system:serviceaccount:{OPERATOR}:{}", stage.deployed.service_account());
        let mine = |request: &Recorded| request.user.username == user && since <= request.at && request.at < until;
        Self(recorded(&fs::read_to_string(stage.cluster.audit_log()).unwrap()).into_iter().filter(mine).collect())
    }

    /// All of them so far.
    pub(super) fn all(stage: &Stage) -> Self {
        Self::between(stage, DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC)
    }

    /// Those that the API server denied.
    pub(super) fn denied(&self) -> Vec<String> {
        let is_denied = |request: &&Recorded| request.response_status.as_ref().is_some_and(|status| matches!(status.code, 401 | 403));
        self.0.iter().filter(is_denied).map(ToString::to_string).collect()
    }

    /// The resources and namespaces of which a watch was begun.
    fn watched(&self) -> BTreeSet<(String, String)> {
        let watches = self.0.iter().filter(|request| request.verb == "watch").map(Recorded::object);
        watches.map(|object| (object.resource, object.namespace)).collect()
    }

    /// Those about an object of this name.
    pub(super) fn about(&self, resource: &str, name: &str) -> Vec<String> {
        let is_about = |request: &&Recorded| request.object().resource == resource && request.object().name == name;
        self.0.iter().filter(is_about).map(ToString::to_string).collect()
    }

    /// What was done, as `verb group/resource/subresource`: whoever did less needs fewer rights.
    pub(super) fn kinds(&self) -> BTreeSet<String> {
        let kind = |request: &Recorded| {
            let Object { resource, subresource, group, .. } = request.object();
            let subresource = if subresource.is_empty() { subresource } else { format!("/{subresource}") };
            format!("{} {group}/{resource}{subresource}", request.verb)
        };
        self.0.iter().map(kind).collect()
    }

    /// What the counts of the protocol leave aside: events, watches, the renewals of the Lease, and the status of the tenant.
    pub(super) fn beside(&self) -> usize {
        self.0.iter().filter(|request| request.is_beside()).count()
    }

    /// Everything else, by what it does.
    pub(super) fn by_purpose(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        for request in self.0.iter().filter(|request| !request.is_beside()) {
            *counts.entry(request.purpose()).or_default() += 1;
        }
        counts
    }

    /// All that counts, in order, to see which one is too many.
    pub(super) fn list(&self) -> String {
        self.0.iter().filter(|request| !request.is_beside()).map(|request| format!("{request}\n")).collect()
    }
}

/// Waits until the operator that was started at `since` watches all that it watches, having listed it: on a busy machine that comes
/// after its first work.
pub(super) async fn watching(stage: &Stage, since: DateTime<Utc>) {
    let deadline = Instant::now() + LONG;
    let of_teams = [TEAM, OTHER_TEAM].into_iter().flat_map(|team| [("secrets", team), ("configmaps", team)]);
    let rest = [("secrets", OPERATOR), ("serviceprincipalcredentials", ""), ("entratenants", "")];
    let wanted: Vec<_> = of_teams.chain(rest).collect();
    loop {
        let begun = Requests::between(stage, since, DateTime::<Utc>::MAX_UTC).watched();
        let missing: Vec<_> = wanted.iter().filter(|(kind, place)| !begun.contains(&((*kind).to_owned(), (*place).to_owned()))).collect();
        if missing.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "the operator does not watch {missing:?}");
        sleep(POLL).await;
    }
}

/// What changed anything but events, of what was asked under one token from `since` on.
pub(super) fn writes_by_token(cluster: &ControlPlane, token: &str, since: DateTime<Utc>) -> Vec<String> {
    let by_token = |request: &Recorded| request.user.extra.values().flatten().any(|id| id == token);
    let all = recorded(&fs::read_to_string(cluster.audit_log()).unwrap());
    assert!(all.iter().any(by_token), "the record does not name the token {token}");
    let is_done = |request: &Recorded| request.response_status.as_ref().is_some_and(|status| status.code < 400);
    let is_write = |request: &Recorded| !["get", "list", "watch"].contains(&request.verb.as_str()) && request.object().resource != "events";
    let writes = all.iter().filter(|request| by_token(request) && since <= request.at && is_write(request) && is_done(request));
    writes.map(ToString::to_string).collect()
}

/// The last line may not be whole yet.
fn recorded(log: &str) -> Vec<Recorded> {
    let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

impl Recorded {
    fn object(&self) -> Object {
        self.object_ref.clone().unwrap_or_default()
    }

    fn is_beside(&self) -> bool {
        match self.object().resource.as_str() {
            "events" | "entratenants" => true,
            "leases" => self.verb != "get",
            _ => self.verb == "watch",
        }
    }

    fn purpose(&self) -> &'static str {
        let object = self.object();
        let is_slot = object.name.ends_with("-entra-a") || object.name.ends_with("-entra-b");
        match (object.resource.as_str(), object.subresource.as_str(), self.verb.as_str(), is_slot) {
            ("serviceprincipalcredentials", "status", "update" | "patch", _) => "status written",
            ("secrets", "", "create", true) => "slot created",
            ("secrets", "", "delete", true) => "slot deleted",
            ("secrets", "", "get", true) => "slot read",
            ("secrets", "", "create" | "patch", false) => "output written",
            ("secrets", "", "get", false) => "output read",
            ("leases", "", "get", _) => "lease read",
            _ => panic!("nothing in the protocol asks for this: {self}"),
        }
    }
}

impl std::fmt::Display for Recorded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Object { resource, subresource, namespace, name, .. } = self.object();
        let code = self.response_status.as_ref().map_or(0, |status| status.code);
        write!(f, "{} {:6} {namespace}/{resource}/{name} {subresource} → {code}", self.at.format("%T%.3f"), self.verb)
    }
}
