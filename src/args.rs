//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use chrono::TimeDelta;
use clap::Parser;
use entra_types::{ClientId, InvalidId};
use rotation::Lateness;
use uuid::Uuid;

use crate::api::v1alpha1::GoDuration;
use crate::names::{is_namespace, is_object_name};
use crate::settings::{Ambient, OutputName, Reach, Settings, WATCH_TIMEOUT};
use crate::telemetry::LogLevel;

/// Rotates the credentials of Microsoft Entra service principals and publishes them in Kubernetes Secrets.
#[derive(Clone, Debug, Parser)]
#[command(name = "entra-rotator", version)]
pub struct Args {
    /// The namespace the operator runs in: its Lease and the Secrets that EntraTenants sign in with are there.
    #[arg(long, env = "POD_NAMESPACE", hide_env_values = true, value_name = "NAMESPACE", value_parser = namespace)]
    namespace: String,

    /// This replica's name in the Lease, different from that of every other replica; if not given, made from the name of the host and a random part.
    #[arg(long, env = "POD_NAME", hide_env_values = true, value_name = "NAME", value_parser = identity)]
    identity: Option<String>,

    /// The name of the Lease by which replicas take turns.
    #[arg(long, value_name = "NAME", default_value = "entra-rotator", value_parser = object_name)]
    lease_name: String,

    /// How long a replica that went silent keeps the Lease, from 3s to 5m; it renews it five times as often, and stops working when it could not for two thirds of it.
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = lease_duration)]
    lease_duration: GoDuration,

    /// The address and port that serve /livez, /readyz and /metrics over HTTP.
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,

    /// What is logged: error, warn, info, debug or trace, or directives such as info,entra=debug.
    #[arg(long, env = "LOG_LEVEL", hide_env_values = true, value_name = "LEVEL", default_value = "info")]
    log_level: LogLevel,

    /// A namespace whose Secrets are read and written; may be given several times, and if neither this nor --watch-output is given, it is every namespace. A ServicePrincipalCredential in another namespace is told so in its status, so a cluster has one release.
    #[arg(long = "watch-namespace", value_name = "NAMESPACE", value_parser = namespace, conflicts_with = "watch_outputs")]
    watch_namespaces: Vec<String>,

    /// An output that is read and written together with its staging Secrets, where the operator has rights to single names only; may be given several times. A ServicePrincipalCredential with another output is told so in its status.
    #[arg(long = "watch-output", value_name = "NAMESPACE/NAME")]
    watch_outputs: Vec<OutputName>,

    /// The longest time after which Entra may still apply a write whose answer was lost, from 1s to 1h; every waiting time is a fraction of it, and less than one minute is for tests and demonstrations only.
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = late)]
    late: GoDuration,

    /// Serve EntraTenants with cloud: Custom, which lets whoever may write EntraTenants choose the hosts that the operator signs in to.
    #[arg(long)]
    allow_custom_endpoints: bool,

    /// The file with the token that signs the operator in where an EntraTenant has signIn.workloadIdentity; it is read anew for each sign-in.
    #[arg(long, env = "AZURE_FEDERATED_TOKEN_FILE", hide_env_values = true, value_name = "FILE", value_parser = path)]
    federated_token_file: Option<Given<PathBuf>>,

    /// The client ID that signs in by workload identity where an EntraTenant names none.
    #[arg(long, env = "AZURE_CLIENT_ID", hide_env_values = true, value_name = "ID", value_parser = client_id)]
    azure_client_id: Option<Given<ClientId>>,

    /// The root of the instance metadata service, for EntraTenants with signIn.managedIdentity; another one is for tests only.
    #[arg(long, hide = true, value_name = "URL", default_value = entra::INSTANCE_METADATA, value_parser = metadata_root)]
    imds_endpoint: String,
}

/// A value that may be empty: whoever sets up environments for others sets some variables to nothing.
#[derive(Clone, Debug)]
struct Given<T>(Option<T>);

/// What the process itself is set to, beside the operator's [`Settings`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProcessSettings {
    /// Where the probes and metrics are served.
    pub listen: SocketAddr,
    /// What is logged.
    pub log_level: LogLevel,
}

impl Args {
    /// The operator's settings, and the process's.
    pub fn into_settings(self) -> (Settings, ProcessSettings) {
        // By name, so that an argument that nothing uses does not compile.
        let Self {
            namespace,
            identity,
            lease_name,
            lease_duration,
            listen,
            log_level,
            watch_namespaces,
            watch_outputs,
            late,
            allow_custom_endpoints,
            federated_token_file,
            azure_client_id,
            imds_endpoint,
        } = self;
        let settings = Settings {
            namespace,
            identity: identity.unwrap_or_else(unique_identity),
            lease_name,
            lease_duration: Duration::from(lease_duration),
            reach: reach(watch_namespaces, watch_outputs),
            late: Lateness::new(TimeDelta::from(late)),
            watch_timeout: WATCH_TIMEOUT,
            allow_custom_endpoints,
            ambient: Ambient {
                client_id: azure_client_id.and_then(|given| given.0),
                federated_token_file: federated_token_file.and_then(|given| given.0),
                instance_metadata: imds_endpoint,
            },
        };
        (settings, ProcessSettings { listen, log_level })
    }
}

fn reach(namespaces: Vec<String>, outputs: Vec<OutputName>) -> Reach {
    match (namespaces.is_empty(), outputs.is_empty()) {
        (_, false) => Reach::Outputs(outputs),
        (false, true) => Reach::Namespaces(namespaces),
        (true, true) => Reach::Cluster,
    }
}

fn unique_identity() -> String {
    let host = rustix::system::uname();
    format!("{}-{}", host.nodename().to_string_lossy(), Uuid::new_v4())
}

fn namespace(text: &str) -> Result<String, String> {
    named(text, is_namespace).ok_or_else(|| format!("a namespace is named by at most 63 {ALPHANUMERIC}"))
}

fn object_name(text: &str) -> Result<String, String> {
    named(text, is_object_name).ok_or_else(|| format!("an object is named by at most 253 {ALPHANUMERIC}, and dots between such parts"))
}

fn identity(text: &str) -> Result<String, String> {
    named(text, |text| (1..=253).contains(&text.len()) && text.chars().all(|char| char.is_ascii_graphic()))
        .ok_or_else(|| "a replica is named by 1 to 253 visible ASCII characters".to_owned())
}

fn named(text: &str, is_fit: impl FnOnce(&str) -> bool) -> Option<String> {
    is_fit(text).then(|| text.to_owned())
}

const ALPHANUMERIC: &str = "lower-case letters, digits and hyphens, which begin and end with a letter or digit";

fn path(text: &str) -> Result<Given<PathBuf>, String> {
    let path = Some(PathBuf::from(text)).filter(|_| !text.is_empty());
    let is_whole = path.as_ref().is_none_or(|path| path.is_absolute());
    is_whole.then_some(Given(path)).ok_or_else(|| "the path of a file begins with a slash".to_owned())
}

fn client_id(text: &str) -> Result<Given<ClientId>, String> {
    let parsed = Some(text).filter(|text| !text.is_empty()).map(str::parse).transpose();
    parsed.map(Given).map_err(|error: InvalidId| error.to_string())
}

fn metadata_root(text: &str) -> Result<String, String> {
    let is_root = |rest: &str| !rest.is_empty() && rest.chars().all(|char| char.is_ascii_alphanumeric() || ".-:[]".contains(char));
    let root = text.trim_end_matches('/');
    let rest = root.strip_prefix("http://").or_else(|| root.strip_prefix("https://"));
    rest.filter(|rest| is_root(rest)).map(|_| root.to_owned()).ok_or_else(|| "give a URL of scheme and host only".to_owned())
}

fn lease_duration(text: &str) -> Result<GoDuration, String> {
    between(text, "3s", "5m")
}

fn late(text: &str) -> Result<GoDuration, String> {
    between(text, "1s", "1h")
}

fn between(text: &str, shortest: &str, longest: &str) -> Result<GoDuration, String> {
    let parse = |text: &str| text.parse::<GoDuration>().map_err(|error| error.to_string());
    let duration = parse(text)?;
    if (parse(shortest)?..=parse(longest)?).contains(&duration) {
        return Ok(duration);
    }
    Err(format!("{duration} is out of range: it may be from {shortest} to {longest}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use clap::CommandFactory as _;
    use rstest::rstest;

    use super::*;

    fn parse(args: &[&str]) -> Result<(Settings, ProcessSettings), String> {
        let command = ["entra-rotator", "--namespace=ours"].iter().chain(args);
        Args::try_parse_from(command).map(Args::into_settings).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_said_is_the_default() {
        let (settings, process) = parse(&["--identity=replica-0"]).unwrap();
        assert_eq!(
            format!("{settings:?}"),
            format!(
                "{:?}",
                Settings {
                    namespace: "ours".to_owned(),
                    identity: "replica-0".to_owned(),
                    lease_name: "entra-rotator".to_owned(),
                    lease_duration: Duration::from_secs(15),
                    reach: Reach::Cluster,
                    late: Lateness::default(),
                    watch_timeout: WATCH_TIMEOUT,
                    allow_custom_endpoints: false,
                    ambient: Ambient::default(),
                }
            )
        );
        assert_eq!(process, ProcessSettings { listen: "0.0.0.0:8080".parse().unwrap(), log_level: "info".parse().unwrap() });
    }

    #[test]
    fn everything_can_be_said() {
        let args = ["--identity=b", "--lease-name=turns", "--lease-duration=1m", "--listen=[::1]:9", "--log-level=info,entra=debug"];
        let more = ["--watch-namespace=payroll", "--watch-namespace=crm", "--late=90s", "--allow-custom-endpoints"];
        let last = [
            "--federated-token-file=/var/run/secrets/azure/tokens/azure-identity-token",
            "--azure-client-id=11111111-2222-4333-8444-555555555555",
            "--imds-endpoint=http://127.0.0.1:40342/",
        ];
        let (settings, process) = parse(&[args.as_slice(), more.as_slice(), last.as_slice()].concat()).unwrap();
        assert_eq!((settings.identity.as_str(), settings.lease_name.as_str()), ("b", "turns"));
        assert_eq!(settings.lease_duration, Duration::from_secs(60));
        assert_eq!(settings.reach, Reach::Namespaces(vec!["payroll".to_owned(), "crm".to_owned()]));
        assert_eq!(settings.late.late(), TimeDelta::seconds(90));
        assert!(settings.allow_custom_endpoints);
        let ambient = Ambient {
            client_id: "11111111-2222-4333-8444-555555555555".parse().ok(),
            federated_token_file: Some(PathBuf::from("/var/run/secrets/azure/tokens/azure-identity-token")),
            instance_metadata: "http://127.0.0.1:40342".to_owned(),
        };
        assert_eq!(settings.ambient, ambient);
        assert_eq!(process, ProcessSettings { listen: "[::1]:9".parse().unwrap(), log_level: "info,entra=debug".parse().unwrap() });
    }

    #[test]
    fn single_outputs_can_be_named_instead_of_namespaces() {
        let (settings, _) = parse(&["--watch-output=payroll/api", "--watch-output=crm/saml.v2"]).unwrap();
        assert_eq!(settings.reach, Reach::Outputs(vec!["payroll/api".parse().unwrap(), "crm/saml.v2".parse().unwrap()]));
        let error = parse(&["--watch-output=payroll/api", "--watch-namespace=crm"]).unwrap_err();
        assert!(error.contains("cannot be used with"), "{error}");
    }

    #[rstest]
    #[case("--late=1s")]
    #[case("--late=1h")]
    #[case("--lease-duration=3s")]
    #[case("--lease-duration=5m")]
    #[case("--watch-namespace=a")]
    #[case("--lease-name=a.b-c.d")]
    #[case("--identity=host_1/x")]
    #[case("--azure-client-id=")]
    #[case("--federated-token-file=")]
    fn accepted(#[case] arg: &str) {
        parse(&[arg]).unwrap();
    }

    #[rstest]
    #[case("--late=0s", "0s is out of range: it may be from 1s to 1h")]
    #[case("--late=61m", "1h1m is out of range: it may be from 1s to 1h")]
    #[case("--late=soon", "\"soon\" is no duration: write hours, minutes and seconds, such as 720h or 1h30m")]
    #[case("--lease-duration=2s", "2s is out of range: it may be from 3s to 5m")]
    #[case("--lease-duration=301s", "5m1s is out of range: it may be from 3s to 5m")]
    #[case("--watch-namespace=a/b", "a namespace is named by")]
    #[case("--watch-namespace=", "a namespace is named by")]
    #[case("--watch-namespace=..", "a namespace is named by")]
    #[case("--watch-namespace=-a", "a namespace is named by")]
    #[case("--watch-namespace=Payroll", "a namespace is named by")]
    #[case("--watch-output=payroll", "an output is named by")]
    #[case("--watch-output=payroll/", "an output is named by")]
    #[case("--watch-output=payroll/../x", "an output is named by")]
    #[case("--lease-name=a..b", "an object is named by")]
    #[case("--identity=", "a replica is named by")]
    #[case("--identity=a b", "a replica is named by")]
    #[case("--listen=localhost", "invalid socket address syntax")]
    #[case("--log-level=entra=loud", "error parsing level filter: expected one of")]
    #[case("--azure-client-id=payroll", "\"payroll\" is not a GUID")]
    #[case("--federated-token-file=token", "the path of a file begins with a slash")]
    #[case("--imds-endpoint=ftp://host", "give a URL of scheme and host only")]
    #[case("--imds-endpoint=http://user@host", "give a URL of scheme and host only")]
    #[case("--imds-endpoint=http://host/path", "give a URL of scheme and host only")]
    #[case("--unknown", "unexpected argument")]
    fn refused(#[case] arg: &str, #[case] why: &str) {
        let error = parse(&[arg]).unwrap_err();
        assert!(error.contains(why), "{error}");
    }

    #[test]
    fn two_replicas_without_a_name_get_different_ones() {
        assert_ne!(unique_identity(), unique_identity());
    }

    #[test]
    fn the_environment_of_a_pod_is_heard() {
        let command = Args::command();
        let heard: Vec<_> = command.get_arguments().filter_map(|arg| Some((arg.get_long()?, arg.get_env()?.to_str()?))).collect();
        let of_pod = [("namespace", "POD_NAMESPACE"), ("identity", "POD_NAME"), ("log-level", "LOG_LEVEL")];
        let of_webhook = [("federated-token-file", "AZURE_FEDERATED_TOKEN_FILE"), ("azure-client-id", "AZURE_CLIENT_ID")];
        assert_eq!(heard, [of_pod.as_slice(), of_webhook.as_slice()].concat());
    }
}
