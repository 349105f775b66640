//! Our metadata compared with those of createrepo_c, field by field.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, Read as _};
use std::path::Path;
use std::process::Command;

use content::Digest;
use flate2::read::GzDecoder;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use tests::dnf::System;
use tests::peer;

use super::{DATE, build_own, url};

/// Packages as rpmbuild makes them, with what metadata are made of: epochs, every kind and comparison of
/// dependency, files of every kind, self-fulfilled and repeated requirements, changes of one day.
const SPEC: &str = r#"
%global _build_id_links none
%global __os_install_post %{nil}
Name: weird
Epoch: 2
Version: 1.0
Release: 3
Summary: Weird <&> "things" – 'ünïcode'
License: MIT
Group: Development/Tools
URL: https://example.org/?a=1&b=2
Vendor: Example & Sons
Packager: Some One <some@example.org>
Source0: notes.txt
BuildArch: noarch
Provides: plain, with-version = 1, with-epoch = 3:1-2, virtual(a:b)
Requires: lt < 1, le <= 1:2, eq = 2-3, ge >= 3, gt > 4, plain, /usr/bin/weird, /usr/share/weird/data, twice, twice
Requires: (this or that), (a >= 2 if b)
Requires: libc.so.6(GLIBC_2.34)(64bit), libc.so.6(GLIBC_2.4)(64bit), libc.so.6()(64bit)
Requires(pre): shadow-utils >= 4
Requires(post): shadow-utils >= 4
Requires(preun): only-at-the-end
Conflicts: enemy < 3
Obsoletes: old-name <= 1
Recommends: nice
Suggests: nicer >= 1
Supplements: other
Enhances: another = 1

%description
One line.
  An indented one, with a tab	and <markup> & more.

%package -n weird-empty
Summary: Nothing
%description -n weird-empty
Nothing at all.

%install
mkdir -p %{buildroot}/usr/bin %{buildroot}/usr/sbin %{buildroot}/etc/weird %{buildroot}/usr/share/weird %{buildroot}/var/log
echo a > %{buildroot}/usr/bin/weird
echo b > %{buildroot}/etc/weird/weird.conf
echo c > "%{buildroot}/usr/share/weird/a file & <more> ü"
echo d > %{buildroot}/usr/share/weird/data
ln -s data %{buildroot}/usr/share/weird/link

%pretrans -p /bin/sh
exit 0
%pre
exit 0
%post
exit 0
%preun
exit 0

%files
%dir /etc/weird
%config(noreplace) /etc/weird/weird.conf
/usr/bin/weird
/usr/share/weird
%ghost /var/log/weird.log

%files -n weird-empty

%changelog
* Fri Nov 13 2026 Some One <some@example.org> - 1.0-3
- Third <change>
- of the day
* Fri Nov 13 2026 Some One <some@example.org> - 1.0-2
- Second & more
* Fri Nov 13 2026 Söme One <some@example.org> - 1.0-1
- First
* Thu Nov 12 2026 A <a@b.c> 0.9
- 9
* Wed Nov 11 2026 A <a@b.c> 0.8
- 8
* Tue Nov 10 2026 A <a@b.c> 0.7
- 7
* Mon Nov 09 2026 A <a@b.c> 0.6
- 6
* Sun Nov 08 2026 A <a@b.c> 0.5
- 5
* Sat Nov 07 2026 A <a@b.c> 0.4
- 4
* Fri Nov 06 2026 A <a@b.c> 0.3
- 3
* Thu Nov 05 2026 A <a@b.c> 0.2
- not kept
"#;

/// Builds the packages of [`SPEC`] and their source package into `out`.
fn rpmbuild(scratch: &Path, out: &Path) -> Option<()> {
    let rpmbuild = peer::find("rpmbuild")?;
    let top = scratch.join("rpmbuild");
    fs::create_dir_all(top.join("SOURCES")).unwrap();
    fs::write(top.join("SOURCES/notes.txt"), "notes\n").unwrap();
    fs::write(top.join("weird.spec"), SPEC).unwrap();
    let mut command = Command::new(rpmbuild);
    command.env("LC_ALL", "C.UTF-8").env("SOURCE_DATE_EPOCH", DATE.to_string());
    command.args(["-ba", "--nodeps", "--quiet", "--define"]).arg(format!("_topdir {}", top.display()));
    command.args(["--define", "use_source_date_epoch_as_buildtime 1"]).arg(top.join("weird.spec"));
    peer::run(&mut command);
    for folder in ["RPMS/noarch", "SRPMS"] {
        for entry in fs::read_dir(top.join(folder)).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), out.join(entry.file_name())).unwrap();
        }
    }
    Some(())
}

/// An element: its path in the package's entry, its attributes and its text, one below the other as they stand.
pub(super) type Fields = Vec<String>;

/// The text of a metadata file, whatever its full name is.
fn text(dir: &Path, name: &str) -> String {
    let names = fs::read_dir(dir.join("repodata")).unwrap().map(|entry| entry.unwrap().path());
    let wanted = format!("{name}.xml");
    let path = names.filter(|path| path.to_str().unwrap().contains(&wanted)).min().unwrap();
    let file = BufReader::new(File::open(path).unwrap());
    let mut text = String::new();
    packages::metadata::unpacked(file, 1 << 30).unwrap().read_to_string(&mut text).unwrap();
    text
}

/// The entries of a metadata file by the package's checksum.
pub(super) fn read(dir: &Path, name: &str) -> BTreeMap<String, Fields> {
    let text = text(dir, name);
    let mut reader = Reader::from_str(&text);
    let (mut packages, mut fields, mut path) = (BTreeMap::new(), Fields::new(), Vec::<String>::new());
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) => {
                path.push(start.name().as_ref().to_owned());
                fields.push(element(&path, &start));
            }
            Event::Empty(start) => {
                path.push(start.name().as_ref().to_owned());
                fields.push(element(&path, &start));
                path.pop();
            }
            Event::End(_) => {
                if path.last().is_some_and(|name| name == "package") {
                    let fields = std::mem::take(&mut fields);
                    let checksum = fields.iter().find_map(|field| {
                        field
                            .split_once("pkgid=YES ")
                            .or_else(|| field.split_once("pkgid="))
                            .map(|(_, rest)| rest)
                    });
                    let checksum =
                        checksum.unwrap().split_whitespace().find(|word| word.len() >= 64).unwrap();
                    packages.insert(checksum.to_owned(), fields);
                }
                path.pop();
            }
            Event::Text(text) => append(&mut fields, &text),
            Event::GeneralRef(reference) => match reference.resolve_char_ref().unwrap() {
                Some(c) => append(&mut fields, &c.to_string()),
                None => {
                    append(&mut fields, quick_xml::escape::resolve_predefined_entity(&reference).unwrap())
                }
            },
            Event::Eof => return packages,
            _ => {}
        }
    }
}

fn append(fields: &mut Fields, text: &str) {
    if let Some(field) = fields.last_mut() {
        field.push_str(text);
    }
}

fn element(path: &[String], start: &BytesStart<'_>) -> String {
    let mut attributes: Vec<String> = start
        .attributes()
        .map(|attribute| {
            let attribute = attribute.unwrap();
            let value = attribute.normalized_value(XmlVersion::Explicit1_0).unwrap();
            format!("{}={value}", attribute.key.as_ref())
        })
        .collect();
    attributes.sort();
    format!("{} {} ", path[1..].join("/"), attributes.join(" "))
}

/// The elements that one list has more often than the other.
fn missing(from: &Fields, others: &Fields) -> Fields {
    let mut others = others.clone();
    let has_not = |field: &&String| match others.iter().position(|other| other == *field) {
        Some(place) => {
            others.remove(place);
            false
        }
        None => true,
    };
    from.iter().filter(has_not).cloned().collect()
}

#[test]
fn createrepo_c_says_the_same() {
    let Some(createrepo) = peer::find("createrepo_c") else { return };
    let scratch = tempfile::tempdir().unwrap();
    let ours = scratch.path().join("ours");
    fs::create_dir_all(ours.join("x86_64")).unwrap();
    build_own("2.11.0-dev", scratch.path(), &ours.join("x86_64"));
    build_own("2.11.0", scratch.path(), &ours);
    if rpmbuild(scratch.path(), &ours).is_none() {
        return;
    }
    let theirs = scratch.path().join("theirs");
    peer::run(Command::new("cp").arg("-a").arg(&ours).arg(&theirs));
    let index = packages::repository::index(&ours, DATE).unwrap();
    assert_eq!(index.packages, 5);
    let mut command = Command::new(createrepo);
    command.args(["--quiet", "--no-database", "--simple-md-filenames", "--compress-type=gz"]);
    peer::run(command.args(["--set-timestamp-to-revision", "--revision"]).arg(DATE.to_string()).arg(&theirs));

    let entry = |attributes: &str| format!("package/format/rpm:requires/rpm:entry {attributes}");
    for name in ["primary", "filelists", "other"] {
        let (ours, theirs) = (read(&ours, name), read(&theirs, name));
        assert_eq!(ours.len(), 5);
        assert!(ours.keys().eq(theirs.keys()), "the same packages");
        for (checksum, our_fields) in &ours {
            let (our_fields, their_fields) = (normal(our_fields), normal(&theirs[checksum]));
            let (mut more, mut less) =
                (missing(&our_fields, &their_fields), missing(&their_fields, &our_fields));
            if name == "primary" {
                // The differences that the crate's documentation lists.
                assert_eq!(more.remove(0), format!("package/time build={DATE} file={DATE}"));
                assert!(less.remove(0).starts_with(&format!("package/time build={DATE} file=")));
                if our_fields.contains(&entry("name=twice")) && our_fields.contains(&entry("name=/bin/sh")) {
                    let all_versions =
                        ["name=libc.so.6()(64bit)", "name=libc.so.6(GLIBC_2.4)(64bit)"].map(entry).to_vec();
                    assert_eq!(std::mem::take(&mut more), all_versions);
                    assert_eq!(std::mem::take(&mut less), [entry("name=/bin/sh")]);
                }
            }
            assert_eq!((more, less), (Fields::new(), Fields::new()), "{name}: {our_fields:#?}");
        }
    }

    // dnf reads the same from both.
    let systems = [("ours", &ours), ("theirs", &theirs)]
        .map(|(name, repository)| System::new(&scratch.path().join("dnf").join(name), &url(repository)));
    let [Some(ours), Some(theirs)] = systems else { return };
    let fields = "%{name} %{epoch} %{version} %{release} %{arch} %{summary} %{description} %{url} %{license} \
                  %{size} %{installsize} %{buildtime} %{sourcerpm} %{vendor} %{packager} %{relativepath}";
    for query in [
        &["--provides"][..],
        &["--conflicts"],
        &["--recommends"],
        &["--changelogs"],
        &["--list"],
        &["--queryformat", fields],
    ] {
        let arguments = [&["repoquery", "--quiet"], query].concat();
        let answer = ours.run(&arguments);
        assert!(!answer.is_empty(), "{query:?}");
        assert_eq!(answer, theirs.run(&arguments), "{query:?}");
    }
}

/// What `repomd.xml` says, but for what depends on how a file is compressed.
fn about(dir: &Path) -> Vec<String> {
    let text = fs::read_to_string(dir.join("repodata/repomd.xml")).unwrap();
    let mut reader = Reader::from_str(&text);
    let (mut fields, mut path) = (Fields::new(), Vec::<String>::new());
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) => {
                path.push(start.name().as_ref().to_owned());
                fields.push(element(&path, &start));
            }
            Event::Empty(_) => {}
            Event::End(_) => _ = path.pop(),
            Event::Text(text) => append(&mut fields, &text),
            Event::GeneralRef(reference) => {
                append(&mut fields, quick_xml::escape::resolve_predefined_entity(&reference).unwrap());
            }
            Event::Eof => break,
            _ => {}
        }
    }
    let kept = ["revision ", "tags", "data ", "data/timestamp"];
    let mut fields = normal(&fields);
    fields.retain(|field| kept.iter().any(|start| field.starts_with(start)));
    // The length of a checksum is what tells its kind.
    for field in text.lines().filter(|line| line.contains("checksum type")) {
        fields.push(field.split('>').next().unwrap().trim().to_owned());
    }
    fields.sort();
    fields
}

#[test]
fn options_change_what_those_of_createrepo_c_change() {
    let Some(createrepo) = peer::find("createrepo_c") else { return };
    let scratch = tempfile::tempdir().unwrap();
    let packages = scratch.path().join("packages");
    build_own("2.11.0-dev", scratch.path(), &packages.join("a/b"));
    build_own("2.11.0", scratch.path(), &packages);
    if rpmbuild(scratch.path(), &packages).is_none() {
        return;
    }
    fs::write(packages.join("list"), "a/b/sealift-2.11.0~dev-1.x86_64.rpm\n").unwrap();
    fs::write(packages.join("groups.xml"), "<comps><group><id>g</id></group></comps>").unwrap();
    let list = packages.join("list").to_str().unwrap().to_owned();
    let groups = packages.join("groups.xml").to_str().unwrap().to_owned();
    // Ours, and theirs where they differ.
    for (ours, theirs) in [
        (vec!["--update"], vec![]),
        (vec!["--compress-type", "xz", "--unique-md-filenames"], vec!["--xz"]),
        (vec!["--checksum", "sha512", "-x", "*.src.rpm"], vec!["--checksum", "sha512", "-x", "*.src.rpm"]),
        (vec!["--repomd-checksum", "sha512", "-S"], vec!["--repomd-checksum", "sha512", "-S"]),
        (vec!["--baseurl", "http://h/?a&b"], vec!["--baseurl", "http://h/?a&b"]),
        (vec!["-u", "/srv/x", "--cut-dirs", "1"], vec!["-u", "/srv/x", "--cut-dirs", "1"]),
        (vec!["--location-prefix", "x/y", "-S"], vec!["--location-prefix", "x/y", "-S"]),
        (vec!["--pkglist", &list], vec!["--pkglist", &list]),
        (
            vec!["--includepkg", "a/b/sealift-2.11.0~dev-1.x86_64.rpm"],
            vec!["-n", "a/b/sealift-2.11.0~dev-1.x86_64.rpm"],
        ),
        (vec!["-g", &groups, "--changelog-limit", "3"], vec!["-g", &groups, "--changelog-limit", "3"]),
        (
            vec!["--distro", "cpe:/o:x:1,Name & Co", "--distro", "Other", "--content", "c", "--repo", "r<"],
            vec!["--distro", "cpe:/o:x:1,Name & Co", "--distro", "Other", "--content", "c", "--repo", "r<"],
        ),
    ] {
        let folders = ["ours", "theirs"].map(|name| scratch.path().join(name));
        for folder in &folders {
            let _ = fs::remove_dir_all(folder);
            fs::create_dir(folder).unwrap();
        }
        let revision = DATE.to_string();
        let common = ["--set-timestamp-to-revision", "--revision", &revision, "--outputdir"];
        peer::run(
            tests::sealift::command(scratch.path())
                .args(["package", "index"])
                .args(&ours)
                .args(common)
                .arg(&folders[0])
                .arg(&packages),
        );
        let mut command = Command::new(&createrepo);
        command.args(["--quiet", "--no-database", "--simple-md-filenames"]).args(&theirs).args(common);
        peer::run(command.arg(&folders[1]).arg(format!("{}/", packages.display())));
        let mut read = folders.each_ref().map(|folder| {
            ["primary", "filelists", "other"].map(|name| {
                let entries = read(folder, name).into_iter();
                // The element around all packages stands before the first one, and the order is not the same.
                let normal = |fields| {
                    let mut fields = normal(&fields);
                    fields.retain(|field| !field.starts_with(' '));
                    fields
                };
                entries.map(|(sum, fields)| (sum, normal(fields))).collect::<BTreeMap<_, _>>()
            })
        });
        for entries in &mut read {
            assert!(!entries[0].is_empty());
            for fields in entries[0].values_mut() {
                // The differences that the crate's documentation lists, and which the test above compares.
                fields.retain(|field| {
                    !field.starts_with("package/format/rpm:requires/rpm:entry")
                        && (ours.contains(&"--update") || !field.starts_with("package/time"))
                });
            }
        }
        let [our_entries, their_entries] = read;
        assert_eq!(our_entries, their_entries, "{ours:?}");
        assert_eq!(about(&folders[0]), about(&folders[1]), "{ours:?}");
        let times = fs::read_dir(folders[0].join("repodata")).unwrap().map(|entry| {
            let modified = entry.unwrap().metadata().unwrap().modified().unwrap();
            modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
        });
        assert!(times.into_iter().all(|time| time == DATE as u64));
    }
}

/// The fields without the indentation around elements.
fn normal(fields: &Fields) -> Fields {
    fields.iter().map(|field| field.trim_end().to_owned()).collect()
}

#[test]
fn repomd_names_the_files_as_they_are() {
    let scratch = tempfile::tempdir().unwrap();
    let repository = scratch.path().join("repository");
    build_own("2.11.0", scratch.path(), &repository);
    let index = packages::repository::index(&repository, DATE).unwrap();
    let repomd = fs::read_to_string(&index.repomd).unwrap();
    for name in ["primary", "filelists", "other"] {
        let packed = fs::read(repository.join(format!("repodata/{name}.xml.gz"))).unwrap();
        let mut open = Vec::new();
        GzDecoder::new(packed.as_slice()).read_to_end(&mut open).unwrap();
        let data = repomd.split(&format!("<data type=\"{name}\">")).nth(1).unwrap();
        let data = data.split("</data>").next().unwrap();
        for expected in [
            format!("<checksum type=\"sha256\">{}</checksum>", Digest::of(&packed).hex()),
            format!("<open-checksum type=\"sha256\">{}</open-checksum>", Digest::of(&open).hex()),
            format!("<location href=\"repodata/{name}.xml.gz\"/>"),
            format!("<timestamp>{DATE}</timestamp>"),
            format!("<size>{}</size>", packed.len()),
            format!("<open-size>{}</open-size>", open.len()),
        ] {
            assert!(data.contains(&expected), "{expected} is not in {data}");
        }
        // The gzip header carries no name and no time.
        assert_eq!(packed[..8], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
    }
}
