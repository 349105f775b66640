//! `sealift lock` and `sealift update`.

use buildchain::locking::{self, Resolved, Scope};
use clap::Args;

use crate::failure::{Failure, Outcome};
use crate::output::{self, Form};
use crate::workshop::Selector;

#[derive(Debug, Args)]
pub(crate) struct Lock {
    #[command(flatten)]
    selector: Selector,
    /// Change nothing; fail if a tag stands for something else than the lock file says
    #[arg(long)]
    check: bool,
    /// The form of the report
    #[arg(long, value_enum, default_value_t)]
    output: Form,
}

#[derive(Debug, Args)]
pub(crate) struct Update {
    #[command(flatten)]
    selector: Selector,
    /// The form of the report
    #[arg(long, value_enum, default_value_t)]
    output: Form,
}

pub(crate) fn lock(lock: &Lock) -> Outcome {
    let scope = if lock.check { Scope::All } else { Scope::Missing };
    let moved = resolve(&lock.selector, scope, lock.output, !lock.check)?;
    match moved.iter().find(|one| one.moved()) {
        Some(one) if lock.check => {
            let held = |digest: &Option<String>| digest.clone().unwrap_or_else(|| "nothing".into());
            Err(Failure::failed(anyhow::anyhow!(
                "{} is locked to {} and stands for {} now",
                one.reference,
                held(&one.old),
                held(&one.new)
            ))
            .remedy("`sealift update` takes the new ones"))
        }
        _ => Ok(()),
    }
}

pub(crate) fn update(update: &Update) -> Outcome {
    resolve(&update.selector, Scope::All, update.output, true).map(drop)
}

fn resolve(selector: &Selector, scope: Scope, form: Form, write: bool) -> Result<Vec<Resolved>, Failure> {
    let project = selector.load(true)?;
    let (lock, resolved) = locking::resolve(&project, scope)?;
    if write {
        lock.write(&project.root)?;
    }
    match form {
        Form::Json => output::json(&resolved)?,
        Form::Text => {
            let moved: String = resolved.iter().filter(|one| one.moved()).map(line).collect();
            let text = if moved.is_empty() { "nothing moved\n".to_owned() } else { moved };
            output::print(&text)?;
        }
    }
    Ok(resolved)
}

fn line(one: &Resolved) -> String {
    match (&one.old, &one.new) {
        (Some(old), Some(new)) => format!("{}\n  was {old}\n  now {new}\n", one.reference),
        (None, Some(new)) => format!("{}\n  now {new}\n", one.reference),
        (_, None) => format!("{}\n  no longer in the project\n", one.reference),
    }
}
