//! Triggers of a package: what a definition says about them, and how they reach the package.
//!
//! The crate `rpm` stores a script for each condition. Two conditions of one trigger would then run the script twice, where rpmbuild
//! stores it once and it runs once. So the header gets its triggers here.

use rpm::{DependencyFlags, HeaderEntry, IndexData, IndexTag};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::definition::{RpmDefinition, is_no};
use crate::dependency::{Dependency, read};
use crate::relations::in_order;
use crate::scriptlets::ScriptletInterpreter;

/// The priority that rpmbuild gives a file trigger.
const PRIORITY: u32 = 1_000_000;

/// A script that runs when other packages are installed or removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PackageTrigger {
    /// When it runs.
    pub on: TriggerEvent,
    /// The other packages: `nginx`, `nginx >= 1.20`.
    #[serde(deserialize_with = "read::requires")]
    pub packages: Vec<Dependency>,
    /// The script.
    pub script: String,
    /// The program that runs it, without arguments, or `<lua>`. Default: `/bin/sh`.
    #[serde(default, skip_serializing_if = "ScriptletInterpreter::is_shell")]
    pub interpreter: ScriptletInterpreter,
}

/// When a trigger runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum TriggerEvent {
    /// Before the other package is installed (`%triggerprein`).
    Prein,
    /// After the other package or this one was installed (`%triggerin`).
    In,
    /// Before the other package or this one is removed (`%triggerun`).
    Un,
    /// After the other package was removed (`%triggerpostun`).
    Postun,
}

/// A script that runs when files of other packages are installed or removed. It reads their paths from its standard input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PackageFileTrigger {
    /// When it runs.
    pub on: FileTriggerEvent,
    /// The starts of the paths, such as `/usr/lib/systemd/system/`.
    pub paths: Vec<String>,
    /// Of several file triggers, those with the higher priority run first. Default: `1000000`.
    #[serde(default = "usual_priority", skip_serializing_if = "is_usual_priority")]
    pub priority: u32,
    /// Whether it runs once for the whole transaction (`%transfiletriggerin`), and not for each package. Default: `false`.
    #[serde(default, skip_serializing_if = "is_no")]
    pub transaction: bool,
    /// The script.
    pub script: String,
    /// The program that runs it, without arguments, or `<lua>`. Default: `/bin/sh`.
    #[serde(default, skip_serializing_if = "ScriptletInterpreter::is_shell")]
    pub interpreter: ScriptletInterpreter,
}

/// When a file trigger runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum FileTriggerEvent {
    /// After the files or this package were installed (`%filetriggerin`).
    In,
    /// Before the files or this package are removed (`%filetriggerun`).
    Un,
    /// After the files were removed (`%filetriggerpostun`).
    Postun,
}

pub(crate) const fn usual_priority() -> u32 {
    PRIORITY
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_usual_priority(priority: &u32) -> bool {
    *priority == PRIORITY
}

impl TriggerEvent {
    const fn flag(self) -> DependencyFlags {
        match self {
            Self::Prein => DependencyFlags::TRIGGERPREIN,
            Self::In => DependencyFlags::TRIGGERIN,
            Self::Un => DependencyFlags::TRIGGERUN,
            Self::Postun => DependencyFlags::TRIGGERPOSTUN,
        }
    }
}

impl FileTriggerEvent {
    const fn flag(self) -> DependencyFlags {
        match self {
            Self::In => DependencyFlags::TRIGGERIN,
            Self::Un => DependencyFlags::TRIGGERUN,
            Self::Postun => DependencyFlags::TRIGGERPOSTUN,
        }
    }
}

/// The tags of one family of triggers.
struct Tags {
    scripts: IndexTag,
    programs: IndexTag,
    names: IndexTag,
    versions: IndexTag,
    flags: IndexTag,
    indices: IndexTag,
    priorities: Option<IndexTag>,
}

const OF_PACKAGES: Tags = Tags {
    scripts: IndexTag::RPMTAG_TRIGGERSCRIPTS,
    programs: IndexTag::RPMTAG_TRIGGERSCRIPTPROG,
    names: IndexTag::RPMTAG_TRIGGERNAME,
    versions: IndexTag::RPMTAG_TRIGGERVERSION,
    flags: IndexTag::RPMTAG_TRIGGERFLAGS,
    indices: IndexTag::RPMTAG_TRIGGERINDEX,
    priorities: None,
};
const OF_FILES: Tags = Tags {
    scripts: IndexTag::RPMTAG_FILETRIGGERSCRIPTS,
    programs: IndexTag::RPMTAG_FILETRIGGERSCRIPTPROG,
    names: IndexTag::RPMTAG_FILETRIGGERNAME,
    versions: IndexTag::RPMTAG_FILETRIGGERVERSION,
    flags: IndexTag::RPMTAG_FILETRIGGERFLAGS,
    indices: IndexTag::RPMTAG_FILETRIGGERINDEX,
    priorities: Some(IndexTag::RPMTAG_FILETRIGGERPRIORITIES),
};
const OF_TRANSACTIONS: Tags = Tags {
    scripts: IndexTag::RPMTAG_TRANSFILETRIGGERSCRIPTS,
    programs: IndexTag::RPMTAG_TRANSFILETRIGGERSCRIPTPROG,
    names: IndexTag::RPMTAG_TRANSFILETRIGGERNAME,
    versions: IndexTag::RPMTAG_TRANSFILETRIGGERVERSION,
    flags: IndexTag::RPMTAG_TRANSFILETRIGGERFLAGS,
    indices: IndexTag::RPMTAG_TRANSFILETRIGGERINDEX,
    priorities: Some(IndexTag::RPMTAG_TRANSFILETRIGGERPRIORITIES),
};

/// A trigger as the header has it: a script and what it waits for.
struct Stored<'a> {
    script: &'a str,
    program: &'a str,
    priority: u32,
    conditions: Vec<rpm::Dependency>,
}

/// The triggers of a definition, as tags of a header.
pub(crate) fn entries(definition: &RpmDefinition) -> Vec<HeaderEntry> {
    let packages = definition.triggers.iter().map(|trigger| Stored {
        script: &trigger.script,
        program: trigger.interpreter.program(),
        priority: PRIORITY,
        conditions: with_flag(trigger.packages.iter().map(Dependency::to_rpm), trigger.on.flag()),
    });
    let files = |transaction| {
        let some = definition.file_triggers.iter().filter(move |trigger| trigger.transaction == transaction);
        some.map(|trigger| Stored {
            script: &trigger.script,
            program: trigger.interpreter.program(),
            priority: trigger.priority,
            conditions: with_flag(trigger.paths.iter().map(rpm::Dependency::any), trigger.on.flag()),
        })
    };
    let mut entries = family(&OF_PACKAGES, packages.collect());
    entries.extend(family(&OF_FILES, files(false).collect()));
    entries.extend(family(&OF_TRANSACTIONS, files(true).collect()));
    entries
}

fn with_flag(
    conditions: impl Iterator<Item = rpm::Dependency>,
    flag: DependencyFlags,
) -> Vec<rpm::Dependency> {
    let flagged = conditions.map(|mut one| {
        one.flags |= flag;
        one
    });
    flagged.collect()
}

fn family(tags: &Tags, triggers: Vec<Stored<'_>>) -> Vec<HeaderEntry> {
    if triggers.is_empty() {
        return Vec::new();
    }
    let texts =
        |tag: IndexTag, texts: Vec<String>| HeaderEntry::new(tag as u32, IndexData::StringArray(texts));
    let numbers = |tag: IndexTag, numbers: Vec<u32>| HeaderEntry::new(tag as u32, IndexData::Int32(numbers));
    let mut entries = vec![
        texts(tags.scripts, triggers.iter().map(|trigger| trigger.script.to_owned()).collect()),
        texts(tags.programs, triggers.iter().map(|trigger| trigger.program.to_owned()).collect()),
    ];
    if let Some(tag) = tags.priorities {
        entries.push(numbers(tag, triggers.iter().map(|trigger| trigger.priority).collect()));
    }
    let mut conditions: Vec<(rpm::Dependency, u32)> = (0..)
        .zip(triggers)
        .flat_map(|(index, trigger)| trigger.conditions.into_iter().map(move |one| (one, index)))
        .collect();
    // In the order of rpmbuild.
    conditions.sort_by(|(one, index), (other, of_other)| in_order(one, other).then(index.cmp(of_other)));
    entries.push(texts(tags.names, conditions.iter().map(|(one, _)| one.name.clone()).collect()));
    entries.push(texts(tags.versions, conditions.iter().map(|(one, _)| one.version.clone()).collect()));
    entries.push(numbers(tags.flags, conditions.iter().map(|(one, _)| one.flags.bits()).collect()));
    entries.push(numbers(tags.indices, conditions.iter().map(|(_, index)| *index).collect()));
    entries
}
