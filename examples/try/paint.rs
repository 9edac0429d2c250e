//! Colours and the screen. Whether escape codes come out is decided by anstream: only on a terminal, and never with NO_COLOR.

use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};

pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const WARN: Style = AnsiColor::Yellow.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();

/// One after the other for the credentials of a sample, so that neighbours differ.
const CREDENTIALS: [AnsiColor; 4] = [AnsiColor::Cyan, AnsiColor::Magenta, AnsiColor::Yellow, AnsiColor::Blue];

/// The colour of the credential with this number.
pub(crate) fn colour(number: usize) -> Style {
    CREDENTIALS[number % CREDENTIALS.len()].on_default()
}

/// A text in a style.
pub(crate) fn painted(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Standard output: lines that stay, and one that changes. Where it cannot change, it is said when nothing else was for a while.
pub(crate) struct Screen {
    is_terminal: bool,
    is_dirty: bool,
    last_said: Instant,
}

/// A line that is longer than the terminal is wide could not be taken away again.
const NARROW: usize = 79;
/// How long a log may be silent.
const SILENCE: Duration = Duration::from_secs(15);

impl Screen {
    pub(crate) fn new() -> Self {
        Self { is_terminal: std::io::stdout().is_terminal(), is_dirty: false, last_said: Instant::now() }
    }

    /// Prints lines that stay.
    pub(crate) fn say(&mut self, text: impl Display) {
        self.wipe();
        anstream::println!("{text}");
        self.last_said = Instant::now();
    }

    /// Prints the line that changes.
    pub(crate) fn hint(&mut self, text: &str) {
        if self.is_terminal {
            self.wipe();
            anstream::print!("{}", painted(DIM, text.chars().take(NARROW).collect::<String>()));
            self.is_dirty = std::io::stdout().flush().is_ok();
        } else if self.last_said.elapsed() > SILENCE {
            self.say(text);
        }
    }

    /// Takes the line that changes away.
    pub(crate) fn wipe(&mut self) {
        if std::mem::take(&mut self.is_dirty) {
            // Past anstream, which without colours would drop it.
            print!("\r\x1b[2K");
        }
    }
}
