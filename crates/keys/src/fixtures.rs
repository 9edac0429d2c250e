//! Eight RSA-2048 keys for tests, so that none has to be generated. They are public: whoever reads the sources has them.
#![allow(clippy::expect_used, reason = "a broken fixture must fail the test that asks for it")]

use std::sync::LazyLock;

use crate::private_key::PrivateKey;

const PEM: [&str; 8] = [
    include_str!("../fixtures/key-0.pem"),
    include_str!("../fixtures/key-1.pem"),
    include_str!("../fixtures/key-2.pem"),
    include_str!("../fixtures/key-3.pem"),
    include_str!("../fixtures/key-4.pem"),
    include_str!("../fixtures/key-5.pem"),
    include_str!("../fixtures/key-6.pem"),
    include_str!("../fixtures/key-7.pem"),
];

static KEYS: LazyLock<[PrivateKey; 8]> =
    LazyLock::new(|| PEM.map(|text| PrivateKey::from_pkcs8_pem(text).expect("a fixture is a valid key")));

const LONGER_PEM: [&str; 3] =
    [include_str!("../fixtures/key-3072-0.pem"), include_str!("../fixtures/key-3072-1.pem"), include_str!("../fixtures/key-3072-2.pem")];

static LONGER_KEYS: LazyLock<[PrivateKey; 3]> =
    LazyLock::new(|| LONGER_PEM.map(|text| PrivateKey::from_pkcs8_pem(text).expect("a fixture is a valid key")));

/// The test key of 3072 bits with this number, modulo three.
///
/// # Panics
/// If a fixture file is broken.
pub fn longer_key(number: usize) -> PrivateKey {
    LONGER_KEYS[number % LONGER_KEYS.len()].clone()
}

/// The test key with this number, modulo eight.
///
/// # Panics
/// If a fixture file is broken.
pub fn key(number: usize) -> PrivateKey {
    KEYS[number % KEYS.len()].clone()
}
