//! Credentials of others on the same object: counted, watched, and never touched.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::TimeDelta;
use rstest::rstest;
use serde_json::{Value, json};

use simulator::effects::Moment;
use simulator::oracle::Oracle;
use simulator::scenario::{at_rest, certificate, secret, signing};

#[rstest]
#[case::a_secret(secret())]
#[case::a_certificate(certificate())]
#[case::signing(signing())]
#[tokio::test(start_paused = true)]
async fn what_others_have_is_counted_with_its_soonest_end(#[case] spec: Value) {
    let (world, _) = at_rest(spec).await;
    let counted = |world: &simulator::world::World| world.resource()["status"]["foreignCredentials"].clone();
    assert_eq!(counted(&world), json!({"count": 2, "soonestExpiry": "2098-01-01T00:00:00Z"}));
    let end = world.now() + TimeDelta::days(30);
    let new = entra_emulator::NewSecret { text: "theirs".to_owned(), display_name: None, start: None, end };
    world.entra.add_secret(world.object, new).unwrap();
    let shown = json!({"count": 3, "soonestExpiry": simulator::scenario::stamp(end)});
    world.run_until(TimeDelta::hours(8), "the third", |world| counted(world) == shown).await;
    Oracle::watch(&world).check("the count");
}

/// The kinds whose removal sends the whole list back notice it when something of others is missing afterwards.
#[tokio::test(start_paused = true)]
async fn a_credential_of_others_that_is_missing_after_an_update_of_the_list_is_told() {
    let (world, _) = at_rest(signing()).await;
    let (entra, object, lost) = (world.entra.clone(), world.object, Arc::new(AtomicBool::new(false)));
    let end = world.now() + TimeDelta::days(90);
    let new = entra_emulator::NewSecret { text: "theirs".to_owned(), display_name: None, start: None, end };
    let theirs = entra.add_secret(object, new).unwrap();
    world.run_until(TimeDelta::days(6), "the successor", |world| world.entries().len() == 2).await;
    let done = Arc::clone(&lost);
    world.effects.watch(move |moment, name| {
        // Whoever removed it: at this moment it cannot be told from what the update did.
        if moment == Moment::After && name.starts_with("PATCH v1.0/") && is_shorter(&entra, object) && !done.swap(true, Ordering::SeqCst) {
            entra.remove_credential(object, theirs).unwrap();
        }
        Ok(())
    });
    world.run_until(TimeDelta::days(3), "the warning", |world| !world.events("ForeignCredentialLost").is_empty()).await;
    assert!(lost.load(Ordering::SeqCst));
    assert!(world.events("ForeignCredentialLost")[0].contains(&theirs.to_string()), "{:?}", world.events("ForeignCredentialLost"));
    assert_eq!(world.condition("Ready"), "True/Published");
}

/// Whether the certificate before is removed: two entries of others and three of ours are left of the keys and passwords.
fn is_shorter(entra: &entra_emulator::Emulator, object: entra_types::ObjectId) -> bool {
    let held = simulator::world::credentials(&entra.object(object).unwrap());
    held.iter().filter(|entry| entry["usage"] == "Sign").count() == 1
}
