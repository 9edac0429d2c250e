//! A strict stand-in for Microsoft Graph, the Entra token endpoint and federation metadata, as far as credentials of applications and service
//! principals go. It is built to public text about the service, and shares with clients of Entra only ids and the reading of certificates: not
//! their JWT code, wire structs or list editing, or one mistake would cancel another.
//!
//! In process it is a tower service without sockets, threads or sleeps of its own; as a binary it serves HTTPS with an authority that it makes.
//! Time and randomness are handed in. What it does is strict by default; what is unknown about Entra is a switch in [`Behaviour`].
//!
//! ```
//! use entra_emulator::{Effect, Emulator, Fault, Match, NewSecret, Operation, Registration};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let emulator = Emulator::builder().seed(7).build()?;
//! let tenant = "8c9f3d52-0b1e-4c55-9d0e-6a2f6c1e7b10".parse()?;
//! emulator.add_tenant(tenant);
//! let payroll = emulator.register(tenant, &Registration::named("payroll").role("Application.ReadWrite.OwnedBy"))?;
//! let end = emulator.now() + chrono::TimeDelta::days(90);
//! emulator.add_secret(payroll.application, NewSecret { text: "s~ecret".into(), display_name: None, start: None, end })?;
//! emulator.inject(Fault::once(Match::operation(Operation::AddPassword), Effect::answer_lost()));
//!
//! assert!(emulator.accepts_secret(payroll.client_id, "s~ecret"));
//! let service = emulator.service(); // tower::Service<http::Request<Bytes>, Response = http::Response<Bytes>>
//! # drop(service);
//! # Ok(())
//! # }
//! ```
//!
//! How a request goes: the route takes it apart, the delivery asks the faults what shall happen to it and carries it out now, later or never,
//! and the record keeps what came of it. What is carried out is a plain synchronous function over one world behind one lock: Graph, token endpoint,
//! metadata or discovery. Every change of an object is a new version, so that lagging replicas can be asked for the past.

mod admin;
mod administration;
mod answer;
mod behaviour;
mod clock;
mod cloud;
mod credentials;
mod delivery;
mod directory;
mod discovery;
mod dispatch;
mod emulator;
mod faults;
mod graph;
mod issuer;
mod jwt;
mod metadata;
mod policy;
mod random;
mod record;
mod refusal;
mod registration;
mod replicas;
mod route;
mod seconds;
mod seed;
mod serve;
mod service;
mod signer;
mod throttle;
mod token;
mod world;

pub use entra_types::Cloud;

pub use administration::AdministrationError;
pub use behaviour::{
    AddKeyBody, AutomaticSigner, Behaviour, DefaultIdentifier, Policy, ProofRules, RemovalFailures, SignEntryType, TenantSize,
};
pub use clock::{SystemTime, TimeSource, TokioTime};
pub use cloud::parse_cloud;
pub use emulator::{BuildError, Builder, Emulator, Observer};
pub use faults::{Application, Armed, Effect, Fault, Match, Sent};
pub use record::{Call, Mutation};
pub use registration::{NewSecret, Registered, Registration};
pub use replicas::Lag;
pub use route::Operation;
pub use seed::{ApplicationSeed, CertificateSeed, ObjectSeed, SecretSeed, Seed, SeedError, SigningSeed, TenantSeed};
pub use serve::{Authority, AuthorityError, default_hosts};
pub use service::{EmulatorService, Exchange};
pub use token::{AssignedIdentity, Federated};
pub use world::{FixtureKeys, KeySource};
