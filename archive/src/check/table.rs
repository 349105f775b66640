//! The table of checks.

use std::fmt;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Something that could not be checked, or that people may want to know.
    Note,
    /// The Solution works, but probably not as its vendor means it, or not on every site.
    Warning,
    /// The Solution cannot be deployed as it is, or breaks a rule that MetalK8s enforces.
    Error,
}

impl Severity {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What a check looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CheckGroup {
    /// The ISO.
    Form,
    /// Whether the archive is intact.
    Integrity,
    /// `manifest.yaml` or `product.txt`.
    Manifest,
    /// The images of the archive.
    Images,
    /// The images and packages that its files name.
    References,
    /// What the operator needs.
    Operator,
    /// The registry configuration.
    Registry,
}

impl CheckGroup {
    /// All of them, in the order of the book.
    pub const ALL: [Self; 7] = [
        Self::Form,
        Self::Integrity,
        Self::Manifest,
        Self::Images,
        Self::References,
        Self::Operator,
        Self::Registry,
    ];

    /// A heading for it.
    #[must_use]
    pub const fn heading(self) -> &'static str {
        match self {
            Self::Form => "Form of the ISO",
            Self::Integrity => "Integrity",
            Self::Manifest => "Manifest",
            Self::Images => "Images",
            Self::References => "Images and packages that files name",
            Self::Operator => "Operator",
            Self::Registry => "Registry configuration",
        }
    }
}

/// A check: what it finds, how bad that is, and what to do about it.
#[derive(Debug)]
pub struct Check {
    /// Its name in reports and on the command line: `image-missing`.
    pub code: &'static str,
    /// What it looks at.
    pub group: CheckGroup,
    /// How bad its findings are.
    pub severity: Severity,
    /// What it finds, as a sentence without a period.
    pub title: &'static str,
    /// What to do about a finding, as a sentence without a period.
    pub remedy: &'static str,
}

macro_rules! checks {
    ($($group:ident { $($name:ident $code:literal $severity:ident $title:literal $remedy:literal)* })*) => {
        /// The name of a check. [`CheckName::check`] has the rest.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum CheckName {
            $($(#[doc = $title] $name,)*)*
        }

        /// All checks, in the order of the book.
        pub const CHECKS: &[CheckName] = &[$($(CheckName::$name,)*)*];

        impl CheckName {
            /// The check.
            #[must_use]
            pub const fn check(self) -> &'static Check {
                match self {
                    $($(Self::$name => &Check {
                        code: $code,
                        group: CheckGroup::$group,
                        severity: Severity::$severity,
                        title: $title,
                        remedy: $remedy,
                    },)*)*
                }
            }
        }
    };
}

checks! {
    Form {
        IsoRockRidge "iso-rock-ridge" Error
            "The ISO has no Rock Ridge names, so Linux sees other names and no links"
            "create the ISO with `sealift iso create`, or with the options -R -J -joliet-long of mkisofs"
        IsoJoliet "iso-joliet" Warning
            "The ISO has no Joliet names, which the guidelines require for other systems"
            "create the ISO with `sealift iso create`, or with the options -R -J -joliet-long of mkisofs"
        IsoLevel "iso-level" Warning
            "The ISO uses ISO 9660:1999 (level 4), but the guidelines accept at most level 3"
            "create the ISO with `sealift iso create`, or with the option -iso-level 3 of mkisofs"
        IsoNameLength "iso-name-length" Warning
            "A plain ISO 9660 name is longer than level 3 accepts: 31 characters for a folder, 30 for a file"
            "create the ISO with `sealift iso create`, or with the options -l -iso-level 3 of mkisofs"
        IsoNameEncoding "iso-name-encoding" Warning
            "A name is not UTF-8"
            "rename the file, or create the ISO with -input-charset utf-8 -output-charset utf-8"
        IsoVolumeId "iso-volume-id" Warning
            "The volume ID is not `NAME VERSION`"
            "set it when you create the ISO: -V 'NAME VERSION'"
        FileMode "file-mode" Warning
            "Other users cannot read a file or folder, so a web server or an operator may fail to read it"
            "run `chmod -R a+rX` on the folder before you create the ISO"
    }
    Integrity {
        Unverifiable "unverifiable" Warning
            "The archive has neither SHA256SUMS nor an implanted MD5, so nobody can verify a copy of it"
            "build the archive with `sealift solution build`, or publish its SHA-256"
        Damaged "damaged" Error
            "A file does not match the checksums, the links or the ISO"
            "build the archive again, or copy it again from its source"
    }
    Manifest {
        ManifestInvalid "manifest-invalid" Error
            "manifest.yaml is not a valid Solution manifest"
            "correct the manifest; `sealift solution manifest --help` shows how to generate one"
        ManifestName "manifest-name" Error
            "metadata.name is not a DNS label, which MetalK8s requires"
            "use at most 63 lower-case letters, digits and `-`, with a letter or digit first and last"
        ManifestVersion "manifest-version" Warning
            "spec.version does not follow Semantic Versioning, so `latest` and upgrades cannot compare it"
            "use a version such as 1.0.0 or 1.0.0-rc.1"
        ManifestKey "manifest-key" Warning
            "The manifest has a key that MetalK8s does not know"
            "correct or remove the key"
        ManifestDisplayName "manifest-display-name" Note
            "The annotation `solutions.metalk8s.scality.com/display-name` is missing"
            "add the annotation with the name that people read"
        ManifestDuplicateImage "manifest-duplicate-image" Warning
            "spec.images lists an image twice"
            "remove one of the two"
        ProductInvalid "product-invalid" Error
            "product.txt is invalid"
            "correct product.txt"
        LayoutVersion "layout-version" Error
            "ARCHIVE_LAYOUT_VERSION is not 1, the only version of the older layout"
            "set ARCHIVE_LAYOUT_VERSION=1 if the archive has that layout"
        RequirementInvalid "requirement-invalid" Error
            "What the archive requires of MetalK8s or of other archives cannot be read"
            "write a range of versions such as `>=2.7 <2.9`"
        RequirementUnmet "requirement-unmet" Error
            "The archive requires another archive, which is not among the base archives"
            "name the archive with --base, or import it first"
        RequirementUnchecked "requirement-unchecked" Note
            "The archive requires another archive, and no base archive is given"
            "name the archive with --base to check against it"
    }
    Images {
        ImageMissing "image-missing" Error
            "spec.images lists an image that the archive does not have"
            "add the image to the archive, or remove it from spec.images"
        OperatorImageMissing "operator-image-missing" Error
            "The archive does not have the image of the operator"
            "add the image to the archive, or correct spec.operator.image"
        UiImageMissing "ui-image-missing" Error
            "The archive does not have the image of the user interface"
            "add the image to the archive, or correct spec.ui.image"
        OperatorImageUnlisted "operator-image-unlisted" Warning
            "spec.images does not list the image of the operator or of the user interface"
            "add the image to spec.images"
        ImageUnlisted "image-unlisted" Warning
            "The archive has an image that spec.images does not list, so the operator is not told about it"
            "add the image to spec.images, or remove it from the archive"
        ImageIncomplete "image-incomplete" Error
            "An image cannot be served: a manifest or blob is missing or has the wrong size"
            "save the image again, for example with `skopeo copy --format v2s2 docker://… dir:images/NAME/TAG`"
        ImageDamaged "image-damaged" Error
            "A file of an image does not match the digest in its name"
            "save the image again, for example with `skopeo copy --format v2s2 docker://… dir:images/NAME/TAG`"
        ImageForeignLayer "image-foreign-layer" Warning
            "An image has a foreign layer, which some clients fetch from the internet"
            "use a base image without foreign layers"
        ImagePlatform "image-platform" Warning
            "An image lacks a platform that the image of the operator has, so it cannot run on the same nodes"
            "add the image for that platform"
        ImageLatest "image-latest" Warning
            "The tag of an image is `latest`, which names no version and can change"
            "use a version as the tag"
    }
    References {
        ReferenceMissing "reference-missing" Error
            "A file names an image that neither the archive nor a base archive has"
            "add the image to the archive, name the archive that has it with --base, or correct the file"
        MentionMissing "mention-missing" Warning
            "Text looks like the reference of an image that neither the archive nor a base archive has"
            "add the image to the archive if something pulls it"
        ReferenceUntagged "reference-untagged" Warning
            "A file names an image without a version: it has neither tag nor digest, or the tag `latest`"
            "name the version"
        ReferenceComputed "reference-computed" Note
            "A file computes the name of an image, so the image could not be checked"
            "check that the archive has each image that the file can name"
        ReferenceUnread "reference-unread" Warning
            "A file or chart was not read in full, so its images could not be checked"
            "see the reason; to render charts, install helm"
        PackageMissing "package-missing" Warning
            "Salt installs a package that neither the archive nor a base archive has"
            "add the package to the archive, or name the archive that has it with --base"
        PackageUnresolved "package-unresolved" Warning
            "A package cannot be installed: it requires what neither the archive nor a repository of --base has, or conflicts"
            "add the missing packages to the archive, or name the repository that has them with --base"
        PullPolicyAlways "pull-policy-always" Warning
            "A container has `imagePullPolicy: Always`, so it cannot start while the registry is down"
            "use `IfNotPresent`"
    }
    Operator {
        CrdMissing "crd-missing" Warning
            "operator/deploy/crds has no CustomResourceDefinition"
            "add the definitions of the resources that the operator manages"
        CrdFileName "crd-file-name" Warning
            "The name of a file in operator/deploy/crds does not end in `_crd.yaml`, so MetalK8s does not deploy it"
            "rename the file"
        CrdKind "crd-kind" Error
            "A file in operator/deploy/crds that MetalK8s deploys has objects other than CustomResourceDefinitions"
            "move the other objects to another folder"
        CrdOtherObject "crd-other-object" Warning
            "A file in operator/deploy/crds that MetalK8s does not deploy has other objects, such as samples"
            "move the other objects to another folder"
        CrdInvalid "crd-invalid" Error
            "A CustomResourceDefinition is invalid"
            "correct it; `kubectl apply --dry-run=server` shows what the cluster says"
        CrdVersion "crd-version" Warning
            "A CustomResourceDefinition has the version v1beta1, which Kubernetes 1.22 and later do not know"
            "convert it to apiextensions.k8s.io/v1"
        CrdSchema "crd-schema" Error
            "The schema of a CustomResourceDefinition is not structural"
            "correct it by the rules in the Kubernetes documentation, “Specifying a structural schema”"
        RoleMissing "role-missing" Warning
            "operator/deploy/role.yaml is missing, so the operator has no permissions"
            "add the Roles and ClusterRoles that the operator needs"
        RoleKind "role-kind" Error
            "operator/deploy/role.yaml has objects other than Roles and ClusterRoles, so its deployment fails"
            "move the other objects to another file"
        RoleInvalid "role-invalid" Error
            "A Role or ClusterRole is invalid"
            "correct it; `kubectl apply --dry-run=server` shows what the cluster says"
        OperatorConfig "operator-config" Error
            "The OperatorConfig, which tells the operator where its images are, cannot be made"
            "correct the name, the version or the images in the manifest"
    }
    Registry {
        RegistryConfigMissing "registry-config-missing" Warning
            "The archive has neither registry-config.inc nor registry-config.inc.j2, which MetalK8s includes in its nginx"
            "generate it with `sealift registry nginx-config` or static-container-registry"
        RegistryConfig "registry-config" Error
            "The registry configuration is not limited to serving the images of the archive"
            "generate it again with `sealift registry nginx-config` or static-container-registry"
    }
}

impl CheckName {
    /// The check with this code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        CHECKS.iter().copied().find(|name| name.check().code == code)
    }

    /// Whether an operator can import an archive with its findings: all but damage, which no reason excuses.
    #[must_use]
    pub fn can_be_allowed(self) -> bool {
        !matches!(self, Self::Damaged | Self::ImageDamaged | Self::ImageIncomplete)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_words_and_texts_are_sentences_without_a_period() {
        for (at, name) in CHECKS.iter().enumerate() {
            let Check { code, title, remedy, .. } = name.check();
            assert!(code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{code}");
            assert_eq!(CheckName::from_code(code), Some(*name));
            assert_eq!(CHECKS.iter().position(|other| other.check().code == *code), Some(at), "{code}");
            for text in [title, remedy] {
                assert!(!text.is_empty() && !text.ends_with('.') && !text.contains('\n'), "{code}: {text}");
            }
        }
        let groups: Vec<CheckGroup> = CHECKS.iter().map(|name| name.check().group).collect();
        assert!(groups.is_sorted() && CheckGroup::ALL.iter().all(|group| groups.contains(group)));
        assert_eq!(CheckName::from_code("nothing"), None);
    }
}
