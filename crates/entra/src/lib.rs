//! A client of Microsoft Graph and the Entra token endpoint for credential rotation.
//!
//! [`Graph`] makes one HTTP request per call (for policies up to three), beside the token it holds. It never repeats a write: only its caller knows what
//! may be sent again. It never sleeps: over budget it answers at once when there will be room. It reads neither clock nor randomness: [`Environment`]
//! hands them in. All HTTP goes through one seam, [`Wire`]: [`network`] in production, [`in_process`] in tests.
//!
//! Whatever goes wrong is a [`Failure`], whose [`Category`] and [`Retry`] come from one table of Graph's and the token endpoint's codes.

mod address;
mod assertions;
mod category;
mod discretion;
mod entries;
mod environment;
mod failure;
mod federation;
mod graph;
mod identity;
mod instance_metadata;
mod jwt;
mod network;
mod object;
mod operation;
mod pacing;
mod password;
mod permission;
mod policies;
mod read;
mod refusal;
mod retry_after;
mod send;
mod sign_in;
mod signing;
mod signing_key;
mod table;
mod text;
mod token;
mod token_request;
mod wire;
mod write;

pub use address::{Address, Name};
pub use assertions::{AssertionError, Assertions, TokenFile};
pub use category::Category;
pub use entries::{certificate_entry, signing_entries, verify_entry};
pub use environment::{Clock, Environment, Ids, Observer, Outcome, Unobserved};
pub use failure::{Details, Failure, Retry};
pub use graph::Graph;
pub use identity::Identity;
pub use instance_metadata::{INSTANCE_METADATA, InstanceMetadata};
pub use jwt::Proof;
pub use network::{NetworkError, NetworkOptions, network};
pub use object::{Detail, DirectoryObject, Reading};
pub use operation::Operation;
pub use password::{NewPassword, PasswordAnswer};
pub use permission::Permission;
pub use policies::Limits;
pub use sign_in::SignIn;
pub use signing::{NewSigning, SigningAnswer};
pub use signing_key::{SigningKey, signing_identifier};
pub use wire::{MAX_ANSWER, TIMEOUT, Wire, WireError, in_process};
