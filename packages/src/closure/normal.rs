//! Rich dependencies as lists of packages of which one must, or must not, be there.

use super::providers::Providers;
use super::sat::Literal;
use crate::dependency::Operator;
use crate::metadata::{Expression, ExpressionId};

/// Lists of one rich dependency. More than these stand for no dependency that a person wrote.
const MAX_BLOCKS: usize = 4096;

/// A rich dependency in normal form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Normal {
    /// Nothing can meet it.
    Never,
    /// It is always met.
    Always,
    /// As a conjunction: one of each list must hold. As a disjunction: all of one list.
    Blocks(Vec<Vec<Literal>>),
}

/// Whether an expression is more than a list of packages of which one suffices.
pub(super) fn is_complex(providers: &Providers<'_>, id: ExpressionId) -> bool {
    match providers.pool.expression(id) {
        Expression::Capability { .. } => false,
        Expression::Rich {
            operator: Operator::And | Operator::If | Operator::Unless | Operator::Else,
            ..
        } => true,
        Expression::Rich { operator: Operator::Or, left, right } => {
            is_complex(providers, left) || is_complex(providers, right)
        }
        Expression::Rich { .. } => false,
    }
}

/// What must hold for a dependency to be met: one of each list.
pub(super) fn required(providers: &Providers<'_>, id: ExpressionId) -> Normal {
    normal(providers, id, Form::Conjunction)
}

/// What must hold for a dependency not to be met: one of each list.
pub(super) fn forbidden(providers: &Providers<'_>, id: ExpressionId) -> Normal {
    invert(normal(providers, id, Form::Disjunction))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Conjunction,
    Disjunction,
}

impl Form {
    fn other(self) -> Self {
        match self {
            Self::Conjunction => Self::Disjunction,
            Self::Disjunction => Self::Conjunction,
        }
    }
}

fn normal(providers: &Providers<'_>, id: ExpressionId, form: Form) -> Normal {
    let of = |id, form| normal(providers, id, form);
    let not = |id, form: Form| invert(of(id, form.other()));
    if let Expression::Rich { operator, left, right } = providers.pool.expression(id)
        && is_complex(providers, id)
    {
        let otherwise = match providers.pool.expression(right) {
            Expression::Rich { operator: Operator::Else, left, right } => Some((left, right)),
            _ => None,
        };
        return match (operator, otherwise) {
            (Operator::And, _) => and(of(left, form), of(right, form), form),
            // `a if (b else c)` is (a or not b) and (b or c).
            (Operator::If, Some((condition, last))) => and(
                or(of(left, form), not(condition, form), form),
                or(of(condition, form), of(last, form), form),
                form,
            ),
            (Operator::If, None) => or(of(left, form), not(right, form), form),
            // `a unless (b else c)` is (a and not b) or (b and c).
            (Operator::Unless, Some((condition, last))) => or(
                and(of(left, form), not(condition, form), form),
                and(of(condition, form), of(last, form), form),
                form,
            ),
            (Operator::Unless, None) => and(of(left, form), not(right, form), form),
            _ => or(of(left, form), of(right, form), form),
        };
    }
    let found = providers.of(id);
    if found.is_empty() {
        return Normal::Never;
    }
    let literals = found.iter().map(|one| Literal::has(*one));
    Normal::Blocks(match form {
        Form::Conjunction => vec![literals.collect()],
        Form::Disjunction => literals.map(|one| vec![one]).collect(),
    })
}

/// The opposite, in the other form.
fn invert(normal: Normal) -> Normal {
    match normal {
        Normal::Never => Normal::Always,
        Normal::Always => Normal::Never,
        Normal::Blocks(mut blocks) => {
            for block in &mut blocks {
                block.iter_mut().for_each(|one| *one = one.not());
                block.reverse();
            }
            Normal::Blocks(blocks)
        }
    }
}

fn or(one: Normal, other: Normal, form: Form) -> Normal {
    match (one, other) {
        (Normal::Always, _) | (_, Normal::Always) => Normal::Always,
        (Normal::Never, normal) | (normal, Normal::Never) => normal,
        (Normal::Blocks(one), Normal::Blocks(other)) => match form {
            Form::Conjunction => distribute(&one, &other, form),
            Form::Disjunction => Normal::Blocks([one, other].concat()),
        },
    }
}

fn and(one: Normal, other: Normal, form: Form) -> Normal {
    match (one, other) {
        (Normal::Never, _) | (_, Normal::Never) => Normal::Never,
        (Normal::Always, normal) | (normal, Normal::Always) => normal,
        (Normal::Blocks(one), Normal::Blocks(other)) => match form {
            Form::Conjunction => Normal::Blocks([one, other].concat()),
            Form::Disjunction => distribute(&one, &other, form),
        },
    }
}

/// Each list of the one with each of the other.
fn distribute(one: &[Vec<Literal>], other: &[Vec<Literal>], form: Form) -> Normal {
    let trivial = match form {
        Form::Conjunction => Normal::Always,
        Form::Disjunction => Normal::Never,
    };
    if one.len().saturating_mul(other.len()) > MAX_BLOCKS {
        // No one wrote this: better no package that has it than all memory.
        return Normal::Never;
    }
    let mut blocks = Vec::new();
    for left in one {
        for right in other {
            let mut block = [left.as_slice(), right.as_slice()].concat();
            block.sort_unstable();
            block.dedup();
            if !block.iter().any(|literal| block.binary_search(&literal.not()).is_ok()) {
                blocks.push(block);
            }
        }
    }
    if blocks.is_empty() { trivial } else { Normal::Blocks(blocks) }
}
