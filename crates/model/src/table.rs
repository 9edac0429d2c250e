//! Figures as a table.

use model::search::Figures;

/// One search.
pub(crate) struct Row {
    /// Which scenario.
    pub(crate) scenario: &'static str,
    /// How many disturbances at most.
    pub(crate) total: u8,
    /// What was seen.
    pub(crate) figures: Figures,
    /// How it ended.
    pub(crate) end: &'static str,
}

/// All of them.
pub(crate) fn table(rows: &[Row]) -> String {
    let head = format!(
        "\n{:22} {:>12} {:>11} {:>12} {:>9} {:>8} {:>8}  {}\n",
        "scenario", "disturbances", "states", "transitions", "ends", "depth", "seconds", "search"
    );
    let lines = rows.iter().map(|row| {
        let Figures { states, transitions, ends, depth, took, .. } = row.figures;
        let (name, total, seconds) = (row.scenario, row.total, took.as_secs_f64());
        format!("{name:22} {total:>12} {states:>11} {transitions:>12} {ends:>9} {depth:>8} {seconds:>8.1}  {}\n", row.end)
    });
    head + &lines.collect::<String>()
}

/// What this process occupies, in MiB; 0 where that cannot be read.
pub(crate) fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).map_or(0, |kib| kib / 1_024)
}
