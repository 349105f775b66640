//! Maintainer scripts.

use super::control::name;
use super::mistake;
use crate::check::Mistake;
use crate::definition::RpmDefinition;

/// The interpreters whose scripts can be put into a function.
const SHELLS: [&str; 6] =
    ["/bin/sh", "/bin/bash", "/bin/dash", "/usr/bin/sh", "/usr/bin/bash", "/usr/bin/dash"];

/// A maintainer script with its name, or why it cannot be written.
type Script = Result<(&'static str, String), Mistake>;

/// The maintainer scripts.
pub(super) fn scripts(definition: &RpmDefinition) -> Vec<Script> {
    if let Some(own) = definition.deb.as_ref().and_then(|deb| deb.scripts.as_ref()) {
        let scripts = [
            ("preinst", &own.preinst),
            ("postinst", &own.postinst),
            ("prerm", &own.prerm),
            ("postrm", &own.postrm),
        ];
        let scripts = scripts.into_iter().filter_map(|(name, text)| Some((name, text.as_ref()?)));
        let read = |(name, text): (&'static str, &String)| {
            if !text.starts_with("#!/") {
                let expected = "a script whose first line is `#!/bin/sh` or the like";
                let first = text.lines().next().unwrap_or_default();
                return Err(mistake(&format!("deb.scripts.{name}"), expected, first));
            }
            Ok((name, format!("{}\n", text.trim_end())))
        };
        return scripts.map(read).collect();
    }
    let scriptlets = &definition.scriptlets;
    let own = &scriptlets.interpreters;
    // Without a name there is no package.
    let marker = Marker(name(definition).unwrap_or_default());
    let has_post = scriptlets.post.is_some();
    let cases = [
        (
            "pre",
            "preinst",
            &scriptlets.pre,
            &own.pre,
            "install) count=1 ;;\nupgrade) count=2 ;;".to_owned(),
            if has_post { marker.set() } else { String::new() },
        ),
        ("post", "postinst", &scriptlets.post, &own.post, marker.counted(), String::new()),
        (
            "preun",
            "prerm",
            &scriptlets.preun,
            &own.preun,
            "remove) count=0 ;;\nupgrade) count=1 ;;".to_owned(),
            String::new(),
        ),
        (
            "postun",
            "postrm",
            &scriptlets.postun,
            &own.postun,
            "remove) count=0 ;;\nupgrade) count=1 ;;".to_owned(),
            if has_post { marker.purged() } else { String::new() },
        ),
    ];
    let mut texts = Vec::new();
    for (key, name, text, interpreter, cases, first) in cases {
        let Some(text) = text else {
            if key == "pre" && has_post {
                texts.push(Ok((name, format!("#!/bin/sh\nset -e\n\n{}", first.trim_end()) + "\n")));
            }
            continue;
        };
        let interpreter = interpreter.as_ref().unwrap_or(&scriptlets.interpreter);
        let program = interpreter.program();
        if !SHELLS.contains(&program) {
            let expected = "a shell, since dpkg gives scripts other arguments; write `deb: {scripts: {…}}`";
            texts.push(Err(mistake(&format!("scriptlets.{key}"), expected, program)));
            continue;
        }
        texts.push(Ok((name, wrapped(&interpreter.to_string(), &first, &cases, text))));
    }
    texts
}

/// A file that says to `postinst` that the package was removed before: dpkg names the old version to it also if only configuration
/// was left, and says only to `preinst` that this is an installation.
struct Marker(String);

impl Marker {
    fn path(&self) -> String {
        format!("\"${{DPKG_ROOT:-}}/var/lib/misc/{}.reinstalled\"", self.0)
    }

    /// What `preinst` does.
    fn set(&self) -> String {
        let path = self.path();
        format!(
            "# After a removal without a purge, postinst gets a version, too.\n\
             rm -f {path}\nif [ \"$1\" = install ] && [ -n \"$2\" ]; then\n    \
             mkdir -p \"${{DPKG_ROOT:-}}/var/lib/misc\"\n    : > {path}\nfi\n\n"
        )
    }

    /// The cases of `postinst`. A second try after a failure has the same number.
    fn counted(&self) -> String {
        let path = self.path();
        format!(
            "configure)\n    count=2\n    if [ -z \"$2\" ] || [ -e {path} ]; then count=1; fi\n    \
             trap '[ $? -ne 0 ] || rm -f {path}' EXIT\n    ;;"
        )
    }

    /// What `postrm` does.
    fn purged(&self) -> String {
        format!("if [ \"$1\" = purge ]; then rm -f {}; fi\n\n", self.path())
    }
}

/// A script that gives a scriptlet of an RPM the number that rpm gives it: how many versions will be installed after it. It begins
/// with `first`.
fn wrapped(interpreter: &str, first: &str, cases: &str, text: &str) -> String {
    // A scriptlet can set this itself, as its interpreter can.
    let is_strict =
        interpreter.split_whitespace().skip(1).any(|word| word.starts_with('-') && word.contains('e'));
    let lenient = if is_strict { "" } else { "# As in rpm, only the last command decides.\nset +e\n" };
    format!(
        "#!{interpreter}\nset -e\n\n{first}# The number of versions that will be installed, as rpm counts them.\n\
         case \"$1\" in\n{cases}\n*) exit 0 ;;\nesac\n\n{lenient}set -- \"$count\"\n{}\n",
        text.trim_end()
    )
}
