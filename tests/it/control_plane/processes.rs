use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use super::Error;

/// Reads process ids from its input until that ends, then kills them and removes the folder it is named by.
const REAPER: &str = r#"
trap '' INT TERM HUP
while read -r pid; do pids="$pids $pid"; done
[ -z "$pids" ] || kill -KILL $pids 2>/dev/null
rm -rf "$0" 2>/dev/null || { sleep 1; rm -rf "$0"; }
"#;

/// Programs that end, and whose folder goes, when this is dropped or when the test process ends by whatever cause.
///
/// A destructor alone would not do: statics are never dropped, and a killed process drops nothing. So a small shell holds
/// the other end of a pipe, which the kernel closes in every case.
pub(crate) struct Processes {
    folder: PathBuf,
    reaper: Child,
    running: Vec<(&'static str, Child)>,
}

impl Processes {
    /// From here on the folder is removed together with the programs.
    ///
    /// # Errors
    /// [`Error::Spawn`] where there is no shell.
    pub(crate) fn in_folder(folder: &Path) -> Result<Self, Error> {
        let mut shell = Command::new("sh");
        shell.args(["-c", REAPER]).arg(folder).process_group(0);
        let reaper = shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let reaper = reaper.map_err(|source| Error::Spawn { program: "sh", source })?;
        Ok(Self { folder: folder.to_owned(), reaper, running: Vec::new() })
    }

    /// Starts a program whose output goes into a log file of that name, and tells its process id.
    ///
    /// # Errors
    /// [`Error::Spawn`] where the program cannot be run.
    pub(crate) fn start(&mut self, program: &'static str, command: &mut Command) -> Result<u32, Error> {
        let log = OpenOptions::new().create(true).append(true).open(self.log(program))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().map_err(|source| Error::Spawn { program, source })?;
        let id = child.id();
        self.running.push((program, child));
        writeln!(self.reaper.stdin.as_ref().expect("the reaper's input is piped"), "{id}")?;
        Ok(id)
    }

    /// Kills the program that was started last by this name, and waits for its end. It is not reaped: its id stays its own, as the reaper kills by
    /// id.
    pub(crate) fn kill(&mut self, program: &str) -> Result<(), Error> {
        let id = self.last(program);
        kill_process(id, Signal::KILL).map_err(io::Error::from)?;
        waitid(WaitId::Pid(id), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).map_err(io::Error::from)?;
        Ok(())
    }

    /// Whether the program that was started last by this name has ended.
    pub(super) fn has_ended(&self, program: &str) -> Result<bool, Error> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        Ok(waitid(WaitId::Pid(self.last(program)), options).map_err(io::Error::from)?.is_some())
    }

    fn last(&self, program: &str) -> Pid {
        let last = self.running.iter().rfind(|(name, _)| *name == program);
        Pid::from_child(&last.unwrap_or_else(|| panic!("{program} was not started")).1)
    }

    /// Tells if a program has ended, and the end of its log.
    pub(super) fn check(&mut self) -> Result<(), Error> {
        for (program, child) in &mut self.running {
            if let Some(status) = child.try_wait()? {
                let log = last_lines(&fs::read_to_string(self.folder.join(format!("{program}.log")))?);
                return Err(Error::Exited { program, status, log });
            }
        }
        Ok(())
    }

    /// Where the output of a program goes.
    pub(crate) fn log(&self, program: &str) -> PathBuf {
        self.folder.join(format!("{program}.log"))
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        drop(self.reaper.stdin.take());
        let children = self.running.iter_mut().map(|(_, child)| child).chain([&mut self.reaper]);
        let ended: io::Result<Vec<_>> = children.map(Child::wait).collect();
        drop(ended);
    }
}

fn last_lines(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
