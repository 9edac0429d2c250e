//! Federation metadata: the certificates with which SAML responses of a tenant or an application are signed.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use data_encoding::BASE64;
use entra_types::ids::{ClientId, ObjectKind, TenantId};
use http::StatusCode;
use keys::Certificate;

use crate::answer::{Answer, Visit};
use crate::directory::Address;
use crate::route::Inbound;
use crate::signer::{candidates, signer};
use crate::token::TokenError;
use crate::world::World;

/// Answers a request for federation metadata. Without `appid` the document shows the tenant's own key, not an application's.
pub(crate) fn answer(world: &World, inbound: &Inbound, visit: &mut Visit, tenant: &str) -> Answer {
    let answer = document(world, inbound, visit, tenant).unwrap_or_else(|error| error.answer(visit));
    answer.with_login_headers(visit)
}

fn document(world: &World, inbound: &Inbound, visit: &mut Visit, tenant: &str) -> Result<Answer, TokenError> {
    let id = tenant.parse().ok().filter(|id| world.directory.has_tenant(*id)).ok_or_else(|| TokenError::tenant(tenant))?;
    let certificates = match inbound.query.iter().find(|(name, _)| name.eq_ignore_ascii_case("appid")) {
        None => vec![world.issuer.certificate().clone()],
        Some((_, text)) => {
            let client = text.parse::<ClientId>().map_err(|_| TokenError::application(text, tenant))?;
            of_application(world, visit, id, client)?
        }
    };
    let media = "application/samlmetadata+xml; charset=utf-8";
    Ok(Answer::new(StatusCode::OK, media, render(world, &inbound.host, id, &certificates)))
}

fn of_application(world: &World, visit: &mut Visit, tenant: TenantId, client: ClientId) -> Result<Vec<Certificate>, TokenError> {
    let address = Address::AppId(client);
    let object = world.directory.find(tenant, ObjectKind::ServicePrincipal, address, visit.now, visit.lag);
    let object = object.ok_or_else(|| TokenError::application(&client.to_string(), &tenant.to_string()))?;
    visit.object = Some((ObjectKind::ServicePrincipal, object.id));
    Ok(listed(world, object, visit.now))
}

/// The certificates that the document of an application lists, the active one first.
pub(crate) fn listed(world: &World, object: &crate::directory::Object, now: DateTime<Utc>) -> Vec<Certificate> {
    let active = signer(world, object, now);
    let others = candidates(object, now).into_iter().filter_map(|entry| entry.certificate.clone());
    let inactive: Vec<_> = others.filter(|certificate| Some(certificate) != active.as_ref()).collect();
    let inactive = if world.behaviour.metadata_active_only { Vec::new() } else { inactive };
    active.into_iter().chain(inactive).collect()
}

fn render(world: &World, host: &str, tenant: TenantId, certificates: &[Certificate]) -> String {
    let mut keys = String::new();
    for certificate in certificates {
        let _ = write!(
            keys,
            r#"<KeyDescriptor use="signing"><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>{}</X509Certificate></X509Data></KeyInfo></KeyDescriptor>"#,
            BASE64.encode(certificate.der())
        );
    }
    let (url, issuer) = (format!("https://{host}/{tenant}/saml2"), world.profile().issuer(&tenant));
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?><EntityDescriptor ID="_{tenant}" entityID="{issuer}" xmlns="urn:oasis:names:tc:SAML:2.0:metadata"><IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">{keys}<SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="{url}"/><SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="{url}"/><SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="{url}"/></IDPSSODescriptor></EntityDescriptor>"#
    )
}
