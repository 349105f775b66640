//! The settings of the registry's service: `/etc/sysconfig/sealift`.

/// The keys of the address and of the options of the server.
pub(super) const LISTEN: &str = "SEALIFT_LISTEN";
pub(super) const OPTIONS: &str = "SEALIFT_OPTIONS";
pub(super) const KEYS: [&str; 2] = [LISTEN, OPTIONS];

/// A setting: its key, the value that the package has, and the value of this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) key: &'static str,
    pub(super) default: &'static str,
    pub(super) value: String,
}

/// The new text of the file, and the settings that somebody has changed, which keep their values.
pub(super) fn changed<'a>(text: &str, settings: &'a [Setting]) -> (String, Vec<&'a Setting>) {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut kept = Vec::new();
    for setting in settings {
        let assignment = format!("{}=", setting.key);
        let new = format!("{assignment}{}", setting.value);
        // The last assignment counts: systemd.exec(5), EnvironmentFile=.
        match lines.iter_mut().rev().find(|line| line.starts_with(&assignment)) {
            Some(line) if *line == new => {}
            Some(line) if line.strip_prefix(&assignment) == Some(setting.default) => *line = new,
            Some(_) => kept.push(setting),
            None => lines.push(new),
        }
    }
    let mut text = lines.join("\n");
    if !text.is_empty() {
        text.push('\n');
    }
    (text, kept)
}

/// The value of a setting in the file.
pub(super) fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().rev().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Vec<Setting> {
        vec![
            Setting { key: LISTEN, default: "0.0.0.0:8080", value: "10.0.0.1:8080".into() },
            Setting { key: OPTIONS, default: "--no-tls", value: "--tls-key k".into() },
        ]
    }

    #[test]
    fn values_of_the_package_are_replaced_and_those_of_people_stay() {
        let settings = settings();
        let done = "# The address.\nSEALIFT_LISTEN=10.0.0.1:8080\nSEALIFT_OPTIONS=--tls-key k\nOTHER=1\n";
        let package = "# The address.\nSEALIFT_LISTEN=0.0.0.0:8080\nSEALIFT_OPTIONS=--no-tls\nOTHER=1\n";
        let own = "SEALIFT_LISTEN=10.9.9.9:80\nSEALIFT_OPTIONS=--no-tls";
        for (text, expected, kept) in [
            (package, done, &[][..]),
            (done, done, &[]),
            ("", "SEALIFT_LISTEN=10.0.0.1:8080\nSEALIFT_OPTIONS=--tls-key k\n", &[]),
            (own, "SEALIFT_LISTEN=10.9.9.9:80\nSEALIFT_OPTIONS=--tls-key k\n", &["SEALIFT_LISTEN"]),
        ] {
            let (found, left) = changed(text, &settings);
            assert_eq!(found, expected, "{text}");
            assert_eq!(left.iter().map(|one| one.key).collect::<Vec<_>>(), kept, "{text}");
        }
        assert_eq!(value(own, "SEALIFT_LISTEN"), Some("10.9.9.9:80"));
        assert_eq!(value(own, "SEALIFT"), None);
    }

    #[test]
    fn the_defaults_are_those_of_the_package() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../packages/sealift/sealift.sysconfig");
        let text = std::fs::read_to_string(file).unwrap();
        for setting in settings() {
            assert_eq!(value(&text, setting.key), Some(setting.default));
        }
    }
}
