//! App management policies: what a tenant's administrators allow credentials to be.

use chrono::{DateTime, TimeDelta, Utc};
use entra_types::ObjectKind;
use jiff::SpanRelativeTo;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::address::Address;
use crate::category::Category;
use crate::failure::Failure;
use crate::graph::Graph;
use crate::operation::Operation;
use crate::send::{Call, Content};

/// What one object's policy allows new credentials to be. The default is no restriction.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Limits {
    /// No client secret may be added.
    pub passwords_forbidden: bool,
    /// The longest life of a client secret.
    pub max_password_lifetime: Option<TimeDelta>,
    /// The longest life of a certificate.
    pub max_key_lifetime: Option<TimeDelta>,
    /// `id` of the policy that says so, if one is in force. At most 64 characters.
    pub policy: Option<String>,
}

/// A tenantAppManagementPolicy.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DefaultPolicy {
    id: String,
    #[serde(default)]
    is_enabled: bool,
    application_restrictions: Option<Restrictions>,
    service_principal_restrictions: Option<Restrictions>,
}

/// An appManagementPolicy.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OwnPolicy {
    id: String,
    #[serde(default)]
    is_enabled: bool,
    restrictions: Option<Restrictions>,
}

#[derive(Deserialize)]
struct Page {
    value: Vec<OwnPolicy>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Restrictions {
    password_credentials: Option<Vec<Restriction>>,
    key_credentials: Option<Vec<Restriction>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Restriction {
    restriction_type: Option<String>,
    state: Option<String>,
    max_lifetime: Option<Lifetime>,
    restrict_for_apps_created_after_date_time: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    created_date_time: Option<DateTime<Utc>>,
}

impl Graph {
    /// What the tenant allows the object's new credentials to be: its own policy if it has an enabled one, else the tenant's default (Microsoft Graph,
    /// "Application management policies overview"). `None`: we may not read policies, which needs Policy.Read.All or
    /// Policy.Read.ApplicationConfiguration. Two or three requests.
    ///
    /// # Errors
    /// [`TargetNotFound`](Category::TargetNotFound), [`InvalidAnswer`](Category::InvalidAnswer) also for a lifetime in years or months, and those of any
    /// read.
    pub async fn app_management_policy(&self, address: &Address) -> Result<Option<Limits>, Failure> {
        match self.limits(address).await {
            Err(failure) if failure.operation == Operation::ReadPolicies && failure.category == Category::PermissionDenied => Ok(None),
            result => result.map(Some),
        }
    }

    async fn limits(&self, address: &Address) -> Result<Limits, Failure> {
        let Some((policy, restrictions)) = self.policy_in_force(address).await? else { return Ok(Limits::default()) };
        let created = if restrictions.depend_on_age() { self.created(address).await? } else { None };
        Ok(restrictions.limits(&policy, created))
    }

    async fn policy_in_force(&self, address: &Address) -> Result<Option<(String, Restrictions)>, Failure> {
        let page: Page = self.ask_for_policy(address, format!("{}/appManagementPolicies", self.url(address))).await?;
        if let Some(own) = page.value.into_iter().find(|policy| policy.is_enabled) {
            return Ok(Some((own.id, own.restrictions.unwrap_or_default())));
        }
        let url = format!("{}/v1.0/policies/defaultAppManagementPolicy", self.endpoints.graph());
        let default: DefaultPolicy = self.ask_for_policy(address, url).await?;
        let restrictions = match address.kind {
            ObjectKind::Application => default.application_restrictions,
            ObjectKind::ServicePrincipal => default.service_principal_restrictions,
        };
        Ok(default.is_enabled.then(|| (default.id, restrictions.unwrap_or_default())))
    }

    async fn ask_for_policy<T: DeserializeOwned>(&self, address: &Address, url: String) -> Result<T, Failure> {
        let call = Call::new(Operation::ReadPolicies, address.describe());
        self.ask_twice(&call, &Content::get(url), |answer| {
            serde_json::from_slice(answer.bytes()).map_err(|error| format!("it is no app management policy: {error}"))
        })
        .await
    }

    async fn created(&self, address: &Address) -> Result<Option<DateTime<Utc>>, Failure> {
        let call = Call::new(Operation::Read, address.describe());
        let content = Content::get(format!("{}?$select=id,createdDateTime", self.url(address)));
        let created = self.ask_twice(&call, &content, |answer| {
            serde_json::from_slice::<Created>(answer.bytes()).map_err(|error| format!("it is no {}: {error}", address.kind))
        });
        Ok(created.await?.created_date_time)
    }
}

impl Restrictions {
    fn all(&self) -> impl Iterator<Item = &Restriction> {
        [&self.password_credentials, &self.key_credentials].into_iter().flatten().flatten().filter(|restriction| restriction.is_on())
    }

    fn depend_on_age(&self) -> bool {
        self.all().any(|restriction| restriction.restrict_for_apps_created_after_date_time.is_some())
    }

    fn limits(&self, policy: &str, created: Option<DateTime<Utc>>) -> Limits {
        let of = |kind: &'static str| self.all().filter(move |restriction| restriction.is_about(kind) && restriction.concerns(created));
        let shortest = |kind| of(kind).filter_map(|restriction| restriction.max_lifetime.as_ref()).map(|lifetime| lifetime.0).min();
        Limits {
            passwords_forbidden: of("passwordAddition").next().is_some(),
            max_password_lifetime: shortest("passwordLifetime"),
            max_key_lifetime: shortest("asymmetricKeyLifetime"),
            policy: Some(crate::text::clean(policy, 64)),
        }
    }
}

impl Restriction {
    /// Policies that were made before there were states have none.
    fn is_on(&self) -> bool {
        self.state.as_deref().is_none_or(|state| state == "enabled")
    }

    fn is_about(&self, kind: &str) -> bool {
        self.restriction_type.as_deref() == Some(kind)
    }

    /// An object of unknown age is taken for a young one: to ask for less than is allowed does no harm.
    fn concerns(&self, created: Option<DateTime<Utc>>) -> bool {
        let since = self.restrict_for_apps_created_after_date_time;
        since.is_none_or(|since| created.is_none_or(|created| created >= since))
    }
}

/// An ISO 8601 duration of days and smaller units, such as `P90D`: years and months have no length of their own.
struct Lifetime(TimeDelta);

impl<'de> Deserialize<'de> for Lifetime {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let shown = || crate::text::clean(&text, 64);
        lifetime(&text).map(Self).ok_or_else(|| serde::de::Error::custom(format!("{:?} is no duration such as P90D", shown())))
    }
}

fn lifetime(text: &str) -> Option<TimeDelta> {
    // Written by programs in upper case, without the friendly forms that the parser knows besides.
    let span: jiff::Span = text.strip_prefix('P').and_then(|_| text.parse().ok())?;
    let exact = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok().filter(|duration| !duration.is_negative())?;
    TimeDelta::new(exact.as_secs(), u32::try_from(exact.subsec_nanos()).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_read_as_policies_write_them() {
        let cases = [("P30D", 30 * 86_400), ("P4DT12H30M5S", 390_605), ("PT1H", 3600), ("P0D", 0), ("P1W", 7 * 86_400)];
        for (text, seconds) in cases {
            assert_eq!(lifetime(text), Some(TimeDelta::seconds(seconds)), "{text}");
        }
        assert_eq!(lifetime("PT0.5S"), Some(TimeDelta::milliseconds(500)));
    }

    #[test]
    fn what_has_no_certain_length_is_refused() {
        for text in ["", "P", "PT", "30D", "30 days", "P1Y", "P1M", "-P1D", "P-1D", "P1DT", "P99999999999999999999D", "p1d", "P1D "] {
            assert_eq!(lifetime(text), None, "{text}");
        }
    }
}
