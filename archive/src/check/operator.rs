//! What the operator of a Solution needs: the definitions of its resources, and its permissions.

use images::yaml::{self, Node, Value};

use super::finding::{Finding, Place};
use super::schema;
use super::table::CheckName;

/// The folder of the definitions.
pub const CRDS: &str = "operator/deploy/crds";
/// The file with the permissions.
pub const ROLE: &str = "operator/deploy/role.yaml";
/// The end of the names of the files that MetalK8s deploys.
pub(super) const DEPLOYED: &str = "_crd.yaml";

const CRD: &str = "CustomResourceDefinition";
const CRD_VERSION: &str = "apiextensions.k8s.io/v1";
const CRD_OLD_VERSION: &str = "apiextensions.k8s.io/v1beta1";
const ROLE_VERSION: &str = "rbac.authorization.k8s.io/v1";
/// The most documents of a file that are read.
const DOCUMENTS_MAX: usize = 1000;

/// The findings of one file, by a path.
struct File<'a> {
    path: &'a str,
    found: Vec<Finding>,
}

impl File<'_> {
    fn add(&mut self, name: CheckName, node: &Node, problem: impl AsRef<str>) {
        self.at(name, node.referenced.line(), problem);
    }

    fn at(&mut self, name: CheckName, line: u64, problem: impl AsRef<str>) {
        self.found.push(Finding::new(name, Place::line(self.path, line), problem.as_ref()));
    }

    /// The documents of the text that are not empty; a finding if it is not YAML.
    fn documents(&mut self, text: &str, invalid: CheckName) -> Vec<Node> {
        match yaml::parse(text) {
            Ok(documents) => {
                let has_content = |node: &Node| !matches!(node.value, Value::Null);
                documents.into_iter().filter(has_content).take(DOCUMENTS_MAX).collect()
            }
            Err(error) => {
                self.at(invalid, error.line.unwrap_or(0), format!("not valid YAML: {error}"));
                Vec::new()
            }
        }
    }
}

/// Checks `text`, the content of a file in [`CRDS`] at `path`.
#[must_use]
pub fn check_definitions(path: &str, text: &str) -> Vec<Finding> {
    definitions(path, text).0
}

/// As [`check_definitions`]; also returns whether the file has a definition, valid or not.
pub(super) fn definitions(path: &str, text: &str) -> (Vec<Finding>, bool) {
    let mut file = File { path, found: Vec::new() };
    let documents = file.documents(text, CheckName::CrdInvalid);
    let other = if path.ends_with(DEPLOYED) { CheckName::CrdKind } else { CheckName::CrdOtherObject };
    let mut has_definition = !file.found.is_empty();
    if documents.is_empty() && file.found.is_empty() {
        file.at(other, 0, "it has no CustomResourceDefinition");
    }
    for document in &documents {
        let kind = text_at(document, &["kind"]).unwrap_or_default();
        let version = text_at(document, &["apiVersion"]).unwrap_or_default();
        if kind != CRD {
            let kind = if kind.is_empty() { "an object without a kind" } else { kind };
            file.add(other, document, format!("it has {}, expected {CRD}", short(kind)));
            continue;
        }
        has_definition = true;
        if version == CRD_OLD_VERSION {
            file.add(CheckName::CrdVersion, document, format!("its apiVersion is {CRD_OLD_VERSION}"));
        } else if version != CRD_VERSION {
            let problem = format!("its apiVersion is `{}`, expected {CRD_VERSION}", short(version));
            file.add(CheckName::CrdInvalid, document, problem);
            continue;
        }
        definition(document, version == CRD_OLD_VERSION, &mut file);
    }
    (file.found, has_definition)
}

/// Checks a definition. Those of v1beta1 may have schemas that are not structural, or none.
fn definition(document: &Node, is_old: bool, file: &mut File<'_>) {
    let invalid = CheckName::CrdInvalid;
    let Some(spec) = at(document, &["spec"]) else {
        return file.add(invalid, document, "spec is missing");
    };
    let mut text = |keys: &[&str]| match at(spec, keys).map(|node| (node, node.value.text())) {
        Some((node, Some(text))) if !text.is_empty() => Some((node, text.to_owned())),
        Some((node, _)) => {
            file.add(invalid, node, format!("spec.{} must be text", keys.join(".")));
            None
        }
        None => {
            let parent = keys.split_last().and_then(|(_, parents)| at(spec, parents)).unwrap_or(spec);
            file.add(invalid, parent, format!("spec.{} is missing", keys.join(".")));
            None
        }
    };
    let (group, plural) = (text(&["group"]), text(&["names", "plural"]));
    text(&["names", "kind"]);
    if let Some((node, scope)) = text(&["scope"])
        && !["Namespaced", "Cluster"].contains(&scope.as_str())
    {
        let problem = format!("spec.scope is `{}`, expected Namespaced or Cluster", short(&scope));
        file.add(invalid, node, problem);
    }
    if let Some((node, group)) = &group
        && !(group.contains('.') && group.split('.').all(is_label))
    {
        file.add(
            invalid,
            node,
            format!("spec.group `{}` is not a domain such as app.example.com", short(group)),
        );
    }
    if let Some((node, plural)) = &plural
        && !is_label(plural)
    {
        file.add(invalid, node, format!("spec.names.plural `{}` is not a DNS label", short(plural)));
    }
    if let (Some((_, group)), Some((_, plural))) = (group, plural) {
        let expected = format!("{plural}.{group}");
        let name = at(document, &["metadata", "name"]);
        if name.and_then(|name| name.value.text()) != Some(&expected) {
            let problem = format!("metadata.name must be `{}`, the plural and the group", short(&expected));
            file.add(invalid, name.unwrap_or(document), problem);
        }
    }
    if !is_old
        && let Some(kept @ Node { value: Value::Bool(true), .. }) = at(spec, &["preserveUnknownFields"])
    {
        file.add(invalid, kept, "spec.preserveUnknownFields must be false");
    }
    versions(spec, is_old, file);
}

fn versions(spec: &Node, is_old: bool, file: &mut File<'_>) {
    let invalid = CheckName::CrdInvalid;
    let listed = at(spec, &["versions"]).map_or(&[][..], |versions| versions.value.items());
    if listed.is_empty() {
        // v1beta1 has one version in `spec.version`.
        if !(is_old && at(spec, &["version"]).is_some()) {
            file.add(invalid, spec, "spec.versions is missing or empty");
        }
        return;
    }
    let mut names: Vec<&str> = Vec::new();
    let (mut stored, mut served) = (0, false);
    for version in listed {
        let name = text_at(version, &["name"]).unwrap_or_default();
        if !is_label(name) {
            file.add(invalid, version, format!("the name `{}` of a version is not a DNS label", short(name)));
        } else if names.contains(&name) {
            file.add(invalid, version, format!("the version `{}` is listed twice", short(name)));
        }
        names.push(name);
        let mut flag = |key: &str| match at(version, &[key]).map(|node| &node.value) {
            Some(Value::Bool(value)) => *value,
            _ => {
                file.add(
                    invalid,
                    version,
                    format!("`{key}` of the version `{}` must be true or false", short(name)),
                );
                false
            }
        };
        stored += usize::from(flag("storage"));
        served |= flag("served");
        if is_old {
            continue;
        }
        match at(version, &["schema", "openAPIV3Schema"]) {
            None => {
                let problem = format!("the version `{}` has no schema.openAPIV3Schema", short(name));
                file.add(CheckName::CrdSchema, version, problem);
            }
            Some(schema) => {
                for problem in schema::problems(schema) {
                    let text = format!("version {}: {}", short(name), problem.problem);
                    file.at(CheckName::CrdSchema, problem.line, text);
                }
            }
        }
    }
    if stored != 1 {
        file.add(invalid, spec, format!("{stored} versions have `storage: true`, expected one"));
    }
    if !served {
        file.add(invalid, spec, "no version has `served: true`");
    }
}

/// Checks `text`, the content of [`ROLE`].
#[must_use]
pub fn check_roles(text: &str) -> Vec<Finding> {
    let mut file = File { path: ROLE, found: Vec::new() };
    let documents = file.documents(text, CheckName::RoleInvalid);
    if documents.is_empty() && file.found.is_empty() {
        file.at(CheckName::RoleMissing, 0, "it has no Role or ClusterRole");
    }
    for document in &documents {
        match text_at(document, &["kind"]).unwrap_or_default() {
            "Role" => role(document, false, &mut file),
            "ClusterRole" => role(document, true, &mut file),
            kind => {
                let kind = if kind.is_empty() { "an object without a kind" } else { kind };
                let problem = format!("it has {}, expected only Role and ClusterRole", short(kind));
                file.add(CheckName::RoleKind, document, problem);
            }
        }
    }
    file.found
}

fn role(document: &Node, is_of_cluster: bool, file: &mut File<'_>) {
    let invalid = CheckName::RoleInvalid;
    let version = text_at(document, &["apiVersion"]).unwrap_or_default();
    if version != ROLE_VERSION {
        let problem = format!("its apiVersion is `{}`, expected {ROLE_VERSION}", short(version));
        file.add(invalid, document, problem);
    }
    if text_at(document, &["metadata", "name"]).is_none_or(str::is_empty) {
        file.add(invalid, document, "metadata.name is missing");
    }
    let rules = match at(document, &["rules"]) {
        Some(Node { value: Value::List(rules), .. }) => rules.as_slice(),
        Some(Node { value: Value::Null, .. }) | None if at(document, &["aggregationRule"]).is_some() => &[],
        other => return file.add(invalid, other.unwrap_or(document), "rules must be a list"),
    };
    for rule in rules {
        let has = |key: &str| {
            let items = at(rule, &[key]).map_or(&[][..], |list| list.value.items());
            !items.is_empty() && items.iter().all(|item| item.value.text().is_some())
        };
        let urls = at(rule, &["nonResourceURLs"]).is_some_and(|urls| !urls.value.items().is_empty());
        if !has("verbs") {
            file.add(invalid, rule, "a rule has no verbs");
        } else if urls && !is_of_cluster {
            file.add(invalid, rule, "a Role cannot have nonResourceURLs, only a ClusterRole");
        } else if urls && (has("resources") || has("apiGroups")) {
            file.add(invalid, rule, "a rule has either nonResourceURLs or resources, not both");
        } else if !(urls || has("apiGroups") && has("resources")) {
            file.add(invalid, rule, "a rule needs apiGroups and resources");
        }
    }
}

/// The value at a path of keys.
pub(super) fn at<'a>(node: &'a Node, keys: &[&str]) -> Option<&'a Node> {
    keys.iter().try_fold(node, |node, key| node.value.key(key))
}

/// The text at a path of keys.
fn text_at<'a>(node: &'a Node, keys: &[&str]) -> Option<&'a str> {
    at(node, keys)?.value.text()
}

/// A text of a message.
fn short(text: &str) -> String {
    text.chars().take(100).collect()
}

/// Whether a text is a DNS label (RFC 1123).
pub(super) fn is_label(text: &str) -> bool {
    let is_end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && is_end(bytes.first())
        && is_end(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase() || *byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: examples.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {kind: Example, plural: examples}
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema: {type: object}
";

    fn told(findings: &[Finding]) -> Vec<String> {
        let line = |finding: &Finding| finding.place.line.map_or(0, |line| line);
        findings.iter().map(|one| format!("{} {} {}", line(one), one.code(), one.problem)).collect()
    }

    #[test]
    fn each_fault_of_a_definition_has_its_code_and_line() {
        assert_eq!(told(&check_definitions("a_crd.yaml", GOOD)), [""; 0]);
        assert_eq!(told(&check_definitions("a_crd.yaml", &format!("{GOOD}---\n---\n{GOOD}"))), [""; 0]);
        let cases = [
            (
                "kind: CustomResourceDefinition",
                "kind: Example",
                "1 crd-kind it has Example, expected CustomResourceDefinition",
            ),
            (
                "extensions.k8s.io/v1",
                "extensions.k8s.io/v2",
                "1 crd-invalid its apiVersion is `apiextensions.k8s.io/v2`, expected apiextensions.k8s.io/v1",
            ),
            (
                "extensions.k8s.io/v1",
                "extensions.k8s.io/v1beta1",
                "1 crd-version its apiVersion is apiextensions.k8s.io/v1beta1",
            ),
            (
                "name: examples.e",
                "name: e",
                "3 crd-invalid metadata.name must be `examples.example.com`, the plural and the group",
            ),
            (
                "group: example.com",
                "group: example",
                "5 crd-invalid spec.group `example` is not a domain such as app.example.com",
            ),
            (
                "Namespaced",
                "Namespace",
                "6 crd-invalid spec.scope is `Namespace`, expected Namespaced or Cluster",
            ),
            ("kind: Example, ", "", "7 crd-invalid spec.names.kind is missing"),
            (
                "storage: true",
                "storage: false",
                "5 crd-invalid 0 versions have `storage: true`, expected one",
            ),
            ("served: true", "served: false", "5 crd-invalid no version has `served: true`"),
            (
                "served: true",
                "served: 'yes'",
                "9 crd-invalid `served` of the version `v1` must be true or false",
            ),
            ("{type: object}", "{}", "13 crd-schema version v1: the root: `type` is missing"),
            ("schema:", "schemas:", "9 crd-schema the version `v1` has no schema.openAPIV3Schema"),
            ("kind: Cust", "kind: [Cust", "3 crd-invalid not valid YAML"),
        ];
        for (from, to, expected) in cases {
            let found = told(&check_definitions("a_crd.yaml", &GOOD.replacen(from, to, 1)));
            assert!(found.iter().any(|found| found.starts_with(expected)), "{to}: {found:?}");
        }
        assert_eq!(
            told(&check_definitions("a_crd.yaml", "# nothing\n")),
            ["0 crd-kind it has no CustomResourceDefinition"]
        );
        // MetalK8s does not deploy samples.
        let sample = told(&check_definitions("a_cr.yaml", "kind: Example\n"));
        assert_eq!(sample, ["1 crd-other-object it has Example, expected CustomResourceDefinition"]);
        // v1beta1 has its version and schema elsewhere.
        let old = "apiVersion: apiextensions.k8s.io/v1beta1\nkind: CustomResourceDefinition\n\
                   metadata: {name: examples.example.com}\nspec: {group: example.com, version: v1, scope: Cluster, \
                   names: {kind: Example, plural: examples}}\n";
        assert_eq!(
            told(&check_definitions("a_crd.yaml", old)),
            ["1 crd-version its apiVersion is apiextensions.k8s.io/v1beta1"]
        );
    }

    #[test]
    fn each_fault_of_a_role_has_its_code_and_line() {
        let good = "apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: operator}
rules:
  - {apiGroups: [''], resources: [pods], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: operator}
rules:
  - {nonResourceURLs: [/metrics], verbs: [get]}
";
        assert_eq!(told(&check_roles(good)), [""; 0]);
        let cases = [
            (
                "kind: Role",
                "kind: Deployment",
                "1 role-kind it has Deployment, expected only Role and ClusterRole",
            ),
            (
                "kind: ClusterRole",
                "kind: RoleBinding",
                "7 role-kind it has RoleBinding, expected only Role and ClusterRole",
            ),
            (
                "io/v1",
                "io/v1beta1",
                "1 role-invalid its apiVersion is `rbac.authorization.k8s.io/v1beta1`, expected rbac.authorization.k8s.io/v1",
            ),
            ("name: operator", "labels: {}", "1 role-invalid metadata.name is missing"),
            ("resources: [pods], ", "", "5 role-invalid a rule needs apiGroups and resources"),
            (", verbs: [get]", "", "5 role-invalid a rule has no verbs"),
            (
                "kind: ClusterRole",
                "kind: Role",
                "11 role-invalid a Role cannot have nonResourceURLs, only a ClusterRole",
            ),
            ("rules:", "rule:", "1 role-invalid rules must be a list"),
            ("kind: Role", "kind: [", "4 role-invalid not valid YAML"),
        ];
        for (from, to, expected) in cases {
            let found = told(&check_roles(&good.replacen(from, to, 1)));
            assert!(found.iter().any(|found| found.starts_with(expected)), "{to}: {found:?}");
        }
        assert_eq!(told(&check_roles("")), ["0 role-missing it has no Role or ClusterRole"]);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_checked(text in "[-a-z0-9 :{}\\[\\]\n']{0,200}") {
            for finding in check_definitions("a_crd.yaml", &text).iter().chain(&check_roles(&text)) {
                proptest::prop_assert!(!finding.problem.is_empty());
            }
        }
    }

    #[test]
    fn labels() {
        for (text, expected) in [
            ("a", true),
            ("a-1", true),
            ("1a", true),
            ("", false),
            ("-a", false),
            ("A", false),
            ("a.b", false),
        ] {
            assert_eq!(is_label(text), expected, "{text:?}");
        }
        assert!(!is_label(&"a".repeat(64)));
    }
}
