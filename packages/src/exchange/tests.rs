//! Lists and inputs of other tools, right and wrong.

use super::*;

fn sum(digit: char) -> Checksum {
    Checksum { kind: ChecksumKind::Sha256, hex: digit.to_string().repeat(64) }
}

fn package(name: &str, arch: &str, machines: &[&str]) -> ListedPackage {
    ListedPackage {
        name: name.into(),
        evr: "3:1.0^git~x-1.el8".into(),
        arch: arch.into(),
        machines: machines.iter().map(|one| (*one).to_owned()).collect(),
        repository: "epel".into(),
        location: format!("https://h/8/{name}-1.0-1.el8.{arch}.rpm"),
        checksum: sum('a'),
        size: 7,
        place: None,
    }
}

fn list(text: &str) -> PackageList {
    match ExchangeFile::read(text).unwrap() {
        ExchangeFile::List(list) => list,
        ExchangeFile::Input(input) => panic!("{input:?}"),
    }
}

fn fault(text: &str) -> String {
    ExchangeFile::read(text).unwrap_err().to_string()
}

#[test]
fn a_list_that_is_written_reads_back_the_same() {
    let epel = ListedRepository {
        id: "epel".into(),
        url: Some("https://h/8/$arch/\"x\": #1".into()),
        metalink: Some("https://h/metalink?a=b&c".into()),
        mirrorlist: None,
    };
    let both = ["x86_64", "aarch64"];
    let packages = [
        package("tool", "aarch64", &["aarch64"]),
        package("common", "noarch", &both),
        package("1e3", "x86_64", &["x86_64"]),
        package("libc", "i686", &["x86_64"]),
    ];
    let own = PackageList { repositories: vec![epel], packages: packages.to_vec(), sources: 0 };
    let key = |one: &ListedPackage| (one.arch.clone(), one.name.clone());
    let sorted = |mut list: PackageList| {
        list.packages.sort_by_key(key);
        list.packages.iter_mut().for_each(|one| one.place = None);
        list
    };
    assert_eq!(sorted(list(&own.manifest())), sorted(own.clone()));
    // The other kind names packages for each architecture, and no URLs of repositories.
    let read = list(&own.rpms_lock());
    assert_eq!((read.packages.len(), read.repositories.len()), (5, 1));
    for machine in both {
        let of = |list: &PackageList| {
            let mut names: Vec<(String, String, String)> = list
                .packages
                .iter()
                .filter(|one| one.machines.iter().any(|other| other == machine))
                .map(|one| (one.name.clone(), one.location.clone(), one.evr.clone()))
                .collect();
            names.sort();
            names
        };
        assert_eq!(of(&read), of(&own), "{machine}");
    }
    let empty = PackageList::default();
    assert_eq!(list(&empty.rpms_lock()), empty);
    let text = own.rpms_lock();
    assert!(
        text.starts_with("---\nlockfileVersion: 1\nlockfileVendor: redhat\narches:\n- arch: aarch64\n"),
        "{text}"
    );
}

#[test]
fn lists_as_other_tools_write_them_are_read() {
    let hex = "a".repeat(64);
    let manifest = format!(
        "document: rpm-package-manifest\nversion: 0.2.0\ndata:\n    repositories:\n        - id: fedora\n          \
         metalink: https://m.example/metalink?repo=fedora-40&arch=$arch\n    packages:\n        x86_64:\n            \
         - name: bash\n              repo_id: fedora\n              checksum: sha256:{hex}\n              size: 1893870\n              \
         evr: 5.2.26-3.fc40\n              srpm: bash-5.2.26-3.fc40.src\n        src:\n            - name: bash\n              \
         repo_id: fedora\n              checksum: sha1:{}\n              size: 1\n              evr: 5.2.26-3.fc40\n",
        "b".repeat(40)
    );
    let read = list(&manifest);
    assert_eq!((read.packages.len(), read.sources), (1, 1));
    let bash = &read.packages[0];
    assert_eq!((bash.evr.as_str(), bash.location.as_str(), bash.size), ("5.2.26-3.fc40", "", 1_893_870));
    assert_eq!(bash.machines, ["x86_64"]);
    let lock = format!(
        "---\nlockfileVersion: 1\nlockfileVendor: redhat\narches:\n- arch: x86_64\n  packages:\n  \
         - url: https://h/Packages/a-1-1.noarch.rpm\n    repoid: epel\n    size: 46466\n    checksum: sha256:{hex}\n    \
         name: a\n    evr: 1-1\n    sourcerpm: a-1-1.src.rpm\n  source:\n  - {{url: x, repoid: y, size: 1}}\n  module_metadata: []\n"
    );
    let read = list(&lock);
    assert_eq!((read.packages[0].arch.as_str(), read.sources), ("noarch", 1));
}

#[test]
fn an_input_is_read_and_what_is_not_is_named() {
    let text = "contentOrigin:\n  repos:\n  - repoid: ubi-9\n    baseurl: https://h/$basearch/os\n    excludepkgs: x\n  repofiles: [./a.repo]\n\
                packages:\n  - gcc\n  - name: librtas\n    arches: {only: ppc64le}\n  - name: grub2\n    arches: {not: [s390x]}\n\
                moduleEnable: [nodejs:18]\narches: [x86_64, aarch64]\ncontext: {bare: true}\n";
    let ExchangeFile::Input(input) = ExchangeFile::read(text).unwrap() else { panic!("a list") };
    assert_eq!(input.packages.len(), 3);
    let on = |arch: &str| -> Vec<&str> {
        input.packages.iter().filter(|one| one.is_for(arch)).map(|one| one.name.as_str()).collect()
    };
    assert_eq!(on("x86_64"), ["gcc", "grub2"]);
    assert_eq!(on("ppc64le"), ["gcc", "librtas", "grub2"]);
    assert_eq!(on("s390x"), ["gcc"]);
    assert!(input.weak_dependencies);
    assert_eq!(
        input.left_out,
        ["context", "contentOrigin.repofiles", "contentOrigin.repos.ubi-9.excludepkgs"]
    );
    let again = PackageInput { left_out: Vec::new(), ..input };
    assert_eq!(ExchangeFile::read(&again.rpms_in()), Ok(ExchangeFile::Input(again)));
}

#[test]
fn a_wrong_file_is_refused_with_its_reason() {
    let lock =
        |package: &str| format!("lockfileVersion: 1\narches: [{{arch: x, packages: [{{{package}}}]}}]\n");
    for (text, expected) in [
        (
            "a: b\n".to_owned(),
            "1:1: expected `document: rpm-package-manifest`, `lockfileVersion` or `contentOrigin`",
        ),
        ("lockfileVersion: 2\narches: []\n".to_owned(), "1:18: expected `lockfileVersion: 1`, found 2"),
        (lock("url: https://h/a.rpm, repoid: r, size: 1"), "the package has no checksum"),
        (
            lock("url: https://h/a.rpm, repoid: r, size: 1, checksum: 'sha256:x'"),
            "expected the URL of a file `*.rpm`",
        ),
        (
            lock("url: https://h/a.noarch.rpm, repoid: r, size: 1, checksum: 'sha256:x', name: a, evr: 1-1"),
            "2:91: `sha256:x` is not a checksum",
        ),
        (lock("url: https://h/a.noarch.rpm, repoid: r, size: 1, checksum: x"), "has no name or no version"),
        (
            "document: rpm-package-manifest\nversion: 1.0\ndata: {repositories: [], packages: {}}\n"
                .to_owned(),
            "2:10: expected version 0.2 of a manifest, found 1.0",
        ),
        ("document: rpm-package-manifest\nversion: 0.2.2\n".to_owned(), "data"),
        ("contentOrigin: {repos: [{}]}\n".to_owned(), "1:25: missing field"),
        (
            format!("contentOrigin: {{}}\npackages: [{}]\n", "a,".repeat(100_001)),
            "1:1: more than 100000 packages",
        ),
        (
            format!("contentOrigin: {{repos: [{}]}}\n", "{repoid: a},".repeat(1001)),
            "1:1: more than 1000 repositories",
        ),
    ] {
        let said = fault(&text);
        assert!(said.contains(expected), "{expected}: {said}");
    }
    // Aliases that multiply.
    let mut bomb = String::from("lockfileVersion: 1\narches:\n  - &a0 {arch: x, packages: []}\n");
    for number in 1..40 {
        let before = number - 1;
        bomb += &format!("  - &a{number} [*a{before}, *a{before}, *a{before}, *a{before}]\n");
    }
    assert!(!fault(&bomb).is_empty());
    assert!(!fault(&format!("{}x", "[".repeat(100_000))).is_empty());
}

#[test]
fn a_repository_has_one_name_for_all_architectures() {
    for (id, expected) in [
        ("ubi-9-for-$basearch-rpms", "ubi-9-for-rpms"),
        ("ubi-9-for-x86_64-rpms", "ubi-9-for-rpms"),
        ("$arch-base", "base"),
        ("base_x86_64", "base"),
        ("epel", "epel"),
        ("x86_64", ""),
    ] {
        assert_eq!(without_architecture(id, "x86_64"), expected, "{id}");
    }
}
