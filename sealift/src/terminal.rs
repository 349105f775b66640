//! Questions on the terminal.

use std::fs::File;
use std::io::{self, Read, Write as _};

use rustix::fs::{Mode, OFlags};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

/// The most bytes of an answer.
const ANSWER_MAX: usize = 4096;

const INTERRUPT: u8 = 0x03;
const END: u8 = 0x04;
const BACKSPACE: [u8; 2] = [0x08, 0x7f];
const ERASE_LINE: u8 = 0x15;

/// What a user answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A line, which is not shown.
    Text(Vec<u8>),
    /// Ctrl-C, or the end of the input.
    Interrupted,
    /// The process has no terminal.
    NoTerminal,
}

/// Asks for a password on the terminal of the process, which does not show it.
pub(crate) fn password(prompt: &str) -> io::Result<Answer> {
    match open("/dev/tty") {
        Ok(terminal) => ask(&terminal, prompt),
        Err(_) => Ok(Answer::NoTerminal),
    }
}

/// Opens a terminal, which does not become that of the process.
fn open(path: impl rustix::path::Arg) -> rustix::io::Result<File> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).map(File::from)
}

fn ask(mut terminal: &File, prompt: &str) -> io::Result<Answer> {
    let answer = {
        let _silence = Silence::begin(terminal)?;
        terminal.write_all(prompt.as_bytes())?;
        read(terminal)
    };
    terminal.write_all(b"\n")?;
    answer
}

/// Reads a line, of which the terminal handles nothing.
fn read(mut terminal: impl Read) -> io::Result<Answer> {
    let mut line = Vec::new();
    let mut next = [0];
    while terminal.read(&mut next)? > 0 {
        let [byte] = next;
        match byte {
            b'\n' | b'\r' => return Ok(Answer::Text(line)),
            INTERRUPT => return Ok(Answer::Interrupted),
            END if line.is_empty() => return Ok(Answer::Interrupted),
            ERASE_LINE => line.clear(),
            // A character can have several bytes; all but the first begin with the bits 10.
            _ if BACKSPACE.contains(&byte) => while line.pop().is_some_and(|last| last & 0xc0 == 0x80) {},
            _ if byte.is_ascii_control() => {}
            _ if line.len() < ANSWER_MAX => line.push(byte),
            _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "the password is too long")),
        }
    }
    Ok(Answer::Interrupted)
}

/// A terminal that shows nothing and sends no signals, until the end.
struct Silence<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Silence<'a> {
    fn begin(terminal: &'a File) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut modes = before.clone();
        // Without signals, Ctrl-C cannot end the process while the terminal is silent.
        modes.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        modes.special_codes[SpecialCodeIndex::VMIN] = 1;
        modes.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(terminal, OptionalActions::Now, &modes)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Silence<'_> {
    fn drop(&mut self) {
        // A terminal that is gone needs no modes.
        let _ = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_edited_as_on_a_terminal() {
        for (typed, expected) in [
            (b"pw\n".as_slice(), Answer::Text(b"pw".to_vec())),
            (b"pw\r", Answer::Text(b"pw".to_vec())),
            (b"\n", Answer::Text(Vec::new())),
            ("pö\u{7f}w\n".as_bytes(), Answer::Text(b"pw".to_vec())),
            (b"\x08x\x15p\x1b\x08\x09pw\n", Answer::Text(b"pw".to_vec())),
            (b"pw\x04\n", Answer::Text(b"pw".to_vec())),
            (b"pw\x03\n", Answer::Interrupted),
            (b"\x04", Answer::Interrupted),
            (b"pw", Answer::Interrupted),
        ] {
            assert_eq!(read(typed).unwrap(), expected, "{typed:?}");
        }
        assert!(read([b'x'; 5000].as_slice()).is_err());
    }

    #[test]
    fn a_terminal_does_not_show_the_password_and_gets_its_modes_back() {
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

        let user = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&user).unwrap();
        unlockpt(&user).unwrap();
        let name = ptsname(&user, Vec::new()).unwrap();
        let terminal = open(name.as_c_str()).unwrap();
        let before = tcgetattr(&terminal).unwrap().local_modes;
        assert!(before.contains(LocalModes::ECHO));

        let mut user = File::from(user);
        let answer = std::thread::scope(|scope| {
            let asked = scope.spawn(|| ask(&terminal, "Password: ").unwrap());
            let mut shown = [0; 10];
            user.read_exact(&mut shown).unwrap();
            assert_eq!(&shown, b"Password: ");
            user.write_all(b"pw\n").unwrap();
            asked.join().unwrap()
        });
        assert_eq!(answer, Answer::Text(b"pw".to_vec()));
        assert_eq!(tcgetattr(&terminal).unwrap().local_modes, before);
        let mut shown = [0; 2];
        user.read_exact(&mut shown).unwrap();
        assert_eq!(&shown, b"\r\n");
    }
}
