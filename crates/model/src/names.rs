//! Names that Entra or a key generator would choose: different for different things, and the same in every run.

use entra_types::{KeyId, Thumbprint};
use rotation::EntryId;

use crate::digest::Digest;

/// Of the so-manieth key that was made for an entry.
pub fn thumbprint(entry: &EntryId, count: u8) -> Thumbprint {
    let digest = Digest::of(&("thumbprint", entry, count)).to_be_bytes();
    let mut bytes = [count; 20];
    bytes[..16].copy_from_slice(&digest);
    Thumbprint::new(bytes)
}

/// What Entra calls the so-manieth part that it makes for an entry.
pub fn key_id(entry: &EntryId, count: u8) -> KeyId {
    of(&("keyId", entry, count))
}

/// What Entra calls the so-manieth credential that a person adds.
pub fn foreign_key_id(count: u8) -> KeyId {
    of(&("foreign", count))
}

/// Of the so-manieth certificate that a person adds.
pub fn foreign_thumbprint(count: u8) -> Thumbprint {
    let digest = Digest::of(&("foreign", count)).to_be_bytes();
    let mut bytes = [0xf0; 20];
    bytes[..16].copy_from_slice(&digest);
    Thumbprint::new(bytes)
}

fn of(thing: &impl std::hash::Hash) -> KeyId {
    let text = format!("{:032x}", Digest::of(thing));
    let parts = [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]];
    parts.join("-").parse().unwrap_or_else(|_| unreachable!("32 hex digits"))
}
