//! A client certificate as `kubernetes.io/tls`, with the names that azure-identity and msal read.

use keys::{Certificate, PrivateKey};
use rotation::{EntryId, Held, HeldKey, Output};

use super::{Data, Inspected, Names, bare, facts, text};

const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";
const COMBINED: &str = "tls-combined.pem";

/// Builds the output.
pub(crate) fn build(names: &Names, key: &PrivateKey, certificate: &Certificate) -> Data {
    let (key, certificate) = (key.to_pkcs8_pem(), certificate.pem());
    let combined = format!("{}{certificate}", key.expose());
    [
        (CERTIFICATE, certificate.into_bytes()),
        (KEY, key.expose().clone().into_bytes()),
        (COMBINED, combined.into_bytes()),
        ("AZURE_CLIENT_ID", names.client_id.to_string().into_bytes()),
        ("AZURE_TENANT_ID", names.tenant_id.to_string().into_bytes()),
        ("AZURE_AUTHORITY_HOST", format!("{}/", names.endpoints.login()).into_bytes()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

/// The key pair that an output or a slot holds, if its halves belong together.
pub(crate) fn key_pair(data: &Data) -> Option<(PrivateKey, Certificate)> {
    let certificate = Certificate::from_pem(text(data, CERTIFICATE)?).ok()?;
    let key = PrivateKey::from_pkcs8_pem(text(data, KEY)?).ok()?;
    key.matches(&certificate).then_some((key, certificate))
}

/// The two halves as a slot stages them.
pub(crate) fn staged(key: &PrivateKey, certificate: &Certificate) -> Data {
    [(CERTIFICATE, certificate.pem()), (KEY, key.to_pkcs8_pem().expose().clone())]
        .map(|(key, value)| (key.to_owned(), value.into_bytes()))
        .into()
}

pub(super) fn inspect(data: &Data, entry: Option<EntryId>, names: Option<&Names>) -> Inspected {
    let Some((key, certificate)) = key_pair(data) else {
        return Inspected { output: Output::Ours { shows: None, holds: None }, certificates: vec![] };
    };
    let whole = names.is_none_or(|names| build(names, &key, &certificate) == *data);
    let holds = HeldKey { thumbprint: certificate.thumbprint(), not_after: certificate.not_after(), bits: key.bits() };
    let shows = entry.filter(|_| whole).map(|entry| bare(entry, certificate.thumbprint()));
    Inspected { output: Output::Ours { shows, holds: Some(Held::Key(holds)) }, certificates: vec![facts(&certificate)] }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use chrono::{DateTime, TimeDelta};
    use entra_types::Cloud;
    use keys::CertificateRequest;

    use super::*;

    fn names() -> Names {
        Names {
            tenant_id: "11111111-1111-4111-8111-111111111111".parse().unwrap(),
            client_id: "22222222-2222-4222-8222-222222222222".parse().unwrap(),
            endpoints: Cloud::Global.endpoints(),
        }
    }

    fn pair(number: usize) -> (PrivateKey, Certificate) {
        let key = keys::fixtures::key(number);
        let start = DateTime::UNIX_EPOCH;
        let request = CertificateRequest {
            common_name: "payroll".to_owned(),
            san_uris: vec![],
            not_before: start,
            not_after: start + TimeDelta::days(9),
            serial: [1; 16],
        };
        let certificate = Certificate::self_signed(&key, &request).unwrap();
        (key, certificate)
    }

    fn shows(data: &Data) -> bool {
        matches!(inspect(data, "cvajp6x4o7".parse().ok(), Some(&names())).output, Output::Ours { shows: Some(_), .. })
    }

    #[test]
    fn the_keys_are_those_that_clients_read() {
        let (key, certificate) = pair(0);
        let data = build(&names(), &key, &certificate);
        let keys: Vec<_> = data.keys().map(String::as_str).collect();
        assert_eq!(keys, ["AZURE_AUTHORITY_HOST", "AZURE_CLIENT_ID", "AZURE_TENANT_ID", "tls-combined.pem", "tls.crt", "tls.key"]);
        assert_eq!(data["AZURE_AUTHORITY_HOST"], b"https://login.microsoftonline.com/");
        assert!(shows(&data));
    }

    #[test]
    fn an_edit_of_any_key_shows() {
        let (key, certificate) = pair(0);
        let whole = build(&names(), &key, &certificate);
        for name in whole.keys() {
            let mut edited = whole.clone();
            edited.insert(name.clone(), b"edited".to_vec());
            assert!(!shows(&edited), "{name} was edited");
            edited.remove(name);
            assert!(!shows(&edited), "{name} was removed");
        }
        let mut extended = whole;
        extended.insert("more".to_owned(), vec![]);
        assert!(!shows(&extended), "a key was added");
    }

    #[test]
    fn a_key_of_another_certificate_is_held_by_nobody() {
        let (key, _) = pair(0);
        let (_, certificate) = pair(1);
        let mixed = build(&names(), &key, &certificate);
        assert!(matches!(inspect(&mixed, None, None).output, Output::Ours { shows: None, holds: None }));
    }
}
