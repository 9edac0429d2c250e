//! An exhaustive search over the rotation protocol: `cargo xtask model`.
//!
//! Nothing of the protocol is modelled. Decisions are those of `rotation::next`, changes of the ledger those of `Ledger::apply`, and what a process knows is a
//! `rotation::Memory`; only what surrounds them is a small world of this crate's own: an object in Entra with replicas that lag ([`entra`]), a custom resource
//! with compare-and-swap, its output and its staging Secrets ([`world`]), the shell that takes a step as `src/credential` takes it ([`pass`], [`send`]), and
//! what may happen to all of them ([`event`]). After every event the promises are checked ([`check`]).
//!
//! # What the search leaves out, and why that hides nothing or what it hides
//!
//! - **Time** stands still while a process has something to do, and then goes to the next moment at which one wakes or a lost write lapses, rounded up to a grid of
//!   LATE/3. So no two things happen a few seconds apart: they happen at one instant, in every order, or a third of LATE apart. A pause between a licence and its
//!   send is therefore always longer than the licence holds, or none.
//! - **Interleaving**: a transition is one effect and the reads that follow it. Others act between any two of them as often as `preempted` says. With
//!   `--between-reads`, between any two reads too. What others would do between an effect and the reads right after it is missed otherwise.
//! - **Names** are chosen by rule, and uids, nonces and versions compared, not hashed: two states that differ in names only are one. Two processes that both lead
//!   are interchangeable.
//! - **Memories** are told apart by what a decision can depend on (`Memory::digest`). One thing is left out that could matter: when the next audit comes, once the
//!   last read is over an hour old. The first state that is met of such a group stands for all.
//! - **Graph** replaces whole lists as they were read, also entries that are gone meanwhile, which the real one refuses: worse than life.
//! - **Losses** are bounded in number, never in place. A bound that was not searched to its end is called "not full".
//! - Not here at all: deletion and `Revoke`, adoption, self-rolled certificates, keys that the operator makes for signing, metadata, windows, approval, throttling,
//!   clocks that differ, an API server that cannot be reached.
//!
//! # Liveness
//!
//! A run ends when every resource has issued what the scenario says and has settled; every way through the states must get there within the scenario's horizon. An
//! instant in which more happens than any undisturbed course needs, and a way that comes back to a state of the same instant, break the promise of rest.

pub mod bounds;
pub mod check;
pub mod defect;
pub mod digest;
pub mod entra;
pub mod event;
pub mod names;
pub mod pass;
mod person;
mod read;
pub mod scenario;
pub mod search;
pub mod send;
pub mod tell;
pub mod world;
