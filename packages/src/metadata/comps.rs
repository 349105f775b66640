//! Groups of packages: the metadata `group`, also called comps.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::Path;

use super::metadata_error;
use super::xml::{self, Attributes, Elements};
use crate::error::Result;
use crate::repository::HeaderFault;

/// Packages of all groups.
const MAX_MEMBERS: usize = 1_000_000;

/// The groups of a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Groups {
    /// The packages of each group, by the ID of the group.
    pub groups: BTreeMap<String, Group>,
    /// The groups of each environment, by its ID.
    pub environments: BTreeMap<String, Vec<String>>,
}

/// A group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// What it is called for people.
    pub name: String,
    /// Its packages.
    pub members: Vec<Member>,
}

/// A package of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The package's name.
    pub name: String,
    /// When it is installed with the group.
    pub kind: MemberKind,
    /// The package that must be installed as well, for a conditional one.
    pub condition: Option<String>,
}

/// When a package of a group is installed with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberKind {
    /// Always.
    Mandatory,
    /// Unless the administrator declines.
    Default,
    /// If the administrator asks for it.
    Optional,
    /// Where another package is installed.
    Conditional,
}

impl Groups {
    /// Reads a `comps.xml`, unpacked. `name` is for messages.
    ///
    /// # Errors
    ///
    /// [`Error::Metadata`](crate::Error::Metadata) where it is not one.
    pub fn read(input: impl BufRead, name: &Path) -> Result<Self> {
        let mut reading = Reading::default();
        xml::read(input, &mut reading).map_err(metadata_error(name))?;
        Ok(reading.groups)
    }
}

#[derive(Default)]
struct Reading {
    groups: Groups,
    has_root: bool,
    /// The ID of the group or environment that is being read.
    id: String,
    group: Option<Group>,
    environment: Option<Vec<String>>,
    member: Option<Member>,
    members: usize,
    translated: bool,
    in_group_list: bool,
}

impl Elements for Reading {
    fn open(&mut self, name: &str, attributes: &Attributes<'_>) -> Result<(), HeaderFault> {
        if !self.has_root {
            if name != "comps" {
                return Err(HeaderFault::new("comps.xml", "the element comps", name));
            }
            self.has_root = true;
        }
        match name {
            "group" => (self.group, self.id) = (Some(Group::default()), String::new()),
            "environment" => (self.environment, self.id) = (Some(Vec::new()), String::new()),
            "grouplist" => self.in_group_list = true,
            "packagereq" => {
                let kind = match attributes.get("type")?.as_deref() {
                    None | Some("mandatory") => MemberKind::Mandatory,
                    Some("optional") => MemberKind::Optional,
                    Some("conditional") => MemberKind::Conditional,
                    Some(_) => MemberKind::Default,
                };
                let condition = attributes.get("requires")?.map(std::borrow::Cow::into_owned);
                self.member = Some(Member { name: String::new(), kind, condition });
            }
            "name" => self.translated = attributes.get("lang")?.is_some(),
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self, name: &str, text: &str) -> Result<(), HeaderFault> {
        let text = text.trim();
        match name {
            "id" if self.id.is_empty() => text.clone_into(&mut self.id),
            "name" if !self.translated => {
                if let Some(group) = &mut self.group {
                    text.clone_into(&mut group.name);
                }
            }
            "packagereq" => {
                let (Some(group), Some(mut member)) = (&mut self.group, self.member.take()) else {
                    return Ok(());
                };
                self.members += 1;
                if self.members > MAX_MEMBERS {
                    return Err(HeaderFault::new(
                        "comps.xml",
                        format!("{MAX_MEMBERS} packages at most"),
                        "more",
                    ));
                }
                text.clone_into(&mut member.name);
                group.members.push(member);
            }
            "grouplist" => self.in_group_list = false,
            "groupid" => {
                if let Some(environment) = self.environment.as_mut().filter(|_| self.in_group_list) {
                    environment.push(text.to_owned());
                }
            }
            "group" => {
                if let Some(group) = self.group.take() {
                    self.groups.groups.entry(std::mem::take(&mut self.id)).or_insert(group);
                }
            }
            "environment" => {
                if let Some(groups) = self.environment.take() {
                    self.groups.environments.entry(std::mem::take(&mut self.id)).or_insert(groups);
                }
            }
            _ => {}
        }
        Ok(())
    }
}
