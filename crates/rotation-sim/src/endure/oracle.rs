//! What must hold of an object that several resources share.

use chrono::TimeDelta;
use entra_types::KeyId;
use rotation::{Entry, Use};
use serde_json::Value;

use super::layout::Sort;
use super::member::Member;
use crate::Object;
use crate::signing::certificate_of;

/// Current, Next, two that go, and as many that were given up as the protocol allows before it makes no more.
const LIVE: usize = 7;

/// Every entry of the object is foreign or recorded by one of its resources. Answers how many credentials each of them has there.
pub(super) fn recorded(object: &Object, members: &[&Member]) -> Result<Vec<usize>, String> {
    let mut live = vec![vec![]; members.len()];
    for listed in object.entra.keys.iter().chain(&object.entra.passwords) {
        let owner = (0..).zip(members).find_map(|(i, member)| Some((i, owner(listed, member)?)));
        match owner {
            Some((i, seq)) => live[i].push(seq),
            None if object.foreign.contains(listed) || is_left_to_expire(listed, members) => {}
            None => return Err(format!("a credential of ours is in no ledger: {listed}")),
        }
    }
    let count = |mut seqs: Vec<u32>| {
        seqs.sort_unstable();
        seqs.dedup();
        seqs.len()
    };
    let live: Vec<usize> = live.into_iter().map(count).collect();
    match live.iter().zip(members).find(|(live, _)| **live > LIVE) {
        Some((live, member)) => Err(format!("{live} credentials of one {} in Entra", member.sort.as_str())),
        None => Ok(live),
    }
}

/// An application that rolls itself sees no lists: what it was told no name of stays until it has expired, and after.
pub(super) fn is_left_to_expire(listed: &Value, members: &[&Member]) -> bool {
    let rolls_itself = members.iter().find(|member| member.sort == Sort::SelfRolled);
    let end = listed["endDateTime"].as_str().map(crate::time);
    rolls_itself.zip(end).is_some_and(|(member, end)| end <= member.world.now)
}

/// The entry of a member's ledger that names what is listed: by keyId, by certificate, or by its mark.
fn owner(listed: &Value, member: &Member) -> Option<u32> {
    let key_id: Option<KeyId> = listed["keyId"].as_str().and_then(|id| id.parse().ok());
    let certificate = certificate_of(listed);
    let name = listed["displayName"].as_str();
    let names = |entry: &&Entry| {
        key_id.is_some_and(|id| entry.key_ids.contains(&id))
            || (certificate.is_some() && certificate == entry.thumbprint())
            || name.is_some_and(|name| {
                name == entry.id.password_name(&member.world.policy.uid)
                    || entry.signing().is_some_and(|signing| signing.display_name.as_deref() == Some(name))
            })
    };
    member.world.ledger.entries.iter().find(names).map(|entry| entry.seq)
}

/// After a calm: one published credential that is valid, nothing given up that is still there, nothing that is removed for ever.
pub(super) fn settled(member: &Member) -> Result<(), String> {
    let world = &member.world;
    let told = |what: &str| Err(format!("{what} after a calm: {:#?}\n{:#?}", world.ledger, world.effects));
    let Some(current) = world.ledger.current() else { return told("no current credential") };
    if current.published_at.is_none() {
        return told("not published");
    }
    if !current.is_valid_at(world.now) {
        return told("expired");
    }
    if world.output.as_ref().map(|shown| &shown.entry) != Some(&current.id) || world.edited {
        return told("the output shows something else");
    }
    if world.ledger.first(Use::Abandoned).is_some() {
        return told("something given up is not removed");
    }
    let stuck = |entry: &Entry| entry.op.as_ref().is_none_or(|op| op.at + TimeDelta::hours(6) < world.now);
    if world.ledger.all(Use::Retiring).any(stuck) {
        return told("removed for ever");
    }
    Ok(())
}
