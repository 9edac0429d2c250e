//! What goes with a resource of client certificates, and by which means.

use super::*;

/// The certificate 1, which the output shows, beside the stranger 9. Three reads in sixteen minutes show both.
fn deleted_certificate(policy: Policy) -> Desk {
    let mut desk = deleted(policy, Entry { published_at: Some(at(0)), ..entry(1, Use::Current) });
    desk.listed_in(&[0, 8, 16], &[1, 9]);
    desk.shows(1);
    desk
}

#[test]
fn the_last_certificate_goes_by_an_update_that_keeps_what_is_not_ours() {
    let mut desk = deleted_certificate(certificate());
    assert_eq!(said_of(&desk), retires(OpKind::RemoveByUpdate, &[9]));
    desk.entry(1).r#use = Use::Retiring;
    let licence = Licence { kept: BTreeSet::from([key_id(9)]), ..Licence::of(OpKind::RemoveByUpdate) };
    assert_eq!(said_of(&desk), Some(Step::Note(Fact::Licensed(id(1), licence))));
}

#[test]
fn another_certificate_proves_the_removal_of_one() {
    let mut desk = deleted_certificate(certificate());
    desk.ledger.entries.push(entry(2, Use::Previous));
    desk.listed_in(&[16], &[1, 2, 9]);
    desk.shows(2);
    assert_eq!(said_of(&desk), retires(OpKind::RemoveKey, &[]));
    desk.entry(1).r#use = Use::Retiring;
    desk.entry(1).op = of(OpKind::RemoveKey, 16, None);
    desk.memory.licensing("nonce");
    let removal = Removal::new(desk.ledger.entry(&id(1)).unwrap(), OpKind::RemoveKey, BTreeSet::from([key_id(1)]));
    assert_eq!(said_of(&desk), Some(Step::Act(Act::Send(id(1), Mutation::Remove(removal, Some(Proof::Output))))));
}

/// The certificate 1 under the names 1 and 3, licensed to go by this write. The output shows this one.
fn added_twice(kind: OpKind, kept: &[u8], shown: u8) -> Option<usize> {
    let mut desk = deleted_certificate(certificate());
    desk.ledger.entries.push(entry(2, Use::Previous));
    *desk.entry(1) = Entry { r#use: Use::Retiring, key_ids: BTreeSet::from([key_id(1), key_id(3)]), ..entry(1, Use::Retiring) };
    let licensed = op(kind, at(16), None);
    desk.entry(1).op = Some(Op { kept: kept.iter().map(|n| key_id(*n)).collect(), ..licensed });
    for minute in [0, 8, 16] {
        desk.begin(minute);
        let mut certificates = facts([1, 2, 3]);
        certificates.get_mut(&key_id(3)).unwrap().thumbprint = thumbprint(1);
        desk.memory.saw_directory(directory(&[listed(1), listed(2), listed(3)], None), certificates, Detail::WithKeys, None, at(minute));
    }
    desk.shows(shown);
    desk.memory.licensing("nonce");
    match said_of(&desk) {
        Some(Step::Act(Act::Send(_, Mutation::Remove(removal, _)))) => Some(removal.key_ids().len()),
        _ => None,
    }
}

#[test]
fn a_certificate_that_was_added_twice_goes_at_once_by_an_update_and_one_at_a_time_by_a_proof() {
    assert_eq!(added_twice(OpKind::RemoveKey, &[], 2), Some(1));
    assert_eq!(added_twice(OpKind::RemoveByUpdate, &[2], 1), Some(2));
}

#[test]
fn what_nothing_proves_is_looked_at_again_where_an_application_rolls_itself() {
    let mut desk = deleted_certificate(self_rolled());
    desk.entry(1).r#use = Use::Retiring;
    desk.entry(1).detail = EntryDetail::ClientCertificate { thumbprint: thumbprint(1), slot: Some(SlotName::A) };
    assert_eq!(said_of(&desk), rest(17, Wait::Revoking));
}

#[rstest]
#[case::the_last_key(Use::Current, Some(true), false)]
#[case::one_whose_slot_was_not_read(Use::Previous, None, true)]
#[case::one_whose_slot_is_there(Use::Previous, Some(true), true)]
#[case::one_whose_slot_is_gone(Use::Previous, Some(false), false)]
fn an_application_that_rolls_itself_keeps_its_last_key_and_what_it_cannot_tell(
    #[case] used_as: Use,
    #[case] slot: Option<bool>,
    #[case] goes: bool,
) {
    let mut desk = deleted_certificate(self_rolled());
    desk.entry(1).r#use = used_as;
    desk.entry(1).detail = EntryDetail::ClientCertificate { thumbprint: thumbprint(1), slot: Some(SlotName::A) };
    match slot {
        Some(true) => desk.stages(SlotName::A, 1),
        Some(false) => desk.memory.saw_slot(SlotName::A, None, at(16)),
        None => {}
    }
    assert_eq!(said_of(&desk), if goes { retires(OpKind::RemoveKey, &[]) } else { lets_go_of(&[1]) });
}

#[rstest]
#[case::it_signs(Some(1), lets_go_of(&[1]))]
#[case::another_one_signs(Some(2), retires(OpKind::RemoveByUpdate, &[2]))]
#[case::either_may_sign(None, lets_go_of(&[1]))]
fn what_may_sign_stays(#[case] preferred: Option<u8>, #[case] said: Option<Step>) {
    let signing_details =
        Signing { thumbprint: Some(thumbprint(1)), custom_key_identifier: Some("link-1".to_owned()), ..Signing::default() };
    let mut desk = deleted(signing(), signing_entry(1, Use::Current, signing_details));
    let preferred = preferred.map(|n| thumbprint(n).to_string());
    for minute in [0, 8, 16] {
        desk.begin(minute);
        let read = directory(&[sign(1, 0, 90_000), sign(2, 0, 90_000)], preferred.as_deref());
        desk.memory.saw_directory(read, facts([1, 2]), Detail::WithKeys, None, at(minute));
    }
    assert_eq!(said_of(&desk), said);
}

/// A secret of two hours ago without a name in the ledger, nor in the list of this pass.
fn nameless() -> Desk {
    let staged = EntryDetail::ClientSecret { display_name: None, slot: Some(SlotName::A) };
    let mut desk = deleted(secret(), Entry { key_ids: BTreeSet::new(), detail: staged, ..secret_entry(1, Use::Next) });
    desk.entry(1).op = of(OpKind::AddPassword, 0, None);
    desk.listed_in(&[120], &[]);
    desk
}

#[test]
fn what_stays_is_named_as_the_answer_told() {
    let mut desk = nameless();
    desk.memory.answered("nonce", Answer::Applied(Some(Made::Password(key_id(5)))));
    assert_eq!(said_of(&desk), lets_go_of(&[5]));
}

#[test]
fn a_certificate_that_entra_made_and_no_list_shows_is_named_as_the_answer_told() {
    let mut desk = deleted(signing(), Entry { key_ids: BTreeSet::new(), ..signing_entry(1, Use::Next, Signing::default()) });
    desk.entry(1).op = of(OpKind::AddTokenSigningCertificate, 0, None);
    desk.listed_in(&[120], &[]);
    let answer = SigningAnswer { key_id: key_id(5), custom_key_identifier: "link".to_owned(), thumbprint: thumbprint(1) };
    desk.memory.answered("nonce", Answer::Applied(Some(Made::SigningCertificate(answer))));
    assert_eq!(said_of(&desk), lets_go_of(&[5]));
}

#[test]
fn what_stays_is_named_as_its_slot_tells() {
    let mut desk = nameless();
    assert_eq!(said_of(&desk), Some(Step::Look(Look::Slot(SlotName::A))));
    desk.stages(SlotName::A, 1);
    assert_eq!(said_of(&desk), lets_go_of(&[1]));
    desk.memory.saw_slot(SlotName::A, None, at(120));
    let left = Left { marks: BTreeSet::from([id(1).password_name(UID)]), ..Left::default() };
    assert_eq!(said_of(&desk), Some(Step::Act(Act::LetGo(left))));
}
