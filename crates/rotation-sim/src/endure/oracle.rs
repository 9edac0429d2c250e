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
    let is_left = |member: &Member| certificate_of(listed).is_some_and(|certificate| member.world.left_to_expire.contains(&certificate));
    rolls_itself.zip(end).is_some_and(|(member, end)| end <= member.world.now || is_left(member))
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{World, certificate};

    fn member() -> (Object, Member) {
        let mut world = World::new(certificate(6));
        world.run_for(TimeDelta::hours(1));
        let (mut object, wake) = (Object::default(), world.now);
        world.exchange(&mut object);
        (object, Member::new(world, Sort::Certificate, 0, wake))
    }

    #[test]
    fn what_is_in_a_ledger_or_foreign_is_recorded_and_nothing_else() {
        let (mut object, member) = member();
        assert_eq!(recorded(&object, &[&member]), Ok(vec![1]));
        object.entra.passwords.push(json!({"keyId": "99999999-0000-4000-8000-000000000099", "displayName": "entra-rotator/uid/id"}));
        assert!(recorded(&object, &[&member]).is_err_and(|what| what.contains("in no ledger")));
    }

    #[test]
    fn a_foreign_entry_that_was_changed_is_not_taken_for_the_one_that_was_there() {
        let (mut object, member) = member();
        object.entra.keys[0]["startDateTime"] = json!("2025-05-05T18:38:51Z");
        assert!(recorded(&object, &[&member]).is_err());
    }

    #[test]
    fn a_resource_whose_output_shows_nothing_has_not_settled() {
        let (_, mut member) = member();
        assert_eq!(settled(&member), Ok(()));
        member.world.output = None;
        assert!(settled(&member).is_err_and(|what| what.contains("the output")));
    }
}
