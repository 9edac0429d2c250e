//! Labels and annotations, whose an output is, and what is taken out of it.

use super::*;

const KINDS: [&str; 3] = ["clientSecret", "clientCertificate", "tokenSigningCertificate"];

/// The object after the merge patch that takes out what is superfluous.
pub(super) fn mended(layout: &Layout, found: &Object, wanted: &Object) -> Object {
    let value = |object: &Object| match object {
        Object::Secret(secret) => json!(secret),
        Object::ConfigMap(map) => json!(map),
    };
    let (mut object, mut patch) = (value(found), value(wanted));
    layout.inspect(found).superfluous.take_out(&mut patch);
    merge(&mut object, &patch);
    match found {
        Object::Secret(_) => Object::Secret(serde_json::from_value::<Secret>(object).unwrap()),
        Object::ConfigMap(_) => Object::ConfigMap(serde_json::from_value::<ConfigMap>(object).unwrap()),
    }
}

/// RFC 7386.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else { return target.clone_from(patch) };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in fields {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(name);
        } else {
            merge(&mut target[name], value);
        }
    }
}

#[rstest]
fn an_edited_or_missing_mark_of_ours_shows(#[values(0, 1, 2)] kind: usize) {
    let layout = layout(KINDS[kind], json!({"labels": {"team": "payroll"}, "annotations": {"reloader": "on"}}));
    let output = written(&layout);
    let metadata = output.metadata().clone();
    assert!(shows(&layout, &output));
    let marks = metadata.annotations.unwrap();
    assert_eq!(marks.len(), 8);
    for name in marks.keys() {
        let mut edited = output.clone();
        edited.metadata_mut().annotations.as_mut().unwrap().insert(name.clone(), "edited".to_owned());
        assert!(!shows(&layout, &edited), "{name} was edited");
        edited.metadata_mut().annotations.as_mut().unwrap().remove(name);
        assert!(!shows(&layout, &edited), "{name} was removed");
    }
    for name in metadata.labels.unwrap().keys() {
        let mut edited = output.clone();
        edited.metadata_mut().labels.as_mut().unwrap().insert(name.clone(), "edited".to_owned());
        assert!(!shows(&layout, &edited), "{name} was edited");
        edited.metadata_mut().labels.as_mut().unwrap().remove(name);
        assert!(!shows(&layout, &edited), "{name} was removed");
    }
}

#[test]
fn labels_and_annotations_of_others_are_theirs() {
    let layout = layout("clientSecret", json!({"labels": {"team": "payroll"}}));
    let mut output = written(&layout);
    output.metadata_mut().labels.as_mut().unwrap().insert("somebody".to_owned(), "else's".to_owned());
    output.metadata_mut().annotations.as_mut().unwrap().insert("somebody".to_owned(), "else's".to_owned());
    assert!(shows(&layout, &output));
    let mended = mended(&layout, &output, &written(&layout));
    assert!(mended.label("somebody").is_some() && mended.annotation("somebody").is_some());
}

#[rstest]
#[case(Value::Null)]
#[case(json!({"labels": {"kept": "yes"}}))]
#[case(json!({"annotations": {"kept": "yes"}, "keys": [{"name": "client", "from": "ClientID"}]}))]
fn what_a_template_put_on_comes_off_with_it(#[case] template: Value) {
    let former = json!({"labels": {"team": "payroll", "kept": "yes"}, "annotations": {"reloader": "on", "kept": "yes"},
        "keys": [{"name": "tenant", "from": "TenantID"}]});
    for kind in KINDS {
        let (before, after) = (layout(kind, former.clone()), layout(kind, template.clone()));
        let mut output = written(&before);
        output.metadata_mut().labels.as_mut().unwrap().insert("somebody".to_owned(), "else's".to_owned());
        assert!(!shows(&after, &output), "{kind}");
        let mended = mended(&after, &output, &written(&after));
        assert!(shows(&after, &mended), "{kind}");
        assert_eq!((mended.label("team"), mended.annotation("reloader")), (None, None));
        assert_eq!(mended.label("kept").is_some(), template["labels"].is_object());
        assert!(mended.label("somebody").is_some() && !mended.data().contains_key("tenant"));
    }
}

#[test]
fn a_record_of_labels_that_somebody_forged_takes_none_of_ours_off() {
    let layout = layout("clientSecret", Value::Null);
    let mut output = written(&layout);
    let forged = json!({"labels": [OUTPUT_LABEL, "nobody's"], "annotations": [OWNER]}).to_string();
    output.metadata_mut().annotations.as_mut().unwrap().insert("entra-rotator.io/template".to_owned(), forged);
    assert!(!shows(&layout, &output));
    assert!(shows(&layout, &mended(&layout, &output, &written(&layout))));
}

#[rstest]
fn a_further_key_without_a_value_is_left_out_and_taken_out(
    #[values(("clientSecret", "PrivateKey"), ("clientCertificate", "SigningBundle"), ("tokenSigningCertificate", "CombinedPEM"))] asked: (
        &str,
        &str,
    ),
) {
    let layout = layout(asked.0, json!({"keys": [{"name": "further", "from": asked.1}]}));
    let mut output = written(&layout);
    assert!(shows(&layout, &output) && !output.data().contains_key("further"));
    as_secret(&mut output).data.as_mut().unwrap().insert("further".to_owned(), ByteString(b"of its former owner".to_vec()));
    assert!(!shows(&layout, &output));
    assert!(shows(&layout, &mended(&layout, &output, &written(&layout))));
}

#[test]
fn a_further_key_never_takes_the_place_of_the_keystore() {
    let template = json!({"additionalFormats": ["PKCS12"], "keys": [{"name": "keystore.p12", "from": "ClientID"}]});
    let layout = layout("clientCertificate", template);
    let output = written(&layout);
    assert!(pfx::decode(&output.data()["keystore.p12"], &secret("opens-it")).is_ok());
    assert!(shows(&layout, &output));
}

fn of_nobody(secret: &mut Secret) {
    secret.metadata.annotations = None;
    secret.metadata.labels = None;
}

#[test]
fn an_object_of_somebody_else_is_foreign_until_it_names_us() {
    assert!(matches!(strange("clientSecret", of_nobody), Output::Foreign(why) if why.contains("not made by this operator")));
    let handed_over = |name: &'static str| {
        move |secret: &mut Secret| {
            of_nobody(secret);
            secret.metadata.annotations = Some([("entra-rotator.io/adopt-by".to_owned(), name.to_owned())].into());
        }
    };
    assert!(matches!(strange("clientSecret", handed_over("payroll-api")), Output::Ours { shows: None, .. }));
    assert!(matches!(strange("clientSecret", handed_over("another")), Output::Foreign(_)));
}

#[test]
fn the_output_of_another_resource_is_foreign_even_if_it_names_us() {
    let of_another = |secret: &mut Secret| {
        let annotations = secret.metadata.annotations.as_mut().unwrap();
        annotations.insert(OWNER.to_owned(), "another".to_owned());
        annotations.insert("entra-rotator.io/adopt-by".to_owned(), "payroll-api".to_owned());
    };
    assert!(matches!(strange("clientSecret", of_another), Output::Foreign(why) if why.contains("ServicePrincipalCredential another")));
}

#[test]
fn an_output_whose_annotations_are_lost_is_ours_by_its_label_and_is_written_anew() {
    let without_annotations = |secret: &mut Secret| secret.metadata.annotations = None;
    assert!(matches!(strange("clientSecret", without_annotations), Output::Ours { shows: None, holds: Some(_) }));
}
