//! The labels of the cluster's namespaces, for grants by selector. They are watched only while a grant asks for them.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use kube::core::{PartialObjectMeta, Selector, SelectorExt as _};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt as _};
use tokio::sync::watch;

use crate::api::v1alpha1::{LabelOperator, LabelRequirement, NamespaceSelector};

/// The labels of a namespace.
pub(super) type Labels = BTreeMap<String, String>;
type Listed = HashMap<String, Labels>;

/// Between a denial and the next attempt.
const AFTER_DENIAL: Duration = Duration::from_secs(30);

/// Hears of changes.
pub(super) trait Changed: Fn(Option<(&Labels, &Labels)>) + Send + Sync + 'static {}

impl<F: Fn(Option<(&Labels, &Labels)>) + Send + Sync + 'static> Changed for F {}

/// The namespaces as the watch shows them. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Namespaces(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    state: Mutex<State>,
    is_wanted: watch::Sender<bool>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Unlisted,
    /// The API server does not let the operator watch them; with its words.
    Denied(String),
    Listed(Listed),
}

/// Whether a selector selects a namespace.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Selection {
    /// It does.
    Selected,
    /// It does not, or the namespace does not exist.
    NotSelected,
    /// The namespaces are about to be listed.
    Unlisted,
    /// The API server does not let the operator list namespaces. Nothing is selected.
    Denied(String),
}

impl Namespaces {
    /// Whether the selector selects the namespace of this name, as far as the watch has shown it.
    pub fn select(&self, selector: &NamespaceSelector, namespace: &str) -> Selection {
        match &*self.state() {
            State::Unlisted => Selection::Unlisted,
            State::Denied(why) => Selection::Denied(why.clone()),
            State::Listed(listed) if listed.get(namespace).is_some_and(|labels| selects(selector, labels)) => Selection::Selected,
            State::Listed(_) => Selection::NotSelected,
        }
    }

    /// The API server's words, where it does not let the operator list them.
    pub(super) fn denial(&self) -> Option<String> {
        match &*self.state() {
            State::Denied(why) => Some(why.clone()),
            State::Unlisted | State::Listed(_) => None,
        }
    }

    /// With this namespace and no other.
    #[cfg(test)]
    pub(crate) fn with(name: &str, labels: &[(&str, &str)]) -> Self {
        let namespaces = Self::default();
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        *namespaces.state() = State::Listed(Listed::from([(name.to_owned(), labels)]));
        namespaces
    }

    /// With none, as the API server denies them with these words.
    #[cfg(test)]
    pub(crate) fn denied(why: &str) -> Self {
        let namespaces = Self::default();
        *namespaces.state() = State::Denied(why.to_owned());
        namespaces
    }

    /// Says whether any grant has a selector.
    pub(super) fn want(&self, is_wanted: bool) {
        self.0.is_wanted.send_if_modified(|was| std::mem::replace(was, is_wanted) != is_wanted);
    }

    /// Watches them whenever they are wanted, for ever. `changed` is called with the labels that a namespace had and has, where they
    /// differ, and with none when all have been listed or none may be.
    pub(super) fn follow<C: Changed>(
        &self,
        client: Client,
        config: watcher::Config,
        changed: C,
    ) -> impl Future<Output = ()> + Send + use<C> {
        let (namespaces, mut wanted) = (self.clone(), self.0.is_wanted.subscribe());
        async move {
            // An error means that nobody is left to want them, which cannot be while we hold the other end.
            while wanted.wait_for(|is_wanted| *is_wanted).await.is_ok() {
                let watched = namespaces.watch(client.clone(), config.clone(), &changed);
                tokio::select! {
                    biased;
                    () = watched => {}
                    _ = unwanted(wanted.clone()) => *namespaces.state() = State::Unlisted,
                }
            }
        }
    }

    /// Ends some time after a denial, to list them anew.
    async fn watch(&self, client: Client, config: watcher::Config, changed: &impl Changed) {
        let mut events = watcher(Api::<PartialObjectMeta<Namespace>>::all(client), config).default_backoff().boxed();
        let mut listing = Listed::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Init) => listing.clear(),
                Ok(Event::InitApply(namespace)) => drop(listing.insert(namespace.name_any(), labels(namespace))),
                Ok(Event::InitDone) => {
                    *self.state() = State::Listed(std::mem::take(&mut listing));
                    changed(None);
                }
                Ok(Event::Apply(namespace)) => self.change(namespace.name_any(), Some(labels(namespace)), changed),
                Ok(Event::Delete(namespace)) => self.change(namespace.name_any(), None, changed),
                Err(error) => {
                    tracing::warn!(%error, "watch of the namespaces interrupted");
                    if let Some(why) = denial(&error) {
                        self.deny(why, changed);
                        return tokio::time::sleep(AFTER_DENIAL).await;
                    }
                }
            }
        }
    }

    /// What was shown stays in force while the API server fails, but not once it denies: nothing would tell of a label that is gone.
    fn deny(&self, why: String, changed: &impl Changed) {
        let before = std::mem::replace(&mut *self.state(), State::Denied(why));
        if !matches!(before, State::Denied(_)) {
            changed(None);
        }
    }

    fn change(&self, name: String, labels: Option<Labels>, changed: &impl Changed) {
        let new = labels.clone().unwrap_or_default();
        let old = match &mut *self.state() {
            State::Listed(listed) => match labels {
                Some(labels) => listed.insert(name, labels),
                None => listed.remove(&name),
            },
            State::Unlisted | State::Denied(_) => None,
        };
        let old = old.unwrap_or_default();
        if old != new {
            changed(Some((&old, &new)));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whole after every statement, so a panic elsewhere does not spoil it.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn unwanted(mut wanted: watch::Receiver<bool>) {
    let _ = wanted.wait_for(|is_wanted| !is_wanted).await;
}

fn labels(namespace: PartialObjectMeta<Namespace>) -> Labels {
    namespace.metadata.labels.unwrap_or_default()
}

/// The API server's words, if it denies.
fn denial(error: &watcher::Error) -> Option<String> {
    let status = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status)) => status,
        watcher::Error::WatchError(status) => status,
        _ => return None,
    };
    matches!(status.code, 401 | 403).then(|| status.message.trim_end_matches('.').to_owned())
}

/// As Kubernetes does it. A selector that Kubernetes would not take selects nothing, and so does an empty one: it was hardly meant to
/// let everybody in.
pub(super) fn selects(selector: &NamespaceSelector, labels: &Labels) -> bool {
    let is_proper = |requirement: &LabelRequirement| {
        let takes_values = matches!(requirement.operator, LabelOperator::In | LabelOperator::NotIn);
        takes_values != requirement.values.is_empty()
    };
    let proper = selector.match_expressions.iter().all(is_proper);
    let parsed = Selector::try_from(label_selector(selector)).ok().filter(|parsed| proper && !parsed.selects_all());
    parsed.is_some_and(|parsed| parsed.matches(labels))
}

fn label_selector(selector: &NamespaceSelector) -> LabelSelector {
    let requirement = |requirement: &LabelRequirement| LabelSelectorRequirement {
        key: requirement.key.clone(),
        operator: format!("{:?}", requirement.operator),
        values: Some(requirement.values.clone()),
    };
    LabelSelector {
        match_labels: Some(selector.match_labels.clone()),
        match_expressions: Some(selector.match_expressions.iter().map(requirement).collect()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case::a_label(json!({"matchLabels": {"team": "payroll"}}), true)]
    #[case::another_value(json!({"matchLabels": {"team": "crm"}}), false)]
    #[case::all_labels_must_be_there(json!({"matchLabels": {"team": "payroll", "stage": "test"}}), false)]
    #[case::one_of_several(json!({"matchExpressions": [{"key": "team", "operator": "In", "values": ["crm", "payroll"]}]}), true)]
    #[case::none_of_several(json!({"matchExpressions": [{"key": "team", "operator": "In", "values": ["crm"]}]}), false)]
    #[case::a_value_of_a_label_that_is_not_there(json!({"matchExpressions": [{"key": "x", "operator": "In", "values": ["crm"]}]}), false)]
    #[case::not_one_of_several(json!({"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["crm"]}]}), true)]
    #[case::one_that_is_excluded(json!({"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["payroll"]}]}), false)]
    #[case::what_is_not_there_is_not_in(json!({"matchExpressions": [{"key": "x", "operator": "NotIn", "values": ["crm"]}]}), true)]
    #[case::there(json!({"matchExpressions": [{"key": "team", "operator": "Exists"}]}), true)]
    #[case::not_there(json!({"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}), false)]
    #[case::absent(json!({"matchExpressions": [{"key": "x", "operator": "DoesNotExist"}]}), true)]
    #[case::labels_and_expressions(json!({"matchLabels": {"team": "payroll"}, "matchExpressions": [{"key": "stage", "operator": "Exists"}]}), true)]
    #[case::labels_but_not_expressions(json!({"matchLabels": {"team": "payroll"}, "matchExpressions": [{"key": "x", "operator": "Exists"}]}), false)]
    #[case::nothing_said(json!({}), false)]
    #[case::no_values_to_be_in(json!({"matchExpressions": [{"key": "team", "operator": "In"}]}), false)]
    #[case::no_values_to_be_out_of(json!({"matchExpressions": [{"key": "team", "operator": "NotIn"}]}), false)]
    #[case::values_that_mean_nothing(json!({"matchExpressions": [{"key": "team", "operator": "Exists", "values": ["crm"]}]}), false)]
    fn a_selector_selects_as_in_kubernetes(#[case] selector: serde_json::Value, #[case] expected: bool) {
        let labels = Labels::from([("team".to_owned(), "payroll".to_owned()), ("stage".to_owned(), "production".to_owned())]);
        assert_eq!(selects(&serde_json::from_value(selector).unwrap(), &labels), expected);
    }

    #[test]
    fn before_the_namespaces_are_listed_nothing_is_selected() {
        let selector = serde_json::from_value(json!({"matchLabels": {"team": "payroll"}})).unwrap();
        assert_eq!(Namespaces::default().select(&selector, "payroll"), Selection::Unlisted);
    }
}
