//! Real sites: without MetalK8s, with missing archives, dead mounts, and lines in an old fstab.

use super::*;

const ARCHIVES: &str = "kind: ArchivesConfiguration\n";

#[test]
fn without_metalk8s_archives_are_listed_in_a_file_that_the_first_import_makes() {
    let (mut node, machine) = (Node::new(), Fake::default());
    std::fs::remove_file(&node.paths.bootstrap).unwrap();
    node.paths.archives = node.root.path().join("etc/sealift/archives.yaml");
    let platform = node.archive("metalk8s.iso", PLATFORM);
    let solution = node.archive("storage.iso", SOLUTION);
    let dry = ImportOptions { dry_run: true, ..ImportOptions::default() };
    import(&node.paths, &platform, &dry, &machine, &()).unwrap();
    assert!(!node.paths.archives.exists());

    machine.fail.set(Some("units"));
    node.import(&platform, &machine).unwrap_err();
    assert!(!node.paths.archives.exists(), "a failed import leaves no file");
    machine.fail.set(None);
    node.import(&platform, &machine).unwrap();
    node.import(&solution, &machine).unwrap();
    let text = std::fs::read_to_string(&node.paths.archives).unwrap();
    assert!(text.contains("apiVersion: sealift.dev/v1alpha1\n") && text.contains(ARCHIVES), "{text}");
    let expected = format!("archives:\n  - {}\n  - {}\n", platform.display(), solution.display());
    assert!(text.ends_with(&expected), "{text}");
    assert!(!node.paths.bootstrap.exists() && !node.paths.solutions.exists());

    assert_eq!(configured(&node.paths).unwrap(), [platform.clone(), solution]);
    let kinds: Vec<ListedArchiveKind> =
        get(&node.paths, &machine).unwrap().iter().map(|one| one.kind).collect();
    assert_eq!(kinds, [ListedArchiveKind::Platform, ListedArchiveKind::Solution]);
    assert!(node.import(&platform, &machine).unwrap().steps.is_empty());
    delete(&node.paths, "metalk8s-2.10.0", &DELETE, &machine).unwrap();
    delete(&node.paths, "storage-1.0.0", &DELETE, &machine).unwrap();
    assert!(configured(&node.paths).unwrap().is_empty());
}

#[test]
fn an_archive_that_two_configurations_list_is_one_archive() {
    let (node, machine) = (Node::new(), Fake::default());
    let platform = node.archive("metalk8s.iso", PLATFORM);
    std::fs::remove_file(&node.paths.bootstrap).unwrap();
    node.import(&platform, &machine).unwrap();
    // MetalK8s is installed later.
    let listed = BOOTSTRAP.replace("archives: []", &format!("archives: [{}]", platform.display()));
    std::fs::write(&node.paths.bootstrap, listed).unwrap();
    assert_eq!(configured(&node.paths).unwrap(), [platform]);
    assert_eq!(get(&node.paths, &machine).unwrap().len(), 1);
}

#[test]
fn a_list_that_is_wrong_is_no_empty_list() {
    let node = Node::new();
    std::fs::remove_file(&node.paths.bootstrap).unwrap();
    std::fs::write(&node.paths.archives, "archives: [a.iso]\n").unwrap();
    let error = configured(&node.paths).unwrap_err().to_string();
    for expected in
        ["apiVersion: it is missing", "kind: it is missing", "expected an absolute path, found \"a.iso\""]
    {
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_missing_archive_and_damaged_images_are_distinguished() {
    let (node, machine) = (Node::new(), Fake::default());
    let platform = node.archive("metalk8s.iso", PLATFORM);
    node.import(&platform, &machine).unwrap();
    let seen = || get(&node.paths, &machine).unwrap().remove(0);
    assert_eq!((seen().missing, seen().images), (false, Some(ImageCount { total: 0, whole: 0 })));
    std::fs::remove_file(&platform).unwrap();
    let listed = seen();
    assert_eq!((listed.missing, listed.images, listed.bytes), (true, None, None));
    assert_eq!(listed.problem.as_deref(), Some("it does not exist"));
    // Its unit contains the ID of the import.
    assert_eq!(listed.mounted, Some(node.paths.mounts.join("metalk8s-2.10.0")));
}

#[test]
fn a_dead_mount_is_reported_and_mounted_again() {
    let (node, machine) = (Node::new(), Fake::default());
    let platform = node.archive("metalk8s.iso", PLATFORM);
    let by_fuse = ImportOptions { mounting: MountChoice::By(MountMode::Fuse), ..ImportOptions::default() };
    let import = || import(&node.paths, &platform, &by_fuse, &machine, &()).unwrap();
    import();
    machine.dead.set(true);
    let listed = get(&node.paths, &machine).unwrap().remove(0);
    assert!(
        listed.mount_broken && listed.problem.as_ref().is_some_and(|text| text.contains("is dead")),
        "{listed:?}"
    );
    // A process uses it, but its FUSE program has ended.
    machine.busy.set(true);
    let steps = import().steps;
    assert!(
        matches!(&steps[..], [NodeStep::Unmount { lazily: true, .. }, NodeStep::Mount { .. }]),
        "{steps:?}"
    );
    assert!(!get(&node.paths, &machine).unwrap()[0].mount_broken);
    assert!(import().steps.is_empty());
    for unmounts in [true, false] {
        machine.dead.set(true);
        if unmounts {
            unmount(&node.paths, "metalk8s-2.10.0", false, &machine).unwrap();
            import();
        } else {
            delete(&node.paths, "metalk8s-2.10.0", &DELETE, &machine).unwrap();
        }
    }
    assert!(machine.mounted.borrow().is_empty() && !node.paths.mounts.join("metalk8s-2.10.0").exists());
}

#[test]
fn a_deletion_removes_the_line_by_which_the_original_mounts_the_archive() {
    let (node, machine) = (Node::new(), Fake::default());
    let platform = node.archive("metal k8s.iso", PLATFORM);
    let link = node.root.path().join("link.iso");
    std::os::unix::fs::symlink(&platform, &link).unwrap();
    let at = node.paths.mounts.join("metalk8s-2.10.0");
    let source = platform.display().to_string().replace(' ', "\\040");
    let kept = format!("# {source} {} iso9660 ro 0 0\nUUID=1 / xfs defaults 0 0\n\n", at.display());
    for written in [&source, &link.display().to_string()] {
        let line = format!("{written}\t{}  iso9660 nofail,ro 0 0\n", at.display());
        let before = format!("{line}{kept}{line}");
        std::fs::write(&node.paths.fstab, &before).unwrap();
        node.import(&platform, &machine).unwrap();
        machine.fail.set(Some("units"));
        delete(&node.paths, "metalk8s-2.10.0", &DELETE, &machine).unwrap_err();
        assert_eq!(std::fs::read_to_string(&node.paths.fstab).unwrap(), before, "a failed deletion");
        machine.fail.set(None);
        let done = delete(&node.paths, "metalk8s-2.10.0", &DELETE, &machine).unwrap();
        assert!(
            done.steps.iter().any(|step| matches!(step, NodeStep::ChangeFstab { .. })),
            "{:?}",
            done.steps
        );
        assert_eq!(std::fs::read_to_string(&node.paths.fstab).unwrap(), kept);
        assert!(done.notes.is_empty(), "{:?}", done.notes);
    }
}

#[test]
fn lines_of_fstab_that_mean_something_else_stay_and_are_named() {
    let (node, machine) = (Node::new(), Fake::default());
    let platform = node.archive("metalk8s.iso", PLATFORM);
    node.import(&platform, &machine).unwrap();
    let at = node.paths.mounts.join("metalk8s-2.10.0");
    let text = format!(
        "/other.iso {} iso9660 ro 0 0\n{} /mnt iso9660 ro 0 0\n/dev/sda1 / xfs defaults 0 0\n",
        at.display(),
        platform.display()
    );
    std::fs::write(&node.paths.fstab, &text).unwrap();
    let done = delete(&node.paths, "metalk8s-2.10.0", &DELETE, &machine).unwrap();
    assert_eq!(std::fs::read_to_string(&node.paths.fstab).unwrap(), text);
    assert_eq!(done.notes.len(), 2, "{:?}", done.notes);
    assert!(done.notes[0].contains("fstab:1 still mounts at each boot: /other.iso"), "{:?}", done.notes);
    assert!(done.notes[1].contains("fstab:2 "), "{:?}", done.notes);
}

#[test]
fn a_dry_run_of_a_mount_changes_nothing() {
    let (node, machine) = (Node::new(), Fake::default());
    let before = node.state(&machine);
    let platform = node.archive("metalk8s.iso", PLATFORM);
    let options = MountOptions { at: None, verify: true, mounting: MountChoice::Auto, dry_run: true };
    let done = mount(&node.paths, &platform, &options, &machine, &()).unwrap();
    assert_eq!(done.steps.len(), 2);
    assert_eq!(node.state(&machine), before);
    let done_really =
        mount(&node.paths, &platform, &MountOptions { dry_run: false, ..options }, &machine, &()).unwrap();
    assert_eq!(done_really.steps, done.steps);
}

#[test]
fn an_unverifiable_archive_is_imported_only_on_request() {
    let (node, machine) = (Node::new(), Fake::default());
    let archive = node.root.path().join("folder");
    std::fs::create_dir(&archive).unwrap();
    std::fs::write(archive.join(layout::PRODUCT), PLATFORM).unwrap();
    let options = |unverified, dry_run| ImportOptions { unverified, dry_run, ..ImportOptions::default() };
    for dry_run in [true, false] {
        let refused = import(&node.paths, &archive, &options(false, dry_run), &machine, &());
        assert!(matches!(&refused, Err(Error::Unverifiable(path)) if *path == archive), "{refused:?}");
        assert!(configured(&node.paths).unwrap().is_empty());
    }
    let planned = import(&node.paths, &archive, &options(true, true), &machine, &()).unwrap();
    let done = import(&node.paths, &archive, &options(true, false), &machine, &()).unwrap();
    assert_eq!(planned.steps, done.steps);
    assert_eq!(configured(&node.paths).unwrap(), std::slice::from_ref(&archive));
    // A damaged one is still refused.
    let damaged = node.archive("damaged.iso", "NAME=Other\nVERSION=1.0.0\n");
    let mut bytes = std::fs::read(&damaged).unwrap();
    let at = bytes.windows(4).rposition(|window| window == b"NAME").unwrap();
    bytes[at + 6] = b'X';
    std::fs::write(&damaged, bytes).unwrap();
    let refused = import(&node.paths, &damaged, &options(true, false), &machine, &());
    assert!(matches!(refused, Err(Error::Damaged(_))), "{refused:?}");
}

#[test]
fn a_dry_run_of_a_mount_refuses_an_unverifiable_archive() {
    let (node, machine) = (Node::new(), Fake::default());
    let archive = node.root.path().join("folder");
    std::fs::create_dir(&archive).unwrap();
    std::fs::write(archive.join(layout::PRODUCT), PLATFORM).unwrap();
    let before = node.state(&machine);
    for (verify, dry_run, refused) in [(true, true, true), (true, false, true), (false, true, false)] {
        let options = MountOptions { at: None, verify, mounting: MountChoice::Auto, dry_run };
        let done = mount(&node.paths, &archive, &options, &machine, &());
        assert_eq!(matches!(done, Err(Error::Unverifiable(_))), refused, "{done:?}");
        assert_eq!(node.state(&machine), before);
    }
}

#[test]
fn a_node_accepts_unverifiable_archives_if_its_configuration_says_so() {
    let (node, machine) = (Node::new(), Fake::default());
    let archive = node.root.path().join("folder");
    std::fs::create_dir(&archive).unwrap();
    std::fs::write(archive.join(layout::PRODUCT), PLATFORM).unwrap();
    let policy = |value: &str| {
        let text =
            format!("apiVersion: sealift.dev/v1alpha1\n{ARCHIVES}archives: []\nacceptUnverified: {value}\n");
        std::fs::write(&node.paths.archives, text).unwrap();
    };
    let dry = ImportOptions { dry_run: true, ..ImportOptions::default() };
    policy("false");
    assert!(matches!(check_verifiable(&node.paths, &archive, false), Err(Error::Unverifiable(_))));
    assert!(matches!(import(&node.paths, &archive, &dry, &machine, &()), Err(Error::Unverifiable(_))));
    // An invalid value is not a permission.
    policy("maybe");
    let error = import(&node.paths, &archive, &dry, &machine, &()).unwrap_err().to_string();
    assert!(error.contains("archives.yaml:4:") && error.contains("acceptUnverified"), "{error}");
    policy("true");
    check_verifiable(&node.paths, &archive, false).unwrap();
    let options = MountOptions { at: None, verify: true, mounting: MountChoice::Auto, dry_run: true };
    assert_eq!(mount(&node.paths, &archive, &options, &machine, &()).unwrap().steps.len(), 2);
    let planned = import(&node.paths, &archive, &dry, &machine, &()).unwrap();
    assert_eq!(node.import(&archive, &machine).unwrap().steps, planned.steps);
    // MetalK8s has its own list.
    assert!(std::fs::read_to_string(&node.paths.bootstrap).unwrap().contains("/folder"));
    // A damaged one is still refused.
    let other = node.archive("damaged.iso", "NAME=Other\nVERSION=1.0.0\n");
    let mut bytes = std::fs::read(&other).unwrap();
    let at = bytes.windows(4).rposition(|window| window == b"NAME").unwrap();
    bytes[at + 6] = b'X';
    std::fs::write(&other, bytes).unwrap();
    assert!(matches!(node.import(&other, &machine), Err(Error::Damaged(_))));
}

#[test]
fn packages_without_metadata_are_a_warning_of_the_list() {
    let (node, machine) = (Node::new(), Fake::default());
    let archive = node.root.path().join("folder");
    std::fs::create_dir_all(archive.join("packages/redhat/8/site")).unwrap();
    std::fs::write(archive.join("packages/redhat/8/site/a.rpm"), "").unwrap();
    std::fs::write(archive.join(layout::PRODUCT), PLATFORM).unwrap();
    archive::sums::write(&archive, &archive::sums::digest_file).unwrap();
    node.import(&archive, &machine).unwrap();
    let listed = get(&node.paths, &machine).unwrap().remove(0);
    assert_eq!(listed.problem, None);
    assert!(
        matches!(&listed.warnings[..], [one] if one.starts_with("packages/redhat/8/site: 1 RPM package without")),
        "{listed:?}"
    );
}
