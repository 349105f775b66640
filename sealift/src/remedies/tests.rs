//! Every error with help, as it is printed.

use std::io;
use std::path::{Path, PathBuf};

use super::{archives, environments, images, iso, packages, project, publishing, serving, tasks};
use crate::failure::Failure;
use crate::output::failure_text;

fn path() -> PathBuf {
    PathBuf::from("/srv/metalk8s.iso")
}

fn digest() -> content::Digest {
    content::Digest::of(b"")
}

/// The report on an archive without the only file that it should have.
fn damaged() -> Box<::archive::verify::VerifyReport> {
    let folder = tempfile::tempdir().unwrap();
    let sums = format!("{}  product.txt\n", digest().hex());
    std::fs::write(folder.path().join("SHA256SUMS"), sums).unwrap();
    let mut report = ::archive::verify::verify(folder.path(), &Default::default(), &()).unwrap();
    report.archive = path();
    Box::new(report)
}

fn of_archives() -> Vec<Failure> {
    use ::archive::requires::{Unmet, UnmetReason};
    use node::archives::{CannotMount, Error};
    use node::{push, remote};

    let neither =
        CannotMount::Neither { kernel: Box::new(CannotMount::NotRoot), fuse: Box::new(CannotMount::Folder) };
    let id = || -> archive::ArchiveId { "metalk8s-2.11.0".parse().unwrap() };
    let missing = |reason| Unmet {
        requirement: ::archive::requires::Requirement {
            name: "Base".into(),
            version: Some(">=1.0 <2.0".parse().unwrap()),
            images: Vec::new(),
            packages: Vec::new(),
            of_platform: false,
        },
        reason,
    };
    let mut failures: Vec<Failure> = [
        Error::Damaged(damaged()),
        Error::Unverifiable(path()),
        Error::Unfit {
            archive: path(),
            findings: vec![::archive::check::Finding::new(
                ::archive::check::CheckName::RoleKind,
                ::archive::check::Place::line("operator/deploy/role.yaml", 1),
                "it has Deployment, expected only Role and ClusterRole",
            )],
        },
        Error::Changed(path()),
        Error::NoSolutionArchive(path()),
        Error::Archive(::archive::Error::UnknownVersion {
            file: "product.txt".into(),
            problem: "ARCHIVE_LAYOUT_VERSION is \"7\": only 1 is known".into(),
        }),
        Error::Present { id: id(), path: path() },
        Error::SamePrefix { id: id(), prefix: "metalk8s".into(), path: path() },
        Error::NoSolution { name: "example".into(), version: "2.0".into(), available: vec!["1.0".into()] },
        Error::NotImported("example".into()),
        Error::NotForMetalk8s {
            name: "example".into(),
            version: "2.0".into(),
            file: "/etc/sealift/archives.yaml".into(),
        },
        Error::Requires { id: id(), unmet: vec![missing(UnmetReason::NoArchive)] },
        Error::Requires {
            id: id(),
            unmet: vec![missing(UnmetReason::Contents {
                version: "1.0.0".into(),
                lacking: vec!["the image nginx:1.25".into()],
            })],
        },
        Error::Required { id: id(), by: vec!["example-2.0.0".parse().unwrap()] },
        Error::Active { id: id() },
        Error::InUse { id: id().into(), source: io::ErrorKind::ResourceBusy.into() },
        Error::CannotMount { id: id(), problem: neither },
        Error::CannotMount { id: id(), problem: CannotMount::NoFileSystem("isofs") },
        Error::UnsafeLock {
            path: "/tmp/sealift-0/archives.lock".into(),
            problem: "it belongs to user 1000".into(),
        },
        Error::Occupied { at: "/srv/scality/metalk8s-2.11.0".into() },
        Error::NotOurs("/etc/systemd/system/a.mount".into()),
        Error::Unnameable("/srv/a\nb".into()),
        Error::Unknown("metalk8s".into()),
        Error::NotMounted("metalk8s".into()),
    ]
    .into_iter()
    .map(archives::explained)
    .collect();
    failures.extend([
        archives::check(::archive::Error::NotASolution {
            archive: path(),
            reason: "it has neither manifest.yaml nor product.txt",
        }),
        archives::none_readable(),
        archives::all_refused(),
        archives::select(remote::Error::Unknown("metalk8s".into())),
        archives::copies(1, 3),
        archives::no_name(),
        archives::no_base(&path()),
        archives::no_image(&path()),
        archives::push(push::Error::NotWhole {
            archive: path().display().to_string(),
            name: "nginx".into(),
            tag: "1.27".into(),
            problem: "manifest.json is missing".into(),
        }),
    ]);
    failures
}

fn of_environments() -> Vec<Failure> {
    use node::environments::{DnsLabel, Error, ObjectName};

    let name = |what| Error::Name { what, source: "Prod".parse::<DnsLabel>().unwrap_err() };
    let object = ObjectName {
        namespace: None,
        group: "rbac.authorization.k8s.io".into(),
        kind: "ClusterRole".into(),
        name: "admin".into(),
    };
    let text = |text: &str| text.to_owned();
    let errors = [
        name("the namespace"),
        Error::NoKubectl { program: "kubectl".into(), source: io::ErrorKind::NotFound.into() },
        Error::Unreachable { said: text("Unable to connect to the server: EOF") },
        Error::Conflict { said: text("Apply failed with 1 conflict: conflict with \"helm\": .data.example") },
        Error::Kubectl {
            command: text("kubectl get namespaces"),
            status: std::process::ExitStatus::default(),
            said: text("error: forbidden"),
        },
        Error::NoEnvironment(text("prod")),
        Error::NoNamespace { environment: text("prod"), namespace: text("x"), others: vec![text("prod")] },
        Error::NotOurs { namespace: text("default"), environment: text("prod") },
        Error::OtherEnvironment { namespace: text("x"), owner: text("test"), environment: text("prod") },
        Error::Terminating(text("prod")),
        Error::InUse { environment: text("prod"), solutions: vec![text("example 1.0.0")] },
        Error::NotAdded { environment: text("prod"), namespace: text("x"), solution: text("example") },
        Error::OlderDefinitions {
            solution: text("example"),
            version: text("1.0.0"),
            unknown: vec![text("widgets.example.com in version v2")],
        },
        Error::Taken { object, owner: text("Kubernetes") },
        Error::Content {
            archive: path(),
            file: text("operator/deploy/role.yaml"),
            problem: text("it is not UTF-8"),
        },
        node::archives::Error::NotImported(text("example")).into(),
    ];
    errors.into_iter().map(environments::explained).collect()
}

fn of_serving() -> Vec<Failure> {
    use node::{client_config, nginx};

    let clients = [
        client_config::Error::NotOurs("/etc/yum.repos.d/sealift.repo".into()),
        client_config::Error::NoFolder("metalk8s.iso".into()),
        client_config::Error::Unusable {
            client: "apt",
            node: "http://[::1]".into(),
            reason: "it is an IPv6 address",
        },
        client_config::Error::Release { wanted: Some("9".into()), found: vec!["8".into()] },
        client_config::Error::NodeTwice("http://a".into()),
    ];
    let message = || "exit status: 1".to_owned();
    let of_nginx = [
        nginx::Error::NotMounted(path()),
        nginx::Error::Include { path: path(), problem: "a directive is not allowed".into() },
        nginx::Error::NotReloaded {
            file: "/etc/nginx/nginx.conf".into(),
            program: "nginx".into(),
            message: message(),
        },
        nginx::Error::Link("/srv/images".into()),
        nginx::Error::Refused { program: "nginx".into(), message: message() },
    ];
    let address = ([127, 0, 0, 1], 8080).into();
    clients
        .into_iter()
        .map(serving::client)
        .chain(of_nginx.into_iter().map(serving::nginx))
        .chain([serving::server(server::Error::InUse { address }), serving::no_certificate(address)])
        .collect()
}

fn of_images() -> Vec<Failure> {
    use ::images::Error;
    use ::images::source::EngineStorage;
    use buildchain::locking::{self, EntryChange, LockedEntry, LockedSource, SelectionChange, SourceChange};
    use buildchain::project::{CommitHash, LockedDownload, Origin, ParsedName as _, RemoteError, Tag};

    let image = || "quay.io/team/app:1";
    let tag = |text| Tag::parse(text).unwrap();
    let git = |message: &str| {
        let (location, message) = ("https://example.org/charts".to_owned(), message.to_owned());
        images::lock(locking::Error::Git(RemoteError::Git { location, message }))
    };
    vec![
        images::store(Error::StoreInUse { store: "/var/cache/sealift".into() }),
        images::store(
            content::IoError::at("open", Path::new("/var/cache/sealift/lock"))(
                io::ErrorKind::PermissionDenied.into(),
            )
            .into(),
        ),
        images::index(Error::SizeMismatch { path: "images/a/1/manifest.json".into(), expected: 2, found: 1 }),
        images::index(Error::DigestMismatch {
            path: "images/a/1/b".into(),
            expected: digest(),
            found: content::Digest::of(b"other"),
        }),
        images::none(Path::new("images")),
        images::names(1, 2),
        images::clash(format!("a/app:1 and b/app:1 would both be saved as {}", "app:1")),
        images::referrers_clash(image(), &"app:sha256-e3"),
        images::another(Path::new("images/app/1"), &"app:1", &digest(), &content::Digest::of(b"other")),
        images::inside(Path::new("images/team/app"), &"team/app:1"),
        images::moved(&EntryChange {
            entry: LockedEntry::Tag(image().parse().unwrap()),
            old: None,
            new: Some(digest()),
            platforms: Vec::new(),
        }),
        images::moved(&EntryChange {
            entry: LockedEntry::Engine("docker-daemon:team/app:1".parse().unwrap()),
            old: Some(digest()),
            new: Some(content::Digest::of(b"other")),
            platforms: Vec::new(),
        }),
        images::lock(locking::Error::Engine(Error::NotSaved {
            image: Box::new("docker-daemon:team/app:1".parse().unwrap()),
            program: "docker".into(),
            reason: "Error response from daemon: reference does not exist".into(),
        })),
        images::engine(Error::NoStorage {
            storage: EngineStorage::Containers,
            looked_for: "podman, buildah".into(),
        }),
        images::chosen(&SelectionChange {
            repository: "quay.io/team/app".into(),
            selection: "latest 2 of semver >=1 <2".into(),
            old: Some(vec![tag("1.0"), tag("1.1")]),
            new: Some(vec![tag("1.1"), tag("1.2")]),
        }),
        images::chosen(&SelectionChange {
            repository: "quay.io/team/app".into(),
            selection: "semver >=1 <2".into(),
            old: Some(vec![tag("1.0")]),
            new: None,
        }),
        images::lock(locking::Error::NoTag {
            origin: Origin { path: "sealift.yaml".into(), line: 7, column: 9 },
            repository: "quay.io/team/app".into(),
            selection: r"tagPattern ^1\.27\.".into(),
            listed: 12,
        }),
        images::moved_source(&SourceChange {
            source: "https://example.org/tool.tgz".into(),
            old: Some(LockedSource::File(LockedDownload { digest: digest(), size: 5 })),
            new: Some(LockedSource::File(LockedDownload { digest: content::Digest::of(b"other"), size: 6 })),
        }),
        images::moved_source(&SourceChange {
            source: "https://example.org/charts v1".into(),
            old: None,
            new: Some(LockedSource::Commit(CommitHash::parse(&"1".repeat(40)).unwrap())),
        }),
        git("it has no tag or branch `v1`"),
        git("could not read Username for 'https://example.org': terminal prompts disabled"),
    ]
}

/// The faults of registries, networks and requests.
fn registry_faults() -> Vec<::images::pull::RegistryFault> {
    use std::time::Duration;

    use ::images::pull::{Denial, Login, RegistryFault as Fault};

    let login = |file: Option<&str>| Login {
        host: "quay.io".into(),
        file: file.map(PathBuf::from),
        plain_http: false,
    };
    let status =
        |status, message: &str, retry_after| Fault::Status { status, message: message.into(), retry_after };
    let denied = |file| Fault::Unauthorized(Denial::login("no credentials for quay.io".into(), login(file)));
    vec![
        Fault::Unreachable("connection refused".into()),
        Fault::Tls("the certificate has expired".into()),
        Fault::PlainHttp { host: "quay.io".into(), advice: ": give --plain-http quay.io".into() },
        Fault::TokenServer { url: "https://quay.io/v2/auth".into(), fault: Box::new(status(503, "", None)) },
        Fault::Broken("unexpected end of file".into()),
        Fault::Stalled(Duration::from_secs(60)),
        status(404, "manifest unknown", None),
        status(429, "too many requests", Some(Duration::from_secs(30))),
        denied(Some("/root/.docker/config.json")),
        denied(None),
        Fault::Unauthorized("the registry asks for no credentials".into()),
        Fault::DigestMismatch { expected: digest(), found: content::Digest::of(b"other") },
        Fault::SizeMismatch { expected: 2, found: 1 },
        Fault::TooLarge { limit: 4_194_304 },
        Fault::ContentType { expected: "application/json".into(), found: "text/html".into() },
        Fault::TagMoved { tag: "1".into(), expected: digest(), found: content::Digest::of(b"other") },
        Fault::TooDeep { limit: 8 },
        Fault::ForeignLayer {
            media_type: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip".into(),
        },
        Fault::Paged { limit: 100 },
        Fault::Circular,
        Fault::TooMany { limit: 200_000 },
        Fault::Damaged("blob e3 has 1 byte, expected 2".into()),
        Fault::Sparse { left_out: 2, status: 400, message: "manifest blob unknown".into() },
        Fault::Redirect("it leads to plain HTTP".into()),
        Fault::NoSpace { folder: "/var/cache/sealift".into(), needed: 2_000, free: 1_000 },
        Fault::Configuration("no proxy can be used: it is not a URL".into()),
    ]
}

fn of_pulls() -> Vec<Failure> {
    use ::images::pull::{EndpointFailure, Error, RegistryFault as Fault};

    let failed = |fault| Error {
        image: "quay.io/team/app:1".into(),
        content: "manifest".into(),
        failures: vec![EndpointFailure { url: "https://quay.io/v2/team/app/manifests/1".into(), fault }],
    };
    let of_pushes = |fault: &Fault| matches!(fault, Fault::Damaged(_) | Fault::Sparse { .. });
    let faults = || registry_faults().into_iter().filter(|fault| !of_pushes(fault));
    let looked_up = |fault| buildchain::locking::Error::Resolve {
        reference: "quay.io/team/app:1".into(),
        source: failed(fault),
    };
    let of_locks = faults().take(6).map(|fault| images::lock(looked_up(fault)));
    // `archive fetch` has a store of its own.
    let full = Fault::NoSpace { folder: "archives/.sealift-fetch-1".into(), needed: 2_000, free: 1_000 };
    let problem = "it belongs to another user, with the ID 1001".into();
    let foreign = node::publish::Error::Foreign { path: "/tmp/.sealift-fetch-1".into(), problem };
    let of_fetches = [node::publish::Error::Pull(failed(full)), foreign].map(publishing::fetch);
    faults().map(|fault| images::pull(failed(fault))).chain(of_locks).chain(of_fetches).collect()
}

fn of_pushes() -> Vec<Failure> {
    use ::images::pull::RegistryFault as Fault;
    use ::images::push::Error;

    let failed = |fault| Error {
        image: "quay.io/team/app:1".into(),
        content: "manifest".into(),
        url: "https://quay.io/v2/team/app/manifests/1".into(),
        fault: Box::new(fault),
    };
    let of_pulls = |fault: &Fault| {
        matches!(
            fault,
            Fault::DigestMismatch { .. }
                | Fault::SizeMismatch { .. }
                | Fault::ContentType { .. }
                | Fault::TagMoved { .. }
                | Fault::TooDeep { .. }
                | Fault::ForeignLayer { .. }
                | Fault::Paged { .. }
                | Fault::Circular
                | Fault::TooMany { .. }
                | Fault::NoSpace { .. }
        )
    };
    let faults = registry_faults().into_iter().filter(|fault| !of_pulls(fault));
    faults.map(|fault| images::push(failed(fault))).collect()
}

fn of_isos() -> Vec<Failure> {
    use ::iso::Error;

    let limit = || Error::Limit { path: "tree/name".into(), limit: "bytes in a name", most: 253, found: 254 };
    [
        iso::create(Error::SpecialFile { path: "tree/socket".into(), kind: "socket" }),
        iso::create(limit()),
        iso::create(Error::Changed { path: "tree/file".into(), planned: 5, found: "3 bytes".into() }),
        iso::create(Error::Pattern { pattern: "[".into(), problem: "unclosed".into() }),
        iso::device(limit()),
        iso::terminal(),
        iso::no_path(&path(), "product.txt"),
    ]
    .into_iter()
    .chain(of_checks())
    .collect()
}

fn of_checks() -> Vec<Failure> {
    use ::iso::md5::Md5Check;

    let md5 = [0; 16];
    [
        (Md5Check::Intact { md5 }, 2),
        (Md5Check::Intact { md5 }, ::iso::DISAGREEMENTS_MAX),
        (Md5Check::Damaged { range: 0..2_048 }, 0),
        (Md5Check::DamagedField { range: 33_651..34_163, intact: true }, 0),
        (Md5Check::DamagedField { range: 33_651..34_163, intact: false }, 0),
        (Md5Check::Truncated { expected: 40_960, found: 38_912 }, 0),
        (Md5Check::Missing, 0),
        (Md5Check::Missing, 1),
    ]
    .into_iter()
    .map(|(check, disagreements)| iso::check(&path(), &check, disagreements))
    .collect()
}

fn of_projects() -> Vec<Failure> {
    use buildchain::project::{DraftError, Error, Origin};
    use buildchain::tasks;

    let unfit = |links: &[&str], long: &[&str]| tasks::Error::Unfit {
        links: links.iter().map(ToString::to_string).collect(),
        long: long.iter().map(ToString::to_string).collect(),
    };
    vec![
        project::project(Error::NotLocked {
            origin: Origin { path: "sealift.yaml".into(), line: 7, column: 5 },
            image: "docker.io/library/alpine:3".into(),
        }),
        project::project(Error::NoProject("/home/user".into())),
        project::project(Error::Exists("/home/user/sealift.yaml".into())),
        project::tasks(unfit(&["salt/a: leads to /etc"], &[])),
        project::tasks(unfit(&[], &["salt/b: a name of 254 bytes"])),
        project::tasks(unfit(&["salt/a: leads to /etc"], &["salt/b: a name of 254 bytes"])),
        project::no_commit(Path::new("/home/user/project")),
        project::differing(&["salt/a".into(), "salt/b".into()].into()),
        project::run(tasks::ProjectRunError::ForeignTree("_build/root".into())),
        project::state(graph::StateError::Held {
            path: "_build/.sealift/state".into(),
            holder: "process 7: sealift run".into(),
        }),
        project::selection(graph::SelectError::Unknown { asked: "izo".into(), meant: vec!["iso".into()] }),
        project::not_a_solution("MetalK8s"),
        project::described_twice(Path::new("/home/user/project")),
        project::draft(DraftError::NoSource("my-operator:1.0.0".parse().unwrap())),
        project::draft(DraftError::OtherTag {
            image: "my-operator:1.0.0".parse().unwrap(),
            source_text: "docker://quay.io/team/my-operator:rc3".into(),
        }),
        project::scaffold(Error::Exists("my-app/README.md".into())),
        project::pipeline(Error::Exists("/home/user/project/.gitlab-ci.yml".into())),
        project::described(Error::Setting {
            name: "the volume ID".into(),
            message: "it has 42 bytes".into(),
        }),
    ]
}

/// The errors of tasks, with the help that a run prints for them.
fn signing_errors() -> Vec<::packages::Error> {
    use ::packages::openpgp::{KeyName, KeysFault, SignatureFault, SigningFault};

    let key = || KeyName { id: "0123456789ABCDEF".into(), user: "Example <release@example.org>".into() };
    [
        SigningFault::PassphraseMissing(key().id),
        SigningFault::PassphraseWrong(key().id),
        SigningFault::PublicKey(KeysFault::NoKey),
        SigningFault::NoTerminal("release@example.org".into()),
        SigningFault::Refused(SignatureFault::KeyExpired { key: key(), on: 1_577_836_800 }),
        SigningFault::Refused(SignatureFault::UnknownKey(vec![key().id])),
    ]
    .map(|fault| ::packages::Error::Key { path: "release.asc".into(), fault })
    .into()
}

fn of_tasks() -> Vec<Failure> {
    use ::images::pull;

    let cannot_run = |kind: io::ErrorKind| graph::CannotRun { program: "helm".into(), source: kind.into() };
    let pulled = |fault| pull::Error {
        image: "nginx:1.27".into(),
        content: "manifest".into(),
        failures: vec![pull::EndpointFailure {
            url: "https://quay.io/v2/nginx/manifests/1.27".into(),
            fault,
        }],
    };
    let errors: Vec<Box<dyn std::error::Error>> = vec![
        Box::new(cannot_run(io::ErrorKind::NotFound)),
        Box::new(::iso::Error::from(content::IoError::at("write", &path())(
            io::ErrorKind::StorageFull.into(),
        ))),
        Box::new(::images::Error::from(content::IoError::at("open", &path())(
            io::ErrorKind::PermissionDenied.into(),
        ))),
    ];
    let keys = signing_errors().into_iter().map(|error| -> Box<dyn std::error::Error> { Box::new(error) });
    let missing: Box<dyn std::error::Error> = Box::new(buildchain::tasks::SigningError::NoSecretKey);
    let errors = errors.into_iter().chain(keys).chain([missing]);
    let pulls =
        registry_faults().into_iter().map(|fault| -> Box<dyn std::error::Error> { Box::new(pulled(fault)) });
    let helped = errors.chain(pulls).filter_map(|error| {
        let help = tasks::help(error.as_ref())?;
        Some(Failure::from(anyhow::Error::msg(error.to_string())).remedy(help))
    });
    assert_eq!(tasks::help(&cannot_run(io::ErrorKind::PermissionDenied)), None);
    helped.collect()
}

/// A change of words shows in review: `INSTA_UPDATE=always cargo test -p sealift remedies` accepts it.
#[test]
fn every_error_with_help_as_it_is_printed() {
    let mut text = String::new();
    let pattern =
        packages::index(::packages::Error::Pattern { pattern: "[".into(), reason: "unclosed".into() });
    let failures = of_archives()
        .into_iter()
        .chain(of_environments())
        .chain(of_serving())
        .chain(of_images())
        .chain(of_pulls())
        .chain(of_pushes())
        .chain(of_isos())
        .chain(of_projects())
        .chain(of_tasks())
        .chain(signing_errors().into_iter().map(packages::signing))
        .chain([pattern]);
    for failure in failures {
        let printed = failure_text(failure.report().unwrap());
        text.push_str(&format!("exit {}\n{}\n", failure.code(), anstream::adapter::strip_str(&printed)));
    }
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("errors", text);
    });
}
