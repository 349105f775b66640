//! Maintainer scripts.

use super::mistake;
use crate::definition::RpmDefinition;
use crate::error::Result;

/// The interpreters whose scripts can be put into a function.
const SHELLS: [&str; 6] =
    ["/bin/sh", "/bin/bash", "/bin/dash", "/usr/bin/sh", "/usr/bin/bash", "/usr/bin/dash"];

/// The maintainer scripts with their names.
pub(super) fn scripts(definition: &RpmDefinition) -> Result<Vec<(&'static str, String)>> {
    if let Some(own) = definition.deb.as_ref().and_then(|deb| deb.scripts.as_ref()) {
        let scripts = [
            ("preinst", &own.preinst),
            ("postinst", &own.postinst),
            ("prerm", &own.prerm),
            ("postrm", &own.postrm),
        ];
        let mut texts = Vec::new();
        for (name, text) in scripts.into_iter().filter_map(|(name, text)| Some((name, text.as_ref()?))) {
            if !text.starts_with("#!/") {
                let expected = "a script whose first line is `#!/bin/sh` or the like";
                let first = text.lines().next().unwrap_or_default();
                return Err(mistake(definition, &format!("deb.scripts.{name}"), expected, first));
            }
            texts.push((name, format!("{}\n", text.trim_end())));
        }
        return Ok(texts);
    }
    let scriptlets = &definition.scriptlets;
    let own = &scriptlets.interpreters;
    let cases = [
        ("pre", "preinst", &scriptlets.pre, &own.pre, "install) count=1 ;;\nupgrade) count=2 ;;"),
        (
            "post",
            "postinst",
            &scriptlets.post,
            &own.post,
            "configure) if [ -n \"$2\" ]; then count=2; else count=1; fi ;;",
        ),
        ("preun", "prerm", &scriptlets.preun, &own.preun, "remove) count=0 ;;\nupgrade) count=1 ;;"),
        ("postun", "postrm", &scriptlets.postun, &own.postun, "remove) count=0 ;;\nupgrade) count=1 ;;"),
    ];
    let mut texts = Vec::new();
    for (key, name, text, interpreter, cases) in cases {
        let Some(text) = text else { continue };
        let interpreter = interpreter.as_ref().unwrap_or(&scriptlets.interpreter);
        let program = interpreter.program();
        if !SHELLS.contains(&program) {
            let expected = "a shell, since dpkg gives scripts other arguments; write `deb: {scripts: {…}}`";
            return Err(mistake(definition, &format!("scriptlets.{key}"), expected, program));
        }
        texts.push((name, wrapped(&interpreter.to_string(), cases, text)));
    }
    Ok(texts)
}

/// A script that gives a scriptlet of an RPM the number that rpm gives it: how many versions will be installed after it.
fn wrapped(interpreter: &str, cases: &str, text: &str) -> String {
    // A scriptlet can set this itself, as its interpreter can.
    let is_strict =
        interpreter.split_whitespace().skip(1).any(|word| word.starts_with('-') && word.contains('e'));
    let lenient = if is_strict { "" } else { "# As in rpm, only the last command decides.\nset +e\n" };
    format!(
        "#!{interpreter}\nset -e\n\n# The number of versions that will be installed, as rpm counts them.\n\
         case \"$1\" in\n{cases}\n*) exit 0 ;;\nesac\n\n{lenient}set -- \"$count\"\n{}\n",
        text.trim_end()
    )
}
