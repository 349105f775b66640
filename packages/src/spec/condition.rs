//! Conditions of a spec file, where they are known without rpmbuild.

use super::macros::Macros;

/// The conditions around a line, the innermost last.
#[derive(Debug, Default)]
pub(super) struct Branches(Vec<Branch>);

#[derive(Clone, Copy, Debug, Default)]
struct Branch {
    /// Whether this branch is taken; `None` if only rpmbuild knows.
    taken: Option<bool>,
    /// Whether an earlier branch may be taken.
    maybe: bool,
    /// Whether no later branch can be taken.
    closed: bool,
}

impl Branch {
    fn next(self, value: impl FnOnce() -> Option<bool>) -> Self {
        let Self { maybe, closed, .. } = self;
        match if closed { Some(false) } else { value() } {
            Some(true) => Self { taken: if maybe { None } else { Some(true) }, maybe, closed: true },
            Some(false) => Self { taken: Some(false), maybe, closed },
            None => Self { taken: None, maybe: true, closed },
        }
    }
}

impl Branches {
    /// Takes a line that starts with `word`; whether it is a condition. `value` evaluates it.
    pub(super) fn directive(&mut self, word: &str, value: impl FnOnce() -> Option<bool>) -> bool {
        match word {
            "%if" => self.0.push(Branch::default().next(value)),
            "%ifarch" | "%ifnarch" | "%ifos" | "%ifnos" => self.0.push(Branch::default().next(|| None)),
            "%elif" => self.next(value),
            "%elifarch" | "%elifos" => self.next(|| None),
            "%else" => self.next(|| Some(true)),
            "%endif" => drop(self.0.pop()),
            _ => return false,
        }
        true
    }

    fn next(&mut self, value: impl FnOnce() -> Option<bool>) {
        if let Some(branch) = self.0.last_mut() {
            *branch = branch.next(value);
        }
    }

    /// Whether a line counts, or may count.
    pub(super) fn counts(&self) -> bool {
        self.0.iter().all(|branch| branch.taken != Some(false))
    }

    /// Whether a line counts for certain.
    pub(super) fn is_certain(&self) -> bool {
        self.0.iter().all(|branch| branch.taken == Some(true))
    }
}

/// The value of a condition; `None` if only rpmbuild knows it. Numbers, comparisons of two of them or of two texts in quotes, `!`, `&&`
/// and `||` are known.
pub(super) fn evaluate(condition: &str, macros: &mut Macros) -> Option<bool> {
    let text = macros.expand_certain(condition)?;
    if text.contains(['(', ')']) {
        return None;
    }
    let mut any = false;
    for all in text.split("||") {
        let mut value = true;
        for term in all.split("&&") {
            value &= self::term(term.trim())?;
        }
        any |= value;
    }
    Some(any)
}

fn term(term: &str) -> Option<bool> {
    if let Some(rest) = term.strip_prefix('!').filter(|rest| !rest.starts_with('=')) {
        return self::term(rest.trim_start()).map(|value| !value);
    }
    for operator in ["==", "!=", ">=", "<=", ">", "<"] {
        let Some((left, right)) = term.split_once(operator) else { continue };
        let (left, right) = (left.trim(), right.trim());
        let order = match (number(left), number(right)) {
            (Some(left), Some(right)) => left.cmp(&right),
            _ => quoted(left)?.cmp(quoted(right)?),
        };
        return Some(match operator {
            "==" => order.is_eq(),
            "!=" => order.is_ne(),
            ">=" => order.is_ge(),
            "<=" => order.is_le(),
            ">" => order.is_gt(),
            _ => order.is_lt(),
        });
    }
    number(term).map(|value| value != 0)
}

fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn quoted(text: &str) -> Option<&str> {
    text.strip_prefix('"')?.strip_suffix('"').filter(|text| !text.contains('"'))
}
