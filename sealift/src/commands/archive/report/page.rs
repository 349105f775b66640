//! The page: what is known about an archive, in sections.

use std::collections::BTreeMap;
use std::path::Path;

use archive::diff::package_parts;
use archive::inspect::Inspection;
use archive::layout;
use archive::requires::Requirement;
use archive::verify::{ArchiveForm, ImplantedMd5, Verdict};
use content::printable_path;
use images::original_names::Place;
use images::signatures::{SignatureRequirement, SignatureRules};
use trust::Provenance;

use super::{Contents, Report, Signature};
use crate::commands::archive::without_metadata;
use crate::output::documents::signatures::SignatureDocument;
use crate::output::{count, shell_word, size};
use crate::page::{Block, Column, Fact, Page, Paragraph, Section, State};

/// What stands for a licence that is not stated.
const UNKNOWN_LICENCE: &str = "not stated";

/// The page about the archive at `path`.
pub(super) fn page(path: &Path, report: &Report) -> Page {
    let contents = &report.contents;
    let mut sections = vec![
        Section { heading: "Archive", blocks: archive(path, report) },
        Section { heading: "Verification", blocks: verification(report) },
        Section { heading: "Signature", blocks: signature(&report.signature) },
        Section { heading: "What it was built from", blocks: origin(path, contents.provenance.as_ref()) },
    ];
    if let Some(inspection) = &contents.inspection {
        let required = requirements(&inspection.requires);
        sections.extend([
            Section { heading: "Required archives", blocks: required },
            Section { heading: "Images", blocks: images(contents, inspection) },
            Section { heading: "Packages", blocks: packages(contents, inspection) },
            Section { heading: "Licences", blocks: licences(contents, inspection) },
            Section { heading: "Other files", blocks: other_files(inspection) },
        ]);
    }
    let version = env!("CARGO_PKG_VERSION");
    Page {
        title: title(path, report),
        lead: vec![verdict(report), signed(&report.signature)],
        sections,
        footer: Some(format!(
            "Written by Sealift {version}. Names, versions and licences are what the archive says about itself."
        )),
    }
}

fn title(path: &Path, report: &Report) -> String {
    match &report.verified.product {
        Some(product) => format!("Archive {} {}", product.name, product.version),
        None => {
            let name = path.file_name().map(Path::new).unwrap_or(path);
            format!("Archive {}", printable_path(name))
        }
    }
}

/// The result of the verification, in a sentence.
fn verdict(report: &Report) -> Paragraph {
    let verified = &report.verified;
    match verified.verdict() {
        Verdict::Intact => Paragraph::marked(State::Good, "Intact", "The archive matches its own checksums."),
        Verdict::Damaged => {
            let findings = count(verified.findings.len() as u64 + verified.omitted, "finding");
            Paragraph::marked(State::Bad, "Damaged", format!("The archive is not intact: {findings}."))
        }
        Verdict::Unverifiable => Paragraph::marked(
            State::Warn,
            "Unverifiable",
            "The archive has neither SHA256SUMS nor an implanted MD5, so damage cannot be found.",
        ),
    }
}

/// What is known about the signature, in a sentence.
fn signed(signature: &Signature) -> Paragraph {
    match signature {
        Signature::Checked(check) => {
            let document = SignatureDocument::from(check.as_ref());
            match (document.reason, check.covered()) {
                (None, Some(covered)) => {
                    let by = check.by().map(ToString::to_string).unwrap_or_default();
                    Paragraph::marked(State::Good, "Signed", format!("By {by}: {covered}."))
                }
                (reason, _) => Paragraph::marked(
                    State::Bad,
                    "Signature refused",
                    format!("The signature does not count: {}.", reason.unwrap_or_default()),
                ),
            }
        }
        Signature::NotRequired => Paragraph::marked(
            State::Warn,
            "Signature not checked",
            "The policy requires no signature of this archive.",
        ),
        Signature::NotChecked { exists: true, .. } => Paragraph::marked(
            State::Warn,
            "Signature not checked",
            "The archive has a signature, but no key was given to check it.",
        ),
        Signature::NotChecked { exists: false, .. } => {
            Paragraph::marked(State::Warn, "Not signed", "There is no signature beside the archive.")
        }
    }
}

fn archive(path: &Path, report: &Report) -> Vec<Block> {
    let verified = &report.verified;
    let mut facts = Vec::new();
    if let Some(product) = &verified.product {
        facts.push(Fact::text("Name", &*product.name));
        facts.push(Fact::text("Version", &*product.version));
        if product.development_release {
            facts.push(Fact::text("Release", "a development version"));
        }
    }
    facts.push(Fact::code("File", printable_path(path).to_string()));
    let inspection = report.contents.inspection.as_ref();
    match (verified.form, inspection.and_then(|one| one.image_bytes)) {
        (ArchiveForm::Iso, Some(bytes)) => {
            facts.push(Fact::text("Size", format!("{} ({bytes} bytes)", size(bytes))));
            let digest = verified.iso_digest.map(|digest| digest.hex().to_string());
            facts.push(match digest {
                Some(digest) => Fact::code("SHA-256", digest),
                None => Fact::text("SHA-256", "the ISO cannot be read to its end"),
            });
        }
        (ArchiveForm::Folder, _) => facts.push(Fact::text("Form", "a folder: it has no digest of its own")),
        (ArchiveForm::Iso, None) => {}
    }
    if let Some(inspection) = inspection {
        facts.extend(inspection.volume_id.as_ref().map(|id| Fact::text("Volume ID", id)));
        let packages: usize = inspection.repositories.iter().map(|one| one.packages.len()).sum();
        let bytes = size(inspection.bytes);
        facts.push(Fact::text("Files", format!("{}, {bytes}", count(inspection.files, "file"))));
        facts.push(Fact::text(
            "Contents",
            format!("{}, {}", count(inspection.images.len(), "image"), count(packages, "package")),
        ));
    }
    let product = verified.product.as_ref();
    facts.extend(
        product
            .and_then(|one| one.build_timestamp.as_ref())
            .map(|date| Fact::text("Date of its sources", date)),
    );
    facts.extend(product.and_then(|one| one.git.as_ref()).map(|commit| Fact::code("Commit", commit)));
    let mut blocks = vec![Block::Facts { facts }];
    if !report.contents.problems.is_empty() {
        blocks.push(Block::text("These parts cannot be read:"));
        blocks.push(Block::findings(report.contents.problems.iter().cloned(), 0));
    }
    blocks
}

fn verification(report: &Report) -> Vec<Block> {
    let verified = &report.verified;
    let sums = match verified.sha256sums {
        true => "each file is compared with it",
        false => "missing or unreadable: only images could be checked, against the names of their blobs",
    };
    let md5 = match &verified.implanted_md5 {
        ImplantedMd5::Passed { .. } => "matches the ISO".to_owned(),
        ImplantedMd5::Failed { from, to } => {
            format!("does not match: the ISO was changed between bytes {from} and {to}, and maybe after them")
        }
        ImplantedMd5::Absent => "none".to_owned(),
        ImplantedMd5::Unreadable { reason } => format!("cannot be checked: {reason}"),
        ImplantedMd5::NotChecked => "a folder has none".to_owned(),
    };
    let read = format!("{}, {}", count(verified.files, "file"), size(verified.bytes));
    let mut facts =
        vec![Fact::text("Checked", read), Fact::text("SHA256SUMS", sums), Fact::text("Implanted MD5", md5)];
    if verified.symbolic_links > 0 {
        let links = match verified.links {
            true => "each link is compared with LINKS.mtree",
            false => "not checked: no readable LINKS.mtree",
        };
        facts.push(Fact::text("Symbolic links", links));
    }
    for (name, health) in [
        ("Images that cannot be served", &verified.images),
        ("Packages that cannot be served", &verified.packages),
    ] {
        if !health.damaged.is_empty() {
            facts.push(Fact::text(name, health.damaged.join(", ")));
        }
    }
    let mut blocks = vec![Block::Text(verdict(report)), Block::Facts { facts }];
    if !verified.findings.is_empty() {
        blocks.push(Block::findings(verified.findings.iter().map(ToString::to_string), verified.omitted));
    }
    blocks
}

fn signature(signature: &Signature) -> Vec<Block> {
    let mut blocks = vec![Block::Text(signed(signature))];
    match signature {
        Signature::Checked(check) => {
            let document = SignatureDocument::from(check.as_ref());
            let mut facts = Vec::new();
            facts.extend(check.name().map(|name| Fact::text("Signed as", name)));
            facts.extend(document.by.key_id.map(|key| Fact::code("Key", key)));
            facts.extend(document.by.algorithm.map(|algorithm| Fact::text("Algorithm", algorithm)));
            facts.extend(document.by.subject.map(|subject| Fact::code("Signer", subject)));
            facts.extend(document.by.issuer.map(|issuer| Fact::code("Issuer", issuer)));
            facts.extend(check.covered().map(|covered| Fact::text("Covers", covered)));
            facts.push(Fact::code("Bundle", document.bundle));
            blocks.push(Block::Facts { facts });
        }
        Signature::NotChecked { bundle, exists } => {
            blocks.push(Block::Facts {
                facts: vec![Fact::code(
                    if *exists { "Bundle" } else { "Missing bundle" },
                    printable_path(bundle).to_string(),
                )],
            });
        }
        Signature::NotRequired => {}
    }
    blocks
}

fn origin(path: &Path, provenance: Option<&Provenance>) -> Vec<Block> {
    let Some(provenance) = provenance else {
        return vec![Block::text("The archive does not say what it was built from.")];
    };
    let built = &provenance.build_definition;
    let (parameters, internal) = (&built.external_parameters, &built.internal_parameters);
    let assigned = |values: &BTreeMap<String, String>| {
        values.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ")
    };
    let commit = provenance.commit();
    let commit_text = commit.map_or_else(|| "none: the project was in no git repository", |(hash, _)| hash);
    let mut facts = vec![Fact::code("Commit", commit_text)];
    if commit.is_some_and(|(_, dirty)| dirty) {
        facts.push(Fact::text("Changes", "files differed from the commit, so it cannot be built again"));
    }
    for (name, value) in [
        ("Folder of the project", parameters.project.clone()),
        ("Profiles", parameters.profiles.join(", ")),
        ("Variables", assigned(&parameters.variables)),
        ("Environment variables, without values", parameters.environment.join(", ")),
        ("Settings", assigned(&parameters.settings)),
    ] {
        if !value.is_empty() {
            facts.push(Fact::code(name, value));
        }
    }
    facts.push(Fact::text("Architecture of the build", &*internal.architecture));
    facts.push(Fact::text(
        "Built by",
        provenance.builder_version().map_or_else(
            || "an unknown version of Sealift".to_owned(),
            |version| format!("Sealift {version}"),
        ),
    ));
    facts.push(Fact::code("Builder", &*provenance.run_details.builder.id));
    let dependencies = built.resolved_dependencies.len().saturating_sub(usize::from(commit.is_some()));
    facts.push(Fact::text("Images, packages and downloads", dependencies.to_string()));
    let command = format!("sealift archive reproduce {} --source DIR", shell_word(path));
    vec![
        Block::text("The archive says this. To prove it, build the archive again and compare each byte:"),
        Block::Command { text: command },
        Block::Facts { facts },
    ]
}

fn requirements(required: &[Requirement]) -> Vec<Block> {
    if required.is_empty() {
        return vec![Block::text("The archive requires no other archive.")];
    }
    let columns = [Column::text("Archive"), Column::text("Version"), Column::code("With")];
    let row = |one: &Requirement| {
        let version = one.version.as_ref().map(ToString::to_string).unwrap_or_default();
        let images = one.images.iter().map(|image| format!("image {image}"));
        let uses = images.chain(one.packages.iter().map(|package| format!("package {package}")));
        vec![one.name.clone(), version, uses.collect::<Vec<_>>().join(", ")]
    };
    vec![Block::table(&columns, required.iter().map(row))]
}

fn images(contents: &Contents, inspection: &Inspection) -> Vec<Block> {
    if inspection.images.is_empty() {
        return vec![Block::text("The archive has no images.")];
    }
    let (number, bytes) = (count(inspection.images.len(), "image"), size(inspection.image_content));
    let columns = [
        Column::code("Image"),
        Column::code("Tag"),
        Column::text("Platforms"),
        Column::text("Size"),
        Column::code("Original name"),
        Column::code("Digest"),
    ];
    let rows = inspection.images.iter().map(|image| {
        let place = Place { name: image.name.clone(), tag: image.tag.clone() };
        let originals: Vec<String> = contents.original_names.of(&place).map(ToString::to_string).collect();
        let digest = image.digest.clone().unwrap_or_else(|| "unreadable".to_owned());
        let platforms = image.platforms.join(", ");
        let Place { name, tag } = place;
        vec![name, tag, platforms, size(image.bytes), originals.join(", "), digest]
    });
    vec![
        Block::text(format!("{number}, {bytes}. Content that images share counts once in this sum.")),
        Block::text(policy(contents.rules.as_ref())),
        Block::table(&columns, rows),
    ]
}

/// What the archive says about the signatures of its images.
fn policy(rules: Option<&SignatureRules>) -> String {
    let required = rules.iter().flat_map(|rules| rules.iter());
    let required: Vec<String> = required
        .filter(|rule| rule.requirement() == SignatureRequirement::Signature)
        .map(|rule| rule.repository().to_string())
        .collect();
    match required.is_empty() {
        true => "The archive requires no signatures of images.".to_owned(),
        false => {
            let file = layout::IMAGE_POLICY;
            format!("Signatures are required of images from {} ({file}).", required.join(", "))
        }
    }
}

fn packages(contents: &Contents, inspection: &Inspection) -> Vec<Block> {
    let mut blocks = Vec::new();
    if inspection.repositories.is_empty() {
        blocks.push(Block::text("The archive has no package repositories."));
    } else {
        let columns = [Column::code("Repository"), Column::text("Packages"), Column::text("Size")];
        let rows = inspection
            .repositories
            .iter()
            .map(|one| vec![one.folder.clone(), one.packages.len().to_string(), size(one.bytes)]);
        blocks.push(Block::table(&columns, rows));
        let columns = [
            Column::code("Package"),
            Column::code("Version"),
            Column::text("Architecture"),
            Column::text("Licence"),
            Column::code("Repository"),
        ];
        let rows = each_package(contents, inspection).map(|(repository, file, licence)| {
            let (name, version, arch) = package_parts(file);
            [name, version, arch, licence.unwrap_or_default(), repository].map(ToOwned::to_owned).into()
        });
        blocks.push(Block::table(&columns, rows));
    }
    if !inspection.unindexed.is_empty() {
        blocks.push(Block::text("Clients cannot use these repositories:"));
        blocks.push(Block::findings(without_metadata(&inspection.unindexed), 0));
    }
    blocks
}

/// The packages: their repositories, the names of their files, and their licences.
fn each_package<'a>(
    contents: &'a Contents,
    inspection: &'a Inspection,
) -> impl Iterator<Item = (&'a str, &'a str, Option<&'a str>)> {
    inspection.repositories.iter().flat_map(|repository| {
        let licences = contents.licences.get(&repository.folder);
        repository.packages.iter().map(move |file| {
            let licence = licences.and_then(|licences| licences.get(file)).map(String::as_str);
            (repository.folder.as_str(), file.as_str(), licence)
        })
    })
}

fn licences(contents: &Contents, inspection: &Inspection) -> Vec<Block> {
    let mut found: BTreeMap<&str, u64> = BTreeMap::new();
    for (_, _, licence) in each_package(contents, inspection) {
        *found.entry(licence.unwrap_or(UNKNOWN_LICENCE)).or_default() += 1;
    }
    let mut blocks = vec![Block::text(
        "The licences of RPMs are those that their repositories state. Debian repositories state no licences.",
    )];
    if !found.is_empty() {
        let rows =
            found.into_iter().map(|(licence, packages)| vec![licence.to_owned(), packages.to_string()]);
        blocks.push(Block::table(&[Column::text("Licence"), Column::text("Packages")], rows));
    }
    blocks.push(match &contents.sboms[..] {
        [] => Block::text("The archive has no SBOM, so the licences in its images are unknown."),
        [one] => Block::text(format!("For more, see the SBOM in the archive: {one} (SPDX).")),
        [_, ..] => {
            let number = count(contents.sboms.len(), "SBOM");
            Block::text(format!("For more, see the {number} in {} (SPDX).", layout::ATTESTATIONS))
        }
    });
    blocks
}

fn other_files(inspection: &Inspection) -> Vec<Block> {
    let columns = [Column::code("Folder"), Column::text("Files"), Column::text("Size")];
    let others = inspection.folders.iter();
    let others = others.filter(|one| ![layout::IMAGES, layout::PACKAGES].contains(&one.name.as_str()));
    let rows = others.map(|one| vec![format!("{}/", one.name), one.files.to_string(), size(one.bytes)]);
    vec![Block::table(&columns, rows)]
}
