//! Running `kubectl`.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Output, Stdio};

use serde_json::{Value, json};

use super::error::Error;
use super::object_name::ObjectName;
use super::objects::MANAGER;

/// How long one request may take.
const TIMEOUT: &str = "--request-timeout=60s";

/// What `kubectl` prints if it cannot reach a server, or cannot read where it is.
const UNREACHABLE: [&str; 9] = [
    "error loading config file",
    "invalid configuration",
    "Unable to connect to the server",
    "did you specify the right host or port",
    "connection refused",
    "no configuration has been provided",
    "i/o timeout",
    "no such host",
    "(Client.Timeout exceeded",
];

/// The `kubectl` of a node, and the cluster that it changes.
#[derive(Clone, Debug)]
pub struct Kubectl {
    /// The program: a path, or a name that is searched for in `PATH`.
    pub program: OsString,
    /// The file with the address of the cluster; `None` for what `kubectl` chooses by itself.
    pub kubeconfig: Option<PathBuf>,
    /// Whether fields that others manage are taken over.
    pub force_conflicts: bool,
    /// Called with each command before it runs.
    pub running: fn(&Command),
    /// Called with each line that `kubectl` prints on standard error without failing.
    pub warn: fn(&str),
}

impl Kubectl {
    /// Objects that exist; `words` are the arguments after `kubectl get`. Missing ones are left out.
    ///
    /// # Errors
    ///
    /// [`Error::NoKubectl`], [`Error::Unreachable`], [`Error::Kubectl`], [`Error::Answer`].
    pub fn get(&self, words: &[&str]) -> Result<Vec<Value>, Error> {
        let words = [&["get", TIMEOUT, "--ignore-not-found", "--output=json"], words].concat();
        let output = self.run(&words, None)?;
        if output.iter().all(u8::is_ascii_whitespace) {
            return Ok(Vec::new());
        }
        let mut found: Value = serde_json::from_slice(&output)
            .map_err(|source| Error::Answer { command: line(&words), problem: source.to_string() })?;
        // A list has items, even if it has none.
        Ok(match found.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => items,
            _ => vec![found],
        })
    }

    /// Applies objects on the server, in their order.
    ///
    /// # Errors
    ///
    /// [`Error::NoKubectl`], [`Error::Unreachable`], [`Error::Conflict`], [`Error::Kubectl`]. Other objects than the failed
    /// ones are applied.
    pub fn apply(&self, objects: &[Value]) -> Result<(), Error> {
        if objects.is_empty() {
            return Ok(());
        }
        let manager = format!("--field-manager={MANAGER}");
        let mut words = vec!["apply", TIMEOUT, "--server-side", &manager];
        words.extend(self.force_conflicts.then_some("--force-conflicts"));
        words.extend(["--filename=-"]);
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects });
        self.run(&words, Some(list.to_string().as_bytes())).map(drop)
    }

    /// Deletes objects, and waits until they are gone if `wait`. Missing ones are not an error.
    ///
    /// # Errors
    ///
    /// [`Error::NoKubectl`], [`Error::Unreachable`], [`Error::Kubectl`].
    pub fn delete(&self, objects: &[ObjectName], wait: bool) -> Result<(), Error> {
        let wait = format!("--wait={wait}");
        // One command deletes objects of one namespace.
        for group in objects.chunk_by(|one, next| one.namespace == next.namespace) {
            let named: Vec<String> = group.iter().map(ObjectName::resource).collect();
            let namespace = group.first().and_then(|one| one.namespace.as_ref());
            let namespace = namespace.map(|namespace| format!("--namespace={namespace}"));
            let mut words = vec!["delete", "--ignore-not-found", &wait];
            words.extend(namespace.as_deref());
            words.extend(named.iter().map(String::as_str));
            self.run(&words, None)?;
        }
        Ok(())
    }

    /// Changes one object by a JSON merge patch (RFC 7386).
    ///
    /// # Errors
    ///
    /// [`Error::NoKubectl`], [`Error::Unreachable`], [`Error::Kubectl`].
    pub fn patch(&self, object: &ObjectName, patch: &Value) -> Result<(), Error> {
        let (manager, resource, patch) =
            (format!("--field-manager={MANAGER}"), object.resource(), format!("--patch={patch}"));
        let namespace = object.namespace.as_ref().map(|namespace| format!("--namespace={namespace}"));
        let mut words = vec!["patch", TIMEOUT, "--type=merge", &manager];
        words.extend(namespace.as_deref());
        words.extend([resource.as_str(), &patch]);
        self.run(&words, None).map(drop)
    }

    /// Runs `kubectl` with these arguments and this input; returns its output.
    fn run(&self, words: &[&str], input: Option<&[u8]>) -> Result<Vec<u8>, Error> {
        let mut command = Command::new(&self.program);
        if let Some(kubeconfig) = &self.kubeconfig {
            command.env("KUBECONFIG", kubeconfig);
        }
        command.args(words);
        (self.running)(&command);
        let output = output_of(&mut command, input)
            .map_err(|source| Error::NoKubectl { program: self.program.clone(), source })?;
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            said.lines().filter(|line| !line.trim().is_empty()).for_each(self.warn);
            return Ok(output.stdout);
        }
        Err(failure(words, output.status, &said))
    }
}

/// The error of a `kubectl` that failed with the arguments `words` and `said` this on standard error.
fn failure(words: &[&str], status: ExitStatus, said: &str) -> Error {
    let said = without_log(said);
    if said.contains("Apply failed with") && said.contains("conflict") {
        // Advice about the command line of kubectl follows.
        let said = said.split("\nPlease review the fields above").next().unwrap_or_default().to_owned();
        Error::Conflict { said }
    } else if UNREACHABLE.iter().any(|sign| said.contains(sign)) {
        Error::Unreachable { said }
    } else {
        Error::Kubectl { command: line(words), status, said }
    }
}

/// What `kubectl` says, without the lines of its log such as `E1129 13:58:37.666527     546 memcache.go:265] …`: they repeat
/// the error for each attempt. If there is nothing else, the log.
fn without_log(said: &str) -> String {
    let is_log = |line: &&str| {
        let mut letters = line.chars();
        letters.next().is_some_and(|letter| "IWEF".contains(letter))
            && letters.by_ref().take(4).filter(char::is_ascii_digit).count() == 4
            && letters.next() == Some(' ')
            && line.contains(".go:")
    };
    let kept: Vec<&str> = said.trim().lines().filter(|line| !is_log(line)).collect();
    if kept.is_empty() { said.trim().to_owned() } else { kept.join("\n") }
}

/// The first words of a command line, for messages.
fn line(words: &[&str]) -> String {
    let named = words.iter().filter(|word| !word.starts_with('-'));
    let words: Vec<&str> = std::iter::once(&"kubectl").chain(named).copied().collect();
    words.join(" ")
}

/// Runs a command to its end; it may read its input while it writes.
fn output_of(command: &mut Command, input: Option<&[u8]>) -> std::io::Result<Output> {
    let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
    let mut child = command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    std::thread::scope(|scope| {
        if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
            // A program that ends before it has read everything says why on standard error.
            scope.spawn(move || stdin.write_all(input));
        }
        child.wait_with_output()
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    #[test]
    fn an_error_has_no_log() {
        let log =
            "E1129 13:58:37.666527     546 memcache.go:265] \"Unhandled Error\" err=\"connection refused\"\n";
        let said =
            "The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?";
        assert_eq!(without_log(&format!("{log}{log}{said}\n")), said);
        assert_eq!(without_log(log), log.trim());
        let two = "Error from server (Forbidden): a\nError from server (Forbidden): b";
        assert_eq!(without_log(two), two);
    }

    #[test]
    fn a_configuration_that_cannot_be_read_is_told_from_other_errors() {
        let failing =
            |said: &str| failure(&["get", "--output=json", "namespaces"], ExitStatus::from_raw(256), said);
        let found = failing("error: error loading config file \"k\": read k: is a directory");
        assert!(matches!(found, Error::Unreachable { .. }), "{found}");
        let found = failing(
            "Apply failed with 1 conflict: conflict with \"a\": .data.b\nPlease review the fields above",
        );
        let expected = "other programs manage some of these objects: Apply failed with 1 conflict: conflict with \"a\": .data.b";
        assert_eq!(found.to_string(), expected);
        let found = failing("Error from server (Forbidden): no");
        assert_eq!(
            found.to_string(),
            "`kubectl get namespaces` exited with code 1: Error from server (Forbidden): no"
        );
    }
}
