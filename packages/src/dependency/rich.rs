//! The meaning of a rich dependency: which parts are tied together.

use super::Dependency;
use super::parse::{Operator, Part, rich_parts};

/// Expressions with operators that lie in each other.
const MAX_NESTING: usize = 48;

/// One pair of parentheses: what is in it so far.
struct Level<T> {
    operands: Vec<T>,
    operators: Vec<Operator>,
    /// How many expressions with operators lie in each other at most.
    nesting: usize,
}

impl<T> Level<T> {
    const fn new() -> Self {
        Self { operands: Vec::new(), operators: Vec::new(), nesting: 0 }
    }
}

/// Puts a rich dependency together from its simple ones: `(a if b else c)` becomes `If(a, Else(b, c))`. `None` where the text
/// is not one that rpm accepts, or is nested deeper than any solver should follow.
///
/// # Errors
///
/// Those of the functions.
pub(crate) fn fold<T, E>(
    text: &str,
    mut simple: impl FnMut(&Dependency) -> Result<T, E>,
    mut tie: impl FnMut(Operator, T, T) -> Result<T, E>,
) -> Result<Option<T>, E> {
    let Some(parts) = rich_parts(text) else { return Ok(None) };
    let mut outer = Vec::new();
    let mut level = Level::new();
    for part in parts {
        match part {
            Part::Open => outer.push(std::mem::replace(&mut level, Level::new())),
            Part::Operator(operator) => level.operators.push(operator),
            Part::Simple(dependency) => level.operands.push(simple(&dependency)?),
            Part::Close => {
                let nesting = level.nesting + usize::from(!level.operators.is_empty());
                if nesting > MAX_NESTING {
                    return Ok(None);
                }
                let Some(value) = close(level, &mut tie)? else { return Ok(None) };
                let Some(around) = outer.pop() else { return Ok(None) };
                level = around;
                level.operands.push(value);
                level.nesting = level.nesting.max(nesting);
            }
        }
    }
    Ok(level.operands.pop())
}

fn close<T, E>(
    level: Level<T>,
    tie: &mut impl FnMut(Operator, T, T) -> Result<T, E>,
) -> Result<Option<T>, E> {
    let Level { mut operands, operators, .. } = level;
    let Some(operator) = operators.first().copied() else { return Ok(operands.pop()) };
    if let (Operator::If | Operator::Unless, [_, Operator::Else]) = (operator, operators.as_slice()) {
        let (Some(last), Some(condition), Some(first)) = (operands.pop(), operands.pop(), operands.pop())
        else {
            return Ok(None);
        };
        let rest = tie(Operator::Else, condition, last)?;
        return tie(operator, first, rest).map(Some);
    }
    // In pairs, so that a long list is no deep tree.
    while operands.len() > 1 {
        let mut pairs = Vec::with_capacity(operands.len().div_ceil(2));
        let mut all = operands.into_iter();
        while let Some(first) = all.next() {
            pairs.push(match all.next() {
                Some(second) => tie(operator, first, second)?,
                None => first,
            });
        }
        operands = pairs;
    }
    Ok(operands.pop())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn tree(text: &str) -> Option<String> {
        let simple = |dependency: &Dependency| Ok::<_, Infallible>(dependency.to_string());
        let tie = |operator: Operator, left: String, right: String| {
            Ok(format!("{}({left}, {right})", operator.as_str()))
        };
        fold(text, simple, tie).unwrap()
    }

    #[test]
    fn a_rich_dependency_is_put_together_from_its_parts() {
        for (text, expected) in [
            ("(a)", Some("a")),
            ("((a))", Some("a")),
            ("(a or b)", Some("or(a, b)")),
            ("(a or b or c)", Some("or(or(a, b), c)")),
            ("(a if b)", Some("if(a, b)")),
            ("(a if b else c)", Some("if(a, else(b, c))")),
            ("(a unless (b or c) else d = 1)", Some("unless(a, else(or(b, c), d = 1))")),
            ("(cap >= 1 with cap < 2)", Some("with(cap >= 1, cap < 2)")),
            ("(libx(a)(64bit) without b)", Some("without(libx(a)(64bit), b)")),
            ("a", None),
            ("(a or b) c", None),
            ("(a or", None),
            ("", None),
        ] {
            assert_eq!(tree(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn parentheses_alone_are_no_depth_and_expressions_are() {
        let deep = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
        assert_eq!(tree(&deep(100_000)).as_deref(), Some("a"));
        let nested = |depth: usize| format!("{}a{}", "(b or ".repeat(depth), ")".repeat(depth));
        assert!(tree(&nested(MAX_NESTING)).is_some());
        assert!(tree(&nested(MAX_NESTING + 1)).is_none());
    }
}
