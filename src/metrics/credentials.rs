//! The gauges of ServicePrincipalCredentials: one sample each, encoded when asked for, so that no series outlives its resource.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

/// What is shown of one ServicePrincipalCredential. Times are Unix seconds; what is `None` is not shown.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CredentialSample {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its kind of credential, one of [`KINDS`](super::KINDS).
    pub kind: &'static str,
    /// When the published credential ends.
    pub not_after: Option<i64>,
    /// When its successor is due.
    pub renewal: Option<i64>,
    /// Its condition Ready.
    pub ready: bool,
    /// Its condition RotationAtRisk.
    pub at_risk: bool,
    /// How many credentials on its object the operator did not make.
    pub foreign: Option<u32>,
    /// When the first of those ends.
    pub foreign_expiry: Option<i64>,
}

/// The latest sample of each resource, by namespace and name.
#[derive(Clone, Debug, Default)]
pub(super) struct Credentials {
    samples: Arc<Mutex<BTreeMap<(String, String), CredentialSample>>>,
}

impl Credentials {
    pub(super) fn describe(&self, sample: &CredentialSample) {
        self.lock().insert((sample.namespace.clone(), sample.name.clone()), sample.clone());
    }

    pub(super) fn forget(&self, namespace: &str, name: &str) {
        self.lock().remove(&(namespace.to_owned(), name.to_owned()));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, String), CredentialSample>> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for Credentials {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let samples = self.lock();
        for gauge in GAUGES {
            let mut encoder = encoder.encode_descriptor(gauge.name, gauge.help, None, MetricType::Gauge)?;
            for sample in samples.values() {
                let Some(value) = (gauge.value)(sample) else {
                    continue;
                };
                let labels = [("namespace", sample.namespace.as_str()), ("name", sample.name.as_str()), ("kind", sample.kind)];
                ConstGauge::new(value).encode(encoder.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

struct CredentialGauge {
    name: &'static str,
    help: &'static str,
    value: fn(&CredentialSample) -> Option<i64>,
}

const GAUGES: &[CredentialGauge] = &[
    CredentialGauge {
        name: "credential_not_after_timestamp_seconds",
        help: "When the published credential ends",
        value: |sample| sample.not_after,
    },
    CredentialGauge {
        name: "credential_renewal_timestamp_seconds",
        help: "When the successor of the published credential is due",
        value: |sample| sample.renewal,
    },
    CredentialGauge {
        name: "credential_ready",
        help: "Whether the output holds a credential that Entra accepts",
        value: |sample| Some(sample.ready.into()),
    },
    CredentialGauge {
        name: "credential_at_risk",
        help: "Whether the next rotation will not happen in time without help",
        value: |sample| Some(sample.at_risk.into()),
    },
    CredentialGauge {
        name: "foreign_credentials",
        help: "Credentials on the same object that the operator did not make",
        value: |sample| sample.foreign.map(i64::from),
    },
    CredentialGauge {
        name: "foreign_credentials_soonest_expiry_timestamp_seconds",
        help: "When the first of the credentials that the operator did not make ends",
        value: |sample| sample.foreign_expiry,
    },
];
