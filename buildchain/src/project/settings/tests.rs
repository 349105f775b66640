use super::*;

fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn flags_win_over_the_environment_and_that_over_dot_env() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(
        root.path().join(".env"),
        "export PROJECT_NAME=FromFile\nBUILD_ROOT=\"from file\"\nSKOPEO_BIN=/opt/skopeo\n",
    )
    .unwrap();
    let settings =
        Settings::gather(root.path(), &environment(&[("HOME", "/home/me")]), &SettingsFlags::default())
            .unwrap();
    assert_eq!(settings.project_name.as_ref().map(ArchiveName::as_str), Some("FromFile"));
    assert_eq!(settings.build_root, root.path().join("from file"));
    assert_eq!(settings.cache, Path::new("/home/me/.cache/sealift"));
    assert_eq!(settings.unused.len(), 1);

    let flags = SettingsFlags { build_root: Some("flag".into()), ..SettingsFlags::default() };
    let variables = environment(&[("PROJECT_NAME", "FromEnvironment"), ("BUILD_ROOT", "environment")]);
    let settings = Settings::gather(root.path(), &variables, &flags).unwrap();
    assert_eq!(settings.project_name.as_ref().map(ArchiveName::as_str), Some("FromEnvironment"));
    assert_eq!(settings.build_root, root.path().join("flag"));
}

#[test]
fn credentials_are_where_podman_and_docker_keep_them() {
    let found = |more: &[(&str, &str)]| {
        let environment = environment(&[&[("HOME", "/home/me")], more].concat());
        let text = |paths: Vec<PathBuf>| -> Vec<String> {
            paths.iter().map(|path| path.display().to_string()).collect()
        };
        (text(auth_files(&environment)), text(auth_places(&environment)))
    };
    let none: [&str; 0] = [];
    let [docker, podman, session] = [
        "/home/me/.docker/config.json",
        "/home/me/.config/containers/auth.json",
        "/run/user/1/containers/auth.json",
    ];
    let run = ("XDG_RUNTIME_DIR", "/run/user/1");
    for (more, files, places) in [
        (&[][..], &none[..], &[podman, docker][..]),
        (&[run], &none, &[session, podman, docker]),
        (&[run, ("DOCKER_CONFIG", "/d")], &none, &[session, podman, "/d/config.json"]),
        (&[("XDG_CONFIG_HOME", "/c")], &none, &["/c/containers/auth.json", docker]),
        (&[("REGISTRY_AUTH_FILE", "/f"), run], &["/f"], &none),
        (&[("REGISTRY_AUTH_FILE", "")], &none, &[podman, docker]),
    ] {
        let (found_files, found_places) = found(more);
        assert_eq!((found_files, found_places), (owned(files), owned(places)), "{more:?}");
    }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

#[test]
fn values_that_cannot_be_used_name_their_variable() {
    let root = tempfile::tempdir().unwrap();
    for (name, value) in [
        ("SOURCE_DATE_EPOCH", "yesterday"),
        ("SOURCE_DATE_EPOCH", "-1"),
        ("REGISTRY_MIRRORS", "docker.io"),
        ("REGISTRY_MIRRORS", "docker.io=mirror.example"),
        ("SEALIFT_CACHE_SIZE", "10 potatoes"),
        ("SEALIFT_REMOTE_CACHE", "registry.example/UPPER"),
        ("SEALIFT_REMOTE_CACHE_MODE", "write"),
        ("SEALIFT_SIGN", "false"),
        ("PROJECT_NAME", "a b"),
        ("SEALIFT_CARGO_PROFILE", "../release"),
    ] {
        let error = Settings::gather(root.path(), &environment(&[(name, value)]), &SettingsFlags::default())
            .unwrap_err();
        assert!(error.to_string().starts_with(name), "{error}");
    }
}

#[test]
fn a_wrong_line_of_dot_env_is_named_by_its_number_and_never_shown() {
    let root = tempfile::tempdir().unwrap();
    for (text, line) in [
        ("hunter2 SECRET\n", 1),
        ("A=1\n\n# note\nTOKEN='hunter2\nB=SECRET\nC=3\n", 4),
        ("A=\"1\n2\"\nTOKEN=\"hunter2\nSECRET=SECRET", 3),
        ("A=1\nexport TOKEN=hunter2 SECRET\n", 2),
    ] {
        std::fs::write(root.path().join(".env"), text).unwrap();
        let error = Settings::gather(root.path(), &BTreeMap::new(), &SettingsFlags::default()).unwrap_err();
        let (shown, details) = (error.to_string(), format!("{error:?}"));
        assert!(shown.contains(&format!(".env:{line}:1: ")), "{text:?}: {shown}");
        assert!(!details.contains("hunter2") && !details.contains("SECRET"), "{text:?}: {details}");
    }
}

#[test]
fn a_named_pipe_in_the_place_of_a_project_file_is_refused_and_does_not_hang() {
    for name in [DOT_ENV, super::super::LOCK_FILE_NAME, super::super::FILE_NAME] {
        let root = tempfile::tempdir().unwrap();
        let text =
            "apiVersion: sealift.dev/v1alpha1\nkind: Platform\nmetadata: {name: E, version: '1'}\nspec: {}\n";
        std::fs::write(root.path().join(super::super::FILE_NAME), text).unwrap();
        let _ = std::fs::remove_file(root.path().join(name));
        rustix::fs::mknodat(
            rustix::fs::CWD,
            root.path().join(name),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        let loaded = Settings::gather(root.path(), &BTreeMap::new(), &SettingsFlags::default())
            .and_then(|settings| crate::project::Project::load(root.path(), settings));
        let error = loaded.unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("pipe"), "{name}: {error}");
        assert_eq!(crate::project::Project::find(root.path()).unwrap(), root.path());
    }
}

/// The settings that the original documents, as it gives them.
#[test]
fn every_variable_of_the_original_has_an_effect_or_a_reason_for_none() {
    let root = tempfile::tempdir().unwrap();
    let effective = [("PROJECT_NAME", "MetalK8s"), ("BUILD_ROOT", "_build"), ("GIT_BIN", "git")];
    let not = [
        "VAGRANT_PROVIDER",
        "VAGRANT_UP_ARGS",
        "VAGRANT_SNAPSHOT_NAME",
        "VAGRANT_BIN",
        "HARDLINK_BIN",
        "IMPLANTISOMD5_BIN",
        "MKISOFS_BIN",
        "SKOPEO_BIN",
        "GOFMT_BIN",
        "HELM_BIN",
        "MAKE_BIN",
        "OPERATOR_SDK_BIN",
        "TOX_BIN",
    ];
    let mut text: String = effective.iter().map(|(name, value)| format!("export {name}={value}\n")).collect();
    for name in not {
        text.push_str(&format!("export {name}=\"--provider $PROJECT_NAME\"\n"));
    }
    std::fs::write(root.path().join(".env"), text).unwrap();
    let settings = Settings::gather(root.path(), &BTreeMap::new(), &SettingsFlags::default()).unwrap();
    assert_eq!(settings.project_name.as_ref().map(ArchiveName::as_str), Some("MetalK8s"));
    assert_eq!((settings.build_root, settings.git), (root.path().join("_build"), "git".into()));
    let named: std::collections::BTreeSet<_> =
        settings.unused.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(named, not.into());
}

#[test]
fn sizes_have_units() {
    for (text, bytes) in [
        ("0", Some(0)),
        ("1500", Some(1500)),
        ("10G", Some(10_000_000_000)),
        (" 5 mb ", Some(5_000_000)),
        ("2kB", Some(2_000)),
        ("20000000T", None),
        ("G", None),
        ("-1", None),
        ("1.5G", None),
        ("", None),
    ] {
        assert_eq!(size(text).ok(), bytes, "{text}");
    }
}

#[test]
fn a_program_is_found_by_its_variable_else_on_the_search_path() {
    use std::os::unix::fs::PermissionsExt as _;
    let root = tempfile::tempdir().unwrap();
    for (name, mode) in [("first/note", 0o644), ("second/note", 0o755), ("second/salt-lint", 0o755)] {
        let path = root.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let place = |name: &str| root.path().join(name);
    let search = format!("{}:{}", place("first").display(), place("second").display());
    let absolute = place("second/note").display().to_string();
    for (variables, name, found) in [
        (&[][..], "note", Some("second/note")),
        (&[], "absent", None),
        (&[("ABSENT_BIN", "note")], "absent", Some("second/note")),
        (&[("SALT_LINT_BIN", absolute.as_str())], "salt-lint", Some("second/note")),
        (&[("SALT_LINT_BIN", "/nowhere/salt-lint")], "salt-lint", None),
    ] {
        let mut variables = environment(variables);
        variables.insert("PATH".into(), search.clone());
        let settings = Settings::gather(root.path(), &variables, &SettingsFlags::default()).unwrap();
        assert_eq!(settings.program(name), found.map(place), "{name} with {variables:?}");
    }
}

#[test]
fn mirrors_are_pairs() {
    let mirrors = |text: &str| mirrors(&environment(&[("REGISTRY_MIRRORS", text)]));
    assert!(mirrors("").unwrap().is_empty());
    let pairs = mirrors("docker.io=http://m:5000/hub, quay.io=https://q").unwrap();
    let expected = [("docker.io", "http://m:5000/hub"), ("quay.io", "https://q")];
    let parsed = |(host, url)| (RegistryHost::parse(host).unwrap(), Mirror::parse(url).unwrap());
    assert_eq!(pairs, expected.map(parsed));
    for wrong in [
        "docker.io=ftp://u:hunter2@m",
        "docker.io=https://u:hunter2@m",
        "https://u:hunter2@m",
        "=https://u:hunter2@m",
        "a b/c=https://u:hunter2@m",
    ] {
        let error = mirrors(wrong).unwrap_err().to_string();
        assert!(error.contains("REGISTRY_MIRRORS") && !error.contains("hunter2"), "{error}");
    }
}

#[test]
fn certificates_of_registries_lie_where_skopeo_and_docker_look() {
    let found = certificate_folders(&environment(&[("HOME", "/home/me")]));
    let expected = ["/home/me/.config/containers/certs.d", "/etc/containers/certs.d", "/etc/docker/certs.d"];
    assert_eq!(found, expected.map(PathBuf::from));
}
