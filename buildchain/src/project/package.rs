//! The definitions of packages: all that is wrong with one, each mistake with its place.

use std::collections::HashSet;
use std::path::Path;

use packages::debian::{self, DebDefinition, DebDependency};
use packages::{
    Dependency, Mistake, PackageFormat, PackageMode, PackageTarget, Relation, RpmDefinition,
    ScriptletRequires,
};

use super::error::{Error, Mistakes};
use super::schema_check::Document;

/// Reads `text`, the content of the file `path`, as the definition of a package that is built in `format` from sources below `base`.
/// It has the values of its `overrides` for `target`.
///
/// # Errors
///
/// Lists unknown and missing keys, values of the wrong kind, and invalid dependencies and modes. Without any of these, lists each
/// field that a package of this format cannot hold, and each source that does not exist.
pub fn read_package(
    path: &Path,
    text: &str,
    format: PackageFormat,
    target: Option<&PackageTarget>,
    base: &Path,
) -> Result<RpmDefinition, Error> {
    let (document, definition) = read(path, text)?;
    let given =
        |field: &str| target.map_or_else(|| field.to_owned(), |target| definition.field_for(target, field));
    let (used, mistakes) = checked(&definition, format, target);
    let wrong: HashSet<String> = mistakes.iter().map(|mistake| mistake.field.clone()).collect();
    let mut mistakes = located(path, &document, mistakes);
    for (index, file) in used.files.iter().enumerate() {
        let field = given(&format!("files[{index}].from"));
        // A source that leads out of the folder is not looked for.
        if !wrong.contains(&field) && base.join(file.source().path()).symlink_metadata().is_err() {
            let name = content::printable(&file.from);
            let message = format!("{field}: `{name}` does not exist in {}", content::printable_path(base));
            mistakes.note::<()>(Err(Error::at(path, document.place(&field), message)));
        }
    }
    mistakes.end(used)
}

/// [`read_package`] in a project, where the paths of sources have rules of their own.
pub(super) fn read_in_project(
    path: &Path,
    text: &str,
    format: PackageFormat,
    target: Option<&PackageTarget>,
) -> Result<RpmDefinition, Error> {
    let (document, definition) = read(path, text)?;
    let (used, mut mistakes) = checked(&definition, format, target);
    mistakes.retain(|mistake| !mistake.field.ends_with(".from"));
    located(path, &document, mistakes).end(used)
}

/// The definition for `target`, and what is wrong with it, by the fields of `definition`.
fn checked(
    definition: &RpmDefinition,
    format: PackageFormat,
    target: Option<&PackageTarget>,
) -> (RpmDefinition, Vec<Mistake>) {
    let mut mistakes = definition.mistakes();
    let used = target.map_or_else(|| definition.clone(), |target| definition.for_target(target));
    if format == PackageFormat::Deb {
        mistakes.extend(debian::mistakes(&used).into_iter().map(|mistake| match target {
            Some(target) => Mistake { field: definition.field_for(target, &mistake.field), ..mistake },
            None => mistake,
        }));
    }
    (used, mistakes)
}

/// The mistakes with their places in the file.
fn located(path: &Path, document: &Document, mistakes: Vec<Mistake>) -> Mistakes {
    let at = |mistake: Mistake| {
        Error::at(path, document.place(&mistake.field), format!("{}: {mistake}", mistake.field))
    };
    Mistakes::from(mistakes.into_iter().map(at).collect::<Vec<_>>())
}

fn read(path: &Path, text: &str) -> Result<(Document, RpmDefinition), Error> {
    let schema = schemars::schema_for!(RpmDefinition).to_value();
    let document = Document::read(path, text)?;
    let mut mistakes = Mistakes::from(document.mistakes(path, &schema).all());
    // The deserializer stops at the first of these.
    for relation in Relation::ALL {
        let own = document.texts([relation.key()]);
        let of_releases = document.texts(["overrides", "*", relation.key()]);
        for (dependencies, place) in own.into_iter().chain(of_releases) {
            let list = Dependency::list(relation, dependencies);
            mistakes.note(list.map_err(|error| Error::at(path, place, error.to_string())));
        }
    }
    for key in ScriptletRequires::KEYS {
        for (dependencies, place) in document.texts(["scriptletRequires", key]) {
            let list = Dependency::list(Relation::Requires, dependencies);
            mistakes.note(list.map_err(|error| Error::at(path, place, error.to_string())));
        }
    }
    for key in DebDefinition::RELATIONS {
        for (dependency, place) in document.texts(["deb", key]) {
            let read = dependency.parse::<DebDependency>();
            mistakes.note(read.map_err(|error| Error::at(path, place, error.to_string())));
        }
    }
    for entries in ["files", "directories", "ghosts"] {
        let own = document.texts([entries, "mode"]);
        let of_releases = document.texts(["overrides", "*", entries, "mode"]);
        for (mode, place) in own.into_iter().chain(of_releases) {
            mistakes
                .note(mode.parse::<PackageMode>().map_err(|error| Error::at(path, place, error.to_string())));
        }
    }
    mistakes.end(())?;
    let definition = serde_saphyr::from_str(text).map_err(|error| Error::yaml(path, &error))?;
    Ok((document, definition))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = "name: a\nversion: 1.0\nrelease: 1\narch: noarch\nsummary: A\nlicense: MIT\n";

    fn read_rpm(text: &str) -> Result<RpmDefinition, Error> {
        read_as(PackageFormat::Rpm, text)
    }

    /// Reads a definition for el8, beside the sources `x` and `a`.
    fn read_as(format: PackageFormat, text: &str) -> Result<RpmDefinition, Error> {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "x"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let target = PackageTarget::release("8");
        let read = read_package(Path::new("package.yaml"), text, format, Some(&target), folder.path());
        read.map_err(Error::without_snippet)
    }

    fn wrong(text: &str) -> Vec<String> {
        let error = read_rpm(text).unwrap_err().to_string();
        error.lines().map(str::to_owned).collect()
    }

    #[test]
    fn all_mistakes_of_a_definition_are_named_at_once_with_their_places() {
        assert_eq!(read_rpm(MINIMAL).unwrap().file_name().unwrap(), "a-1.0-1.noarch.rpm");
        let deb = wrong(&format!("{MINIMAL}deb:\n  depends: ['libc6 >= 2', libc6]\n  nme: x\n"));
        assert_eq!(
            deb,
            [
                "package.yaml:8:13: expected a Debian package such as `libc6`, `libc6 (>= 2.31)` or `mailx | bsd-mailx`, \
                 found `libc6 >= 2`",
                "package.yaml:9:3: unknown key `nme`; did you mean `name`?",
            ]
        );
        let form = "sumary: B\nrequires: ['a >=', b, '-c']\nconflicts:\n  - (a if b)\n\
                    files:\n  - {from: x, mode: '9755', kind: conf}\ndirectories: [{path: /x, mode: 'rwx'}]\n";
        let mode = "expected permissions as three or four octal digits in quotes, such as \"0644\", found";
        assert_eq!(
            wrong(&format!("{MINIMAL}{form}")),
            [
                "package.yaml:7:1: unknown key `sumary`; did you mean `summary`?",
                "package.yaml:8:12: the dependency `a >=` is invalid: the version is missing; write `a >= 1.0`",
                "package.yaml:8:23: the dependency `-c` is invalid: the name `-c` does not start with a letter, a digit, \
                 `_` or `/`; write a name such as `nginx`",
                "package.yaml:10:5: the dependency `(a if b)` is invalid: `if` is not possible here; write the expression \
                 with `and`",
                "package.yaml:12:5: missing key `to`",
                &format!("package.yaml:12:21: {mode} `9755`"),
                "package.yaml:12:35: expected `file` or `config` or `configReplace` or `configMissingok` or `doc` or `license`, found `conf`",
                &format!("package.yaml:13:32: {mode} `rwx`"),
            ]
        );
        let fields = "url: ''\nfiles:\n  - {from: x, to: x}\n  - {from: ../x, to: /y, owner: Root}\nscriptlets: {post: ''}\n";
        let found = wrong(&format!("{MINIMAL}{fields}"));
        let places: Vec<&str> = found.iter().filter_map(|line| line.split(": expected").next()).collect();
        assert_eq!(
            places,
            [
                "package.yaml:7:6: url",
                "package.yaml:9:19: files[0].to",
                "package.yaml:10:12: files[1].from",
                "package.yaml:10:33: files[1].owner",
                "package.yaml:11:20: scriptlets.post",
            ]
        );
    }

    #[test]
    fn mistakes_of_a_debian_package_and_missing_sources_are_named_with_their_places() {
        let deb = |text: &str| -> Vec<String> {
            let error = read_as(PackageFormat::Deb, text).unwrap_err().to_string();
            error.lines().map(str::to_owned).collect()
        };
        let more = "deb:\n  name: A\n  section: 'a b'\n  conflicts: ['aa | bb']\n  scripts: {preinst: echo}\n\
                    scriptlets: {post: x, interpreter: <lua>}\n";
        let found = deb(&format!("{MINIMAL}{more}"));
        let places: Vec<&str> = found.iter().filter_map(|line| line.split(": expected").next()).collect();
        assert_eq!(
            places,
            [
                "package.yaml:8:3: deb.maintainer",
                "package.yaml:8:9: deb.name",
                "package.yaml:9:12: deb.section",
                "package.yaml:10:15: deb.conflicts[0]",
                "package.yaml:11:22: deb.scripts.preinst",
            ]
        );
        assert!(found[0].ends_with("expected `Name <mail@example.org>`, found nothing"), "{}", found[0]);
        let more = "overrides: {el8: {files: [{from: a, to: /a}, {from: b/*.c, to: /b}]}}\n";
        let found = wrong(&format!("{MINIMAL}files: [{{from: none, to: /x}}]\n{more}"));
        assert_eq!(found.len(), 1);
        let said = "package.yaml:8:53: overrides.el8.files[1].from: `b/*.c` does not exist in ";
        assert!(found[0].starts_with(said), "{}", found[0]);
    }

    #[test]
    fn many_mistakes_take_linear_time() {
        let many = "- {from: ../x, to: x}\n".repeat(30_000);
        let targets: String = (0..30_000).map(|number| format!("  el{number}: {{url: ''}}\n")).collect();
        // With a pass over the file for each mistake, this takes an hour.
        let found = wrong(&format!("{MINIMAL}files:\n{many}"));
        assert_eq!(found[20], "and 59980 more");
        let found = wrong(&format!("{MINIMAL}overrides:\n{targets}"));
        assert_eq!(found, ["package.yaml:8:3: overrides: expected at most 32 releases, found `30000`"]);
    }

    #[test]
    fn mistakes_in_overrides_are_named_with_their_places() {
        let more = "overrides:\n  el8:\n    requires: ['a >=']\n    sumary: x\n    files: [{from: a, to: /a, mode: x}]\n";
        let found = wrong(&format!("{MINIMAL}{more}"));
        let places: Vec<&str> = found.iter().filter_map(|line| line.split(": ").next()).collect();
        assert_eq!(places, ["package.yaml:9:16", "package.yaml:10:5", "package.yaml:11:37"], "{found:?}");
        let found = wrong(&format!(
            "{MINIMAL}overrides: {{el8: {{url: ''}}, el9: {{files: [{{from: a, to: b}}]}}}}\n"
        ));
        let places: Vec<&str> = found.iter().filter_map(|line| line.split(": expected").next()).collect();
        assert_eq!(
            places,
            ["package.yaml:7:24: overrides.el8.url", "package.yaml:7:57: overrides.el9.files[0].to"],
        );
        let found = wrong(&format!("{MINIMAL}overrides: {{e18: {{url: a}}}}\n"));
        assert!(
            found[0].starts_with("package.yaml:7:") && found[0].contains("expected a release such as `el8`"),
            "{found:?}"
        );
    }

    #[test]
    fn a_long_list_of_mistakes_is_bounded() {
        let many: String = (0..30).map(|number| format!("unknown{number}: x\n")).collect();
        let found = wrong(&format!("{MINIMAL}{many}"));
        assert_eq!((found.len(), found[20].as_str()), (21, "and 10 more"));
    }

    #[test]
    fn a_file_that_is_not_a_definition_is_reported_in_the_terms_of_yaml() {
        for (text, said) in [
            (format!("{MINIMAL}name: b\n"), "package.yaml:7:1: duplicate key `name`"),
            (format!("{MINIMAL}---\n{MINIMAL}"), "package.yaml:8:1: more than one document; write one"),
            (format!("{MINIMAL}url: []\n"), "package.yaml:7:6: expected text, found a list"),
            (
                format!("{MINIMAL}autoRequires: 3\n"),
                "package.yaml:7:15: expected true or false, found a number",
            ),
            ("- a\n".to_owned(), "package.yaml:1:1: expected keys with values, found a list"),
        ] {
            assert_eq!(wrong(&text), [said]);
        }
        assert!(wrong("")[0].starts_with("package.yaml:1:1: "));
    }
}
