//! Views that lag behind: of Graph reads and of the sign-in service, each of several instances.

use std::time::Duration;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize, Serializer};

use crate::random::Random;
use crate::route::Operation;

/// How far each instance lags behind the writes. Every request comes to an instance of its own choice. Empty is one that does not lag.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Lag {
    /// Of the instances that answer Graph. An object or entry that one of them has not seen is missing there; writes are checked against the newest state.
    #[serde(serialize_with = "list", deserialize_with = "parse_list")]
    pub graph: Vec<Duration>,
    /// Of the instances that sign clients in: a new credential is refused, and a removed one accepted, for so long.
    #[serde(serialize_with = "list", deserialize_with = "parse_list")]
    pub sign_in: Vec<Duration>,
    /// Of the instances that show federation metadata.
    #[serde(serialize_with = "list", deserialize_with = "parse_list")]
    pub metadata: Vec<Duration>,
}

impl Lag {
    /// The lag of the instance that a request comes to.
    pub(crate) fn choose(&self, operation: Operation, random: &mut Random) -> TimeDelta {
        let instances = match operation {
            Operation::Token => &self.sign_in,
            Operation::Metadata => &self.metadata,
            _ => &self.graph,
        };
        match instances.as_slice() {
            [] => TimeDelta::zero(),
            [only] => delta(*only),
            several => delta(several[random.below(several.len())]),
        }
    }

    /// The lags of all instances that sign in.
    pub(crate) fn sign_ins(&self) -> Vec<TimeDelta> {
        if self.sign_in.is_empty() { vec![TimeDelta::zero()] } else { self.sign_in.iter().copied().map(delta).collect() }
    }
}

fn delta(lag: Duration) -> TimeDelta {
    TimeDelta::from_std(lag).unwrap_or_default()
}

fn list<S: Serializer>(lags: &[Duration], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(lags.iter().map(Duration::as_secs_f64))
}

fn parse_list<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Duration>, D::Error> {
    let seconds = Vec::<f64>::deserialize(deserializer)?;
    seconds.into_iter().map(|seconds| Duration::try_from_secs_f64(seconds).map_err(serde::de::Error::custom)).collect()
}
