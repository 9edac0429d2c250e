//! The binary of the image, which holds nothing else that could run.

use std::fs;

use crate::{cargo, root, run};

/// What the Containerfile builds on Alpine.
const TARGET: &str = "x86_64-unknown-linux-musl";

/// Builds it and looks at what it needs.
pub(crate) fn check() -> Result<(), String> {
    run(&mut cargo(&["build", "--release", "--locked", "--package", "entra-rotator", "--bin", "entra-rotator", "--target", TARGET]))?;
    let folder = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
    let file = folder.join(TARGET).join("release/entra-rotator");
    let bytes = fs::read(&file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let faults = Elf(&bytes).faults().ok_or_else(|| format!("{} is no 64-bit ELF file", file.display()))?;
    if !faults.is_empty() {
        return Err(format!("{} cannot stand alone in an image: {}", file.display(), faults.join(", ")));
    }
    println!("{}: static, {} KiB", file.display(), bytes.len() / 1024);
    Ok(())
}

/// A 64-bit little-endian ELF file (System V ABI, "Object Files").
struct Elf<'a>(&'a [u8]);

const DYNAMIC: u64 = 2;
const INTERPRETER: u64 = 3;
const STACK: u64 = 0x6474_e551;
/// A tag of the dynamic section: a shared library by name.
const NEEDED: u64 = 1;

impl Elf<'_> {
    /// What keeps the program from running with nothing beside it; `None` where it is no such file.
    fn faults(&self) -> Option<Vec<String>> {
        if self.0.get(..6)? != b"\x7fELF\x02\x01" {
            return None;
        }
        let (table, size, count) = (self.number(0x20, 8)?, self.number(0x36, 2)?, self.number(0x38, 2)?);
        let mut faults = Vec::new();
        for at in (0..count).map(|number| table + number * size) {
            let (kind, flags, offset, length) =
                (self.number(at, 4)?, self.number(at + 4, 4)?, self.number(at + 8, 8)?, self.number(at + 32, 8)?);
            match kind {
                INTERPRETER => faults.push("it wants an interpreter".to_owned()),
                DYNAMIC => faults.extend(self.libraries(offset, length)?),
                STACK if flags & 1 == 1 => faults.push("its stack is executable".to_owned()),
                _ => {}
            }
        }
        Some(faults)
    }

    fn libraries(&self, offset: u64, length: u64) -> Option<Vec<String>> {
        let tags = (0..length / 16).map(|number| self.number(offset + number * 16, 8)).collect::<Option<Vec<_>>>()?;
        let needed = tags.iter().take_while(|tag| **tag != 0).filter(|tag| **tag == NEEDED);
        Some(needed.map(|_| "it wants a shared library".to_owned()).collect())
    }

    fn number(&self, at: u64, size: usize) -> Option<u64> {
        let at = usize::try_from(at).ok()?;
        let bytes = self.0.get(at..at.checked_add(size)?)?;
        Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with one program header, and behind it a dynamic section of these tags.
    fn elf(kind: u64, flags: u64, tags: &[u64]) -> Vec<u8> {
        let mut bytes = vec![0; 0x40 + 56];
        let mut put = |at: usize, number: u64, size: usize| bytes[at..at + size].copy_from_slice(&number.to_le_bytes()[..size]);
        put(0, u64::from_le_bytes(*b"\x7fELF\x02\x01\x01\x00"), 8);
        put(0x20, 0x40, 8);
        put(0x36, 56, 2);
        put(0x38, 1, 2);
        put(0x40, kind, 4);
        put(0x44, flags, 4);
        put(0x48, 0x40 + 56, 8);
        put(0x60, tags.len() as u64 * 16, 8);
        tags.iter().for_each(|tag| bytes.extend([tag.to_le_bytes(), [0; 8]].concat()));
        bytes
    }

    #[test]
    fn a_program_that_stands_alone_has_no_fault() {
        assert_eq!(Elf(&elf(1, 5, &[])).faults(), Some(vec![]));
        assert_eq!(Elf(&elf(DYNAMIC, 6, &[14, 0, NEEDED])).faults(), Some(vec![]), "what stands behind the end is nothing");
    }

    #[test]
    fn what_a_program_wants_is_named() {
        assert_eq!(Elf(&elf(INTERPRETER, 4, &[])).faults(), Some(vec!["it wants an interpreter".to_owned()]));
        assert_eq!(Elf(&elf(DYNAMIC, 6, &[NEEDED, NEEDED, 0])).faults().map(|faults| faults.len()), Some(2));
        assert_eq!(Elf(&elf(STACK, 7, &[])).faults(), Some(vec!["its stack is executable".to_owned()]));
    }

    #[test]
    fn what_is_no_program_is_refused() {
        assert_eq!(Elf(b"#!/bin/sh").faults(), None);
        assert_eq!(Elf(&elf(DYNAMIC, 6, &[])[..0x50]).faults(), None);
    }

    #[test]
    #[cfg(target_env = "gnu")]
    fn this_very_program_does_not_stand_alone() {
        let bytes = fs::read(std::env::current_exe().expect("a path")).expect("a file");
        assert!(Elf(&bytes).faults().is_some_and(|faults| !faults.is_empty()));
    }
}
