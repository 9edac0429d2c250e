//! What is written down of Graph and the token endpoint, as a table, and requests generated around each row of it.
//!
//! There is no real Entra to compare with. What can be held against the emulator is what Microsoft documents and what other people's recordings
//! show; each row says which of the two it is. A request breaks at most one rule, since nothing is written about which of several is named first.
//! Around it everything varies that is said not to matter: how the object is addressed, what else is on it, the name of the action, the day.
//!
//! What cannot be held against it, for nobody wrote it down: the texts of addTokenSigningCertificate's refusals; removeKey for an unknown id; the same
//! certificate twice; the body of a real addKey answer; how much skew and life a proof may have, and whether PS256 will do; how long a removed credential
//! lingers; whether metadata lists inactive certificates. Those are the emulator's switches, and their defaults are guesses.

mod graph;
mod pages;
mod rows;
mod surroundings;
mod token;

/// Where a row comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Source {
    /// Microsoft's pages.
    Documented,
    /// Recordings, working code and issues of others.
    Seen,
}

/// How many requests are generated, all rows together.
const CASES: u32 = 192;
