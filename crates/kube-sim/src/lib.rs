//! An in-memory Kubernetes API server for simulations and demonstrations.
//!
//! It serves what an operator asks of a cluster: its own custom resources with their schemas, defaults and CEL rules;
//! Secrets, ConfigMaps, Leases, Events and Namespaces; watches, server-side apply, finalizers and garbage collection.
//!
//! - [`KubeSim::client`] gives a [`kube::Client`] without sockets or threads, so that tokio's paused clock holds.
//! - [`KubeSim::serve`] serves plain HTTP, well enough for kubectl. There is no authentication and no authorisation.
//! - [`KubeSim::intercept`] refuses, loses or delays requests; [`KubeSim::requests`] tells what was asked.
//! - [`KubeSim::get`], [`KubeSim::put`] and their siblings look at and change the store past the API.
//!
//! Time and randomness are handed in: the same seed and requests give the same answers. What it answers follows
//! kube-apiserver 1.36; `scenarios/` holds the requests by which the two can be compared.

mod admission;
mod apply;
mod builtin;
mod checks;
mod crds;
mod delete;
mod describe;
mod event;
mod failure;
mod fields;
mod http;
mod jsonpath;
mod kind;
mod options;
mod random;
mod record;
mod render;
mod request;
mod rules;
pub mod scenario;
mod schema;
mod selector;
mod server;
mod shapes;
mod store;
mod table;
mod typed;
mod validate;
mod violation;
mod watch;
mod write;

pub use crate::{
    failure::Failure,
    http::{AnswerBody, ConnectionLost},
    kind::CrdError,
    record::{Interceptor, Recorded, Verdict},
    request::{RequestInfo, Verb},
    server::{Builder, KubeSim, Service},
};
pub(crate) use server::Shared;
