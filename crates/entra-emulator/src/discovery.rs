//! OpenID and instance discovery, which client libraries perform before they sign in.

use http::StatusCode;
use serde_json::json;

use crate::answer::{Answer, Visit};
use crate::route::Inbound;
use crate::token::TokenError;
use crate::world::World;

/// `/{tenant}/v2.0/.well-known/openid-configuration`
pub(crate) fn open_id(world: &World, inbound: &Inbound, visit: &Visit, tenant: &str) -> Answer {
    let Some(id) = tenant.parse().ok().filter(|id| world.directory.has_tenant(*id)) else {
        return TokenError::tenant(tenant).answer(visit);
    };
    let root = format!("https://{}/{id}", inbound.host);
    let body = json!({
        "token_endpoint": format!("{root}/oauth2/v2.0/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": format!("{root}/discovery/v2.0/keys"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": format!("{root}/v2.0"),
        "request_uri_parameter_supported": false,
        "userinfo_endpoint": format!("https://{}/oidc/userinfo", inbound.host),
        "authorization_endpoint": format!("{root}/oauth2/v2.0/authorize"),
        "device_authorization_endpoint": format!("{root}/oauth2/v2.0/devicecode"),
        "http_logout_supported": true,
        "frontchannel_logout_supported": true,
        "end_session_endpoint": format!("{root}/oauth2/v2.0/logout"),
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "auth_time", "acr", "nonce", "preferred_username", "name", "tid", "ver"],
        "tenant_region_scope": null,
        "cloud_instance_name": "microsoftonline.com",
        "msgraph_host": inbound.host,
    });
    Answer::json(StatusCode::OK, &body)
}

/// `/common/discovery/instance`: this host vouches for itself only.
pub(crate) fn instance(inbound: &Inbound, visit: &Visit) -> Answer {
    let endpoint = inbound.query("authorization_endpoint").unwrap_or_default();
    let rest = endpoint.strip_prefix("https://").unwrap_or_default();
    let (host, tenant) = rest.split_once('/').map_or((rest, ""), |(host, path)| (host, path.split('/').next().unwrap_or_default()));
    let without_port = |host: &str| host.rsplit_once(':').map_or(host, |(name, _)| name).to_owned();
    if host.is_empty() || without_port(host) != without_port(&inbound.host) {
        return TokenError::instance(endpoint).answer(visit);
    }
    let mut body = json!({"tenant_discovery_endpoint": format!("https://{}/{tenant}/v2.0/.well-known/openid-configuration", inbound.host)});
    if inbound.query("api-version") == Some("1.1") {
        body["api-version"] = "1.1".into();
        body["metadata"] = json!([{"preferred_network": inbound.host, "preferred_cache": inbound.host, "aliases": [inbound.host]}]);
    }
    Answer::json(StatusCode::OK, &body)
}
