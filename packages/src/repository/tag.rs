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

macro_rules! main_tags {
    ($($name:ident = $number:literal;)*) => {
        tags! { $($name = $number;)* }

        /// The tags of the main header that have a constant.
        const MAIN: &[Tag] = &[$($name),*];
    };
}

/// Tags of the main header that are only named in messages.
const NAMED: [Tag; 26] = [
    Tag(1023, "PREIN"),
    Tag(1024, "POSTIN"),
    Tag(1025, "PREUN"),
    Tag(1026, "POSTUN"),
    Tag(1033, "FILERDEVS"),
    Tag(1034, "FILEMTIMES"),
    Tag(1036, "FILELINKTOS"),
    Tag(1039, "FILEUSERNAME"),
    Tag(1040, "FILEGROUPNAME"),
    Tag(1045, "FILEVERIFYFLAGS"),
    Tag(1064, "RPMVERSION"),
    Tag(1065, "TRIGGERSCRIPTS"),
    Tag(1066, "TRIGGERNAME"),
    Tag(1067, "TRIGGERVERSION"),
    Tag(1085, "PREINPROG"),
    Tag(1086, "POSTINPROG"),
    Tag(1087, "PREUNPROG"),
    Tag(1088, "POSTUNPROG"),
    Tag(1097, "FILELANGS"),
    Tag(1151, "PRETRANS"),
    Tag(1152, "POSTTRANS"),
    Tag(1155, "DISTTAG"),
    Tag(5010, "FILECAPS"),
    Tag(5034, "VCS"),
    Tag(5062, "ENCODING"),
    Tag(5096, "MODULARITYLABEL"),
];

/// The name of a tag of the main header; `None` for a rare one.
pub(crate) fn main_tag_name(number: u32) -> Option<&'static str> {
    MAIN.iter().chain(&NAMED).find(|tag| tag.0 == number).map(|tag| tag.1)
}

main_tags! {
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
}

// In the signature header, whose numbers mean other things.
tags! {
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
