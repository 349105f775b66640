//! What packages provide, require and so on, each kept once.

use std::hash::BuildHasher as _;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::text::{Text, TextsFull};
use crate::dependency::{Operator, VersionComparison};

/// An epoch, a version and a release, as texts of a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Evr {
    /// The epoch; 0 if it is missing.
    pub epoch: u32,
    /// The version.
    pub version: Text,
    /// The release; [`Text::EMPTY`] where a dependency leaves it open.
    pub release: Text,
}

/// A capability with the versions of it that count, or several of them in a rich dependency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Expression {
    /// A name, a path or another capability.
    Capability {
        /// What it is called.
        name: Text,
        /// How its version is compared with which one.
        version: Option<(VersionComparison, Evr)>,
    },
    /// Two expressions. `(a if b else c)` is `If(a, Else(b, c))`, and so is `unless`.
    Rich {
        /// What ties them together.
        operator: Operator,
        /// The first one.
        left: ExpressionId,
        /// The second one.
        right: ExpressionId,
    },
}

/// The number of an expression in its pool. Equal expressions have equal numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExpressionId(u32);

impl ExpressionId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// All expressions of a pool.
#[derive(Debug, Default)]
pub(crate) struct Expressions {
    all: Vec<Expression>,
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

/// What an expression is that does not exist, so that no number from outside can end the program.
const NOTHING: Expression = Expression::Capability { name: Text::EMPTY, version: None };

impl Expressions {
    pub(crate) fn get(&self, id: ExpressionId) -> Expression {
        self.all.get(id.index()).copied().unwrap_or(NOTHING)
    }

    pub(crate) fn find(&self, expression: Expression) -> Option<ExpressionId> {
        let hash = self.hasher.hash_one(expression);
        self.table
            .find(hash, |known| self.all.get(*known as usize) == Some(&expression))
            .copied()
            .map(ExpressionId)
    }

    pub(crate) fn add(&mut self, expression: Expression) -> Result<ExpressionId, TextsFull> {
        if let Some(known) = self.find(expression) {
            return Ok(known);
        }
        let Self { all, table, hasher } = self;
        let number = u32::try_from(all.len()).map_err(|_| TextsFull)?;
        all.push(expression);
        let rehash = |known: &u32| hasher.hash_one(all.get(*known as usize).copied().unwrap_or(NOTHING));
        table.insert_unique(hasher.hash_one(expression), number, rehash);
        Ok(ExpressionId(number))
    }
}
