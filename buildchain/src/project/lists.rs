//! Lists of images as other tools have them: a reference on each line, and files for `skopeo sync`.

use std::path::Path;

use images::Reference;
use serde_saphyr::Location;

use super::error::{Error, Mistakes, Origin};
use super::file::{SyncFile, SyncRegistry};
use super::names::{ImageSource, ParsedName as _, Tag, TagPattern, TagRange};
use super::pull::TagSelection;
use super::read::parse;

/// The most images of a list. A longer file is not one: without a bound, each line of a log would be a mistake.
const IMAGES_MAX: usize = 10_000;

/// An image of a list, with its place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ListedImage {
    pub(super) line: u64,
    pub(super) column: u64,
    /// The reference with its tag; that of the repository where tags are selected.
    pub(super) reference: Reference,
    pub(super) selection: Option<TagSelection>,
}

/// Reads the list `text` at `path`: a file for `skopeo sync` if it is named like YAML, else one with a reference on each line.
/// `knows` says whether the project says how a registry is reached.
///
/// # Errors
///
/// All mistakes, each with its place.
pub(super) fn read_list(
    path: &Path,
    text: &str,
    knows: &dyn Fn(&str) -> bool,
) -> Result<Vec<ListedImage>, Error> {
    if path.extension().is_some_and(|end| end == "yaml" || end == "yml") {
        return sync(path, text, knows);
    }
    let mut mistakes = Mistakes::default();
    let mut listed = Vec::new();
    let mut words = 0;
    for (line, content) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        // A reference has no `#`.
        let content = content.split('#').next().unwrap_or_default();
        let word = content.trim();
        if word.is_empty() {
            continue;
        }
        words += 1;
        if words > IMAGES_MAX {
            return Err(too_long(path, line));
        }
        let before = content.chars().take_while(|c| c.is_whitespace()).count();
        let column = before as u64 + 1;
        match reference(word) {
            Ok(reference) => listed.push(ListedImage { line, column, reference, selection: None }),
            Err(message) => {
                let origin = Origin { path: path.into(), line, column };
                mistakes.note::<()>(Err(Error::of(&origin, message)));
            }
        }
    }
    mistakes.end(listed)
}

fn too_long(path: &Path, line: u64) -> Error {
    let message = format!("a list has at most {IMAGES_MAX} images: split it, if it is one");
    Error::of(&Origin { path: path.into(), line, column: 1 }, message)
}

/// A reference of a list, which has to have a tag.
fn reference(text: &str) -> Result<Reference, String> {
    let reference = match ImageSource::parse(text)? {
        ImageSource::Registry(reference) => reference,
        ImageSource::Local(_) | ImageSource::Engine(_) => {
            return Err(format!("`{text}` is not in a registry: write it under `spec.images.pull`"));
        }
    };
    let text = text.strip_prefix("docker://").unwrap_or(text);
    match (reference.given_tag(), reference.digest()) {
        (Some(_), _) => Ok(reference),
        (None, None) => Err(format!("`{text}` has no tag: write `{text}:TAG`")),
        (None, Some(digest)) => {
            Err(format!("`{text}` has no tag, which servers need: write `{}:TAG@{digest}`", reference.name()))
        }
    }
}

fn sync(path: &Path, text: &str, knows: &dyn Fn(&str) -> bool) -> Result<Vec<ListedImage>, Error> {
    let file: SyncFile = parse(path, text).map_err(Error::without_snippet)?;
    let mut reader = SyncReader { path, mistakes: Mistakes::default(), listed: Vec::new() };
    for (host, registry) in &file.0.0 {
        reader.registry(&host.value, registry, knows);
    }
    if let Some(last) = reader.listed.get(IMAGES_MAX) {
        return Err(too_long(path, last.line));
    }
    reader.mistakes.end(reader.listed)
}

struct SyncReader<'a> {
    path: &'a Path,
    mistakes: Mistakes,
    listed: Vec<ListedImage>,
}

impl SyncReader<'_> {
    fn wrong(&mut self, place: Location, message: String) {
        self.mistakes.note::<()>(Err(Error::at(self.path, place, message)));
    }

    fn registry(&mut self, host: &str, registry: &SyncRegistry, knows: &dyn Fn(&str) -> bool) {
        let SyncRegistry { images, images_by_tag_regex, images_by_semver, credentials, tls_verify, cert_dir } =
            registry;
        // A path can follow the host.
        let domain = host.split('/').next().unwrap_or_default();
        // The values are secrets: no message has them.
        if let Some(credentials) = credentials {
            let message = "credentials are not read from lists: remove them, and log in with `skopeo login`";
            self.wrong(credentials.referenced, message.into());
        }
        if let Some(folder) = cert_dir {
            let message =
                "write the files under `certificateAuthorities` and `clientCertificate` of `spec.registries`";
            self.wrong(folder.referenced, format!("`cert-dir` is not read from lists: {message}"));
        }
        if let Some(verify) = tls_verify.as_ref().filter(|verify| !verify.value && !knows(domain)) {
            let message =
                "name the registry under `spec.registries`, with `plainHttp` or `certificateAuthorities`";
            self.wrong(verify.referenced, format!("certificates are always checked: {message}"));
        }
        for (image, tags) in &images.0 {
            let Some(repository) = self.repository(host, &image.value, image.referenced) else { continue };
            let tags = tags.as_deref().unwrap_or_default();
            if tags.is_empty() {
                let all = TagPattern::parse(".*").map(|all| TagSelection::pattern(all, None));
                self.select(repository.clone(), image.referenced, all);
            }
            for tag in tags {
                let reference = if tag.value.contains(':') {
                    let name = repository.name();
                    Err(format!(
                        "a digest without a tag, which servers need: write `{name}:TAG@{}` under `spec.images.pull`",
                        tag.value
                    ))
                } else {
                    Tag::parse(&tag.value)
                        .and_then(|tag| repository.with_tag(tag.as_str()).map_err(|error| error.to_string()))
                };
                match reference {
                    Ok(reference) => self.push(tag.referenced, reference, None),
                    Err(message) => self.wrong(tag.referenced, message),
                }
            }
        }
        for (image, pattern) in &images_by_tag_regex.0 {
            let Some(repository) = self.repository(host, &image.value, image.referenced) else { continue };
            let selection =
                TagPattern::parse(&pattern.value).map(|pattern| TagSelection::pattern(pattern, None));
            self.select(repository, pattern.referenced, selection);
        }
        for (image, range) in &images_by_semver.0 {
            let Some(repository) = self.repository(host, &image.value, image.referenced) else { continue };
            let selection = TagRange::parse(&range.value).map(|range| TagSelection::range(range, None));
            self.select(repository, range.referenced, selection);
        }
    }

    fn repository(&mut self, host: &str, image: &str, place: Location) -> Option<Reference> {
        let text = format!("{host}/{image}");
        let parsed = text.parse::<Reference>().map_err(|error| error.to_string()).and_then(|reference| {
            // A host without a dot or a port would be a part of the repository. A path can follow it.
            let domain = host.split('/').next().unwrap_or_default();
            if reference.registry() != domain && domain != "index.docker.io" {
                return Err(format!("`{host}` is not the host of a registry"));
            }
            match (reference.given_tag(), reference.digest()) {
                (None, None) => Ok(reference),
                _ => Err(format!("`{image}` is not a repository: write its tags below it")),
            }
        });
        match parsed {
            Ok(reference) => Some(reference),
            Err(message) => {
                self.wrong(place, message);
                None
            }
        }
    }

    fn select(&mut self, repository: Reference, place: Location, selection: Result<TagSelection, String>) {
        match selection {
            Ok(selection) => self.push(place, repository, Some(selection)),
            Err(message) => self.wrong(place, message),
        }
    }

    fn push(&mut self, place: Location, reference: Reference, selection: Option<TagSelection>) {
        let (line, column) = (place.line(), place.column());
        self.listed.push(ListedImage { line, column, reference, selection });
    }
}

/// For the fuzz target: reads `text` as both kinds of list, and checks what was found.
#[cfg(fuzzing)]
pub(crate) fn fuzz(text: &str) {
    for name in ["list.txt", "list.yaml"] {
        let listed = read_list(Path::new(name), text, &|_| true).unwrap_or_default();
        for ListedImage { line, column, reference, selection } in listed {
            assert!(line > 0 && column > 0);
            assert!(selection.is_some() || reference.given_tag().is_some());
            assert_eq!(reference.name().parse::<Reference>().map(|same| same.name()), Ok(reference.name()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str) -> Result<Vec<String>, String> {
        let listed = read_list(Path::new(name), text, &|host| host == "known.example:5000");
        let shown = |image: ListedImage| {
            let what = match &image.selection {
                None => image.reference.to_string(),
                Some(selection) => format!("{} {selection}", image.reference.name()),
            };
            format!("{}:{}: {what}", image.line, image.column)
        };
        listed.map(|list| list.into_iter().map(shown).collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_list_has_a_reference_on_each_line() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let text = format!(
            "\u{feff}# images\n\nnginx:1.27 # the server\r\n  docker://quay.io/a/b:v1\nlocalhost:5000/c:1@{digest}\n"
        );
        let expected = [
            "3:1: docker.io/library/nginx:1.27".to_owned(),
            "4:3: quay.io/a/b:v1".to_owned(),
            format!("5:1: localhost:5000/c:1@{digest}"),
        ];
        assert_eq!(read("images.txt", &text).unwrap(), expected);
        let text = format!("nginx\n nginx@{digest}\noci:folder\nUPPER:1\nu:p@h/x:1\na b:1\n");
        let error = read("images.txt", &text).unwrap_err();
        let expected = [
            "images.txt:1:1: `nginx` has no tag: write `nginx:TAG`",
            "images.txt:2:2: `nginx@sha256:",
            "images.txt:3:1: `oci:folder` is not in a registry: write it under `spec.images.pull`",
            "images.txt:4:1: ",
            "images.txt:5:1: ",
            "images.txt:6:1: ",
        ];
        assert_eq!(error.lines().count(), expected.len(), "{error}");
        for (line, expected) in error.lines().zip(expected) {
            assert!(line.starts_with(expected), "{line}");
        }
        assert!(
            error.contains("write `docker.io/library/nginx:TAG@sha256:aaa") && !error.contains("u:p"),
            "{error}"
        );
    }

    #[test]
    fn a_long_file_is_not_a_list() {
        let lines = |count: usize, line: &str| line.repeat(count);
        assert_eq!(read("list.txt", &lines(IMAGES_MAX, "a:1\n")).unwrap().len(), IMAGES_MAX);
        for line in ["a:1\n", "no image\n"] {
            let error = read("list.txt", &lines(IMAGES_MAX + 1, line)).unwrap_err();
            assert_eq!(error, "list.txt:10001:1: a list has at most 10000 images: split it, if it is one");
        }
        let sync = format!("quay.io:\n  images:\n    a:\n{}", lines(IMAGES_MAX + 1, "    - '1'\n"));
        assert!(read("list.yaml", &sync).unwrap_err().starts_with("list.yaml:10004:1: a list has at most"));
    }

    #[test]
    fn a_file_for_skopeo_sync_has_tags_patterns_and_ranges() {
        let text = r#"
registry.example.com:
    images:
        busybox: []
        team/all:
        redis:
            - "1.0"
            - 2.0
    images-by-tag-regex:
        nginx: ^1\.13\.[12]-alpine-perl$
    images-by-semver:
        alpine: ">= 3.12.0"
    tls-verify: true
known.example:5000:
    tls-verify: false
    images: {a: ['1']}
docker.io: {images: {b: ['1']}}
known.example:5000/team: {images: {c: ['1']}, tls-verify: false}
"#;
        let expected = [
            "4:9: registry.example.com/busybox tagPattern .*",
            "5:9: registry.example.com/team/all tagPattern .*",
            "7:15: registry.example.com/redis:1.0",
            "8:15: registry.example.com/redis:2.0",
            r"10:16: registry.example.com/nginx tagPattern ^1\.13\.[12]-alpine-perl$",
            "12:17: registry.example.com/alpine semver >= 3.12.0",
            "16:18: known.example:5000/a:1",
            "17:26: docker.io/library/b:1",
            "18:40: known.example:5000/team/c:1",
        ];
        assert_eq!(read("sync.yaml", text).unwrap(), expected);
    }

    #[test]
    fn every_mistake_of_a_file_for_skopeo_sync_is_named_and_no_credential() {
        let text = r#"
other.example:
    credentials: {username: john, password: hunter2}
    cert-dir: /home/john/certs
    tls-verify: false
    images:
        a: [sha256:0000, "b c"]
        a:1: ["1"]
        UPPER: ["1"]
    images-by-tag-regex: {b: "("}
    images-by-semver: {c: latest}
host: {images: {d: ["1"]}}
"#;
        let error = read("sync.yml", text).unwrap_err();
        let places: Vec<&str> =
            error.lines().map(|line| line.split(": ").next().unwrap_or_default()).collect();
        let expected = ["3:18", "4:15", "5:17", "7:13", "7:26", "8:9", "9:9", "10:30", "11:27", "12:17"];
        assert_eq!(places, expected.map(|place| format!("sync.yml:{place}")), "{error}");
        assert!(!error.contains("hunter2") && !error.contains("john\""), "{error}");
        // No message shows the lines of such a file.
        let broken = "a.b:\n  credentials:\n    password: hunter2\n   images: {}\n";
        let error = read_list(Path::new("sync.yaml"), broken, &|_| true).unwrap_err();
        assert_eq!(error.snippet(), None);
        assert!(
            error.to_string().contains("sync.yaml:4:4: ") && !error.to_string().contains("hunter2"),
            "{error}"
        );
        let error = read("sync.yaml", "a.b:\n  imges: {}\n  images: 7\n").unwrap_err();
        assert!(error.contains("sync.yaml:2:3: unknown key `imges`; did you mean `images`?"), "{error}");
        assert!(error.contains("sync.yaml:3:11: expected keys with values, found a number"), "{error}");
    }
}
