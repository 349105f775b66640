//! Repositories that are written in lines.

use std::fmt::Write as _;

use quick_xml::escape::escape;

/// A `primary.xml` of packages `NAME-VERSION-RELEASE[.ARCH] KEY:VALUE;KEY:VALUE`. The keys: `R`, `P`, `C`, `O` (requires, provides,
/// conflicts, obsoletes), `Rec`, `Sug`, `Sup`, `Enh`, and `F` (a path).
pub(crate) fn primary(lines: &[String]) -> String {
    let namespaces =
        "xmlns=\"http://linux.duke.edu/metadata/common\" xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\"";
    let mut xml = format!("<metadata {namespaces} packages=\"{}\">", lines.len());
    for (number, line) in lines.iter().enumerate() {
        let (nevra, rest) = line.split_once(' ').unwrap_or((line, ""));
        let arches = ["x86_64", "i686", "aarch64", "noarch", "src"];
        let arch = arches.into_iter().find(|arch| nevra.ends_with(&format!(".{arch}")));
        let nevr = arch.map_or(nevra, |arch| nevra.strip_suffix(&format!(".{arch}")).unwrap());
        let arch = arch.unwrap_or("noarch");
        let (rest_name, release) = nevr.rsplit_once('-').unwrap();
        let (name, version) = rest_name.rsplit_once('-').unwrap();
        let (epoch, version) = version.split_once(':').unwrap_or(("0", version));
        write!(
            xml,
            "<package type=\"rpm\"><name>{name}</name><arch>{arch}</arch><version epoch=\"{epoch}\" ver=\"{version}\" \
             rel=\"{release}\"/><checksum type=\"sha256\" pkgid=\"YES\">{}</checksum><location href=\"{nevra}.rpm\"/><format>",
            content::Digest::of(format!("{number} {line}").as_bytes()).hex()
        )
        .unwrap();
        let values: Vec<(&str, &str)> = rest.split(';').filter_map(|one| one.split_once(':')).collect();
        for (keys, element) in [
            (&["P"][..], "provides"),
            (&["R", "Rpre"], "requires"),
            (&["C"], "conflicts"),
            (&["O"], "obsoletes"),
            (&["Rec"], "recommends"),
            (&["Sug"], "suggests"),
            (&["Sup"], "supplements"),
            (&["Enh"], "enhances"),
        ] {
            write!(xml, "<rpm:{element}>").unwrap();
            for (_, value) in values.iter().filter(|(key, _)| keys.contains(key)) {
                entry(&mut xml, value);
            }
            write!(xml, "</rpm:{element}>").unwrap();
        }
        for (_, path) in values
            .iter()
            .filter(|(key, path)| *key == "F" && (path.contains("bin/") || path.starts_with("/etc/")))
        {
            write!(xml, "<file>{path}</file>").unwrap();
        }
        xml.push_str("</format></package>");
    }
    xml + "</metadata>"
}

/// The `filelists.xml` of the same packages.
pub(crate) fn filelists(lines: &[String]) -> String {
    let namespace = "xmlns=\"http://linux.duke.edu/metadata/filelists\"";
    let mut xml = format!("<filelists {namespace} packages=\"{}\">", lines.len());
    for (number, line) in lines.iter().enumerate() {
        let (nevra, rest) = line.split_once(' ').unwrap_or((line, ""));
        let id = content::Digest::of(format!("{number} {line}").as_bytes()).hex();
        let name = nevra.split('-').next().unwrap();
        write!(xml, "<package pkgid=\"{id}\" name=\"{name}\" arch=\"noarch\">").unwrap();
        for (_, path) in rest.split(';').filter_map(|one| one.split_once(':')).filter(|(key, _)| *key == "F")
        {
            write!(xml, "<file>{path}</file>").unwrap();
        }
        xml.push_str("</package>");
    }
    xml + "</filelists>"
}

fn entry(xml: &mut String, text: &str) {
    let words: Vec<&str> = text.split(' ').collect();
    let flags = |operator: &str| match operator {
        "=" => Some("EQ"),
        "<" => Some("LT"),
        "<=" => Some("LE"),
        ">" => Some("GT"),
        ">=" => Some("GE"),
        _ => None,
    };
    match words.as_slice() {
        [name, operator, version] if !name.starts_with('(') && flags(operator).is_some() => {
            let (epoch, rest) = version.split_once(':').unwrap_or(("0", version));
            let (version, release) = rest.split_once('-').map_or((rest, None), |(v, r)| (v, Some(r)));
            let release = release.map(|release| format!(" rel=\"{release}\"")).unwrap_or_default();
            let flags = flags(operator).unwrap();
            write!(
                xml,
                "<rpm:entry name=\"{}\" flags=\"{flags}\" epoch=\"{epoch}\" ver=\"{version}\"{release}/>",
                escape(*name)
            )
        }
        _ => write!(xml, "<rpm:entry name=\"{}\"/>", escape(text)),
    }
    .unwrap();
}
