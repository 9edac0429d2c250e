//! The lives of all credentials, drawn over time.

use std::time::Duration;

use crate::lines::short;
use crate::paint::{BAD, BOLD, DIM, GOOD, colour, painted};
use crate::story::{Chapter, Life};

/// Characters of the time axis.
const WIDTH: usize = 78;
const INDENT: usize = 10;
/// Between two labels of the axis.
const TICK: u64 = 30;

/// Draws a chapter up to `end`.
pub(crate) fn draw(chapter: &Chapter, end: Duration) -> String {
    let scale = Scale { end };
    let title = format!("{} {}", painted(BOLD, chapter.sample.label()), painted(DIM, format!("· {}", chapter.sample.name())));
    let lives = chapter.lives.iter().enumerate().map(|(number, life)| row(short(&life.id), &painted(colour(number), scale.bar(life))));
    let foreign = scale.solid(if chapter.is_foreign_untouched { '═' } else { '✗' });
    let used = scale.uses(&chapter.checks);
    let rows = lives.chain([row("foreign", &painted(DIM, foreign)), row("in use", &used), row("", &painted(DIM, scale.axis()))]);
    rows.fold(format!("{}{title}\n", " ".repeat(INDENT)), |drawing, row| drawing + &row)
}

/// What the characters mean.
pub(crate) fn legend() -> String {
    let meanings = ["░ in Entra", "▒ proven or announced", "█ current", "▓ overlap", "═ untouched", "• every use worked", "✗ a gap"];
    format!("{}{}", " ".repeat(INDENT), painted(DIM, meanings.join("   ")))
}

fn row(name: &str, cells: &str) -> String {
    format!("{name:>width$} {cells}\n", width = INDENT - 1)
}

/// From times to columns.
struct Scale {
    end: Duration,
}

impl Scale {
    fn column(&self, at: Duration) -> usize {
        let share = at.as_secs_f64() / self.end.as_secs_f64().max(1.0);
        ((share * WIDTH as f64) as usize).min(WIDTH)
    }

    /// A phase lasts at least one column, or the short ones could not be seen.
    fn bar(&self, life: &Life) -> String {
        let mut bar = String::new();
        let mut column = 0;
        let phases = [(life.added, ' '), (life.proven, '░'), (life.published, '▒'), (life.superseded, '█'), (life.removed, '▓')];
        for (index, (until, filling)) in phases.into_iter().enumerate() {
            let shortest = if index == 0 { 0 } else { column + 1 };
            let next = until.map_or(WIDTH, |until| self.column(until)).max(shortest).min(WIDTH);
            bar.extend(std::iter::repeat_n(filling, next.saturating_sub(column)));
            column = next;
            if until.is_none() {
                break;
            }
        }
        bar
    }

    fn solid(&self, filling: char) -> String {
        std::iter::repeat_n(filling, WIDTH).collect()
    }

    /// A dot where all went well, and a cross where anything did not.
    fn uses(&self, checks: &[(Duration, bool)]) -> String {
        let cell = |column| {
            let here: Vec<_> = checks.iter().filter(|(at, _)| self.column(*at).min(WIDTH - 1) == column).collect();
            match here.as_slice() {
                [] => " ".to_owned(),
                some if some.iter().all(|(_, worked)| *worked) => painted(GOOD, "•"),
                _ => painted(BAD, "✗"),
            }
        };
        (0..WIDTH).map(cell).collect()
    }

    fn axis(&self) -> String {
        let mut axis = String::new();
        for second in (0..=self.end.as_secs()).step_by(usize::try_from(TICK).unwrap_or(usize::MAX)) {
            let column = self.column(Duration::from_secs(second));
            axis.extend(std::iter::repeat_n(' ', column.saturating_sub(axis.chars().count())));
            axis.push_str(&format!("└{second} s"));
        }
        axis
    }
}
