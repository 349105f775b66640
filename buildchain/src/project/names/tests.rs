use proptest::prelude::*;
use proptest::string::string_regex;
use regex::Regex;

use super::*;

#[test]
fn names_are_parsed_or_refused_with_a_reason() {
    let deep = vec!["a"; 16].join("/");
    let long = format!("1{}", " ".repeat(400));
    for (format, good, bad) in [
        ("archive-name", &["MetalK8s", "a.b-c_1"][..], &["", "a b", "-a", "../a"][..]),
        ("archive-version", &["1.0~rc.1-dev"], &["", "1 2", "~1"]),
        ("release", &["8", "8.6"], &["8/..", ""]),
        ("image-name", &["a/b-c", "a__b"], &["A", "../a", "", &deep]),
        ("image-tag", &["v1.0_x"], &["", "a b", ".1"]),
        (
            "registry-host",
            &["docker.io", "localhost:5000", "[::1]:5000", "[::1]", "10.0.0.1"],
            &["", "https://x", "a/b", "a:99999", "[::1", "a b", "u:p@h"],
        ),
        ("mirror", &["https://m/docker.io", "http://m:5000"], &["ftp://m", "https://u:p@m", "https://"]),
        ("relative-path", &["a/b", "./a", "."], &["", "/a", "a/../b"]),
        ("project-path", &["a/b", "/a/b", "a/", "."], &["", "/", "//a", "a/../b", "/a/.."]),
        ("task-name", &["codegen", "codegen:dex", "a/b:c"], &["", "_a", "a:", "a b", "a=b", ":a"]),
        ("pool-name", &["net"], &["", "a b"]),
        ("time-span", &["90s", "10m", "2h"], &["", "0s", "10", "1d", "09m", "1234567s", "+1s"]),
        ("gitignore-pattern", &["*.pyc", "/a/"], &["[z-a]"]),
        ("path-pattern", &["a/*.rpm", "**/x-[0-9].rpm", "a/b.rpm"], &["", "/a/*", "../*", "a/[z-a]", "a/{b"]),
        ("version-range", &[">=2.7 <2.8", "2.7", "*"], &["", "latest", ">="]),
        ("required-image", &["nginx:1.25", "a/b:1"], &["", "nginx", "Nginx:1", "nginx:1@md5:1"]),
        ("package-name", &["containerd", "libstdc++"], &["", "-x", "a b"]),
        ("platform", &["linux/amd64", "linux/arm/v7"], &["amd64", "linux/", "a/b/c/d"]),
        (
            "image-source",
            &["quay.io/a/b", "docker://b", "oci:a/b:n", "a:1", "docker-daemon:a:1"],
            &[
                "a/UPPER",
                "oci:",
                "sif:x",
                "docker-daemon:",
                "containers-storage:[vfs@/a]b:1",
                "a:1@sha256:00",
            ],
        ),
        (
            "engine-image",
            &["docker-daemon:a_b:1", "containers-storage:localhost/a"],
            &["a:1", "docker-daemon:A"],
        ),
        ("tag-pattern", &["^1\\.27\\.", "", "it's"], &["(", "a\n", "é", "a{9999999}", &long]),
        ("tag-range", &[">=1.27 <1.28", "1.27", "1 || 3"], &["", "latest", ">=1\n<2", "1 ||", &long]),
        (
            "image-repository",
            &["docker.io/library/nginx", "localhost:5000/a"],
            &["nginx", "quay.io/a:1", "quay.io/A", ""],
        ),
        ("image-reference", &["alpine:3"], &["UPPER"]),
        ("date-time", &["2026-01-31T00:00:00Z"], &["yesterday", "1969-01-01T00:00:00Z"]),
        ("digest", &[], &["sha256:ff", "md5:1"]),
        ("template-suffix", &["none", ".in", ".sh.j2"], &["", ".", "in", ".a/b"]),
        ("delimiter", &["<<", "%}", "#"], &["", "< <", "é", "12345678901234567"]),
        ("archive-mode", &["0644", "755"], &["", "0600", "0o755", "4755", "00755"]),
        ("referrer-subject", &[], &["sha256:ff.sig", ""]),
        ("repository-pattern", &["*", "nginx", "quay.io/a/*"], &["", "a*", "quay.io/a:1", "*/a", "a/**"]),
        (
            "key-id",
            &["SHA256:qZHego6yPRpAQdNP9/gDZdeLR0omrMQ7SgQP2KZiytU"],
            &["", "SHA256:", "sha256:qZHego6yPRpAQdNP9/gDZdeLR0omrMQ7SgQP2KZiytU"],
        ),
        (
            "repository-url",
            &[
                "https://h/epel/$releasever/$basearch/",
                "http://h:80/",
                "file:///srv/r",
                "https://[::1]:5/x?a=b",
            ],
            &["", "https://h", "ftp://h/", "https://u:p@h/", "file://h/x", "https:///x", "https://h/a b"],
        ),
        (
            "package-request",
            &[
                "socat",
                "kubelet-1.29.8",
                "nginx >= 1.20",
                "/usr/bin/host",
                "@core",
                "@nodejs:18/common",
                "py*",
            ],
            &["", "-x", " a", "a\nb", "é"],
        ),
        ("module-stream", &["nodejs:18", "perl:5.26"], &["", "nodejs", "a:", ":a", "a:b/c"]),
        ("rpm-architecture", &["x86_64", "noarch"], &["", "../x", "X86"]),
        (
            "nevra",
            &["socat-1.7.3-1.el8.x86_64", "a-b-2:1~rc^x-1.noarch"],
            &["", "socat", "a-1.x86_64", "../a-1-1.x86_64", "a-1-1.", "a-:1-1.x86_64", "a/b-1-1.x86_64"],
        ),
        (
            "locked-path",
            &["p/a-1-1.x86_64.rpm", "https://h/a.rpm"],
            &["", "/a", "../a", "a/../b", "https:///a", "a\nb", "ftp://h/a"],
        ),
        ("suite-name", &["bookworm", "bookworm/updates", "main"], &["", "./", "/a", "a//b", "a/../b", "a b"]),
        ("deb-architecture", &["amd64", "kfreebsd-amd64", "all"], &["", "-a", "AMD64", "a_b"]),
        (
            "deb-name",
            &["socat_1.7-2_amd64", "a_1:1~rc_all"],
            &["", "a", "a_1", "../a_1_all", "a_1/2_all", "a_-1_all"],
        ),
        ("source-name", &["etcd", "a-1.b"], &["", "../a", "a/b", "a b"]),
        (
            "file-url",
            &["https://h/x-1.tgz", "http://h:80/?a=%20&b=(c)", "https://[::1]:5/x"],
            &[
                "",
                "h/x",
                "ftp://h/x",
                "https://h",
                "https:///x",
                "https://u:p@h/x",
                "https://h/a b",
                "https://h/#a",
            ],
        ),
        ("file-name", &["kubectl", "a_b+c~1.tgz"], &["", ".", "..", ".a", "-a", "a/b", "a b", "é"]),
        (
            "git-location",
            &["https://h/a.git", "ssh://git@h:22/a", "file:///a", "../a", "/a b/c", "~"],
            &["", "-u", "git@h:a", "ext::sh -c x", "https://u@h/a", "ssh://u:p@h/a", "ftp://h/a", "a\nb"],
        ),
        (
            "git-ref",
            &["v1.2", "refs/heads/a", "feature/x@2", "HEAD"],
            &["", "-a", "a b", "a:b", "a*", "+a", "a^"],
        ),
        (
            "commit",
            &["0123456789abcdef0123456789abcdef01234567"],
            &["", "0123", "0123456789ABCDEF0123456789abcdef01234567"],
        ),
    ] {
        let check = checker(format).expect(format);
        for text in good {
            assert_eq!(check(text), Ok(()), "{format}: {text}");
        }
        for text in bad {
            assert!(check(text).is_err_and(|reason| !reason.is_empty()), "{format}: {text}");
        }
    }
    let digest = Digest::of(b"").to_string();
    for text in [digest.clone(), format!("{digest}.sig")] {
        assert_eq!(checker("referrer-subject").unwrap()(&text), Ok(()), "{text}");
    }
    assert!(checker("uri").is_none());
}

#[test]
fn an_invalid_mirror_is_not_repeated() {
    assert!(!Mirror::parse("https://me:hunter2@m").unwrap_err().contains("hunter2"));
}

impl NameRule {
    /// What an editor concludes from the schema; `None` if the schema has no pattern.
    fn schema_accepts(&self, text: &str) -> Option<bool> {
        let pattern = Regex::new(self.pattern?).unwrap();
        let is_short = self.length_max.is_none_or(|most| text.chars().count() <= most);
        Some(is_short && pattern.is_match(text))
    }

    /// The schema and the parser must agree on `text`.
    fn agrees_on(&self, text: &str) -> bool {
        self.schema_accepts(text).is_none_or(|accepts| accepts == (self.check)(text).is_ok())
    }
}

fn with_pattern() -> Vec<NameRule> {
    RULES.into_iter().filter(|rule| rule.pattern.is_some()).collect()
}

#[test]
fn the_schema_accepts_what_the_parser_accepts() {
    let digest = Digest::of(b"").to_string();
    let upper = digest.to_ascii_uppercase();
    let long = |count: usize| "a".repeat(count);
    let deep = |count: usize| vec!["a"; count].join("/");
    let texts = [
        "",
        " ",
        "a",
        "https://h/x",
        "https://h/",
        "https://h",
        "https:///x",
        "http://h:5/x?a=%20",
        "https://u:p@h/x",
        "https://h/a b",
        "https://[::1]/x",
        "0123456789abcdef0123456789abcdef01234567",
        "A",
        "0",
        "-",
        "_",
        ".",
        "..",
        "...",
        "~",
        "/",
        "//",
        "a/",
        "/a",
        "a//b",
        "a/.",
        "a/..",
        "../a",
        "./a",
        "a/../b",
        "a/..b",
        "a/.b",
        "a/b..",
        "..a",
        ".a",
        "a\n",
        "a\n/..",
        "\n",
        "a b",
        "é",
        "é/a",
        "a.b",
        "a_b",
        "a__b",
        "a___b",
        "a-b",
        "a--b",
        "a.-b",
        "a..b",
        "a-",
        "-a",
        "a_",
        "1.0~rc.1",
        "~1",
        "A1-b_c.d",
        "a:b",
        "a:",
        ":a",
        "a:1",
        "a:0",
        "a:080",
        "a:65535",
        "a:65536",
        "a:099999",
        "a:+1",
        "a:1:2",
        "a.b:5000",
        "a.b.",
        ".b",
        "a.-b.c",
        "a-.b",
        "10.0.0.1:1",
        "[::1]",
        "[::]",
        "[::1]:5",
        "[::1]:",
        "[1::]",
        "[::1",
        "::1",
        "[]",
        "[1:2:3:4:5:6:7:8]",
        "[1:2:3:4:5:6:7]",
        "[1:2:3:4:5:6:7:8:9]",
        "[1:2:3:4:5:6:7::]",
        "[1:2:3:4:5:6:7:8::]",
        "[::2:3:4:5:6:7:8]",
        "[1::3:4:5:6:7:8]",
        "[1::2::3]",
        "[::1.2.3.4]",
        "[::256.2.3.4]",
        "[::01.2.3.4]",
        "[1.2.3.4::]",
        "[1:2:3:4:5:6:1.2.3.4]",
        "[1:2:3:4:5:6:7:1.2.3.4]",
        "[::fFfF]",
        "[::12345]",
        "[fe80::1%1]",
        "http://a",
        "https://a",
        "http://",
        "https:///a",
        "http://a/",
        "http://a/b@c",
        "http://a@b",
        "http://:p@b/",
        "ftp://a",
        "HTTP://a",
        "http://a:b/c\nd",
        "x http://a",
        "linux/amd64",
        "linux/arm/v7",
        "linux",
        "linux/",
        "a/b/c/d",
        "linux/a b",
        "755",
        "0755",
        "00755",
        "07777",
        "10000",
        "17777",
        "77777",
        "75",
        "8",
        "0888",
        "sha256:",
    ];
    let made = [
        digest.clone(),
        upper,
        format!("{digest}0"),
        format!("{digest}.sig"),
        format!("{digest}.att"),
        format!("{digest}.sbom"),
        format!("{digest}.other"),
        format!("{digest}."),
        format!("md5:{}", long(64)),
        long(128),
        long(129),
        long(255),
        long(256),
        deep(15),
        deep(16),
    ];
    for text in texts.into_iter().chain(made.iter().map(String::as_str)) {
        for rule in with_pattern() {
            assert!(rule.agrees_on(text), "{}: {text:?}: {:?}", rule.format, (rule.check)(text));
        }
    }
}

/// A text of the schema with one edit: the texts near the border of what is valid.
fn near(pattern: &str) -> impl Strategy<Value = String> + use<> {
    let whole = string_regex(pattern.trim_start_matches('^').trim_end_matches('$')).unwrap();
    let character = prop::sample::select("aAzZ09fFgG.-_~/:@[]^ \n\\é+%".chars().collect::<Vec<_>>());
    (whole, any::<prop::sample::Index>(), character, 0..4).prop_map(|(text, place, character, edit)| {
        let mut characters: Vec<char> = text.chars().collect();
        let place = place.index(characters.len() + 1);
        match edit {
            0 => characters.insert(place, character),
            1 if place < characters.len() => drop(characters.remove(place)),
            2 if place < characters.len() => characters[place] = character,
            _ => {}
        }
        characters.into_iter().collect()
    })
}

fn any_rule() -> impl Strategy<Value = (usize, String)> {
    (0..with_pattern().len()).prop_flat_map(|index| {
        let pattern = with_pattern()[index].pattern.unwrap();
        let text = prop_oneof![near(pattern), "[aA0fF:./@_~\\[\\]-]{0,12}", "\\PC{0,8}"];
        (Just(index), text)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_schema_and_the_parser_agree_on_any_text((index, text) in any_rule()) {
        let rule = &with_pattern()[index];
        prop_assert!(rule.agrees_on(&text), "{}: {text:?}: {:?}", rule.format, (rule.check)(&text));
    }
}
