//! Policies as Graph shows them and takes them.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{DEFAULT, duration};
use crate::behaviour::Policy;

const PASSWORDS: [&str; 5] =
    ["passwordAddition", "passwordLifetime", "symmetricKeyAddition", "symmetricKeyLifetime", "customPasswordAddition"];
const KEYS: [&str; 1] = ["asymmetricKeyLifetime"];

/// One restriction of a kind of credential.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Restriction {
    pub(crate) restriction_type: String,
    #[serde(default)]
    state: State,
    /// ISO 8601.
    #[serde(default, alias = "maxLifeTime")]
    max_lifetime: Option<String>,
    /// Older objects are spared; null spares none.
    #[serde(default)]
    restrict_for_apps_created_after_date_time: Option<DateTime<Utc>>,
    /// Shown as it was set, and not looked at.
    #[serde(default)]
    exclude_actors: Value,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
enum State {
    #[default]
    Enabled,
    Disabled,
}

impl Restriction {
    fn new(kind: &str, longest: Option<TimeDelta>) -> Self {
        Self {
            restriction_type: kind.to_owned(),
            state: State::Enabled,
            max_lifetime: longest.map(duration::print),
            restrict_for_apps_created_after_date_time: None,
            exclude_actors: Value::Null,
        }
    }

    /// Whether it is in force for an object that was created then.
    pub(super) fn concerns(&self, created: Option<DateTime<Utc>>) -> bool {
        let since = self.restrict_for_apps_created_after_date_time;
        self.state == State::Enabled && since.is_none_or(|since| created.is_none_or(|created| created >= since))
    }

    /// The longest life that it allows.
    pub(super) fn longest(&self) -> Option<TimeDelta> {
        self.max_lifetime.as_deref().and_then(duration::parse)
    }

    fn check(&self, known: &[&str]) -> Result<(), String> {
        let kind = self.restriction_type.as_str();
        if !known.contains(&kind) {
            return Err(format!("'{kind}' is not one of {}", known.join(", ")));
        }
        match (kind.ends_with("Lifetime"), &self.max_lifetime) {
            (true, None) => Err(format!("'{kind}' needs a maxLifetime")),
            (_, Some(text)) if duration::parse(text).is_none() => Err(format!("'{text}' is not an ISO 8601 duration such as P90D")),
            _ => Ok(()),
        }
    }
}

/// The restrictions of a policy, by list.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Restrictions {
    pub(super) password_credentials: Vec<Restriction>,
    pub(super) key_credentials: Vec<Restriction>,
}

impl Restrictions {
    fn check(&self) -> Result<(), String> {
        for (list, known) in [(&self.password_credentials, &PASSWORDS[..]), (&self.key_credentials, &KEYS[..])] {
            for (place, restriction) in list.iter().enumerate() {
                restriction.check(known)?;
                if list[..place].iter().any(|other| other.restriction_type == restriction.restriction_type) {
                    return Err(format!("'{}' is used twice", restriction.restriction_type));
                }
            }
        }
        Ok(())
    }

    /// With what the switches say, where the lists do not say it themselves.
    fn with(mut self, switches: &Policy) -> Self {
        let life = |limit: Option<std::time::Duration>| limit.and_then(|limit| TimeDelta::from_std(limit).ok());
        let mut add = |is_password: bool, restriction: Restriction| {
            let list = if is_password { &mut self.password_credentials } else { &mut self.key_credentials };
            if list.iter().all(|known| known.restriction_type != restriction.restriction_type) {
                list.push(restriction);
            }
        };
        if switches.secrets_blocked {
            add(true, Restriction::new("passwordAddition", None));
        }
        if let Some(longest) = life(switches.max_secret_lifetime) {
            add(true, Restriction::new("passwordLifetime", Some(longest)));
        }
        if let Some(longest) = life(switches.max_certificate_lifetime) {
            add(false, Restriction::new("asymmetricKeyLifetime", Some(longest)));
        }
        self
    }
}

/// A `tenantAppManagementPolicy`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DefaultPolicy {
    id: Uuid,
    display_name: String,
    description: String,
    pub(crate) is_enabled: bool,
    pub(crate) application_restrictions: Restrictions,
    pub(crate) service_principal_restrictions: Restrictions,
}

impl Default for DefaultPolicy {
    fn default() -> Self {
        Self {
            id: DEFAULT,
            display_name: "Default app management tenant policy".to_owned(),
            description: "Default tenant policy that enforces app management restrictions on applications and service principals. To apply policy to targeted resources, create a new policy under appManagementPolicies collection.".to_owned(),
            is_enabled: false,
            application_restrictions: Restrictions::default(),
            service_principal_restrictions: Restrictions::default(),
        }
    }
}

impl DefaultPolicy {
    pub(super) fn with(self, switches: &Policy) -> Self {
        // A policy that is set but not enabled must not come into force by the way.
        let spared = |restrictions| if self.is_enabled { restrictions } else { Restrictions::default() };
        Self {
            is_enabled: true,
            application_restrictions: spared(self.application_restrictions).with(switches),
            service_principal_restrictions: spared(self.service_principal_restrictions).with(switches),
            ..self
        }
    }

    pub(super) fn changed(self, change: &Map<String, Value>) -> Result<Self, String> {
        let changed: Self = merged(&self, change)?;
        changed.application_restrictions.check()?;
        changed.service_principal_restrictions.check()?;
        Ok(changed)
    }
}

/// An `appManagementPolicy`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AppPolicy {
    pub(crate) id: Uuid,
    display_name: Option<String>,
    description: Option<String>,
    pub(crate) is_enabled: bool,
    pub(crate) restrictions: Restrictions,
}

impl AppPolicy {
    pub(super) fn new(id: Uuid) -> Self {
        Self { id, display_name: None, description: None, is_enabled: false, restrictions: Restrictions::default() }
    }

    pub(super) fn changed(self, change: &Map<String, Value>) -> Result<Self, String> {
        let changed: Self = merged(&self, change)?;
        changed.restrictions.check()?;
        Ok(changed)
    }
}

/// A policy with the properties that a change names. A restriction set is replaced list by list, as Graph does.
fn merged<T: Serialize + for<'de> Deserialize<'de>>(policy: &T, change: &Map<String, Value>) -> Result<T, String> {
    let mut all = serde_json::to_value(policy).map_err(|error| error.to_string())?;
    let change = plain(Value::Object(change.clone()));
    for (name, value) in change.as_object().into_iter().flatten() {
        match (name.as_str(), &mut all[name], value) {
            ("id", ..) => return Err("the id cannot be changed".to_owned()),
            (_, Value::Object(lists), Value::Object(given)) => lists.extend(given.clone()),
            (_, known, value) => *known = value.clone(),
        }
    }
    serde_json::from_value(all).map_err(|error| error.to_string())
}

/// Without `@odata.type` and its like, at every depth.
fn plain(value: Value) -> Value {
    match value {
        Value::Object(all) => {
            all.into_iter().filter(|(name, _)| !name.starts_with('@')).map(|(name, value)| (name, plain(value))).collect()
        }
        Value::Array(all) => all.into_iter().map(plain).collect(),
        other => other,
    }
}
