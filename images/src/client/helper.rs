//! Credential helpers: programs that keep a user's secrets (docker's credential-helper protocol).

use std::io::{self, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde::Deserialize;

use super::secret::{DOCUMENT_MAX, Secret, syntax_error};

/// How often it is looked whether a helper that has answered is gone.
const END_POLL: Duration = Duration::from_millis(10);

/// Runs `docker-credential-<helper> get` for `server`, for at most `patience`; `None` where it knows no secret for it.
pub(super) fn ask(helper: &str, server: &str, patience: Duration) -> Result<Option<Secret>, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if helper.is_empty() || !helper.bytes().all(plain) {
        return Err("not the name of a helper".into());
    }
    let mut command = Command::new(format!("docker-credential-{helper}"));
    let (status, answer) = run(command.arg("get"), server, patience)?;
    understand(status, &answer)
}

/// Gives a program `input` and waits for the end of its answer, then for its own.
fn run(command: &mut Command, input: &str, patience: Duration) -> Result<(ExitStatus, Vec<u8>), String> {
    let failed = |error: io::Error| error.to_string();
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().map_err(failed)?;
    // Dropping standard input tells the helper that the name is whole. A helper that does not read it may be gone.
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(input.as_bytes());
    }
    let (sender, answers) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        // On another thread: a process that the helper started may keep the pipe open longer than we wait.
        std::thread::spawn(move || {
            let mut answer = Vec::new();
            let read = stdout.take(DOCUMENT_MAX).read_to_end(&mut answer);
            // Nobody listens any more once the time is up.
            let _ = sender.send(read.map(|_| answer));
        });
    }
    let late = || format!("no output for {} seconds", patience.as_secs_f32());
    let ended = match answers.recv_timeout(patience) {
        Ok(Ok(answer)) if answer.len() as u64 == DOCUMENT_MAX => {
            Err(format!("its output is larger than {DOCUMENT_MAX} bytes"))
        }
        Ok(Ok(answer)) => match end(&mut child, patience) {
            Ok(Some(status)) => return Ok((status, answer)),
            Ok(None) => Err(late()),
            Err(error) => Err(failed(error)),
        },
        Ok(Err(error)) => Err(failed(error)),
        Err(_) => Err(late()),
    };
    // It may be gone already.
    let _ = child.kill();
    let _ = child.wait();
    ended
}

/// Waits for the end of a program, for at most `patience`.
fn end(child: &mut Child, patience: Duration) -> io::Result<Option<ExitStatus>> {
    let mut waited = Duration::ZERO;
    loop {
        let status = child.try_wait()?;
        if status.is_some() || waited >= patience {
            return Ok(status);
        }
        std::thread::sleep(END_POLL);
        waited += END_POLL;
    }
}

/// The secret in the output of a helper. No error has secrets in it.
fn understand(status: ExitStatus, answer: &[u8]) -> Result<Option<Secret>, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        username: String,
        secret: String,
    }
    if !status.success() {
        let text = String::from_utf8_lossy(answer);
        if text.contains("credentials not found") {
            return Ok(None);
        }
        let said: String =
            text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
        return Err(format!("it {}: {said}", content::exit(status)));
    }
    let answer: Answer = serde_json::from_slice(answer).map_err(|error| syntax_error(&error))?;
    Ok(Some(match answer.username.as_str() {
        "<token>" => Secret::Identity(answer.secret),
        _ => Secret::Basic { user: answer.username, password: answer.secret },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// The result of a helper that is this shell script.
    fn helped(script: &str, patience: Duration) -> Result<Option<Secret>, String> {
        let (status, answer) = run(Command::new("sh").args(["-c", script]), "quay.io", patience)?;
        understand(status, &answer)
    }

    #[test]
    fn a_helper_is_asked_by_name_and_answers_with_a_secret() {
        let asked = r#"printf '{"ServerURL":"x","Username":"u","Secret":"%s"}' "$(cat)""#;
        let expected = Secret::Basic { user: "u".into(), password: "quay.io".into() };
        assert!(helped(asked, PATIENCE) == Ok(Some(expected)));
        let token = r#"echo '{"Username":"<token>","Secret":"t"}'"#;
        assert!(helped(token, PATIENCE) == Ok(Some(Secret::Identity("t".into()))));
        assert!(helped("echo credentials not found in native keychain; exit 1", PATIENCE) == Ok(None));
    }

    #[test]
    fn a_helper_that_does_not_do_its_work_is_an_error_that_shows_no_secret() {
        for (script, expected) in [
            ("printf 'locked\\033[31m\\n'; exit 3", "it exited with code 3: locked [31m"),
            ("kill -9 $$", "it was killed by signal 9"),
            ("exit 0", "ends too early"),
            ("echo hunter2", "not JSON"),
            (r#"echo '{"Username":"u","Secret":["hunter2"]}'"#, "does not have the expected form"),
            (r#"echo '{"Username":"hunter2","Secret":42}'"#, "does not have the expected form"),
            (r#"echo '["hunter2"]'"#, "does not have the expected form"),
            ("exec yes hunter2", "larger than 1048576 bytes"),
        ] {
            let error = helped(script, PATIENCE).err().unwrap();
            assert!(error.contains(expected) && !error.contains("hunter2"), "{script}: {error}");
        }
    }

    #[test]
    fn a_helper_that_hangs_is_ended() {
        let soon = Duration::from_millis(100);
        for script in ["exec sleep 600", "sleep 5 & exit 0", "exec >&-; exec sleep 600"] {
            let error = helped(script, soon).err().unwrap();
            assert_eq!(error, "no output for 0.1 seconds", "{script}");
        }
    }

    #[test]
    fn a_helper_is_a_name_and_never_a_path() {
        for name in ["", "../x", "/bin/sh", "a b", "x;y", "a\0b", "\n"] {
            let error = ask(name, "h", PATIENCE).err().unwrap();
            assert_eq!(error, "not the name of a helper", "{name:?}");
        }
        assert!(ask("there-is-none-of-this-name", "h", PATIENCE).is_err());
    }
}
