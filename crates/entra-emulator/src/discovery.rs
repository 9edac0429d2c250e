//! OpenID and instance discovery, which client libraries perform before they sign in.

use http::StatusCode;
use serde_json::{Value, json};

use crate::answer::{Answer, Visit};
use crate::cloud::{Place, without_port};
use crate::route::Inbound;
use crate::token::TokenError;
use crate::world::World;

/// Tenants that stand for any: their document names the issuer by a placeholder.
const ANY: [&str; 2] = ["common", "organizations"];

/// `/{tenant}/v2.0/.well-known/openid-configuration`
pub(crate) fn open_id(world: &World, inbound: &Inbound, visit: &Visit, tenant: &str) -> Answer {
    let known = tenant.parse().ok().filter(|id| world.directory.has_tenant(*id)).map(|id| id.to_string());
    let any = || ANY.into_iter().find(|any| *any == tenant).map(str::to_owned);
    let Some(id) = known.or_else(any) else {
        return TokenError::tenant(tenant).answer(visit);
    };
    Answer::json(StatusCode::OK, &document(world, inbound, &id))
}

/// The fields of the real document, in this host's name.
fn document(world: &World, inbound: &Inbound, tenant: &str) -> Value {
    let (host, profile) = (&inbound.host, world.profile());
    let root = format!("https://{host}/{tenant}");
    let issuer = if ANY.contains(&tenant) { format!("https://{host}/{{tenantid}}/v2.0") } else { format!("{root}/v2.0") };
    let graph = if profile.place(host) == Place::Login { profile.graph } else { host };
    json!({
        "token_endpoint": format!("{root}/oauth2/v2.0/token"),
        "token_endpoint_auth_methods_supported":
            ["client_secret_post", "private_key_jwt", "client_secret_basic", "self_signed_tls_client_auth"],
        "jwks_uri": format!("{root}/discovery/v2.0/keys"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": issuer,
        "request_uri_parameter_supported": false,
        "userinfo_endpoint": format!("https://{graph}/oidc/userinfo"),
        "authorization_endpoint": format!("{root}/oauth2/v2.0/authorize"),
        "device_authorization_endpoint": format!("{root}/oauth2/v2.0/devicecode"),
        "http_logout_supported": true,
        "frontchannel_logout_supported": true,
        "end_session_endpoint": format!("{root}/oauth2/v2.0/logout"),
        "claims_supported": ["sub", "iss", "cloud_instance_name", "cloud_instance_host_name", "cloud_graph_host_name", "msgraph_host", "aud",
            "exp", "iat", "auth_time", "acr", "nonce", "preferred_username", "name", "tid", "ver", "at_hash", "c_hash", "email"],
        "kerberos_endpoint": format!("{root}/kerberos"),
        "tenant_region_scope": null,
        "cloud_instance_name": profile.instance,
        "cloud_graph_host_name": profile.old_graph,
        "msgraph_host": graph,
        "rbac_url": profile.rbac,
    })
}

/// `/common/discovery/instance`: vouches for this cloud's login hosts and for the name it was asked under, and for nobody else.
pub(crate) fn instance(world: &World, inbound: &Inbound, visit: &Visit) -> Answer {
    match instance_of(world, inbound) {
        Ok(body) => Answer::json(StatusCode::OK, &body),
        Err(error) => error.answer(visit),
    }
}

fn instance_of(world: &World, inbound: &Inbound) -> Result<Value, TokenError> {
    let version = inbound.query("api-version").filter(|version| ["1.0", "1.1"].contains(version));
    let version = version.ok_or_else(|| TokenError::discovery(500_501, "Invalid value for 'api-version'."))?;
    let given = |name: &'static str| inbound.query(name).filter(|url| !url.is_empty()).map(|url| (name, url));
    let several = || TokenError::discovery(500_502, "Expected exactly one of 'issuer' and 'authorization_endpoint'.");
    let (name, url) = given("issuer").xor(given("authorization_endpoint")).ok_or_else(several)?;
    let malformed = || TokenError::discovery(50_050, &format!("The request is malformed: invalid format for '{name}' value."));
    let rest = url.strip_prefix("https://").filter(|rest| !rest.is_empty() && !rest.starts_with('/')).ok_or_else(malformed)?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let tenant = path.split('/').next().filter(|tenant| !tenant.is_empty()).unwrap_or("common");
    let own = world.profile().place(host) == Place::Login;
    // Client libraries leave out the port of the host that they ask about.
    let asked = without_port(host).eq_ignore_ascii_case(without_port(&inbound.host)) && world.profile().place(host) == Place::Anything;
    if !own && !asked {
        return Err(TokenError::instance());
    }
    let host = if own { host } else { inbound.host.as_str() };
    let mut body = json!({"tenant_discovery_endpoint": format!("https://{host}/{tenant}/v2.0/.well-known/openid-configuration")});
    if version == "1.1" {
        body["api-version"] = version.into();
        body["metadata"] = networks(world, inbound);
    }
    Ok(body)
}

/// Which names are one network: this cloud's, and a name of the tester's own.
fn networks(world: &World, inbound: &Inbound) -> Value {
    let profile = world.profile();
    let mut networks = vec![json!({"preferred_network": profile.login[0], "preferred_cache": profile.cache, "aliases": profile.login})];
    if profile.place(&inbound.host) == Place::Anything {
        networks.insert(0, json!({"preferred_network": inbound.host, "preferred_cache": inbound.host, "aliases": [inbound.host]}));
    }
    networks.into()
}
