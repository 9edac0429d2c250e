//! RSA keys, self-signed certificates and the redacting secret type.
