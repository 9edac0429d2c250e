//! A strict stand-in for Microsoft Graph, the Entra token endpoint and federation metadata.

mod administration;
mod answer;
mod behaviour;
mod clock;
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
mod random;
mod record;
mod refusal;
mod replicas;
mod route;
mod seconds;
mod service;
mod signer;
mod throttle;
mod token;
mod world;

pub use administration::{AdministrationError, NewSecret, Registered, Registration};
pub use behaviour::{AddKeyBody, AutomaticSigner, Behaviour, DefaultIdentifier, Policy, ProofRules, SignEntryType};
pub use clock::{SystemTime, TimeSource, TokioTime};
pub use emulator::{BuildError, Builder, Emulator, Observer};
pub use faults::{Application, Armed, Effect, Fault, Match, Sent};
pub use record::{Call, Mutation};
pub use replicas::Lag;
pub use route::Operation;
pub use service::{EmulatorService, Exchange};
pub use world::{FixtureKeys, KeySource};
