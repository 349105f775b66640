//! Regular expressions of names that are put together from parts.

/// A component of the name of an image, as the registry protocol has it.
macro_rules! component {
    () => {
        "[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*"
    };
}

/// The name of an image: at most 15 components.
pub(super) const IMAGE_NAME: &str = concat!("^", component!(), "(/", component!(), "){0,14}$");

macro_rules! label {
    () => {
        "[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
    };
}

/// A port, up to 65535.
macro_rules! port {
    () => {
        "0*([0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
    };
}

/// 16 bits of an IPv6 address.
macro_rules! group {
    () => {
        "[0-9A-Fa-f]{1,4}"
    };
}

/// Up to so many groups.
macro_rules! groups {
    ($most:literal) => {
        concat!("((", group!(), ":){0,", $most, "}", group!(), ")?")
    };
}

/// The last 32 bits of an IPv6 address: two groups, or an IPv4 address.
macro_rules! last {
    () => {
        concat!("(", group!(), ":", group!(), "|", octet!(), "(\\.", octet!(), "){3})")
    };
}

macro_rules! octet {
    () => {
        "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
    };
}

/// An IPv6 address: the cases of `IPv6address` in RFC 3986, appendix A.
macro_rules! ipv6 {
    () => {
        concat!(
            "((",
            group!(),
            ":){6}",
            last!(),
            "|::(",
            group!(),
            ":){5}",
            last!(),
            "|",
            groups!(0),
            "::(",
            group!(),
            ":){4}",
            last!(),
            "|",
            groups!(1),
            "::(",
            group!(),
            ":){3}",
            last!(),
            "|",
            groups!(2),
            "::(",
            group!(),
            ":){2}",
            last!(),
            "|",
            groups!(3),
            "::",
            group!(),
            ":",
            last!(),
            "|",
            groups!(4),
            "::",
            last!(),
            "|",
            groups!(5),
            "::",
            group!(),
            "|",
            groups!(6),
            "::)"
        )
    };
}

/// A host name, an IPv4 address or an IPv6 address in brackets, and a port.
pub(super) const REGISTRY_HOST: &str =
    concat!("^(", label!(), "(\\.", label!(), ")*|\\[", ipv6!(), "\\])(:", port!(), ")?$");

/// A component of a path that is neither empty nor `..`.
macro_rules! inner {
    () => {
        "(\\.|[^./][^/]*|\\.[^./][^/]*|\\.\\.[^/]+)"
    };
}

/// A path that is not absolute and has no component `..`.
pub(super) const RELATIVE_PATH: &str = concat!("^", inner!(), "(/", inner!(), "?)*$");

/// The same, or an absolute path.
pub(super) const PROJECT_PATH: &str = concat!("^/?", inner!(), "(/", inner!(), "?)*$");
