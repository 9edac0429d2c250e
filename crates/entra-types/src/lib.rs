//! Identifiers, clouds and raw credential lists of Microsoft Entra.
