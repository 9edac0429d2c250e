//! Watching objects of which some may not be what this version understands.

use std::fmt::Debug;

use futures::{Stream, StreamExt as _, future};
use kube::core::DeserializeGuard;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

/// A watch that leaves out what cannot be read: one such object would end the list and the watch of all others. Its last version that
/// could be read stays in a store until the next list.
pub(crate) fn readable<K>(
    api: Api<DeserializeGuard<K>>,
    config: watcher::Config,
) -> impl Stream<Item = Result<Event<K>, watcher::Error>> + Send
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    watcher(api, config).default_backoff().filter_map(|event| {
        future::ready(match event {
            Ok(Event::Init) => Some(Ok(Event::Init)),
            Ok(Event::InitApply(guard)) => read(guard).map(|object| Ok(Event::InitApply(object))),
            Ok(Event::InitDone) => Some(Ok(Event::InitDone)),
            Ok(Event::Apply(guard)) => read(guard).map(|object| Ok(Event::Apply(object))),
            Ok(Event::Delete(guard)) => read(guard).map(|object| Ok(Event::Delete(object))),
            Err(error) => Some(Err(error)),
        })
    })
}

fn read<K: Resource<DynamicType = ()>>(guard: DeserializeGuard<K>) -> Option<K> {
    let invalid = match guard.0 {
        Ok(object) => return Some(object),
        Err(invalid) => invalid,
    };
    let (namespace, name, error) = (invalid.metadata.namespace, invalid.metadata.name, invalid.error);
    tracing::error!(kind = %K::kind(&()), namespace, name, error, "object left alone: it cannot be read");
    None
}
