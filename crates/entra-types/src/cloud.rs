//! Where each national cloud lives (Microsoft Graph, "National cloud deployments").

use std::fmt;

use crate::ids::{ClientId, TenantId};

/// The national clouds of Entra, and one for tests and emulators.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Cloud {
    /// The public cloud.
    Global,
    /// US Government L4 (GCC High).
    UsGovernmentL4,
    /// US Government L5 (DoD).
    UsGovernmentL5,
    /// China, operated by 21Vianet.
    China,
}

impl Cloud {
    /// Every national cloud.
    pub const ALL: [Self; 4] = [Self::Global, Self::UsGovernmentL4, Self::UsGovernmentL5, Self::China];

    /// Login host and Graph root of the cloud.
    pub fn endpoints(self) -> Endpoints {
        let (login, graph) = match self {
            Self::Global => ("https://login.microsoftonline.com", "https://graph.microsoft.com"),
            Self::UsGovernmentL4 => ("https://login.microsoftonline.us", "https://graph.microsoft.us"),
            Self::UsGovernmentL5 => ("https://login.microsoftonline.us", "https://dod-graph.microsoft.us"),
            Self::China => ("https://login.partner.microsoftonline.cn", "https://microsoftgraph.chinacloudapi.cn"),
        };
        Endpoints { login: login.to_owned(), graph: graph.to_owned() }
    }

    /// The audience that the token of another issuer must have to sign in by a federated credential (Microsoft Entra, "Workload identity federation").
    pub const fn exchange_audience(self) -> &'static str {
        match self {
            Self::Global => "api://AzureADTokenExchange",
            Self::UsGovernmentL4 | Self::UsGovernmentL5 => "api://AzureADTokenExchangeUSGov",
            Self::China => "api://AzureADTokenExchangeChina",
        }
    }
}

/// The two roots that every request is built from, without a trailing slash. A token of one cloud is refused by another's Graph,
/// so both come from one place.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Endpoints {
    login: String,
    graph: String,
}

impl Endpoints {
    /// Roots of a private stand-in.
    ///
    /// # Errors
    /// When one of them is no plain https URL: another scheme, a user, a query or a fragment.
    pub fn custom(login: &str, graph: &str) -> Result<Self, InvalidUrl> {
        Ok(Self { login: plain_https(login)?, graph: plain_https(graph)? })
    }

    /// The login root, such as `https://login.microsoftonline.com`.
    pub fn login(&self) -> &str {
        &self.login
    }

    /// The Graph root, such as `https://graph.microsoft.com`, without a version.
    pub fn graph(&self) -> &str {
        &self.graph
    }

    /// The scope of a client-credentials token for Graph.
    pub fn graph_scope(&self) -> String {
        format!("{}/.default", self.graph)
    }

    /// The token endpoint of a tenant.
    pub fn token_url(&self, tenant: &TenantId) -> String {
        format!("{}/{tenant}/oauth2/v2.0/token", self.login)
    }

    /// The federation metadata of one application. Without `appid` the document lists the tenant's keys, not the application's.
    pub fn metadata_url(&self, tenant: &TenantId, client: &ClientId) -> String {
        format!("{}/{tenant}/federationmetadata/2007-06/federationmetadata.xml?appid={client}", self.login)
    }

    /// Where SAML requests and log-outs of a tenant go.
    pub fn saml_url(&self, tenant: &TenantId) -> String {
        format!("{}/{tenant}/saml2", self.login)
    }

    /// The entity id that Entra signs SAML responses as: in China a host of its own, everywhere else the same one.
    pub fn entity_id(&self, tenant: &TenantId) -> String {
        let host = if *self == Cloud::China.endpoints() { "sts.chinacloudapi.cn" } else { "sts.windows.net" };
        format!("https://{host}/{tenant}/")
    }
}

fn plain_https(text: &str) -> Result<String, InvalidUrl> {
    let text = text.trim_end_matches('/');
    let refuse = || InvalidUrl(text.chars().take(256).collect());
    let host = text.strip_prefix("https://").ok_or_else(refuse)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]/~".contains(c);
    (!host.is_empty() && !host.starts_with('/') && host.chars().all(plain)).then(|| text.to_owned()).ok_or_else(refuse)
}

/// An endpoint is no plain https URL.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InvalidUrl(String);

impl fmt::Display for InvalidUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not an https URL without user, query and fragment, such as https://login.example", self.0)
    }
}

impl std::error::Error for InvalidUrl {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cloud_asks_for_tokens_of_its_own_graph() {
        for cloud in Cloud::ALL {
            let endpoints = cloud.endpoints();
            assert_eq!(endpoints.graph_scope(), format!("{}/.default", endpoints.graph()));
            assert_eq!(Endpoints::custom(endpoints.login(), endpoints.graph()), Ok(endpoints));
        }
    }

    #[test]
    fn only_in_china_has_the_issuer_a_host_of_its_own() {
        let tenant: TenantId = "11111111-1111-4111-8111-111111111111".parse().unwrap();
        let of = |endpoints: Endpoints| endpoints.entity_id(&tenant);
        for cloud in Cloud::ALL {
            let host = if cloud == Cloud::China { "sts.chinacloudapi.cn" } else { "sts.windows.net" };
            assert_eq!(of(cloud.endpoints()), format!("https://{host}/{tenant}/"));
        }
        let private = Endpoints::custom("https://login.example", "https://graph.example").unwrap();
        assert_eq!(of(private), format!("https://sts.windows.net/{tenant}/"));
    }

    #[test]
    fn the_clouds_are_where_the_page_on_national_clouds_says() {
        let documented = [
            (Cloud::Global, "login.microsoftonline.com", "graph.microsoft.com", "api://AzureADTokenExchange"),
            (Cloud::UsGovernmentL4, "login.microsoftonline.us", "graph.microsoft.us", "api://AzureADTokenExchangeUSGov"),
            (Cloud::UsGovernmentL5, "login.microsoftonline.us", "dod-graph.microsoft.us", "api://AzureADTokenExchangeUSGov"),
            (Cloud::China, "login.partner.microsoftonline.cn", "microsoftgraph.chinacloudapi.cn", "api://AzureADTokenExchangeChina"),
        ];
        assert_eq!(documented.map(|(cloud, ..)| cloud), Cloud::ALL);
        for (cloud, login, graph, audience) in documented {
            let endpoints = cloud.endpoints();
            assert_eq!((endpoints.login(), endpoints.graph()), (&*format!("https://{login}"), &*format!("https://{graph}")));
            assert_eq!((endpoints.graph_scope(), cloud.exchange_audience()), (format!("https://{graph}/.default"), audience));
        }
    }

    #[test]
    fn endpoints_that_could_send_an_assertion_elsewhere_are_refused() {
        for bad in ["http://login.example", "https://", "https://user@host", "https://host?x=1", "https://host#x", "https:///x", "host"] {
            assert!(Endpoints::custom(bad, "https://graph.example").is_err(), "{bad}");
        }
    }

    #[test]
    fn a_trailing_slash_does_not_double_in_urls() {
        let endpoints = Endpoints::custom("https://localhost:8443/", "https://localhost:8443").unwrap();
        let tenant: TenantId = "8c9f3d52-0b1e-4c55-9d0e-6a2f6c1e7b10".parse().unwrap();
        assert_eq!(endpoints.token_url(&tenant), "https://localhost:8443/8c9f3d52-0b1e-4c55-9d0e-6a2f6c1e7b10/oauth2/v2.0/token");
    }
}
