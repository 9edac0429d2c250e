//! What the admin API does to one object.

use entra_types::ids::{KeyId, ObjectId};
use keys::Certificate;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Outcome, Refused, read};
use crate::administration::{self, AdministrationError};
use crate::emulator::Emulator;
use crate::route::Inbound;
use crate::seed::{self, CertificateSeed, SecretSeed, SigningSeed};

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Change {
    properties: Map<String, Value>,
    roles: Option<Vec<String>>,
    owners: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Assignment {
    policy: Option<Uuid>,
}

/// Answers whatever is asked of one object.
pub(super) fn serve(emulator: &Emulator, inbound: &Inbound, id: ObjectId, rest: &[&str]) -> Outcome {
    let missing = || Refused::missing(format!("object {id}"));
    match (inbound.method.as_str(), rest) {
        ("GET", []) => emulator.object(id).ok_or_else(missing),
        ("PATCH", []) => read(inbound).and_then(|wanted| change(emulator, id, wanted)),
        ("DELETE", []) => Ok(emulator.delete(id).map(|()| Value::Null)?),
        ("POST", ["secrets"]) => read(inbound).and_then(|secret| add_secret(emulator, id, &secret)),
        ("POST", ["certificates"]) => read(inbound).and_then(|certificate| add_certificate(emulator, id, &certificate)),
        ("POST", ["signingCertificates"]) => read(inbound).and_then(|signing| add_signing(emulator, id, &signing)),
        ("POST", ["federated"]) => read(inbound).and_then(|federated| Ok(emulator.add_federated(id, federated).map(|()| Value::Null)?)),
        ("DELETE", ["credentials", key]) => {
            let key: KeyId = key.parse().map_err(Refused::bad)?;
            Ok(emulator.remove_credential(id, key).map(|()| Value::Null)?)
        }
        ("GET", ["signer"]) => emulator.object(id).map(|_| signer(emulator, id)).ok_or_else(missing),
        ("PUT", ["policy"]) => {
            read(inbound).and_then(|wanted: Assignment| Ok(emulator.assign_policy(id, wanted.policy).map(|()| Value::Null)?))
        }
        ("GET", ["mutations"]) => Ok(super::mutations(emulator, inbound, Some(id))),
        _ => Err(Refused::missing(format!("{} {}", inbound.method, inbound.path))),
    }
}

fn change(emulator: &Emulator, id: ObjectId, change: Change) -> Outcome {
    for (name, value) in change.properties {
        emulator.set_property(id, &name, value)?;
    }
    if let Some(roles) = change.roles {
        emulator.set_roles(id, &roles.iter().map(String::as_str).collect::<Vec<_>>())?;
    }
    if let Some(owners) = change.owners {
        let set = |world: &mut crate::world::World| {
            let tenant = world.directory.tenant_of(id).ok_or(AdministrationError::FindObject(id))?;
            seed::set_owners(world, tenant, id, &owners).map_err(Refused::bad)
        };
        emulator.with(set)?;
    }
    emulator.object(id).ok_or_else(|| Refused::missing(format!("object {id}")))
}

fn add_secret(emulator: &Emulator, id: ObjectId, secret: &SecretSeed) -> Outcome {
    let key = emulator.with(|world| administration::edit(world, id, |world, object| Ok(seed::add_secret(world, object, secret))))?;
    Ok(json!({"keyId": key}))
}

fn add_certificate(emulator: &Emulator, id: ObjectId, certificate: &CertificateSeed) -> Outcome {
    let given = seed::described(certificate);
    let key = emulator.with(|world| administration::edit(world, id, |world, object| administration::add_key(world, object, &given)))?;
    Ok(json!({"keyId": key}))
}

fn add_signing(emulator: &Emulator, id: ObjectId, signing: &SigningSeed) -> Outcome {
    Ok(emulator.with(|world| administration::edit(world, id, |world, object| seed::add_signing(world, object, signing)))?)
}

fn signer(emulator: &Emulator, id: ObjectId) -> Value {
    let thumbprints = |certificates: Vec<Certificate>| certificates.iter().map(|one| one.thumbprint().to_string()).collect::<Vec<_>>();
    json!({
        "signer": emulator.signer(id).map(|certificate| certificate.thumbprint().to_string()),
        "possible": thumbprints(emulator.possible_signers(id)),
        "metadata": thumbprints(emulator.metadata_certificates(id)),
    })
}
