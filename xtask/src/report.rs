//! What was run, and how long it took.

use std::{
    fmt,
    time::{Duration, Instant},
};

/// The steps so far.
#[derive(Default)]
pub(crate) struct Report(Vec<Row>);

struct Row {
    step: &'static str,
    took: Duration,
    failed: bool,
}

impl Report {
    /// Announces a step, runs it, and notes how it went.
    pub(crate) fn run(&mut self, step: &'static str, work: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
        eprintln!("\n==> {step}");
        let start = Instant::now();
        let done = work();
        self.0.push(Row { step, took: start.elapsed(), failed: done.is_err() });
        done.map_err(|why| format!("the step \"{step}\" failed: {why}"))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.0.iter().map(|row| row.step.len()).max().unwrap_or(0).max("total".len());
        writeln!(f, "\n{:width$}  seconds", "step")?;
        for Row { step, took, failed } in &self.0 {
            writeln!(f, "{step:width$}  {:>7.1}{}", took.as_secs_f32(), if *failed { "  FAILED" } else { "" })?;
        }
        let total: Duration = self.0.iter().map(|row| row.took).sum();
        write!(f, "{:width$}  {:>7.1}", "total", total.as_secs_f32())
    }
}

#[cfg(test)]
mod tests {
    use super::Report;

    #[test]
    fn the_table_names_every_step_and_the_one_that_failed() {
        let mut report = Report::default();
        assert_eq!(report.run("lint", || Ok(())), Ok(()));
        let failure = report.run("test", || Err("cargo ended with 101".to_owned()));
        assert_eq!(failure, Err("the step \"test\" failed: cargo ended with 101".to_owned()));
        let table = report.to_string();
        let rows: Vec<_> = table.trim_start().lines().collect();
        assert_eq!(rows, ["step   seconds", "lint       0.0", "test       0.0  FAILED", "total      0.0"]);
    }
}
