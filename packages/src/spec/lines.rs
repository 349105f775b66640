//! The lines and sections of a spec file.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::dependency::Relation;

/// How many lines a definition may have.
const JOINED_MAX: usize = 1000;

/// Where a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    /// Before all sections: the tags of the package.
    Preamble,
    /// The tags after `%package`.
    SubPackage,
    /// `%sourcelist` or `%patchlist`: a source or a patch on each line.
    List(&'static str),
    /// `%changelog`.
    Changelog,
    /// Scripts, descriptions and lists of files.
    Other,
}

impl Section {
    /// The section that a line with this first word starts.
    pub(super) fn starting(word: &str) -> Option<Self> {
        Some(match word {
            "%package" => Self::SubPackage,
            "%sourcelist" => Self::List("Source"),
            "%patchlist" => Self::List("Patch"),
            "%changelog" => Self::Changelog,
            "%description"
            | "%prep"
            | "%generate_buildrequires"
            | "%conf"
            | "%build"
            | "%install"
            | "%check"
            | "%clean"
            | "%files"
            | "%pre"
            | "%post"
            | "%preun"
            | "%postun"
            | "%pretrans"
            | "%posttrans"
            | "%preuntrans"
            | "%postuntrans"
            | "%verifyscript"
            | "%triggerin"
            | "%triggerun"
            | "%triggerprein"
            | "%triggerpostun"
            | "%trigger"
            | "%filetriggerin"
            | "%filetriggerun"
            | "%filetriggerpostun"
            | "%transfiletriggerin"
            | "%transfiletriggerun"
            | "%transfiletriggerpostun" => Self::Other,
            _ => return None,
        })
    }
}

/// The lines of `text` with their numbers. A line that starts with `%` continues after `\` at its end, and while its braces are
/// open.
pub(super) fn logical(text: &str) -> impl Iterator<Item = (u64, String)> {
    let mut lines = text.lines().zip(1_u64..).peekable();
    std::iter::from_fn(move || {
        let (first, number) = lines.next()?;
        let mut whole = first.to_owned();
        if !first.trim_start().starts_with('%') {
            return Some((number, whole));
        }
        let mut open = opened(first);
        for _ in 0..JOINED_MAX {
            let continues = whole.ends_with('\\');
            if !continues && open <= 0 || lines.peek().is_none() {
                break;
            }
            if continues {
                whole.pop();
            }
            let Some((next, _)) = lines.next() else { break };
            open += opened(next);
            whole.push('\n');
            whole.push_str(next);
        }
        Some((number, whole))
    })
}

/// How many more braces a line opens than it closes. Braces count from the first `%{` on.
fn opened(line: &str) -> i64 {
    let line = line
        .find("%{")
        .map_or_else(|| line.trim_start_matches(|c| c != '}'), |at| line.get(at..).unwrap_or_default());
    line.bytes().map(|byte| i64::from(byte == b'{') - i64::from(byte == b'}')).sum()
}

/// The name and the value of the tag on a line: `Source0: a.tar.gz`.
pub(super) fn tag(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(':')?;
    let name = name.trim_end();
    let letters = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let is_tag = !letters.is_empty() && letters.bytes().all(|byte| byte.is_ascii_alphabetic());
    is_tag.then(|| (name, value.trim()))
}

/// The relation and the value of a tag for dependencies on a line: `Requires(pre): a, b`. Only `Requires` and `Provides` count.
pub(super) fn relation(line: &str) -> Option<(Relation, &str)> {
    let (name, value) = line.split_once(':')?;
    let name = name.split('(').next().unwrap_or_default().trim_end();
    let relation = [Relation::Requires, Relation::Provides];
    let relation = relation.into_iter().find(|relation| relation.key().eq_ignore_ascii_case(name))?;
    Some((relation, value.trim()))
}

/// The date of a changelog entry, if the line starts one: `* Thu Nov 26 2026 A <a@example.org>`, perhaps with a time.
pub(super) fn changelog_date(line: &str) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let words: Vec<&str> = line.strip_prefix('*')?.split_whitespace().take(6).collect();
    let [_, month, day, rest @ ..] = words.as_slice() else { return None };
    let year = match rest {
        [time, _, year, ..] if time.contains(':') => year,
        [year, ..] => year,
        [] => return None,
    };
    let month = (1_i8..).zip(MONTHS).find(|(_, name)| name == month)?.0;
    let date = Date::new(year.parse().ok()?, month, day.parse().ok()?).ok()?;
    Some(date.at(12, 0, 0, 0).to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}
