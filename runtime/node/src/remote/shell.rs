//! Running `sealift` on another node.

use std::ffi::OsStr;
use std::io::BufReader;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use serde::Deserialize;
use serde_json::Value;

use super::error::Error;
use super::name::NodeName;
use crate::copy::{self, Recipe, SentArchive};

/// A remote shell, such as ssh.
#[derive(Clone, Debug)]
pub struct RemoteShell {
    /// Its command, with arguments separated by spaces. It gets two more arguments: the node, and what to run there.
    pub command: String,
    /// The program `sealift` on the nodes.
    pub program: String,
    /// Called with each command before it runs.
    pub running: fn(&Command),
}

/// An archive that another node lists.
#[derive(Clone, Debug, Deserialize)]
pub struct RemoteArchive {
    /// Its ID; `None` if it cannot be read.
    pub id: Option<String>,
    /// Its path on the node.
    pub path: String,
    /// The size of the ISO file in bytes; `None` for a folder.
    pub bytes: Option<u64>,
    /// A digest of its content.
    pub contents: Option<String>,
    /// Why it cannot be used.
    pub problem: Option<String>,
}

/// Reads the output of `archive get`: the document `ArchiveList`, or the list without an envelope that versions before 0.2.0
/// print.
fn parse(output: &[u8]) -> Result<Vec<RemoteArchive>, Error> {
    let mut list: Value = serde_json::from_slice(output).map_err(Error::List)?;
    if list.is_object() {
        let form = ["apiVersion", "kind"].map(|name| list.get(name).and_then(Value::as_str));
        if form != [Some("sealift.dev/v1"), Some("ArchiveList")] {
            let found = form.map(|found| found.unwrap_or("none"));
            return Err(Error::Form { found: format!("apiVersion {}, kind {}", found[0], found[1]) });
        }
        list = list.get_mut("items").map(Value::take).unwrap_or_default();
    }
    serde_json::from_value(list).map_err(|error| Error::Form { found: error.to_string() })
}

impl RemoteShell {
    /// The archives that a node lists.
    ///
    /// # Errors
    ///
    /// [`Error::Start`], [`Error::Shell`], [`Error::List`], [`Error::Form`].
    pub fn list(&self, node: &NodeName) -> Result<Vec<RemoteArchive>, Error> {
        let child = self.start(node, &["archive", "get", "--output", "json"], Stdio::null())?;
        let shell = || self.command.clone();
        let output = child.wait_with_output().map_err(|source| Error::Output { shell: shell(), source })?;
        if !output.status.success() {
            return Err(Error::Shell { shell: shell(), status: output.status });
        }
        parse(&output.stdout)
    }

    /// Copies the ISO file at `archive`, whose recipe is `recipe`, into the folder `into` of a node, and has it imported
    /// there; `unverified` also accepts an unverifiable one.
    ///
    /// # Errors
    ///
    /// [`Error::Start`], [`Error::Interrupted`], [`Error::Word`]; [`Error::Copy`] with the error of either end.
    pub fn copy(
        &self,
        node: &NodeName,
        (recipe, archive): (&Recipe, &Path),
        into: &Path,
        unverified: bool,
        progress: &dyn iso::ByteProgress,
    ) -> Result<SentArchive, Error> {
        let folder = into.to_str().ok_or_else(|| Error::Word(into.to_path_buf()))?;
        let mut words = vec!["archive", "receive", "--into", folder];
        words.extend(unverified.then_some("--unverified"));
        let mut child = self.start(node, &words, Stdio::piped())?;
        let sent = match (child.stdin.take(), child.stdout.take()) {
            (Some(to), Some(from)) => copy::send(recipe, archive, BufReader::new(from), to, progress),
            _ => Err(copy::Error::Connection(std::io::ErrorKind::BrokenPipe.into())),
        };
        let shell = || self.command.clone();
        let status = child.wait().map_err(|source| Error::Output { shell: shell(), source })?;
        match sent {
            // The exit status explains a broken connection better.
            Err(copy::Error::Connection(source)) if !status.success() => {
                Err(Error::Interrupted { shell: shell(), status, source })
            }
            sent => Ok(sent?),
        }
    }

    /// Runs `sealift` on a node with these arguments, with the output and error streams of this process.
    ///
    /// # Errors
    ///
    /// [`Error::Start`], [`Error::Word`], [`Error::Output`].
    pub fn pass(&self, node: &NodeName, arguments: &[&OsStr]) -> Result<ExitStatus, Error> {
        let words: Vec<&str> = arguments
            .iter()
            .map(|word| word.to_str().ok_or_else(|| Error::Word(word.into())))
            .collect::<Result<_, _>>()?;
        let (mut command, shell) = self.command(node, &words)?;
        let status = command.stdin(Stdio::null()).status();
        status.map_err(|source| Error::Start { shell, source })
    }

    /// Starts `sealift` on a node with these arguments.
    fn start(&self, node: &NodeName, arguments: &[&str], input: Stdio) -> Result<Child, Error> {
        let (mut command, shell) = self.command(node, arguments)?;
        command.stdin(input).stdout(Stdio::piped()).spawn().map_err(|source| Error::Start { shell, source })
    }

    /// The command that runs `sealift` on a node, and the name of the shell.
    fn command(&self, node: &NodeName, arguments: &[&str]) -> Result<(Command, String), Error> {
        let mut words = self.command.split_whitespace();
        let shell = words.next().ok_or(Error::NoShell)?;
        let line = self.line(arguments)?;
        let mut command = Command::new(shell);
        command.args(words).arg(node.as_str()).arg(line);
        (self.running)(&command);
        Ok((command, shell.to_owned()))
    }

    /// The command line for the shell of the node.
    fn line(&self, arguments: &[&str]) -> Result<String, Error> {
        let mut line = self.program.clone();
        for argument in arguments {
            line.push(' ');
            line.push_str(&shlex::try_quote(argument).map_err(|_| Error::Word(argument.into()))?);
        }
        Ok(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(command: &str) -> RemoteShell {
        RemoteShell { command: command.to_owned(), program: "printf %s,".to_owned(), running: |_| {} }
    }

    #[test]
    fn a_word_stays_one_word_for_a_shell() {
        for word in ["/srv/scality", "with blank", "it's", "$(reboot)", "a;b", "`c`", "", "a\nb", "\\"] {
            let line = shell("ssh").line(&[word, "end"]).unwrap();
            let output = Command::new("sh").arg("-c").arg(line).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{word},end,"));
        }
        assert!(matches!(shell("ssh").line(&["a\0b"]), Err(Error::Word(_))));
    }

    #[test]
    fn a_node_that_fails_is_an_error() {
        let node: NodeName = "node".parse().unwrap();
        let list = |command: &str| shell(command).list(&node).unwrap_err().to_string();
        assert_eq!(list(" "), "--remote-shell contains no command");
        assert_eq!(list("false"), "`false` exited with code 1");
        assert!(list("/none/ssh -q").starts_with("cannot run `/none/ssh`: "));
        assert!(list("echo").starts_with("its list of archives cannot be read: "));
    }

    #[test]
    fn lists_of_this_and_of_former_versions_are_read() {
        let bare = r#"[{"id": "a-1", "path": "/a.iso", "bytes": 5, "contents": null, "problem": null}]"#;
        let document =
            format!(r#"{{"apiVersion": "sealift.dev/v1", "kind": "ArchiveList", "items": {bare}}}"#);
        for text in [bare, &document] {
            let items = parse(text.as_bytes()).unwrap();
            assert_eq!((items[0].id.as_deref(), items[0].bytes), (Some("a-1"), Some(5)));
        }
    }

    #[test]
    fn a_list_of_another_version_is_refused_with_the_version_that_is_needed() {
        for (text, found) in [
            (
                r#"{"apiVersion": "sealift.dev/v2", "kind": "ArchiveList", "items": []}"#,
                ": apiVersion sealift.dev/v2, kind ArchiveList;",
            ),
            (
                r#"{"apiVersion": "sealift.dev/v1", "kind": "Error"}"#,
                ": apiVersion sealift.dev/v1, kind Error;",
            ),
            (r#"{"items": []}"#, ": apiVersion none, kind none;"),
            (r#"[{"id": 5}]"#, ": invalid type: integer `5`, expected a string;"),
            (
                r#"{"apiVersion": "sealift.dev/v1", "kind": "ArchiveList"}"#,
                ": invalid type: null, expected a sequence;",
            ),
        ] {
            let error = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(found), "{error}");
            let needed = format!("; install sealift {} or newer on both nodes", env!("CARGO_PKG_VERSION"));
            assert!(error.ends_with(&needed), "{error}");
        }
    }
}
