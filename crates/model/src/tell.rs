//! A way through the world as a person reads it.

use rotation::{Act, Fact, Look, Mutation, Step};

use crate::check::Broken;
use crate::event::Event;
use crate::pass::Course;
use crate::world::World;

/// Every step, with the time, and what was broken by the last of them. What is no disturbance and no effect is left out.
pub fn story(start: &World, broken: &Broken, way: &[Event]) -> String {
    let (mut world, mut lines) = (start.clone(), vec![format!("BROKEN: {}", broken.0)]);
    for event in way {
        if let Some(what) = said(&world, *event) {
            let sign = if event.disturbance().is_some() { '*' } else { ' ' };
            lines.push(format!("  {} {sign} {what}", world.now.format("%d %H:%M")));
        }
        match world.after(*event) {
            Ok(next) => world = next,
            Err(_) => break,
        }
    }
    lines.join("\n")
}

fn said(world: &World, event: Event) -> Option<String> {
    Some(match event {
        Event::Begin(operator, resource, true) => format!("process {operator} begins a pass over resource {resource} with a stale cache"),
        Event::Begin(..) | Event::Advance => return None,
        Event::Go(operator, course) => {
            let pass = world.operators[operator].pass.as_ref()?;
            let ending = match course {
                Course::Well => "",
                Course::AnswerLost => ", and the answer is lost",
                Course::Floats => ", and neither answer nor effect come, yet",
                Course::Refused => ", which is refused",
                Course::Behind(_) => ", of a replica that is behind",
            };
            format!("process {operator}, resource {}: {}{ending}", pass.resource, step(&pass.step))
        }
        Event::Crash(operator) => format!("process {operator} crashes and begins anew"),
        Event::Pause(operator) => format!("process {operator} stands still"),
        Event::Resume(operator) => format!("process {operator} goes on"),
        Event::Lead(operator) => format!("process {operator} gets the Lease"),
        Event::Land(_) => "a lost write is applied after all".to_owned(),
        Event::DeleteOutput(resource) => format!("a user deletes the output of resource {resource}"),
        Event::DeleteSlot(resource, name) => format!("a user deletes slot {} of resource {resource}", name.as_str()),
        Event::Add => "a person adds a credential".to_owned(),
        Event::Remove(key_id) => format!("a person removes {key_id}"),
        Event::Activate(thumbprint) => format!("a person activates {thumbprint}"),
        Event::Pin(resource, Some(thumbprint)) => format!("a person pins {thumbprint} for resource {resource}"),
        Event::Pin(resource, None) => format!("a person takes the pin of resource {resource} away"),
    })
}

fn step(step: &Step) -> String {
    match step {
        Step::Note(Fact::Claimed(claim)) => format!("note Claimed {}", claim.id),
        Step::Note(Fact::Licensed(id, licence)) => format!("note Licensed {id} {}", licence.kind.as_str()),
        Step::Note(Fact::Retired(id, _)) => format!("note Retired {id}"),
        Step::Note(fact) => format!("note {}", short(&format!("{fact:?}"))),
        Step::Look(Look::SignIn(id)) => format!("sign in with {id}"),
        Step::Look(look) => format!("look at {look:?}"),
        Step::Act(Act::Publish(projection)) => format!("write the output with {}", projection.entry),
        Step::Act(Act::Send(id, Mutation::Remove(removal, _))) => format!("send {} of {id}", removal.kind().as_str()),
        Step::Act(Act::Send(id, mutation)) => format!("send {} of {id}", short(&format!("{mutation:?}"))),
        Step::Act(act) => short(&format!("{act:?}")),
        Step::Rest(rest) => format!("rest: {:?}", rest.why),
    }
}

fn short(text: &str) -> String {
    text.replace("EntryId", "").chars().filter(|c| !matches!(c, '"')).take(100).collect()
}
