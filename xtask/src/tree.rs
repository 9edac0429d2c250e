//! A copy of the tree, to be changed and built where the tree itself must stay as it is.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Brings the copy of this name up to date and answers its folder. What did not change is not written, so that the next build of the copy is a small one.
pub(crate) fn copy(name: &str) -> Result<PathBuf, String> {
    let (from, to) = (crate::root(), crate::root().join("target").join(name).join("tree"));
    let files = listed(&from)?;
    for file in &files {
        update(&from.join(file), &to.join(file)).map_err(|error| format!("cannot copy {}: {error}", file.display()))?;
    }
    remove_others(&to, &to, &files).map_err(|error| format!("cannot tidy {}: {error}", to.display()))?;
    to.canonicalize().map_err(|error| format!("cannot find {}: {error}", to.display()))
}

/// The tree as it was at a revision, in a folder of this name.
pub(crate) fn checkout(name: &str, revision: &str) -> Result<PathBuf, String> {
    let folder = crate::root().join("target").join(name).join("revision");
    let is_there = folder.join(".git").exists();
    let mut git = Command::new("git");
    if is_there {
        git.args(["checkout", "--quiet", "--detach", revision]).current_dir(&folder);
    } else {
        git.args(["worktree", "add", "--quiet", "--force", "--detach"]).arg(&folder).arg(revision).current_dir(crate::root());
    }
    crate::run(&mut git)?;
    Ok(folder)
}

/// What git tracks or would track.
fn listed(root: &Path) -> Result<BTreeSet<PathBuf>, String> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root);
    let output = git.output().map_err(|error| format!("cannot run git: {error}"))?;
    if !output.status.success() {
        return Err(format!("git ls-files ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr)));
    }
    let names = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(names.split_terminator('\0').map(PathBuf::from).filter(|file| root.join(file).is_file()).collect())
}

fn update(from: &Path, to: &Path) -> std::io::Result<()> {
    let wanted = fs::read(from)?;
    if fs::read(to).is_ok_and(|present| present == wanted) {
        return Ok(());
    }
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(to, wanted)?;
    fs::set_permissions(to, fs::metadata(from)?.permissions())
}

fn remove_others(root: &Path, folder: &Path, files: &BTreeSet<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            remove_others(root, &path, files)?;
        } else if path.strip_prefix(root).is_ok_and(|file| !files.contains(file)) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}
