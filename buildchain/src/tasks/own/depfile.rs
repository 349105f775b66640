//! Dependency files, as compilers write them for make, and plain lists of files.

/// The paths of a list: one on each line, without the blanks around it.
pub(super) fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// The prerequisites of the rules of a makefile, as compilers write them: in a word, a blank, `#` and `:` follow a backslash,
/// backslashes before those are doubled, and `$` is doubled; a line that ends in a backslash is continued.
pub(super) fn prerequisites(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let (mut word, mut after_colon) = (String::new(), false);
    let mut end = |word: &mut String, after_colon: &mut bool| {
        let text = std::mem::take(word);
        if *after_colon && !text.is_empty() {
            found.push(text);
        }
    };
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match (c, characters.peek().copied()) {
            ('\\', _) => {
                let mut count = 1;
                while characters.next_if_eq(&'\\').is_some() {
                    count += 1;
                }
                let (escaped, is_line_end) = match characters.peek() {
                    Some(' ' | '\t' | '#' | ':') => (true, false),
                    Some('\n' | '\r') => (true, true),
                    _ => (false, false),
                };
                let kept = if escaped { count / 2 } else { count };
                word.extend(std::iter::repeat_n('\\', kept));
                if escaped && count % 2 == 1 {
                    let next = characters.next();
                    if !is_line_end {
                        word.extend(next);
                        continue;
                    }
                    if next == Some('\r') {
                        characters.next_if_eq(&'\n');
                    }
                    end(&mut word, &mut after_colon);
                }
            }
            ('$', Some('$')) => {
                characters.next();
                word.push('$');
            }
            (':', next) if !after_colon && next.is_none_or(char::is_whitespace) => {
                word.clear();
                after_colon = true;
            }
            ('\n', _) => {
                end(&mut word, &mut after_colon);
                after_colon = false;
            }
            (' ' | '\t' | '\r', _) => end(&mut word, &mut after_colon),
            (c, _) => word.push(c),
        }
    }
    end(&mut word, &mut after_colon);
    found
}

/// A rule with these prerequisites, as a compiler writes it.
#[cfg(any(test, fuzzing))]
fn rule(words: &[String]) -> String {
    let mut text = "target:".to_owned();
    for word in words {
        text.push_str(" \\\n  ");
        let mut backslashes = 0;
        for c in word.chars() {
            match c {
                ' ' | '\t' | '#' | ':' => text.extend(std::iter::repeat_n('\\', backslashes + 1)),
                '$' => text.push('$'),
                _ => {}
            }
            backslashes = if c == '\\' { backslashes + 1 } else { 0 };
            text.push(c);
        }
        // A backslash at the end would continue the line or escape the blank.
        text.extend(std::iter::repeat_n('\\', backslashes));
    }
    text + "\n"
}

/// Reads any text as a dependency file and as a list.
#[cfg(fuzzing)]
pub(crate) fn fuzz(text: &str) {
    let words = prerequisites(text);
    assert!(words.iter().all(|word| !word.is_empty() && !word.contains('\n')));
    assert_eq!(prerequisites(&rule(&words)), words);
    assert!(lines(text).iter().all(|line| !line.is_empty() && !line.contains('\n')));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_dependency_file_names_the_prerequisites_of_its_rules() {
        for (text, expected) in [
            ("a.o: a.c a.h\n", &["a.c", "a.h"][..]),
            ("a.o: a.c \\\n  inc/a.h\n\ninc/a.h:\n", &["a.c", "inc/a.h"]),
            ("a.o b.o: with\\ blank.h cash$$.h \\#x\n", &["with blank.h", "cash$.h", "#x"]),
            ("a.o : c:/x.h\n", &["c:/x.h"]),
            ("a.o: a.c", &["a.c"]),
            ("a.o: a.c \\\r\n b.h\r\n", &["a.c", "b.h"]),
            (
                "a.o: a\\\\\\ b back\\slash two\\\\ words c\\:d\n",
                &["a\\ b", "back\\slash", "two\\", "words", "c:d"],
            ),
            ("", &[]),
            ("no rule\n", &[]),
            ("a\\", &[]),
        ] {
            let words: Vec<String> = expected.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(prerequisites(text), words, "{text:?}");
            assert_eq!(prerequisites(&rule(&words)), words, "{text:?}");
        }
    }

    /// The C compiler is the judge of names that need escapes.
    #[test]
    fn a_dependency_file_of_the_compiler_names_what_it_read() {
        let folder = tempfile::tempdir().unwrap();
        let names =
            ["plain.h", "a blank.h", "cash$.h", "hash#.h", "back\\slash.h", "back\\ blank.h", "tab\t.h"];
        let include = |name: &&str| format!("#include \"{name}\"\n");
        fs::write(folder.path().join("a.c"), names.iter().map(include).collect::<String>()).unwrap();
        names.iter().for_each(|name| fs::write(folder.path().join(name), "").unwrap());
        let ran = Command::new("cc").args(["-MM", "a.c"]).current_dir(folder.path()).output().unwrap();
        assert!(ran.status.success(), "{ran:?}");
        let found: BTreeSet<String> =
            prerequisites(&String::from_utf8(ran.stdout).unwrap()).into_iter().collect();
        let expected: BTreeSet<String> =
            names.iter().chain(&["a.c"]).map(|name| (*name).to_owned()).collect();
        assert_eq!(found, expected);
    }
}
