//! Deciding what is there and what is not, so that all rules hold: unit propagation, and learning from conflicts.
//!
//! The order in which undecided packages are tried is the caller's. The algorithm and the order of its steps are those of
//! libsolv, because another order finds another answer that is just as valid, and dnf's is the one that is expected.

use crate::metadata::PackageId;

/// A package that is there, or that is not. The order is that of the numbers: what is not there first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Literal(i32);

impl Literal {
    /// The package is there.
    pub(super) fn has(package: PackageId) -> Self {
        Self(i32::try_from(package.0).unwrap_or(i32::MAX - 1) + 1)
    }

    /// The opposite.
    pub(super) fn not(self) -> Self {
        Self(-self.0)
    }

    pub(super) fn is_positive(self) -> bool {
        self.0 > 0
    }

    pub(super) fn package(self) -> PackageId {
        PackageId(self.0.unsigned_abs().saturating_sub(1))
    }

    fn variable(self) -> usize {
        self.0.unsigned_abs() as usize
    }
}

/// A rule: one of its literals must hold. The first one is the smallest of rules about packages.
#[derive(Clone, Debug)]
struct Rule {
    /// Where its literals start in the list of all, and how many there are.
    start: u32,
    length: u32,
    /// The two literals that are watched.
    watched: [Literal; 2],
    /// The next rules that watch them.
    next: [u32; 2],
}

/// No rule.
const NONE: u32 = u32::MAX;
/// Rules that are learned before a problem is given up.
const MAX_LEARNED: usize = 20_000;

/// Why no decision makes all rules hold.
#[derive(Debug)]
pub(super) enum Failure {
    /// These rules, by their numbers, contradict each other.
    Contradiction(Vec<usize>),
    /// The problem is too large.
    TooHard,
}

/// Choices that are still open where one was decided.
#[derive(Clone, Debug)]
pub(super) struct Branch {
    /// The packages, the best first.
    pub(super) candidates: Vec<(PackageId, bool)>,
    /// The level before the decision.
    pub(super) level: i32,
}

/// Rules and decisions.
#[derive(Debug, Default)]
pub(super) struct Sat {
    rules: Vec<Rule>,
    literals: Vec<Literal>,
    /// The first rule that watches each literal.
    watches: Vec<u32>,
    /// Of each package: the level at which it was decided, negative if it is not there; 0 if it is open.
    levels: Vec<i32>,
    decisions: Vec<Literal>,
    /// The rule that left no choice, or the one that a choice was made for.
    why: Vec<Why>,
    propagated: usize,
    learned_from: usize,
    /// The rules that each learned one follows from.
    learned: Vec<Vec<u32>>,
    /// Rules of one literal.
    assertions: Vec<u32>,
    pub(super) branches: Vec<Branch>,
    /// Decisions up to here are known to who watches them; see [`Sat::take_reverted`].
    reverted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Forced(u32),
    Chosen,
}

impl Sat {
    pub(super) fn new(packages: usize) -> Self {
        Self { levels: vec![0; packages + 1], ..Self::default() }
    }

    pub(super) fn add(&mut self, literals: &[Literal]) {
        let start = u32::try_from(self.literals.len()).unwrap_or(u32::MAX);
        self.literals.extend_from_slice(literals);
        let first = literals.first().copied().unwrap_or(Literal(0));
        let second = literals.get(1).copied().unwrap_or(Literal(0));
        let length = u32::try_from(literals.len()).unwrap_or(u32::MAX);
        self.rules.push(Rule { start, length, watched: [first, second], next: [NONE; 2] });
    }

    /// How many rules there are.
    pub(super) fn len(&self) -> usize {
        self.rules.len()
    }

    /// The literals of a rule.
    pub(super) fn rule(&self, rule: usize) -> &[Literal] {
        let Some(rule) = self.rules.get(rule) else { return &[] };
        let start = rule.start as usize;
        self.literals.get(start..start + rule.length as usize).unwrap_or_default()
    }

    /// The level at which a package was decided: negative if it is not there, 0 if it is open.
    pub(super) fn level(&self, package: PackageId) -> i32 {
        self.levels.get(package.index() + 1).copied().unwrap_or(0)
    }

    /// All decisions in their order.
    pub(super) fn decisions(&self) -> &[Literal] {
        &self.decisions
    }

    /// Whether decisions were taken back since the last call.
    pub(super) fn take_reverted(&mut self) -> bool {
        std::mem::take(&mut self.reverted)
    }

    fn value(&self, literal: Literal) -> i32 {
        let level = self.levels.get(literal.variable()).copied().unwrap_or(0);
        if literal.is_positive() { level } else { -level }
    }

    fn decide(&mut self, literal: Literal, level: i32, why: Why) {
        if let Some(known) = self.levels.get_mut(literal.variable()) {
            *known = if literal.is_positive() { level } else { -level };
        }
        self.decisions.push(literal);
        self.why.push(why);
    }

    fn watch(&mut self, number: usize) {
        let Some(rule) = self.rules.get_mut(number) else { return };
        if rule.length < 2 {
            return;
        }
        for place in 0..2 {
            let slot = slot(rule.watched[place]);
            if let Some(head) = self.watches.get_mut(slot) {
                rule.next[place] = *head;
                *head = u32::try_from(number).unwrap_or(NONE);
            }
        }
    }

    /// Starts: takes the rules of one literal as given, at level 1. No rules are added afterwards.
    pub(super) fn start(&mut self) -> Result<i32, Failure> {
        self.watches = vec![NONE; 2 * self.levels.len()];
        self.learned_from = self.rules.len();
        for number in (0..self.rules.len()).rev() {
            self.watch(number);
        }
        let assertions = (0..self.rules.len()).filter(|rule| self.rule(*rule).len() < 2);
        self.assertions = assertions.filter_map(|rule| u32::try_from(rule).ok()).collect();
        for rule in self.assertions.clone() {
            let Some(literal) = self.rule(rule as usize).first().copied() else {
                return Err(Failure::Contradiction(vec![rule as usize]));
            };
            match self.value(literal) {
                0 => self.decide(literal, 1, Why::Forced(rule)),
                value if value < 0 => return Err(self.contradiction(rule)),
                _ => {}
            }
        }
        match self.propagate(1) {
            None => Ok(1),
            Some(rule) => Err(self.contradiction(rule)),
        }
    }

    /// Draws conclusions; a rule that cannot hold any more.
    fn propagate(&mut self, level: i32) -> Option<u32> {
        while let Some(decided) = self.decisions.get(self.propagated).copied() {
            self.propagated += 1;
            let now_false = decided.not();
            // The place of the link to the current rule: the head of the list, or a rule and its watch.
            let mut link: Option<(usize, usize)> = None;
            let mut current = self.watches.get(slot(now_false)).copied().unwrap_or(NONE);
            while current != NONE {
                let number = current as usize;
                let Some(rule) = self.rules.get(number) else { break };
                let place = usize::from(rule.watched[0] != now_false);
                let other = rule.watched[1 - place];
                let next = rule.next[place];
                let (start, length) = (rule.start as usize, rule.length as usize);
                if self.value(other) > 0 {
                    link = Some((number, place));
                    current = next;
                    continue;
                }
                if length > 2 {
                    let literals = self.literals.get(start..start + length).unwrap_or_default();
                    let found = literals.iter().copied().find(|one| *one != other && self.value(*one) >= 0);
                    if let Some(found) = found {
                        // Watch another literal: out of this list, into the other.
                        match link {
                            None => {
                                if let Some(head) = self.watches.get_mut(slot(now_false)) {
                                    *head = next;
                                }
                            }
                            Some((before, place)) => {
                                if let Some(before) = self.rules.get_mut(before) {
                                    before.next[place] = next;
                                }
                            }
                        }
                        if let (Some(rule), Some(head)) =
                            (self.rules.get_mut(number), self.watches.get_mut(slot(found)))
                        {
                            rule.watched[place] = found;
                            rule.next[place] = *head;
                            *head = current;
                        }
                        current = next;
                        continue;
                    }
                }
                if self.value(other) < 0 {
                    return Some(current);
                }
                self.decide(other, level, Why::Forced(current));
                link = Some((number, place));
                current = next;
            }
        }
        None
    }

    /// Decides, draws conclusions, and learns from conflicts; the level that is reached, which is lower than the one before
    /// where decisions were taken back.
    pub(super) fn choose(&mut self, mut level: i32, literal: Literal) -> Result<i32, Failure> {
        level += 1;
        self.decide(literal, level, Why::Chosen);
        while let Some(conflict) = self.propagate(level) {
            if level == 1 {
                return Err(self.contradiction(conflict));
            }
            if self.learned.len() == MAX_LEARNED {
                return Err(Failure::TooHard);
            }
            let (to, rule) = self.learn(level, conflict);
            level = to;
            let Some(literal) = self.rule(rule).first().copied() else { return Err(Failure::TooHard) };
            self.decide(literal, level, Why::Forced(u32::try_from(rule).unwrap_or(NONE)));
        }
        Ok(level)
    }

    /// Takes back all decisions above a level.
    fn revert(&mut self, level: i32) {
        while let Some(last) = self.decisions.last().copied() {
            let Some(known) = self.levels.get_mut(last.variable()) else { break };
            if known.abs() <= level {
                break;
            }
            *known = 0;
            self.decisions.pop();
            self.why.pop();
            self.propagated = self.decisions.len();
            self.reverted = true;
        }
        while self.branches.last().is_some_and(|branch| branch.level >= level) {
            self.branches.pop();
        }
    }

    /// Learns a rule from a conflict, and takes back what it forbids; the level that is left, and the rule.
    fn learn(&mut self, level: i32, conflict: u32) -> (i32, usize) {
        let mut seen = vec![false; self.levels.len()];
        let mut reasons = Vec::new();
        let mut rest = Vec::new();
        let (mut here, mut at_first, mut target) = (0_usize, 0_usize, 1);
        let mut index = self.decisions.len();
        let mut rule = Some(conflict);
        let mut learned = None;
        loop {
            if let Some(number) = rule {
                reasons.push(number);
                for literal in self.rule(number as usize).iter().copied() {
                    let value = self.value(literal);
                    let Some(mark) = seen.get_mut(literal.variable()) else { continue };
                    if value > 0 || std::mem::replace(mark, true) {
                        continue;
                    }
                    match value.abs() {
                        1 => at_first += 1,
                        found if found == level => here += 1,
                        found => {
                            rest.push(literal);
                            target = target.max(found);
                        }
                    }
                }
            }
            if here == 0 && at_first == 0 {
                break;
            }
            // The next literal to look into, from the last decision backwards.
            let found = loop {
                let Some(before) = index.checked_sub(1) else { break None };
                index = before;
                let Some(literal) = self.decisions.get(index).copied() else { break None };
                if let Some(mark) = seen.get_mut(literal.variable())
                    && std::mem::replace(mark, false)
                {
                    break Some(literal);
                }
            };
            let Some(found) = found else { break };
            if here > 0 {
                here -= 1;
                if here == 0 {
                    learned = Some(found.not());
                    // What is left are the reasons at level 1, which the learned rule does not name.
                    for literal in &rest {
                        if let Some(mark) = seen.get_mut(literal.variable()) {
                            *mark = false;
                        }
                    }
                    rule = None;
                    continue;
                }
            } else {
                at_first -= 1;
            }
            rule = match self.why.get(index) {
                Some(Why::Forced(number)) => Some(*number),
                _ => None,
            };
        }
        self.revert(target);
        let literals: Vec<Literal> = learned.into_iter().chain(rest).collect();
        self.add(&literals);
        self.learned.push(reasons);
        let number = self.rules.len() - 1;
        if literals.len() >= 2 {
            // The second watch is on the literal that was decided last.
            let highest = literals.get(1..).unwrap_or_default().iter().copied();
            let mut best = literals.get(1).copied().unwrap_or(Literal(0));
            let mut best_level = 0;
            for literal in highest {
                let found = self.value(literal).abs();
                if found > best_level {
                    (best, best_level) = (literal, found);
                }
            }
            if let Some(rule) = self.rules.get_mut(number) {
                rule.watched[1] = best;
            }
            self.watch(number);
        }
        (target, number)
    }

    /// All rules that a conflict at level 1 follows from.
    fn contradiction(&self, conflict: u32) -> Failure {
        let mut involved = vec![false; self.levels.len()];
        let mut rules = Vec::new();
        let mut seen = vec![false; self.rules.len()];
        let mut take = |rule: u32, involved: &mut Vec<bool>| {
            let mut rest = vec![rule];
            while let Some(rule) = rest.pop() {
                let number = rule as usize;
                if seen.get_mut(number).is_none_or(|seen| std::mem::replace(seen, true)) {
                    continue;
                }
                match number.checked_sub(self.learned_from).and_then(|place| self.learned.get(place)) {
                    Some(reasons) => rest.extend(reasons),
                    None => rules.push(number),
                }
            }
            for literal in self.rule(rule as usize) {
                if let Some(mark) = involved.get_mut(literal.variable()) {
                    *mark = true;
                }
            }
        };
        take(conflict, &mut involved);
        for (literal, why) in self.decisions.iter().zip(&self.why).rev() {
            if involved.get(literal.variable()) == Some(&true)
                && let Why::Forced(rule) = why
            {
                take(*rule, &mut involved);
            }
        }
        rules.sort_unstable();
        Failure::Contradiction(rules)
    }

    /// Tries another candidate of a branch, from the level before its decision.
    pub(super) fn take_branch(&mut self, branch: usize, candidate: usize) -> Result<i32, Failure> {
        let Some(mut taken) = self.branches.get(branch).cloned() else { return Err(Failure::TooHard) };
        let Some(chosen) = taken.candidates.get_mut(candidate) else { return Err(Failure::TooHard) };
        chosen.1 = true;
        let package = chosen.0;
        let level = taken.level;
        self.branches.truncate(branch);
        self.revert(level);
        self.branches.push(taken);
        self.choose(level, Literal::has(package))
    }
}

/// Where the list of a literal starts in the watches.
fn slot(literal: Literal) -> usize {
    2 * literal.variable() + usize::from(literal.is_positive())
}
