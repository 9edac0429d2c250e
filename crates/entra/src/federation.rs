//! Federation metadata: which certificates an application is said to sign with.

use data_encoding::BASE64;
use keys::Certificate;
use roxmltree::{Document, Node, ParsingOptions};

const MAX_NODES: u32 = 100_000;
const MAX_CERTIFICATES: usize = 256;

/// The distinct signing certificates of every role in the document, in its order. What is no certificate is left out.
pub(crate) fn signing_certificates(body: &[u8]) -> Result<Vec<Certificate>, String> {
    let text = std::str::from_utf8(body).map_err(|_| "it is no UTF-8".to_owned())?;
    let options = ParsingOptions { nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    let document =
        Document::parse_with_options(text.trim_start_matches('\u{feff}'), options).map_err(|error| format!("it is no XML: {error}"))?;
    let root = document.root_element();
    if root.tag_name().name() != "EntityDescriptor" {
        return Err(format!("it is no EntityDescriptor but {:?}", root.tag_name().name().chars().take(64).collect::<String>()));
    }
    let mut found = Vec::new();
    let descriptors = root.children().filter(is_role).flat_map(|role| role.children()).filter(signs);
    for certificate in descriptors.flat_map(|key| key.descendants()).filter_map(certificate).take(MAX_CERTIFICATES) {
        if !found.contains(&certificate) {
            found.push(certificate);
        }
    }
    Ok(found)
}

fn is_role(node: &Node<'_, '_>) -> bool {
    matches!(node.tag_name().name(), "IDPSSODescriptor" | "RoleDescriptor")
}

/// A key without `use` serves every use (SAML 2.0 Metadata, 2.4.1.1).
fn signs(node: &Node<'_, '_>) -> bool {
    node.tag_name().name() == "KeyDescriptor" && node.attribute("use").is_none_or(|used| used == "signing")
}

fn certificate(node: Node<'_, '_>) -> Option<Certificate> {
    let text = (node.tag_name().name() == "X509Certificate").then(|| node.text())??;
    let base64: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    Certificate::from_der(&BASE64.decode(base64.as_bytes()).ok()?).ok()
}
