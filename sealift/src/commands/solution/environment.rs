//! What the commands for environments share: their options, and their reports.

use std::fmt::Write as _;

use clap::Args;
use content::printable;
use node::environments::{Change, DnsLabel, EnvironmentName, NameError, ObjectName, Place};
use serde_json::{Value, json};

use crate::failure::{CommandResult, Failure};
use crate::output::documents::environments::EnvironmentChange;
use crate::output::{self, ReportForm, ReportOutput};
use crate::remedies::environments::explained;

/// The environment and the namespace.
#[derive(Debug, Args)]
pub(crate) struct PlaceArguments {
    /// The name of the environment
    #[arg(long)]
    name: String,
    /// The namespace [default: the name of the environment]
    #[arg(long)]
    namespace: Option<String>,
}

/// The name of an environment.
pub(super) fn environment(name: &str) -> Result<EnvironmentName, Failure> {
    name.parse().map_err(|error| invalid("the environment", error))
}

/// The name of a namespace, if one was given.
pub(super) fn namespace(name: Option<&str>) -> Result<Option<DnsLabel>, Failure> {
    name.map(str::parse).transpose().map_err(|error| invalid("the namespace", error))
}

impl PlaceArguments {
    /// The environment and its namespace; without an option that has the same name.
    pub(super) fn place(&self) -> Result<Place, Failure> {
        let environment = environment(&self.name)?;
        let namespace = match namespace(self.namespace.as_deref())? {
            Some(namespace) => namespace,
            None => environment.namespace().map_err(|error| {
                invalid("the namespace", error).remedy("name the namespace with --namespace")
            })?,
        };
        Ok(Place { environment, namespace })
    }
}

/// A name that Kubernetes does not accept.
pub(super) fn invalid(what: &'static str, source: NameError) -> Failure {
    explained(node::environments::Error::Name { what, source })
}

/// Prints objects for others to apply, if the form is not text; returns whether it is not.
pub(super) fn print_objects(objects: &[Value], output: ReportOutput) -> anyhow::Result<bool> {
    let text = match output.form() {
        ReportForm::Text => return Ok(false),
        ReportForm::Json => output::json(&json!({ "apiVersion": "v1", "kind": "List", "items": objects }))?,
        ReportForm::Yaml => {
            let documents: Result<Vec<String>, _> = objects.iter().map(output::yaml_value).collect();
            documents?.join("---\n")
        }
    };
    output::print(&text)?;
    Ok(true)
}

/// Reports what a command changed, or would change.
pub(super) fn report(name: &str, change: &Change, dry_run: bool, output: ReportOutput) -> CommandResult {
    Ok(output.report(|| EnvironmentChange::new(name, change), || text(change, dry_run))?)
}

fn text(change: &Change, dry_run: bool) -> String {
    let mut text = String::new();
    let [apply, delete] = if dry_run { ["would apply", "would delete"] } else { ["applied", "deleted"] };
    for (verb, objects) in [(apply, &change.applied), (delete, &change.deleted)] {
        for ObjectName { namespace, kind, name, .. } in objects {
            let namespace = namespace.as_ref().map(|name| format!(" in {}", printable(name)));
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{verb} {kind} {}{}", printable(name), namespace.unwrap_or_default());
        }
    }
    for note in &change.notes {
        let _ = writeln!(text, "note: {note}");
    }
    text
}
