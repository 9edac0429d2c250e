//! A client of Microsoft Graph and the Entra token endpoint for credential rotation.
