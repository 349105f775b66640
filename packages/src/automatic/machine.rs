//! Warnings about programs and libraries that do not suit the architecture of their package.

use std::path::Path;

use content::{LinkPolicy, printable};

use super::read_at;
use crate::definition::RpmDefinition;
use crate::error::{Error, Result};

/// The machines of ELF files by the architectures of packages, as RPM and as dpkg call them.
const MACHINES: [(u16, &[&str]); 9] = [
    (3, &["i386", "i486", "i586", "i686"]),
    (8, &["mips", "mipsel", "mips64", "mips64el"]),
    (20, &["ppc", "powerpc"]),
    (21, &["ppc64", "ppc64le", "ppc64el"]),
    (22, &["s390", "s390x"]),
    (40, &["armv5tel", "armv6hl", "armv7hl", "armv7hnl", "armhf", "armel"]),
    (62, &["x86_64", "amd64"]),
    (183, &["aarch64", "arm64"]),
    (243, &["riscv64"]),
];

/// The virtual machine of the kernel (BPF), whose code runs on any processor.
const BPF: u16 = 247;
/// The values of `e_type` of programs and libraries.
const TYPES: [u16; 2] = [2, 3];
/// The bytes of a file up to the end of `e_machine`.
const BEGINNING: usize = 20;

/// The architectures of packages without programs.
const NO_MACHINE: [&str; 2] = ["noarch", "all"];

/// A warning for programs and libraries in a package of another architecture, or of none. `architecture` is that of the package.
///
/// # Errors
///
/// [`Error::Io`] if a source cannot be read.
pub(crate) fn warnings(
    definition: &RpmDefinition,
    base_dir: &Path,
    architecture: &str,
) -> Result<Option<String>> {
    let own = MACHINES.iter().find(|(_, names)| names.contains(&architecture));
    let is_independent = NO_MACHINE.contains(&architecture);
    if own.is_none() && !is_independent {
        return Ok(None);
    }
    let mut first = None;
    let mut others = 0_usize;
    for file in &definition.files {
        let source = base_dir.join(file.source().path());
        let opened = content::open(&source, LinkPolicy::Follow)?;
        let beginning = read_at(&opened, 0, BEGINNING).map_err(Error::io("read", &source))?;
        let Some(machine) = machine(&beginning) else { continue };
        if own.is_some_and(|(own, _)| *own == machine) {
            continue;
        }
        if first.is_none() {
            let name = MACHINES.iter().find(|(number, _)| *number == machine);
            let name = name.and_then(|(_, names)| names.first().copied());
            first = Some((&file.to, name.map_or_else(|| format!("the machine {machine}"), str::to_owned)));
        } else {
            others += 1;
        }
    }
    let Some((path, machine)) = first else { return Ok(None) };
    let more = match others {
        0 => String::new(),
        1 => " and 1 more file".to_owned(),
        others => format!(" and {others} more files"),
    };
    let remedy = if is_independent { "write `arch:` of the program" } else { "check `arch:` and the file" };
    Ok(Some(format!(
        "{}{more}: a program for {machine} in a package for {}; {remedy}",
        printable(path),
        if is_independent { "any machine" } else { architecture },
    )))
}

/// The machine of a program or library that begins like this.
fn machine(beginning: &[u8]) -> Option<u16> {
    let [0x7f, b'E', b'L', b'F', 1 | 2, data @ (1 | 2), 1, .., t0, t1, m0, m1] = *beginning else {
        return None;
    };
    let number = |bytes| if data == 2 { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) };
    let machine = number([m0, m1]);
    (beginning.len() == BEGINNING && TYPES.contains(&number([t0, t1])) && machine != BPF).then_some(machine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_does_not_suit_its_package_is_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let mut program = [vec![0x7f, b'E', b'L', b'F', 2, 1, 1], vec![0; 57]].concat();
        (program[16], program[18]) = (2, 62);
        std::fs::write(folder.path().join("program"), &program).unwrap();
        // An object for the virtual machine of the kernel runs on any processor.
        program[18] = 247;
        std::fs::write(folder.path().join("bpf"), &program).unwrap();
        std::fs::write(folder.path().join("text"), "\x7fELF").unwrap();
        for (architecture, expected) in [
            ("x86_64", None),
            ("amd64", None),
            ("loongarch64", None),
            (
                "noarch",
                Some(
                    "/p and 1 more file: a program for x86_64 in a package for any machine; write `arch:` of the program",
                ),
            ),
            (
                "arm64",
                Some(
                    "/p and 1 more file: a program for x86_64 in a package for arm64; check `arch:` and the file",
                ),
            ),
        ] {
            let definition = serde_saphyr::from_str(
                "{name: a, version: '1', release: '1', arch: noarch, summary: A, license: MIT, files: [{from: text, to: /t}, \
                 {from: bpf, to: /b}, {from: program, to: /p}, {from: program, to: /q}]}",
            )
            .unwrap();
            let found = warnings(&definition, folder.path(), architecture).unwrap();
            assert_eq!(found.as_deref(), expected, "{architecture}");
        }
    }
}
