//! What is on the router, indexed: who bears a name, and what needs what.

use crate::sorted::{Index, Map, Names};
use crate::upgrade::device::{Installed, Package};
use std::ops::Range;

/// The installed packages by name.
pub(super) struct Present<'a> {
    /// As the database has them.
    all: Vec<Package<'a>>,
    /// Name → place in `all`; of several ABI versions of one library that of the last, which is
    /// the newest.
    packages: Map<usize, &'a str>,
    /// Names, names with ABI suffix and provided names → the places of those who answer to them.
    bearers: Index<'a>,
    /// The numbers of `all`: packages of one name have one number.
    numbers: Vec<usize>,
    /// Where among the bearers those stand that the packages depend on, package by package.
    needs: Vec<Range<usize>>,
    /// Where in `needs` those of each package stand.
    needs_of: Vec<Range<usize>>,
    wanted: Names<'a>,
    pub wanted_part: Part,
}

/// Some of the packages, by their numbers, which count them in the order of their names.
#[derive(Clone)]
pub(super) struct Part(Vec<bool>);

/// Where those stand who bear or provide some names.
#[derive(Clone)]
pub(super) struct Roots(Vec<Range<usize>>);

impl Part {
    /// Whether a package belongs to it.
    pub fn has(&self, number: usize) -> bool {
        self.0.get(number) == Some(&true)
    }

    /// Adds a package; says whether it was not there.
    fn insert(&mut self, number: usize) -> bool {
        let place = self.0.get_mut(number);
        place.is_some_and(|there| !std::mem::replace(there, true))
    }

    /// Its packages that do not belong to another part.
    pub fn without(&self, other: &Part) -> Part {
        let pairs = self.0.iter().zip(&other.0);
        Part(pairs.map(|(this, that)| *this && !that).collect())
    }

    /// Adds all packages that do not belong to another part.
    pub fn add_all_but(&mut self, other: &Part) {
        for (this, that) in self.0.iter_mut().zip(&other.0) {
            *this |= !that;
        }
    }
}

impl<'a> Present<'a> {
    pub fn new(installed: &'a Installed) -> Self {
        let all: Vec<Package<'_>> = installed.packages().collect();
        let names: Vec<(&str, usize)> = all.iter().map(|package| package.name).zip(0..).collect();
        let mut others = Vec::new();
        for (place, package) in all.iter().enumerate() {
            if !package.abi_name.is_empty() {
                others.push((package.abi_name, place));
            }
            others.extend(package.provides.iter().map(|name| (name, place)));
        }
        let mut present = Present {
            packages: names.iter().copied().collect(),
            all,
            bearers: Index::from(names).and(Index::from(others)),
            numbers: Vec::new(),
            needs: Vec::new(),
            needs_of: Vec::new(),
            wanted: Names::default(),
            wanted_part: Part(Vec::new()),
        };
        present.number();
        present
    }

    /// Numbers the packages and looks up what they need, once for all questions.
    fn number(&mut self) {
        let mut wanted = self.none();
        self.numbers = self.numbers();
        for (package, number) in self.all.iter().zip(&self.numbers) {
            if package.wanted && !packages::is_pseudo(package.name) {
                wanted.insert(*number);
            }
            let start = self.needs.len();
            let needs = package.depends.iter();
            self.needs
                .extend(needs.map(|name| self.bearers.range(name)));
            self.needs_of.push(start..self.needs.len());
        }
        let names = self.packages.keys().enumerate();
        let names = names.filter(|(number, _)| wanted.has(*number));
        self.wanted = names.map(|(_, name)| *name).collect();
        self.wanted_part = wanted;
    }

    /// The number of each package; looked up only where several have one name.
    fn numbers(&self) -> Vec<usize> {
        let mut numbers = vec![None; self.all.len()];
        for (number, place) in self.packages.values().enumerate() {
            if let Some(unknown) = numbers.get_mut(*place) {
                *unknown = Some(number);
            }
        }
        let numbers = self.all.iter().zip(numbers);
        let number = |(package, known): (&Package<'_>, Option<usize>)| {
            known.or_else(|| self.packages.position(package.name))
        };
        numbers
            .map(|pair| number(pair).unwrap_or_default())
            .collect()
    }

    /// Each name once, in the order of names, which is that of the numbers.
    pub fn packages(&self) -> impl Iterator<Item = &Package<'a>> {
        self.packages
            .values()
            .filter_map(|place| self.all.get(*place))
    }

    /// By its name without ABI suffix.
    pub fn package(&self, name: &str) -> Option<&Package<'a>> {
        self.all.get(*self.packages.get(name)?)
    }

    fn none(&self) -> Part {
        Part(vec![false; self.packages.len()])
    }

    /// Every package.
    pub fn all(&self) -> Part {
        Part(vec![true; self.packages.len()])
    }

    /// Whether the package called so belongs to a part.
    pub fn is_in(&self, part: &Part, name: &str) -> bool {
        let number = self.packages.position(name);
        number.is_some_and(|number| part.has(number))
    }

    /// What the owner asked for by name, or the image was made of; without the pseudo packages.
    pub fn wanted(&self) -> &Names<'a> {
        &self.wanted
    }

    /// Who bears or provides a name.
    pub fn bearers(&self, name: &str) -> impl Iterator<Item = &Package<'a>> {
        let bearers = self.bearers.of(name).iter();
        bearers.filter_map(|(_, place)| self.all.get(*place))
    }

    /// Whether something installed bears or provides a name.
    pub fn has(&self, name: &str) -> bool {
        !self.bearers.of(name).is_empty()
    }

    /// Whether something of a part bears or provides a name.
    pub fn has_in(&self, part: &Part, name: &str) -> bool {
        let bearers = self.bearers.of(name).iter();
        let mut numbers = bearers.filter_map(|(_, place)| self.numbers.get(*place));
        numbers.any(|number| part.has(*number))
    }

    /// The package's name for one that may have an ABI suffix.
    pub fn bare_name(&self, name: &'a str) -> &'a str {
        let mut bearers = self.bearers(name);
        let same = bearers.find(|package| package.abi_name == name);
        same.map_or(name, |package| package.name)
    }

    /// Looks up names for [`Present::closure`].
    pub fn roots<'r>(&self, names: impl IntoIterator<Item = &'r &'r str>) -> Roots {
        let names = names.into_iter();
        Roots(names.map(|name| self.bearers.range(name)).collect())
    }

    /// The packages called `roots` and all that they need as things are today, `roots` included.
    /// `counts` says whether a package, given with its number, may stand for a name that it bears
    /// or provides.
    pub fn closure(
        &self,
        roots: &Roots,
        counts: &dyn Fn(usize, &Package<'_>, &str) -> bool,
    ) -> Part {
        let Roots(mut open) = roots.clone();
        let mut seen = self.none();
        while let Some(bearers) = open.pop() {
            for (name, place) in self.bearers.get(bearers).unwrap_or_default() {
                let package = self.all.get(*place).zip(self.numbers.get(*place));
                let counting = package.filter(|(package, number)| counts(**number, package, name));
                if counting.is_some_and(|(_, number)| seen.insert(*number)) {
                    let needs = self.needs_of.get(*place).cloned();
                    let needs = needs.and_then(|needs| self.needs.get(needs));
                    open.extend_from_slice(needs.unwrap_or_default());
                }
            }
        }
        seen
    }

    /// The closure in which a package counts only under its own name: one that merely provides a
    /// name may be the owner's choice among several.
    pub fn closure_by_name(&self, roots: &Roots) -> Part {
        self.closure(roots, &|_, package, name| package.bears(name))
    }

    /// Which packages of a part depend on the package called `name`, besides itself.
    pub fn needed_by(&self, name: &str, part: &Part) -> Vec<String> {
        let Some(package) = self.package(name) else {
            return Vec::new();
        };
        let users = self.packages().enumerate();
        let users = users.filter(|(number, _)| part.has(*number));
        let users = users.map(|(_, user)| user);
        users
            .filter(|user| user.name != name && user.depends.iter().any(|d| package.bears(d)))
            .map(|user| user.name.to_owned())
            .collect()
    }
}
