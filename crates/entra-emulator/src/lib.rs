//! A strict stand-in for Microsoft Graph, the Entra token endpoint and federation metadata.
