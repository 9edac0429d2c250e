//! How much work opening a PFX file would be, by what it says before anything is decrypted.

use x509_parser::asn1_rs::{Any, Class, FromDer as _, Oid, Tag, oid};

use super::PfxError;

/// The most rounds of key derivation, all visible parts together. OpenSSL and Windows ask for some 6,000, Java for 30,000.
pub(super) const MAX_ROUNDS: u32 = 500_000;

/// A PFX file is nested a dozen deep.
const MAX_DEPTH: u8 = 32;

/// Adds up every INTEGER outside the encrypted parts: versions, which are nearly nothing, and rounds.
pub(super) fn check(pfx: &[u8]) -> Result<(), PfxError> {
    let mut scan = Scan { rounds: 0 };
    scan.series(pfx, Content::Other, MAX_DEPTH)
}

struct Scan {
    rounds: u32,
}

/// Whether an octet string is looked into: only that of a PKCS#7 `data` is DER. Salts and ciphertexts may look like anything.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Content {
    Data,
    Other,
}

impl Scan {
    /// The elements of one level, one after another.
    fn series(&mut self, mut der: &[u8], content: Content, depth: u8) -> Result<(), PfxError> {
        let depth = depth.checked_sub(1).ok_or_else(|| PfxError::Read("it is nested too deep".to_owned()))?;
        let mut named = Content::Other;
        while !der.is_empty() {
            let (rest, element) = Any::from_der(der).map_err(|_| PfxError::Read("it is no DER".to_owned()))?;
            self.element(&element, content, named, depth)?;
            named = named_by(&element)?;
            der = rest;
        }
        Ok(())
    }

    fn element(&mut self, element: &Any<'_>, content: Content, named: Content, depth: u8) -> Result<(), PfxError> {
        match (element.class(), element.tag()) {
            (Class::Universal, Tag::Integer) => self.count(element.data),
            (Class::Universal, Tag::OctetString) if content == Content::Data => self.series(element.data, Content::Other, depth),
            (Class::ContextSpecific, Tag(0)) if element.header.is_constructed() => self.series(element.data, named, depth),
            _ if element.header.is_constructed() => self.series(element.data, Content::Other, depth),
            _ => Ok(()),
        }
    }

    fn count(&mut self, integer: &[u8]) -> Result<(), PfxError> {
        let value = match *integer {
            [high, ..] if high >= 0x80 => None,
            [a] => Some(u32::from_be_bytes([0, 0, 0, a])),
            [a, b] => Some(u32::from_be_bytes([0, 0, a, b])),
            [a, b, c] => Some(u32::from_be_bytes([0, a, b, c])),
            _ => None,
        };
        self.rounds = value.and_then(|value| self.rounds.checked_add(value)).filter(|sum| *sum <= MAX_ROUNDS).ok_or(PfxError::TooCostly)?;
        Ok(())
    }
}

/// What an object identifier says of the element after it.
fn named_by(element: &Any<'_>) -> Result<Content, PfxError> {
    const DATA: Oid<'_> = oid!(1.2.840.113549.1.7.1);
    const SCRYPT: Oid<'_> = oid!(1.3.6.1.4.1.11591.4.11);
    // Holds an encrypted key whose parameters are out of sight.
    const SECRET_BAG: Oid<'_> = oid!(1.2.840.113549.1.12.10.1.5);
    if element.tag() != Tag::Oid {
        return Ok(Content::Other);
    }
    match element.clone().oid() {
        Ok(name) if name == SCRYPT => Err(PfxError::TooCostly),
        Ok(name) if name == SECRET_BAG => Err(PfxError::Read("it holds symmetric keys".to_owned())),
        Ok(name) if name == DATA => Ok(Content::Data),
        _ => Ok(Content::Other),
    }
}
