//! Which architectures a machine runs, and which of them is better.

/// The machine's own architecture first, and what else it runs.
const FAMILIES: [(&str, &[&str]); 15] = [
    ("x86_64_v4", &["x86_64_v4", "x86_64_v3", "x86_64_v2", "x86_64", "i686", "i586", "i486", "i386"]),
    ("x86_64_v3", &["x86_64_v3", "x86_64_v2", "x86_64", "i686", "i586", "i486", "i386"]),
    ("x86_64_v2", &["x86_64_v2", "x86_64", "i686", "i586", "i486", "i386"]),
    ("x86_64", &["x86_64", "i686", "i586", "i486", "i386"]),
    ("i686", &["i686", "i586", "i486", "i386"]),
    ("i586", &["i586", "i486", "i386"]),
    ("i486", &["i486", "i386"]),
    ("s390x", &["s390x", "s390"]),
    ("ppc64", &["ppc64", "ppc"]),
    ("ppc64p7", &["ppc64p7", "ppc64", "ppc"]),
    ("armv8hl", &["armv8hl", "armv7hl", "armv6hl"]),
    ("armv7hnl", &["armv7hnl", "armv7hl", "armv6hl"]),
    ("armv7hl", &["armv7hl", "armv6hl"]),
    ("sparc64", &["sparc64", "sparcv9", "sparcv8", "sparc"]),
    ("sparcv9", &["sparcv9", "sparcv8", "sparc"]),
];

/// What an architecture is on a machine: 0 if it does not run there, 1 for packages without one (`noarch`), and else the more
/// the worse.
pub(super) fn score(machine: &str, arch: &str) -> u32 {
    if arch == "noarch" {
        return 1;
    }
    let family = FAMILIES.iter().find(|(name, _)| *name == machine).map(|(_, family)| *family);
    let family = family.unwrap_or(std::slice::from_ref(&machine));
    family.iter().zip(2..).find(|(known, _)| **known == arch).map_or(0, |(_, score)| score)
}

/// Whether a machine of an architecture runs packages of the architecture `arch`: `noarch`, and its own and older ones.
#[must_use]
pub fn runs_on(machine: &str, arch: &str) -> bool {
    score(machine, arch) > 0
}

/// Whether packages of one name and of these two architectures replace each other. Those of 32 and of 64 bits do not.
pub(super) fn replaces(one: &str, other: &str) -> bool {
    let color = |arch: &str| match arch {
        "noarch" => 3,
        "s390x" => 2,
        arch if arch.contains("64") => 2,
        _ => 1,
    };
    one == other || color(one) & color(other) != 0
}
