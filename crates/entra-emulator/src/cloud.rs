//! The four national clouds: under which hosts each one answers, and what its tokens are for.
//!
//! Written from Microsoft's page "National cloud deployments" and the lists in MSAL, not shared with any client: a wrong host there must not be
//! right here.

use entra_types::{Cloud, TenantId};
use serde::{Deserialize, Deserializer, de::Error};

/// What sets one cloud apart from the others.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Profile {
    pub(crate) cloud: Cloud,
    /// As an EntraTenant, a seed and `--cloud` name it.
    pub(crate) name: &'static str,
    /// Graph's host; its root is the audience of Graph's tokens.
    pub(crate) graph: &'static str,
    /// Login hosts, the preferred one first.
    pub(crate) login: &'static [&'static str],
    /// Under which of them client libraries keep their tokens.
    pub(crate) cache: &'static str,
    /// What tokens of other issuers are for by default.
    pub(crate) exchange: &'static str,
    /// `cloud_instance_name` of OpenID discovery.
    pub(crate) instance: &'static str,
    /// `cloud_graph_host_name`: the old directory's Graph.
    pub(crate) old_graph: &'static str,
    /// `rbac_url`.
    pub(crate) rbac: &'static str,
    /// The host in the names of issuers: of access tokens of version 1.0, and of SAML.
    pub(crate) sts: &'static str,
}

static PROFILES: [Profile; 4] = [
    Profile {
        cloud: Cloud::Global,
        name: "Global",
        graph: "graph.microsoft.com",
        login: &["login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"],
        cache: "login.windows.net",
        exchange: "api://AzureADTokenExchange",
        instance: "microsoftonline.com",
        old_graph: "graph.windows.net",
        rbac: "https://pas.windows.net",
        sts: "sts.windows.net",
    },
    Profile {
        cloud: Cloud::UsGovernmentL4,
        name: "USGovernmentL4",
        graph: "graph.microsoft.us",
        login: &["login.microsoftonline.us", "login.usgovcloudapi.net"],
        cache: "login.microsoftonline.us",
        exchange: "api://AzureADTokenExchangeUSGov",
        instance: "microsoftonline.us",
        old_graph: "graph.windows.net",
        rbac: "https://pasff.usgovcloudapi.net",
        sts: "sts.windows.net",
    },
    Profile {
        cloud: Cloud::UsGovernmentL5,
        name: "USGovernmentL5",
        graph: "dod-graph.microsoft.us",
        login: &["login.microsoftonline.us", "login.usgovcloudapi.net"],
        cache: "login.microsoftonline.us",
        exchange: "api://AzureADTokenExchangeUSGov",
        instance: "microsoftonline.us",
        old_graph: "graph.windows.net",
        rbac: "https://pasff.usgovcloudapi.net",
        sts: "sts.windows.net",
    },
    Profile {
        cloud: Cloud::China,
        name: "China",
        graph: "microsoftgraph.chinacloudapi.cn",
        login: &["login.partner.microsoftonline.cn", "login.chinacloudapi.cn"],
        cache: "login.partner.microsoftonline.cn",
        exchange: "api://AzureADTokenExchangeChina",
        instance: "partner.microsoftonline.cn",
        old_graph: "graph.chinacloudapi.cn",
        rbac: "https://pas.chinacloudapi.cn",
        sts: "sts.chinacloudapi.cn",
    },
];

/// What a host name stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    /// This cloud's Graph and nothing else.
    Graph,
    /// This cloud's sign-in and nothing else.
    Login,
    /// A name of the tester's own, under which everything answers.
    Anything,
    /// A host of another cloud.
    Elsewhere,
}

impl Profile {
    pub(crate) fn of(cloud: Cloud) -> &'static Self {
        let [global, others @ ..] = &PROFILES;
        others.iter().find(|profile| profile.cloud == cloud).unwrap_or(global)
    }

    /// What a host, with or without a port, stands for in this cloud.
    pub(crate) fn place(&self, host: &str) -> Place {
        let name = without_port(host);
        match name {
            _ if name == self.graph => Place::Graph,
            _ if self.login.contains(&name) => Place::Login,
            _ if PROFILES.iter().any(|other| other.graph == name || other.login.contains(&name)) => Place::Elsewhere,
            _ => Place::Anything,
        }
    }

    /// As whom a tenant issues tokens and SAML responses.
    pub(crate) fn issuer(&self, tenant: &TenantId) -> String {
        format!("https://{}/{tenant}/", self.sts)
    }

    /// `https://` and Graph's host.
    pub(crate) fn graph_root(&self) -> String {
        format!("https://{}", self.graph)
    }
}

pub(crate) fn without_port(host: &str) -> &str {
    host.rsplit_once(':').filter(|(_, port)| port.chars().all(|c| c.is_ascii_digit())).map_or(host, |(name, _)| name)
}

/// A cloud by its name: `Global`, `USGovernmentL4`, `USGovernmentL5` or `China`.
///
/// # Errors
/// When there is no such cloud; the text says which ones there are.
pub fn parse_cloud(name: &str) -> Result<Cloud, String> {
    let found = PROFILES.iter().find(|profile| profile.name.eq_ignore_ascii_case(name));
    let names = || PROFILES.each_ref().map(|profile| profile.name).join(", ");
    found.map(|profile| profile.cloud).ok_or_else(|| format!("there is no cloud {name:?}; it must be one of {}", names()))
}

/// A cloud of a seed, by its name.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Cloud>, D::Error> {
    Option::<String>::deserialize(deserializer)?.map(|name| parse_cloud(&name).map_err(D::Error::custom)).transpose()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_host_of_one_cloud_is_elsewhere_in_every_other_but_for_the_login_that_two_share() {
        for cloud in Cloud::ALL {
            let profile = Profile::of(cloud);
            assert_eq!(parse_cloud(profile.name), Ok(cloud));
            assert_eq!((profile.place(profile.graph), profile.place(profile.login[0])), (Place::Graph, Place::Login));
            assert_eq!(profile.place("localhost:8443"), Place::Anything);
            for other in Cloud::ALL.into_iter().filter(|other| *other != cloud).map(Profile::of) {
                assert_eq!(other.place(profile.graph), Place::Elsewhere);
                let shared = other.login == profile.login;
                assert_eq!(other.place(profile.login[0]), if shared { Place::Login } else { Place::Elsewhere });
            }
        }
    }

    #[test]
    fn a_cloud_that_is_none_is_refused_with_the_names_of_those_that_are() {
        assert!(parse_cloud("Moon").unwrap_err().contains("Global, USGovernmentL4, USGovernmentL5, China"));
    }
}
