//! Images to pull, as entries, lists and the lock file name them.

use std::collections::BTreeMap;

use content::Digest;

use crate::project::{Error, FILE_NAME, LockFile, ParsedName as _, Project, Settings, SettingsFlags, Tag};

/// A project of files, with a lock file.
struct Scratch(tempfile::TempDir);

impl Scratch {
    /// `images` is what is under `spec.images`, and `files` are others.
    fn new(images: &str, files: &[(&str, &str)]) -> Self {
        Self::of(&format!("spec:\n  images:\n{}", indented(images, 4)), files)
    }

    fn of(spec: &str, files: &[(&str, &str)]) -> Self {
        let root = tempfile::tempdir().unwrap();
        let head =
            "apiVersion: sealift.dev/v1alpha1\nkind: Platform\nmetadata: {name: Example, version: '1'}\n";
        std::fs::write(root.path().join(FILE_NAME), format!("{head}{spec}")).unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Self(root)
    }

    fn load(&self) -> Result<Project, Error> {
        let settings = Settings::gather(self.0.path(), &BTreeMap::new(), &SettingsFlags::default())?;
        Project::load(self.0.path(), settings)
    }

    fn lock(&self, write: impl FnOnce(&mut LockFile)) {
        let mut lock = LockFile::default();
        write(&mut lock);
        lock.write(self.0.path()).unwrap();
    }
}

fn indented(text: &str, depth: usize) -> String {
    text.lines().map(|line| format!("{}{line}\n", " ".repeat(depth))).collect()
}

/// The images to pull, as `NAME:TAG[+ALIAS] = SOURCE`, with the rules of those that are to be chosen.
fn pulled(project: &Project) -> Vec<String> {
    let pulls = project.pull.iter().map(|pull| {
        let tags: Vec<&str> = pull.all_tags().map(Tag::as_str).collect();
        let pinned = pull.digest.map_or_else(String::new, |digest| format!("@{}", &digest.hex()[..2]));
        format!("{}:{} = {}{pinned}", pull.name, tags.join("+"), pull.source)
    });
    let selections = project.selections.iter().filter(|selected| !selected.is_locked);
    pulls.chain(selections.map(|selected| format!("? {selected}"))).collect()
}

fn digest(digit: &str) -> Digest {
    format!("sha256:{}", digit.repeat(64)).parse().unwrap()
}

#[test]
fn an_entry_names_one_image_or_several() {
    let pin = digest("a");
    let table = [
        ("- nginx:1.27".to_owned(), &["nginx:1.27 = docker.io/library/nginx:1.27"][..]),
        ("- docker://quay.io/team/web:4".into(), &["web:4 = quay.io/team/web:4"]),
        (format!("- quay.io/team/web:4@{pin}"), &["web:4 = quay.io/team/web:4@aa"]),
        (format!("- {{source: 'quay.io/team/web@{pin}', tag: '4'}}"), &["web:4 = quay.io/team/web:4@aa"]),
        (
            format!("- {{source: quay.io/team/web, tag: '4', digest: '{pin}'}}"),
            &["web:4 = quay.io/team/web:4@aa"],
        ),
        ("- {name: team/web, source: 'quay.io/a/web:4'}".into(), &["team/web:4 = quay.io/a/web:4"]),
        (
            "- {source: quay.io/a/web, tags: ['4', '5']}".into(),
            &["web:4 = quay.io/a/web:4", "web:5 = quay.io/a/web:5"],
        ),
        (
            "- {source: 'quay.io/a/web:4.2', aliases: ['4', stable]}".into(),
            &["web:4.2+4+stable = quay.io/a/web:4.2"],
        ),
        (
            "- {name: tool, source: 'oci:vendor', tags: ['1', '2']}".into(),
            &["tool:1 = oci:vendor", "tool:2 = oci:vendor"],
        ),
        (
            "- {source: quay.io/a/web, semver: '>=4 <5', latest: 1, aliases: [stable]}".into(),
            &["? quay.io/a/web (latest 1 of semver >=4 <5)"],
        ),
        (
            r"- {source: alpine, tagPattern: '^3\.2[01]\.'}".into(),
            &[r"? docker.io/library/alpine (tagPattern ^3\.2[01]\.)"],
        ),
        (
            "- {source: 'quay.io/a/{{ app }}:1', forEach: {app: [x, y]}}".into(),
            &["x:1 = quay.io/a/x:1", "y:1 = quay.io/a/y:1"],
        ),
        ("- 'quay.io/a/{{ name | lower }}:{{ version }}'".into(), &["example:1 = quay.io/a/example:1"]),
    ];
    for (entry, expected) in table {
        let project = Scratch::new(&format!("pull:\n{entry}\n"), &[("vendor/index.json", "{}")]);
        let project = project.load().unwrap_or_else(|error| panic!("{entry}: {error}"));
        assert_eq!(pulled(&project), expected, "{entry}");
    }
}

#[test]
fn an_entry_without_one_meaning_is_refused_where_it_stands() {
    let pin = digest("a");
    for (entry, place, message) in [
        ("nginx", 9, "no tag: expected one in `source` (`REPOSITORY:TAG`)"),
        ("{source: nginx}", 18, "no tag"),
        ("{source: 'nginx:1', tag: '2'}", 18, "a tag in `source` and `tag`: expected one of them"),
        ("{source: nginx, tag: '1', tags: ['2']}", 18, "`tag` and `tags`: expected one of them"),
        ("{source: nginx, tagPattern: a, semver: '1'}", 18, "`tagPattern` and `semver`"),
        ("{source: nginx, tagPattern: '('}", 37, "`(` is not a regular expression: unclosed group"),
        ("{source: nginx, semver: latest}", 33, "`latest` is not a range of versions"),
        ("{source: nginx, tag: '1', latest: 2}", 18, "`latest` needs `tagPattern` or `semver`"),
        ("{source: nginx, semver: '1', latest: 0}", 18, "`latest: 0` takes no tag"),
        ("{source: nginx, tags: ['1', '2'], aliases: [a]}", 53, "`aliases` are tags of one image"),
        ("{source: nginx, semver: '1', latest: 2, aliases: [a]}", 59, "`aliases` are tags of one image"),
        ("{source: 'nginx:1', aliases: ['1']}", 18, "a second image `nginx:1`"),
        ("{source: 'nginx:1', aliases: ['a b']}", 39, "`a b` cannot be a tag"),
        ("{source: nginx, semver: '1', digest: DIGEST}", 18, "a digest is that of one image"),
        ("{source: nginx, tags: ['1', '2'], digest: DIGEST}", 18, "a digest is that of one image"),
        ("{source: 'nginx:1@DIGEST', digest: DIGEST}", 18, "two digests"),
        ("{source: 'oci:vendor', tag: '1'}", 18, "an image of the project needs a `name`"),
        ("{name: a, source: 'oci:vendor'}", 27, "an image of the project needs `tag` or `tags`"),
        ("{name: a, source: 'oci:vendor', semver: '1'}", 27, "need a repository of a registry"),
        ("{name: a, source: 'oci:vendor', tag: '1', referrers: true}", 27, "`referrers` needs a registry"),
        ("docker-daemon:team/app", 9, "no tag: expected one in `source` (`NAME:TAG`), `tag` or `tags`"),
        ("{source: 'docker-daemon:app', semver: '1'}", 18, "need a repository of a registry"),
        (
            "{source: 'docker-daemon:app:1', tag: '1'}",
            18,
            "a tag in `source` and `tag`: expected one of them",
        ),
        ("{source: 'docker-daemon:app:1', referrers: true}", 18, "`referrers` needs a registry"),
        ("docker-daemon:app:1@DIGEST", 9, "expected `docker-daemon:NAME:TAG`"),
        ("'containers-storage:[vfs@/a]app:1'", 9, "the engine itself finds its storage"),
    ] {
        let entry = entry.replace("DIGEST", &pin.to_string());
        let project = Scratch::new(&format!("pull:\n- {entry}\n"), &[("vendor/index.json", "{}")]);
        let error = project.load().expect_err(&entry).to_string();
        assert!(
            error.contains(&format!("{FILE_NAME}:7:{}: ", place - 2)) && error.contains(message),
            "{entry}: {error}"
        );
        assert_eq!(error.lines().count(), 1, "{entry}: {error}");
    }
}

#[test]
fn images_of_engines_have_the_ids_of_the_lock_file_or_of_the_project() {
    let (locked, pin) = (Digest::of(b"locked"), Digest::of(b"pin"));
    let pinned = format!("- {{name: own, source: 'docker-daemon:app:1', digest: '{pin}'}}\n");
    let text = "pull:\n- docker-daemon:quay.io/team/my_image:1.0.0\n\
                - {name: team/b, source: containers-storage:b, tags: ['1', '2']}\n"
        .to_owned();
    let project = Scratch::new(&(text + &pinned), &[]);
    project.lock(|lock| {
        for image in ["containers-storage:b:2", "docker-daemon:app:1"] {
            assert_eq!(lock.set_id(image.parse().unwrap(), locked), None);
        }
    });
    let project = project.load().unwrap();
    let short = |digest: &Digest| digest.hex()[..2].to_owned();
    assert_eq!(
        pulled(&project),
        [
            "my_image:1.0.0 = docker-daemon:quay.io/team/my_image:1.0.0".to_owned(),
            "team/b:1 = containers-storage:b:1".to_owned(),
            format!("team/b:2 = containers-storage:b:2@{}", short(&locked)),
            format!("own:1 = docker-daemon:app:1@{}", short(&pin)),
        ]
    );
    let wanted: Vec<String> = project.engine_images().iter().map(ToString::to_string).collect();
    assert_eq!(
        wanted,
        ["docker-daemon:quay.io/team/my_image:1.0.0", "containers-storage:b:1", "containers-storage:b:2"]
    );
}

#[test]
fn lists_of_other_tools_are_images_to_pull() {
    let text = "# images\nquay.io/a/web:1\nquay.io/b/web:2 # the other\nquay.io/a/web:1\n";
    let sync = "quay.io:\n  images: {a/web: ['1', '3']}\n  images-by-semver: {a/db: '>=2'}\n";
    let (files, unscoped) = ([("lists/all.txt", text), ("sync.yaml", sync)], [("lists/all.txt", text)]);
    let project = Scratch::new("lists: [lists/all.txt, sync.yaml]\n", &files);
    assert_eq!(
        pulled(&project.load().unwrap()),
        [
            "web:1 = quay.io/a/web:1",
            "web:2 = quay.io/b/web:2",
            "web:3 = quay.io/a/web:3",
            "? quay.io/a/db (semver >=2)"
        ]
    );
    let list = "lists:\n- file: 'lists/{{ which }}.txt'\n  scoped: true\n  platforms: [linux/amd64]\n  referrers: true\n  when: which == 'all'\n  forEach: {which: [none, all]}\n";
    let project = Scratch::new(list, &unscoped).load().unwrap();
    assert_eq!(pulled(&project), ["a/web:1 = quay.io/a/web:1", "b/web:2 = quay.io/b/web:2"]);
    assert!(project.pull.iter().all(|pull| pull.with_referrers && pull.platform_names() == "linux/amd64"));
    assert!(project.sources.iter().any(|path| path.ends_with("lists/all.txt")), "{:?}", project.sources);
}

#[test]
fn an_entry_counts_before_a_list_and_two_images_of_one_name_are_refused() {
    // The list is in an included file, which comes first.
    let spec = "spec:\n  include: [part.yaml]\n  images: {pull: [{source: 'quay.io/a/web:1', tar: true}]}\n";
    let part = ("part.yaml", "images: {lists: [list.txt]}\n");
    let project = Scratch::of(spec, &[part, ("list.txt", "quay.io/a/web:1\n")]).load().unwrap();
    assert_eq!(pulled(&project), ["web:1 = quay.io/a/web:1"]);
    assert!(project.pull[0].tar);

    let list = format!("quay.io/b/web:1\n  quay.io/a/web:1@{}\n", digest("b"));
    let error = Scratch::of(spec, &[part, ("list.txt", &list)]).load().unwrap_err().to_string();
    for place in ["list.txt:1:1", "list.txt:2:3"] {
        let message = format!(
            "{place}: a second image `web:1`: name the images of the list by the whole path of their repository: `scoped: true`"
        );
        assert!(error.contains(&message), "{error}");
    }
    let error = Scratch::new("pull: ['quay.io/a/web:1', 'quay.io/b/web:1']\n", &[]).load().unwrap_err();
    assert!(
        error
            .to_string()
            .contains("sealift.yaml:6:31: a second image `web:1`: give one of them another `name`"),
        "{error}"
    );
}

/// A registry of any part of the project counts for a list of any other.
#[test]
fn a_list_without_checks_of_certificates_needs_a_registry_of_the_project() {
    let sync = ("sync.yaml", "r.example:5000:\n  tls-verify: false\n  images: {a: ['1']}\n");
    let spec = "spec:\n  include: [part.yaml]\n  registries: [{host: 'r.example:5000', plainHttp: true}]\n";
    let part = ("part.yaml", "images: {lists: [sync.yaml]}\n");
    assert_eq!(pulled(&Scratch::of(spec, &[part, sync]).load().unwrap()), ["a:1 = r.example:5000/a:1"]);
    let error = Scratch::of("spec: {include: [part.yaml]}\n", &[part, sync]).load().unwrap_err().to_string();
    assert!(error.contains("sync.yaml:2:15: certificates are always checked"), "{error}");
}

#[test]
fn a_list_that_cannot_be_read_is_named() {
    for (lists, files, expected) in [
        ("[gone.txt]", &[][..], "sealift.yaml:6:13: gone.txt does not exist"),
        ("[../list.txt]", &[], "sealift.yaml:6:13: `../list.txt` leads out"),
        ("[list.txt]", &[("list.txt", "nginx\n")], "list.txt:1:1: `nginx` has no tag: write `nginx:TAG`"),
        ("[list.yml]", &[("list.yml", "- nginx:1\n")], "list.yml:1:1: "),
        (
            "[{file: list.txt, scope: true}]",
            &[("list.txt", "")],
            "unknown key `scope`; did you mean `scoped`?",
        ),
        ("[7]", &[], "expected a file, or keys with values"),
    ] {
        let error = Scratch::new(&format!("lists: {lists}\n"), files).load().expect_err(lists).to_string();
        assert!(error.contains(expected), "{lists}: {error}");
    }
}

#[test]
fn chosen_tags_are_those_of_the_lock_file() {
    let entry = "pull:\n- {source: quay.io/a/db, semver: '>=2', latest: 2, platforms: [linux/amd64]}\n- quay.io/a/db:2.1\n";
    let project = Scratch::new(entry, &[]);
    let tags = |tags: &[&str]| -> Vec<Tag> { tags.iter().map(|tag| Tag::parse(tag).unwrap()).collect() };
    let rule = "latest 2 of semver >=2";
    project.lock(|lock| {
        lock.set_tags("quay.io/a/db".into(), rule.into(), tags(&["2.1", "2.2"]));
        lock.set("quay.io/a/db:2.2".parse().unwrap(), digest("c"));
    });
    let loaded = project.load().unwrap();
    // 2.1 is an entry of its own.
    assert_eq!(pulled(&loaded), ["db:2.1 = quay.io/a/db:2.1", "db:2.2 = quay.io/a/db:2.2@cc"]);
    assert_eq!(loaded.pull.iter().map(|pull| pull.platforms.len()).collect::<Vec<_>>(), [0, 1]);
    let mut other = LockFile::default();
    other.set_tags("quay.io/a/db".into(), rule.into(), tags(&["2.1", "2.3"]));
    let references = loaded.tags(&other).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(references, ["quay.io/a/db:2.1", "quay.io/a/db:2.3"]);

    // The tags of another rule do not count.
    project.lock(|lock| {
        lock.set_tags("quay.io/a/db".into(), "semver >=2".into(), tags(&["2.1"]));
    });
    assert_eq!(
        pulled(&project.load().unwrap()),
        ["db:2.1 = quay.io/a/db:2.1", "? quay.io/a/db (latest 2 of semver >=2)"]
    );
}

/// Signatures are tags to many registries. With `referrers`, they come with their images.
#[test]
fn what_is_attached_to_images_is_an_image_only_without_referrers() {
    let attached = format!("sha256-{}.sig", "a".repeat(64));
    for (referrers, expected) in [(false, 2), (true, 1)] {
        let entry = format!("pull: [{{source: quay.io/a/db, tagPattern: '', referrers: {referrers}}}]\n");
        let project = Scratch::new(&entry, &[]);
        project.lock(|lock| {
            let tags = ["1", &attached].map(|tag| Tag::parse(tag).unwrap());
            lock.set_tags("quay.io/a/db".into(), "tagPattern ".into(), tags.to_vec());
        });
        assert_eq!(project.load().unwrap().pull.len(), expected, "{referrers}");
    }
}

/// The short form of an image has the name that `sealift image find --write` gives it.
#[test]
fn found_images_have_the_names_of_the_short_form() {
    let references = ["nginx:1.27", "quay.io/team/web:4.2", "localhost:5000/a/b/c:1"];
    let found = Scratch::of("spec: {}\n", &[]);
    let parsed: Vec<_> = references.iter().map(|text| text.parse().unwrap()).collect();
    found.load().unwrap().add_found(&parsed).unwrap();
    let short = Scratch::new(&format!("pull: ['{}']\n", references.join("', '")), &[]);
    assert_eq!(pulled(&found.load().unwrap()), pulled(&short.load().unwrap()));
}

/// The catalogue of found images is a file of the user: entries of any form stay, and count.
#[test]
fn found_images_are_appended_to_a_catalogue_of_any_form() {
    let catalogue = "images:\n- quay.io/a/web:1\n- {source: 'quay.io/b/db:2', aliases: [stable]}\n- {source: quay.io/c/x, semver: '1'}\n";
    let spec = "spec:\n  images: {catalogues: [images/found.yaml]}\n";
    let project = Scratch::of(spec, &[("images/found.yaml", catalogue)]);
    let references =
        ["quay.io/a/web:1", "quay.io/b/db:2", "quay.io/z/db:stable", "quay.io/z/web:1", "quay.io/c/x:1"];
    let references: Vec<_> = references.iter().map(|text| text.parse().unwrap()).collect();
    project.load().unwrap().add_found(&references).unwrap();
    assert_eq!(
        pulled(&project.load().unwrap()),
        [
            "web:1 = quay.io/a/web:1",
            "db:2+stable = quay.io/b/db:2",
            "z/db:stable = quay.io/z/db:stable",
            "z/web:1 = quay.io/z/web:1",
            "x:1 = quay.io/c/x:1",
            "? quay.io/c/x (semver 1)"
        ]
    );
}
