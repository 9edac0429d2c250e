//! The bans, licences and sources of `deny.toml`: by cargo-deny where it is installed, else by what `cargo tree` says.
//!
//! cargo-deny takes longer to build than all our tests to run, so a clean machine is not made to install it.

mod licence;

use std::{
    fs,
    process::{Command, Stdio},
};

use self::licence::is_allowed;

/// Checks every package that this workspace builds with, on any platform.
pub(crate) fn check() -> Result<(), String> {
    if has_cargo_deny() {
        return crate::run(&mut crate::cargo(&["deny", "--workspace", "check", "bans", "licenses", "sources"]));
    }
    eprintln!("    cargo-deny is not installed: checking deny.toml's bans, licences and sources by cargo tree");
    let text = read_rules()?;
    let rules = Rules::parse(&text)?;
    let packages = list_packages()?;
    let packages: Vec<_> = packages.lines().filter_map(Package::parse).collect();
    if packages.is_empty() {
        return Err("cargo tree lists no package".to_owned());
    }
    let faults: Vec<_> = packages.iter().flat_map(|package| rules.faults(package)).collect();
    if faults.is_empty() { Ok(()) } else { Err(faults.join("; ")) }
}

fn has_cargo_deny() -> bool {
    let mut command = Command::new("cargo-deny");
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn read_rules() -> Result<String, String> {
    fs::read_to_string(crate::root().join("deny.toml")).map_err(|error| format!("cannot read deny.toml: {error}"))
}

fn list_packages() -> Result<String, String> {
    let mut tree = crate::cargo(&["tree", "--workspace", "--locked", "--target", "all", "--edges", "normal,build,dev"]);
    let tree = tree.args(["--prefix", "none", "--no-dedupe", "--format", "{p}|{l}"]).stderr(Stdio::inherit()).output();
    let tree = tree.map_err(|error| format!("cannot run cargo tree: {error}"))?;
    if !tree.status.success() {
        return Err(format!("cargo tree ended with {}", tree.status));
    }
    let packages = String::from_utf8_lossy(&tree.stdout);
    let mut packages: Vec<_> = packages.lines().collect();
    packages.sort_unstable();
    packages.dedup();
    Ok(packages.join("\n"))
}

/// One line of cargo tree: `name v1.2.3 (where from, if not from crates.io)|licence`.
#[derive(Debug, PartialEq)]
struct Package<'a> {
    name: &'a str,
    origin: Origin<'a>,
    licence: &'a str,
}

#[derive(Debug, PartialEq)]
enum Origin<'a> {
    CratesIo,
    Elsewhere(&'a str),
    Workspace,
}

impl<'a> Package<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (package, licence) = line.split_once('|')?;
        let mut words = package.splitn(3, ' ');
        let name = words.next().filter(|name| !name.is_empty())?;
        let note = words.nth(1).unwrap_or_default().trim_start_matches("(proc-macro)").trim();
        let origin = match note.trim_matches(['(', ')']) {
            "" => Origin::CratesIo,
            path if path.starts_with('/') => Origin::Workspace,
            elsewhere => Origin::Elsewhere(elsewhere),
        };
        Some(Self { name, origin, licence })
    }
}

/// What `deny.toml` says.
struct Rules<'a> {
    banned: Vec<&'a str>,
    licences: Vec<&'a str>,
}

impl<'a> Rules<'a> {
    fn parse(toml: &'a str) -> Result<Self, String> {
        let list = |table, key| quoted(toml, table, key).ok_or_else(|| format!("deny.toml has no {key} under [{table}]"));
        Ok(Self { banned: list("bans", "deny")?, licences: list("licenses", "allow")? })
    }

    fn faults(&self, package: &Package<'_>) -> Vec<String> {
        let Package { name, origin, licence } = package;
        let mut faults = Vec::new();
        if self.banned.contains(name) {
            faults.push(format!("{name} is banned: find who needs it by cargo tree --target all --invert {name}"));
        }
        if let Origin::Elsewhere(origin) = origin {
            faults.push(format!("{name} comes from {origin}, not from crates.io"));
        }
        if !is_allowed(licence, &self.licences) {
            faults.push(format!("{name} is under {licence:?}, which deny.toml does not allow"));
        }
        faults
    }
}

/// The quoted strings of the list `key = [...]` in a table of a TOML file, comments left out.
fn quoted<'a>(toml: &'a str, table: &str, key: &str) -> Option<Vec<&'a str>> {
    let (_, body) = toml.split_once(&format!("\n[{table}]\n"))?;
    let body = body.split("\n[").next()?;
    let (_, list) = body.split_once(&format!("\n{key} = [")).or_else(|| body.split_once(&format!("{key} = [")))?;
    let lines = list.lines().take_while(|line| *line != "]").map(|line| line.split('#').next().unwrap_or_default());
    Some(lines.flat_map(|line| line.split('"').skip(1).step_by(2)).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Origin, Package, Rules, read_rules};

    #[test]
    fn a_line_of_cargo_tree_tells_name_origin_and_licence() {
        let package = |line| Package::parse(line).map(|package| (package.name, package.origin, package.licence));
        assert_eq!(package("bytes v1.11.1|MIT"), Some(("bytes", Origin::CratesIo, "MIT")));
        assert_eq!(package("serde_derive v1.0.0 (proc-macro)|MIT"), Some(("serde_derive", Origin::CratesIo, "MIT")));
        assert_eq!(package("keys v0.1.0 (/home/me/crates/keys)|Apache-2.0"), Some(("keys", Origin::Workspace, "Apache-2.0")));
        let git = package("x v0.1.0 (https://git.example/x#1234)|MIT");
        assert_eq!(git, Some(("x", Origin::Elsewhere("https://git.example/x#1234"), "MIT")));
        assert_eq!(package(""), None);
    }

    #[test]
    fn what_is_banned_or_from_elsewhere_or_under_another_licence_is_named() {
        let rules = Rules { banned: vec!["ring"], licences: vec!["MIT"] };
        let faults = |name, origin, licence| rules.faults(&Package { name, origin, licence });
        assert_eq!(faults("bytes", Origin::CratesIo, "MIT"), Vec::<String>::new());
        assert!(faults("ring", Origin::CratesIo, "MIT")[0].starts_with("ring is banned"));
        assert_eq!(faults("x", Origin::Elsewhere("git"), "MIT"), ["x comes from git, not from crates.io"]);
        assert_eq!(faults("y", Origin::CratesIo, "GPL-3.0"), ["y is under \"GPL-3.0\", which deny.toml does not allow"]);
    }

    #[test]
    fn the_rules_are_read_from_the_file() {
        let text = read_rules().unwrap();
        let rules = Rules::parse(&text).unwrap();
        assert_eq!(rules.banned, ["native-tls", "openssl", "openssl-sys", "ring", "rsa"]);
        assert!(rules.licences.contains(&"Apache-2.0 WITH LLVM-exception"));
        assert!(!rules.licences.contains(&"GPL-3.0"));
    }
}
