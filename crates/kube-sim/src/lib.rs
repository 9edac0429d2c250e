//! An in-memory Kubernetes API server for simulations and demonstrations.
