//! Watching objects of which some may not be what this version understands.

use std::fmt::Debug;

use futures::{Stream, StreamExt as _, future};
use kube::api::ObjectMeta;
use kube::core::DeserializeGuard;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

/// A watch that leaves out what cannot be read: one such object would end the list and the watch of all others. Its last version that
/// could be read stays in a store until the next list. `tell` hears of each of them, with what is wrong.
pub(crate) fn readable<K>(
    api: Api<DeserializeGuard<K>>,
    config: watcher::Config,
    tell: impl Fn(&ObjectMeta, &str) + Send + 'static,
) -> impl Stream<Item = Result<Event<K>, watcher::Error>> + Send
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    watcher(api, config).default_backoff().filter_map(move |event| {
        future::ready(match event {
            Ok(Event::Init) => Some(Ok(Event::Init)),
            Ok(Event::InitApply(guard)) => read(guard, &tell).map(|object| Ok(Event::InitApply(object))),
            Ok(Event::InitDone) => Some(Ok(Event::InitDone)),
            Ok(Event::Apply(guard)) => read(guard, &tell).map(|object| Ok(Event::Apply(object))),
            Ok(Event::Delete(guard)) => read(guard, &|_, _| {}).map(|object| Ok(Event::Delete(object))),
            Err(error) => Some(Err(error)),
        })
    })
}

fn read<K: Resource<DynamicType = ()>>(guard: DeserializeGuard<K>, tell: &impl Fn(&ObjectMeta, &str)) -> Option<K> {
    let invalid = match guard.0 {
        Ok(object) => return Some(object),
        Err(invalid) => invalid,
    };
    tell(&invalid.metadata, &invalid.error);
    let (namespace, name, error) = (invalid.metadata.namespace, invalid.metadata.name, invalid.error);
    tracing::error!(kind = %K::kind(&()), namespace, name, error, "object left alone: it cannot be read");
    None
}
