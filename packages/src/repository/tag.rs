//! The tags of a package's headers that repository metadata is made of.

/// A tag's number, and its name in messages.
#[derive(Clone, Copy)]
pub(super) struct Tag(u32, &'static str);

impl Tag {
    pub(super) fn number(self) -> u32 {
        self.0
    }

    pub(super) fn name(self) -> &'static str {
        self.1
    }
}

macro_rules! tags {
    ($($name:ident = $number:literal;)*) => { $(pub(super) const $name: Tag = Tag($number, stringify!($name));)* };
}

tags! {
    LONGARCHIVESIZE = 271;
    NAME = 1000;
    VERSION = 1001;
    RELEASE = 1002;
    EPOCH = 1003;
    SUMMARY = 1004;
    DESCRIPTION = 1005;
    BUILDTIME = 1006;
    BUILDHOST = 1007;
    SIZE = 1009;
    VENDOR = 1011;
    LICENSE = 1014;
    PACKAGER = 1015;
    GROUP = 1016;
    URL = 1020;
    ARCH = 1022;
    OLDFILENAMES = 1027;
    FILEMODES = 1030;
    FILEFLAGS = 1037;
    SOURCERPM = 1044;
    ARCHIVESIZE = 1046;
    PROVIDENAME = 1047;
    REQUIREFLAGS = 1048;
    REQUIRENAME = 1049;
    REQUIREVERSION = 1050;
    CONFLICTFLAGS = 1053;
    CONFLICTNAME = 1054;
    CONFLICTVERSION = 1055;
    CHANGELOGTIME = 1080;
    CHANGELOGNAME = 1081;
    CHANGELOGTEXT = 1082;
    OBSOLETENAME = 1090;
    SOURCEPACKAGE = 1106;
    PROVIDEFLAGS = 1112;
    PROVIDEVERSION = 1113;
    OBSOLETEFLAGS = 1114;
    OBSOLETEVERSION = 1115;
    DIRINDEXES = 1116;
    BASENAMES = 1117;
    DIRNAMES = 1118;
    LONGSIZE = 5009;
    RECOMMENDNAME = 5046;
    RECOMMENDVERSION = 5047;
    RECOMMENDFLAGS = 5048;
    SUGGESTNAME = 5049;
    SUGGESTVERSION = 5050;
    SUGGESTFLAGS = 5051;
    SUPPLEMENTNAME = 5052;
    SUPPLEMENTVERSION = 5053;
    SUPPLEMENTFLAGS = 5054;
    ENHANCENAME = 5055;
    ENHANCEVERSION = 5056;
    ENHANCEFLAGS = 5057;
    PAYLOADSHA256 = 5092;
    PAYLOADSHA256ALGO = 5093;
    PAYLOADSIZEALT = 5113;
    RPMFORMAT = 5114;
    HEADERIMMUTABLE = 63;
    // In the signature header, whose numbers mean other things.
    SIGNATURE_PAYLOADSIZE = 1007;
    HEADERSIGNATURES = 62;
    DSAHEADER = 267;
    RSAHEADER = 268;
    SHA1HEADER = 269;
    LONGSIGSIZE = 270;
    SHA256HEADER = 273;
    OPENPGP = 278;
    RESERVED = 999;
    SIGSIZE = 1000;
    SIGPGP = 1002;
    SIGMD5 = 1004;
    SIGGPG = 1005;
    RESERVEDSPACE = 1008;
}
