//! GET of objects: what `$select` brings, and what it does not.

use entra_types::ids::ObjectKind;
use serde_json::{Map, Value};

use super::{Caller, context};
use crate::answer::{Answer, Visit};
use crate::directory::Object;
use crate::refusal::Refusal;
use crate::route::Inbound;
use crate::world::World;

/// Properties that every object of a kind has, null where nothing was set.
const APPLICATION: &[&str] = &[
    "id",
    "appId",
    "displayName",
    "createdDateTime",
    "description",
    "notes",
    "tags",
    "identifierUris",
    "signInAudience",
    "publisherDomain",
    "keyCredentials",
    "passwordCredentials",
    "requiredResourceAccess",
    "web",
    "spa",
    "api",
    "appRoles",
    "servicePrincipalLockConfiguration",
    "tokenEncryptionKeyId",
];
const SERVICE_PRINCIPAL: &[&str] = &[
    "id",
    "appId",
    "displayName",
    "appDisplayName",
    "accountEnabled",
    "appOwnerOrganizationId",
    "appRoleAssignmentRequired",
    "createdDateTime",
    "description",
    "homepage",
    "loginUrl",
    "logoutUrl",
    "notes",
    "notificationEmailAddresses",
    "preferredSingleSignOnMode",
    "preferredTokenSigningKeyThumbprint",
    "replyUrls",
    "samlSingleSignOnSettings",
    "servicePrincipalNames",
    "servicePrincipalType",
    "signInAudience",
    "tags",
    "tokenEncryptionKeyId",
    "keyCredentials",
    "passwordCredentials",
    "appRoles",
];

pub(super) fn declared(kind: ObjectKind) -> &'static [&'static str] {
    match kind {
        ObjectKind::Application => APPLICATION,
        ObjectKind::ServicePrincipal => SERVICE_PRINCIPAL,
    }
}

pub(super) fn get(world: &mut World, inbound: &Inbound, visit: &Visit, caller: &Caller, object: &Object) -> Result<Answer, Refusal> {
    check_options(inbound, &["$select"])?;
    let select = select(inbound, object.kind)?;
    let with_key = select.as_ref().is_some_and(|names| names.iter().any(|name| name == "keyCredentials"));
    if with_key {
        world.throttle.key_read(&world.behaviour, caller.asks(visit))?;
    }
    let mut body = shown(world, object, select.as_deref(), with_key);
    let names = select.map(|names| format!("({})", names.join(","))).unwrap_or_default();
    body.insert("@odata.context".to_owned(), context(inbound, &format!("{}{names}/$entity", object.kind.collection())));
    Ok(Answer::odata(&Value::Object(body)))
}

/// The object as this request shows it.
pub(super) fn shown(world: &mut World, object: &Object, select: Option<&[String]>, with_key: bool) -> Map<String, Value> {
    let mut all = object.to_json(with_key);
    if world.behaviour.shuffled_lists {
        for list in ["keyCredentials", "passwordCredentials"] {
            if let Some(list) = all.get_mut(list).and_then(Value::as_array_mut) {
                world.random.shuffle(list);
            }
        }
    }
    match select {
        Some(names) => names.iter().map(|name| (name.clone(), all.remove(name).unwrap_or(Value::Null))).collect(),
        None => {
            for name in declared(object.kind) {
                all.entry(*name).or_insert(Value::Null);
            }
            all
        }
    }
}

pub(super) fn check_options(inbound: &Inbound, known: &[&str]) -> Result<(), Refusal> {
    match inbound.query.iter().find(|(name, _)| name.starts_with('$') && !known.contains(&name.as_str())) {
        Some((name, _)) => Err(Refusal::malformed(format!("The query parameter '{name}' is not supported."))),
        None => Ok(()),
    }
}

/// The names in `$select`.
pub(super) fn select(inbound: &Inbound, kind: ObjectKind) -> Result<Option<Vec<String>>, Refusal> {
    let Some(text) = inbound.query("$select") else { return Ok(None) };
    let mut names = Vec::new();
    for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let declared = declared(kind).iter().find(|known| known.eq_ignore_ascii_case(name));
        let unknown = || {
            Refusal::malformed(format!(
                "Parsing OData Select and Expand failed: Could not find a property named '{name}' on type 'microsoft.graph.{}'.",
                type_name(kind)
            ))
        };
        names.push((*declared.ok_or_else(unknown)?).to_owned());
    }
    names.dedup();
    Ok((!names.is_empty()).then_some(names))
}

/// `name eq 'value'` for the properties that people look objects up by.
pub(super) fn filter(text: &str) -> Result<(&'static str, Value), Refusal> {
    let unsupported =
        || Refusal::new(http::StatusCode::BAD_REQUEST, "Request_UnsupportedQuery", "Unsupported or invalid query filter clause specified.");
    let (name, value) = text.split_once(" eq ").ok_or_else(unsupported)?;
    let name = ["id", "appId", "displayName"].into_iter().find(|known| *known == name.trim()).ok_or_else(unsupported)?;
    let value = value.trim().strip_prefix('\'').and_then(|value| value.strip_suffix('\'')).ok_or_else(unsupported)?;
    Ok((name, value.replace("''", "'").into()))
}

pub(super) fn type_name(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Application => "application",
        ObjectKind::ServicePrincipal => "servicePrincipal",
    }
}
