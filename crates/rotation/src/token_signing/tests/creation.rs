//! What Entra made for an entry is told from everything else, or the entry is given up.

use rstest::rstest;
use serde_json::json;

use super::*;
use crate::memory::{Made, SigningAnswer};
use crate::token_signing::create::create;
use crate::token_signing::{carries_mark, unidentified};

/// When it was licensed.
const ASKED: i64 = 100;

/// Certificate `n`, of which nothing is known but what was asked for in minute 100.
fn asked(n: u8, outcome: Option<Outcome>) -> Entry {
    let signing = Signing::named(format!("CN={n}"), at(LASTING).to_rfc3339());
    licensed(signing_entry(u32::from(n), Use::Next, signing), OpKind::AddTokenSigningCertificate, ASKED, outcome, "")
}

#[rstest]
#[case::just_before(98, Some(2))]
#[case::long_before(97, None)]
#[case::late(115, Some(2))]
#[case::too_late(116, None)]
fn a_certificate_by_the_name_that_was_asked_for_is_ours_if_it_began_when_it_may_have_been_made(
    #[case] began: i64,
    #[case] found: Option<u8>,
) {
    let keys = [sign(1, 0, LASTING), sign(2, began, END), sign(3, began, END)];
    let scene = scene(120, [certificate(1, Use::Current), asked(2, None)]).reads(&[120], &keys, &name(1));
    let group = unidentified(&scene.case(), scene.entry(2));
    assert_eq!(group.and_then(|group| group.thumbprint), found.map(thumbprint));
}

#[test]
fn what_another_entry_owns_or_nobody_has_read_is_not_taken_for_it() {
    let owner = Entry { seq: 5, id: EntryId::derive(UID, 5), ..certificate(2, Use::Previous) };
    let taken = scene(120, [owner, asked(2, None)]).reads(&[120], &[sign(2, ASKED, LASTING)], "");
    assert_eq!(unidentified(&taken.case(), taken.entry(2)), None);
    let unread = scene(120, [asked(10, None)]).reads(&[120], &[sign(10, ASKED, LASTING)], "");
    assert_eq!(unidentified(&unread.case(), unread.entry(10)), None);
}

#[rstest]
#[case::as_listed("link-2", 2, true)]
#[case::with_another_link("link-9", 2, false)]
#[case::with_another_certificate("link-2", 3, false)]
fn the_answer_names_what_was_made_by_link_and_certificate(#[case] link: &str, #[case] n: u8, #[case] known: bool) {
    let next = asked(2, None);
    let answer = SigningAnswer { key_id: crate::sample::key_id(2), custom_key_identifier: link.to_owned(), thumbprint: thumbprint(n) };
    let told = |memory: &mut Memory| answered(memory, &next, Answer::Applied(Some(Made::SigningCertificate(answer))));
    // By its marks alone it would be another one: the answer is better.
    let keys = [sign(2, 0, END), sign(3, ASKED, LASTING)];
    let scene = scene(120, [next.clone()]).remembers(told).reads(&[120], &keys, "");
    assert_eq!(unidentified(&scene.case(), scene.entry(2)).is_some(), known);
}

#[rstest]
#[case::over_and_absent(120, &[105, 110, 120], &[], "give 2 up")]
#[case::not_over(119, &[104, 110, 119], &[], "Replicating for 60 s")]
#[case::not_sure(120, &[110, 120], &[], "Replicating for 60 s")]
#[case::read_before_it_was_asked_for(120, &[85, 95, 120], &[], "Replicating for 60 s")]
#[case::something_bears_its_name(120, &[105, 110, 120], &[sign(2, 0, END)], "Replicating for 60 s")]
#[case::something_that_is_it(120, &[120], &[sign(2, ASKED, LASTING)], "identify 2")]
#[case::something_else_is_there(120, &[105, 110, 120], &[sign(3, 0, END)], "give 2 up")]
#[case::read_a_minute_ago(121, &[105, 110, 120], &[sign(2, 0, END)], "read the object")]
fn what_does_not_appear_is_given_up_when_it_cannot_appear_any_more(
    #[case] minute: i64,
    #[case] reads: &[i64],
    #[case] keys: &[Value],
    #[case] expected: &str,
    #[values(None, Some(Outcome::Applied))] outcome: Option<Outcome>,
) {
    let scene = scene(minute, [asked(2, outcome)]).reads(reads, keys, "");
    assert_eq!(scene.told(create(&scene.case(), scene.entry(2))), expected);
}

#[test]
fn an_answer_of_this_process_is_followed_by_a_read() {
    let next = asked(2, None);
    let scene = scene(ASKED, [next.clone()]).reads(&[ASKED], &[], "").remembers(|memory| answered(memory, &next, Answer::Applied(None)));
    assert_eq!(scene.told(create(&scene.case(), scene.entry(2))), "read the object");
}

/// Name, end and link.
type Marks = (Option<&'static str>, Option<i64>, Option<&'static str>);

#[rstest]
#[case::nothing((None, None, None), (None, None, None), false)]
#[case::its_name((Some("CN=2"), None, None), (Some("CN=2"), None, None), true)]
#[case::another_name((Some("CN=2"), None, None), (Some("CN=3"), None, None), false)]
#[case::its_end((None, Some(500), None), (None, Some(500), None), true)]
#[case::another_end((None, Some(500), None), (None, Some(501), None), false)]
#[case::its_link((None, None, Some("link-2")), (None, None, Some("link-2")), true)]
#[case::another_link((None, None, Some("link-2")), (None, None, Some("link-3")), false)]
#[case::all_three_of_another((Some("CN=2"), Some(500), Some("link-2")), (Some("CN=3"), Some(501), Some("link-3")), false)]
fn a_listed_credential_bears_an_entrys_mark_by_its_name_its_end_or_its_link(
    #[case] of_entry: Marks,
    #[case] of_view: Marks,
    #[case] carries: bool,
) {
    let signing = Signing {
        display_name: of_entry.0.map(str::to_owned),
        end_date_time: of_entry.1.map(|end| at(end).to_rfc3339()),
        custom_key_identifier: of_entry.2.map(str::to_owned),
        ..Signing::default()
    };
    let (name, end, link) = (of_view.0, of_view.1.map(at), of_view.2);
    let listed = json!({"keyId": crate::sample::key_id(2), "displayName": name, "endDateTime": end, "customKeyIdentifier": link});
    let read = directory(&[listed], None);
    let view = read.keys.views().next().unwrap();
    assert_eq!(carries_mark(&view, &signing_entry(2, Use::Next, signing)), carries);
}
