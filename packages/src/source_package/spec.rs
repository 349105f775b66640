//! The spec file that makes a package of its tree as its definition does.

use std::fmt::Write as _;

use jiff::civil::Date;

use crate::definition::{PackageFileKind, RpmDefinition};
use crate::dependency::Relation;
use crate::error::{Error, Result};
use crate::payload::PackageCompression;
use crate::scriptlets::{ScriptletInterpreter, ScriptletRequires};
use crate::triggers::{FileTriggerEvent, PackageFileTrigger, PackageTrigger, TriggerEvent, usual_priority};

/// What rpmbuild would otherwise do to the files, or add to them.
const AS_THEY_ARE: &str = "\
%global __os_install_post %{nil}
%global debug_package %{nil}
%global _build_id_links none
%global _missing_build_ids_terminate_build 0
";

/// The spec of a definition whose sources are single files. `archive` is the name of the tar of its tree.
pub(super) fn text(definition: &RpmDefinition, archive: &str) -> Result<String> {
    let mut spec = Spec { definition, text: AS_THEY_ARE.to_owned() };
    spec.line(format_args!("%global _binary_payload {}", payload(definition.compression)));
    spec.preamble(archive);
    spec.section(
        "%description",
        "description",
        definition.description.as_ref().unwrap_or(&definition.summary),
    )?;
    spec.line(format_args!("%install\nmkdir -p %{{buildroot}}\ntar -x -f %{{SOURCE0}} -C %{{buildroot}}\n"));
    spec.scripts()?;
    spec.files()?;
    spec.changelog()?;
    Ok(spec.text)
}

/// The macro that says how rpmbuild compresses.
fn payload(compression: PackageCompression) -> String {
    match compression {
        PackageCompression::Gzip(level) => format!("w{level}.gzdio"),
        PackageCompression::Xz(level) => format!("w{level}.xzdio"),
        PackageCompression::Zstd => "w3.zstdio".to_owned(),
        PackageCompression::None => "w.ufdio".to_owned(),
    }
}

struct Spec<'a> {
    definition: &'a RpmDefinition,
    text: String,
}

impl Spec<'_> {
    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "{line}");
    }

    /// A tag whose value is no macro.
    fn tag(&mut self, tag: &str, value: &str) {
        self.line(format_args!("{tag}: {}", escaped(value)));
    }

    fn preamble(&mut self, archive: &str) {
        let definition = self.definition;
        self.tag("Name", &definition.name);
        if let Some(epoch) = definition.epoch {
            self.tag("Epoch", &epoch.to_string());
        }
        self.tag("Version", &definition.rpm_version());
        self.tag("Release", &definition.release);
        self.tag("Summary", &definition.summary);
        self.tag("License", &definition.license);
        for (tag, value) in [
            ("Group", &definition.group),
            ("URL", &definition.url),
            ("Vendor", &definition.vendor),
            ("Packager", &definition.packager),
        ] {
            if let Some(value) = value {
                self.tag(tag, value);
            }
        }
        let arch = if definition.arch == "noarch" { "BuildArch" } else { "ExclusiveArch" };
        self.tag(arch, &definition.arch);
        self.tag("Source0", archive);
        self.tag("Source1", super::DEFINITION);
        for (tag, wanted) in [("AutoReq", definition.auto_requires), ("AutoProv", definition.auto_provides)] {
            if !wanted {
                self.tag(tag, "no");
            }
        }
        for relation in Relation::ALL {
            let mut tag = relation.key().to_owned();
            tag.get_mut(..1).into_iter().for_each(str::make_ascii_uppercase);
            definition.dependencies(relation).iter().for_each(|one| self.tag(&tag, &one.to_string()));
        }
        for (key, (_, list)) in ScriptletRequires::KEYS.into_iter().zip(definition.scriptlet_requires.all()) {
            list.iter().for_each(|one| self.tag(&format!("Requires({key})"), &one.to_string()));
        }
        self.text.push('\n');
    }

    /// A section of free text.
    fn section(&mut self, heading: &str, field: &str, text: &str) -> Result<()> {
        if let Some(line) = text.lines().find(|line| line.trim_start().starts_with('%')) {
            return Err(self.mistake(
                field,
                "no line that starts with `%`, which a spec file cannot have here",
                line,
            ));
        }
        self.line(format_args!("{heading}\n{}\n", escaped(text.trim_end())));
        Ok(())
    }

    fn scripts(&mut self) -> Result<()> {
        let definition = self.definition;
        for (key, text, interpreter) in definition.scriptlets.scripts_with_interpreters() {
            let name = if key == "verify" { "verifyscript" } else { key };
            self.section(&format!("%{name}{}", run_by(interpreter)), &format!("scriptlets.{key}"), text)?;
        }
        for (number, trigger) in definition.triggers.iter().enumerate() {
            self.section(&of_packages(trigger), &format!("triggers[{number}].script"), &trigger.script)?;
        }
        for (number, trigger) in definition.file_triggers.iter().enumerate() {
            self.section(&of_files(trigger), &format!("fileTriggers[{number}].script"), &trigger.script)?;
        }
        Ok(())
    }

    fn files(&mut self) -> Result<()> {
        let definition = self.definition;
        self.line(format_args!("%files\n%defattr(-,root,root,-)"));
        for directory in &definition.directories {
            let attributes = attributes(directory.mode.bits(), &directory.owner, &directory.group);
            self.path(&format!("%dir {attributes}"), &directory.path)?;
        }
        for file in &definition.files {
            let kind = match file.kind {
                PackageFileKind::File => "",
                PackageFileKind::Config => "%config(noreplace) ",
                PackageFileKind::ConfigReplace => "%config ",
                PackageFileKind::ConfigMissingok => "%config(missingok,noreplace) ",
                PackageFileKind::Doc => "%doc ",
                PackageFileKind::License => "%license ",
            };
            let capabilities = file.capabilities.as_ref().map(|list| format!(" %caps({list})"));
            let attributes = attributes(file.mode().bits(), &file.owner, &file.group);
            self.path(&format!("{kind}{attributes}{}", capabilities.unwrap_or_default()), &file.to)?;
        }
        for link in &definition.symlinks {
            self.path("%attr(-,root,root)", &link.path)?;
        }
        for ghost in &definition.ghosts {
            let folder = if ghost.directory { "%dir " } else { "" };
            let config = if ghost.config { "%config(noreplace) " } else { "" };
            let attributes = attributes(ghost.mode().bits(), &ghost.owner, &ghost.group);
            self.path(&format!("%ghost {folder}{config}{attributes}"), &ghost.path)?;
        }
        self.text.push('\n');
        Ok(())
    }

    fn path(&mut self, attributes: &str, path: &str) -> Result<()> {
        if path.contains(['*', '?', '[', ']', '{', '}', '\\', '"']) {
            return Err(self.mistake("the paths", "paths without `*`, `?`, `[`, `{`, `\\` and quotes", path));
        }
        self.line(format_args!("{attributes} \"{}\"", escaped(path)));
        Ok(())
    }

    fn changelog(&mut self) -> Result<()> {
        if self.definition.changelog.is_empty() {
            return Ok(());
        }
        self.line(format_args!("%changelog"));
        for (number, change) in self.definition.changelog.iter().enumerate() {
            let field = format!("changelog[{number}].text");
            let Ok(day) = change.date.parse::<Date>() else {
                return Err(self.mistake(&field, "a day as `YYYY-MM-DD`", &change.date));
            };
            if let Some(line) = change.text.lines().find(|line| line.trim_start().starts_with('*')) {
                return Err(self.mistake(
                    &field,
                    "no line that starts with `*`, which starts an entry",
                    line,
                ));
            }
            let day = day.strftime("%a %b %d %Y");
            let (author, version) = (escaped(&change.author), escaped(&change.version));
            self.section(&format!("* {day} {author} - {version}"), &field, &change.text)?;
        }
        Ok(())
    }

    fn mistake(&self, field: &str, expected: &'static str, found: &str) -> Error {
        Error::Definition {
            package: self.definition.name.clone(),
            field: field.to_owned(),
            expected,
            found: found.to_owned(),
        }
    }
}

/// Text in which `%` starts no macro.
fn escaped(text: &str) -> String {
    text.replace('%', "%%")
}

fn attributes(mode: u16, owner: &str, group: &str) -> String {
    format!("%attr({mode:04o},{owner},{group})")
}

fn run_by(interpreter: &ScriptletInterpreter) -> String {
    match interpreter.to_string() {
        _ if interpreter.is_shell() => String::new(),
        program if program.contains(' ') => format!(" -p \"{program}\""),
        program => format!(" -p {program}"),
    }
}

fn of_packages(trigger: &PackageTrigger) -> String {
    let event = match trigger.on {
        TriggerEvent::Prein => "prein",
        TriggerEvent::In => "in",
        TriggerEvent::Un => "un",
        TriggerEvent::Postun => "postun",
    };
    let packages: Vec<_> = trigger.packages.iter().map(|one| escaped(&one.to_string())).collect();
    format!("%trigger{event}{} -- {}", run_by(&trigger.interpreter), packages.join(", "))
}

fn of_files(trigger: &PackageFileTrigger) -> String {
    let event = match trigger.on {
        FileTriggerEvent::In => "in",
        FileTriggerEvent::Un => "un",
        FileTriggerEvent::Postun => "postun",
    };
    let once = if trigger.transaction { "trans" } else { "" };
    let is_usual = trigger.priority == usual_priority();
    let priority = if is_usual { String::new() } else { format!(" -P {}", trigger.priority) };
    let paths: Vec<_> = trigger.paths.iter().map(|path| escaped(path)).collect();
    format!("%{once}filetrigger{event}{}{priority} -- {}", run_by(&trigger.interpreter), paths.join(" "))
}
