//! Names, and what belongs to names, in sorted vectors.
//!
//! The standard library's ordered maps are some 10 KB of code for each pair of types on mips. Here
//! what depends on the types is small, and sorting is done once for all of them.
//!
//! To put in one element after the other costs as many moves as there are elements; what comes
//! from a list of unknown length is made of a vector or an iterator, which sorts once.

mod search;

use data::{decode_entries, encode_entries, owned, Decode, Encode, Out, Unexpected, Value};
use search::{begin, end, order, place, Finger};
use std::cmp::Ordering;
use std::ops::{Deref, Range};

/// Values by name, in the order of the names; reads as a slice of pairs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Map<V, K = String>(Vec<(K, V)>, Finger);

/// Names that stand elsewhere, each once, in their order; reads as a slice.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Names<'a>(Vec<&'a str>, Finger);

/// Where in another list each name occurs: by name, then by place; reads as a slice of pairs.
#[derive(Clone, Debug, Default)]
pub struct Index<'a>(Vec<(&'a str, usize)>, Finger);

impl<V, K: AsRef<str>> Map<V, K> {
    /// None yet.
    pub fn new() -> Self {
        Map(Vec::new(), Finger::default())
    }

    /// The how manieth of the names it is.
    pub fn position(&self, name: &str) -> Option<usize> {
        place(&self.0, &self.1, name).ok()
    }

    /// A name with its value.
    pub fn get_key_value(&self, name: &str) -> Option<&(K, V)> {
        self.0.get(self.position(name)?)
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&V> {
        self.get_key_value(name).map(|(_, value)| value)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut V> {
        let place = self.position(name)?;
        self.0.get_mut(place).map(|(_, value)| value)
    }

    /// Whether there is a value of this name.
    pub fn contains_key(&self, name: &str) -> bool {
        self.position(name).is_some()
    }

    /// Puts in a value; gives the one that the name had before.
    pub fn insert(&mut self, name: K, value: V) -> Option<V> {
        match place(&self.0, &self.1, name.as_ref()) {
            Ok(place) => {
                let (_, former) = self.0.get_mut(place)?;
                Some(std::mem::replace(former, value))
            }
            Err(place) => {
                self.0.insert(place, (name, value));
                None
            }
        }
    }

    /// Takes out the value of a name.
    pub fn remove(&mut self, name: &str) -> Option<V> {
        let place = self.position(name)?;
        Some(self.0.remove(place).1)
    }

    /// Keeps the pairs of which `keeps` says so.
    pub fn retain(&mut self, mut keeps: impl FnMut(&K, &V) -> bool) {
        self.0.retain(|(name, value)| keeps(name, value));
    }

    /// The names, to keep.
    pub fn into_keys(self) -> impl Iterator<Item = K> {
        self.0.into_iter().map(|(name, _)| name)
    }

    /// The names.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &K> + Clone {
        self.0.iter().map(|(name, _)| name)
    }

    /// The values, in the order of their names.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &V> + Clone {
        self.0.iter().map(|(_, value)| value)
    }
}

impl<V, K: AsRef<str>> Default for Map<V, K> {
    fn default() -> Self {
        Map::new()
    }
}

impl<V: Encode> Encode for Map<V> {
    fn encode(&self, name: &str, out: &mut Out<'_>) {
        let mut pairs = self
            .iter()
            .map(|(name, value)| (name.as_str(), value as &dyn Encode));
        encode_entries(name, &mut pairs, out);
    }

    fn is_nothing(&self) -> bool {
        self.is_empty()
    }
}

impl<V: Decode + Default> Decode for Map<V> {
    fn decode(&mut self, value: Value<'_>) -> Result<(), Unexpected> {
        let mut pairs = Vec::new();
        for entry in decode_entries(value)? {
            let entry = entry?;
            let mut read = V::default();
            read.decode(entry.value)?;
            pairs.push((owned(entry.name), read));
        }
        *self = Map::from(pairs);
        Ok(())
    }
}

impl<V, K> Deref for Map<V, K> {
    type Target = [(K, V)];

    fn deref(&self) -> &[(K, V)] {
        &self.0
    }
}

/// In any order; of several values of one name the last.
impl<V, K: AsRef<str>> From<Vec<(K, V)>> for Map<V, K> {
    fn from(pairs: Vec<(K, V)>) -> Self {
        let in_order = |a: &(K, V), b: &(K, V)| order(a.0.as_ref(), b.0.as_ref()).is_lt();
        if pairs.is_sorted_by(in_order) {
            return Map(pairs, Finger::default());
        }
        let names = pairs.iter().map(|(name, _)| name.as_ref()).zip(0..);
        let places: Vec<usize> = Index::from(names.collect::<Vec<_>>()).last_places();
        let mut pairs: Vec<Option<(K, V)>> = pairs.into_iter().map(Some).collect();
        let taken = places.into_iter().map(|place| pairs.get_mut(place)?.take());
        Map(taken.flatten().collect(), Finger::default())
    }
}

impl<V, K: AsRef<str>, const N: usize> From<[(K, V); N]> for Map<V, K> {
    fn from(pairs: [(K, V); N]) -> Self {
        Map::from(Vec::from(pairs))
    }
}

impl<V, K: AsRef<str>> FromIterator<(K, V)> for Map<V, K> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Map::from(pairs.into_iter().collect::<Vec<_>>())
    }
}

impl<V, K> IntoIterator for Map<V, K> {
    type Item = (K, V);
    type IntoIter = std::vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'m, V, K> IntoIterator for &'m Map<V, K> {
    type Item = &'m (K, V);
    type IntoIter = std::slice::Iter<'m, (K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<'a> Names<'a> {
    /// The how manieth a name is.
    pub fn position(&self, name: &str) -> Option<usize> {
        place(&self.0, &self.1, name).ok()
    }

    /// Whether a name is one of them.
    pub fn has(&self, name: &str) -> bool {
        self.position(name).is_some()
    }

    /// Takes out a name.
    pub fn remove(&mut self, name: &str) {
        if let Some(place) = self.position(name) {
            self.0.remove(place);
        }
    }

    /// Keeps the names of which `keeps` says so.
    pub fn retain(&mut self, mut keeps: impl FnMut(&'a str) -> bool) {
        self.0.retain(|name| keeps(name));
    }

    /// Those that are in either.
    pub fn and(&self, other: &Names<'a>) -> Names<'a> {
        self.combine(other, |_| true)
    }

    /// Those that are not in the other.
    pub fn without(&self, other: &Names<'a>) -> Names<'a> {
        self.combine(other, Ordering::is_lt)
    }

    /// Those that are in both.
    pub fn common(&self, other: &Names<'a>) -> Names<'a> {
        self.combine(other, Ordering::is_eq)
    }

    /// Goes through both side by side and keeps what is here alone (less), in both (equal) or there
    /// alone (greater).
    fn combine(&self, other: &Names<'a>, keeps: fn(Ordering) -> bool) -> Names<'a> {
        let (mut these, mut those) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut names = Vec::new();
        loop {
            let (from, name) = match (these.peek(), those.peek()) {
                (None, None) => return Names(names, Finger::default()),
                (Some(name), None) => (Ordering::Less, **name),
                (None, Some(name)) => (Ordering::Greater, **name),
                (Some(name), Some(other)) => match order(name, other) {
                    Ordering::Greater => (Ordering::Greater, **other),
                    from => (from, **name),
                },
            };
            if from.is_le() {
                these.next();
            }
            if from.is_ge() {
                those.next();
            }
            if keeps(from) {
                names.push(name);
            }
        }
    }
}

impl<'a> Deref for Names<'a> {
    type Target = [&'a str];

    fn deref(&self) -> &[&'a str] {
        &self.0
    }
}

/// In any order.
impl<'a> From<Vec<&'a str>> for Names<'a> {
    fn from(names: Vec<&'a str>) -> Self {
        match names.is_sorted_by(|a, b| order(a, b).is_lt()) {
            true => Names(names, Finger::default()),
            false => {
                let index = Index::from(names.into_iter().zip(0..).collect::<Vec<_>>());
                let mut names: Vec<&str> = index.0.into_iter().map(|(name, _)| name).collect();
                names.dedup();
                Names(names, Finger::default())
            }
        }
    }
}

impl<'a> FromIterator<&'a str> for Names<'a> {
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> Self {
        Names::from(names.into_iter().collect::<Vec<_>>())
    }
}

impl<'n, 'a> IntoIterator for &'n Names<'a> {
    type Item = &'n &'a str;
    type IntoIter = std::slice::Iter<'n, &'a str>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<'a> Index<'a> {
    /// The pairs of one name.
    pub fn of(&self, name: &str) -> &[(&'a str, usize)] {
        self.0.get(self.range(name)).unwrap_or_default()
    }

    /// Where the pairs of one name stand.
    pub fn range(&self, name: &str) -> Range<usize> {
        let start = begin(&self.0, &self.1, name);
        start..end(&self.0, start, &|(other, _)| order(other, name).is_le())
    }

    /// With the pairs of another one.
    pub fn and(self, other: Index<'a>) -> Index<'a> {
        let mut pairs = Vec::with_capacity(self.len() + other.len());
        let (mut these, mut those) = (
            self.0.into_iter().peekable(),
            other.0.into_iter().peekable(),
        );
        while let (Some(this), Some(that)) = (these.peek(), those.peek()) {
            let next = match in_order(this, that) {
                true => these.next(),
                false => those.next(),
            };
            pairs.extend(next);
        }
        pairs.extend(these.chain(those));
        Index(pairs, Finger::default())
    }

    /// Each name's last place, in the order of names.
    fn last_places(mut self) -> Vec<usize> {
        self.0.dedup_by(|later, former| {
            let same = later.0 == former.0;
            if same {
                former.1 = later.1;
            }
            same
        });
        self.0.into_iter().map(|(_, place)| place).collect()
    }
}

impl<'a> Deref for Index<'a> {
    type Target = [(&'a str, usize)];

    fn deref(&self) -> &[(&'a str, usize)] {
        &self.0
    }
}

/// In any order. All that is sorted is sorted here: what stands in order is merged. apk writes its packages
/// by name, so that a list is made of few such pieces; the standard library's sort looks for none where it
/// is built for size.
impl<'a> From<Vec<(&'a str, usize)>> for Index<'a> {
    fn from(pairs: Vec<(&'a str, usize)>) -> Self {
        let pieces = pairs.chunk_by(in_order);
        let mut pieces: Vec<Index<'_>> = pieces
            .map(|piece| Index(piece.to_vec(), Finger::default()))
            .collect();
        while pieces.len() > 1 {
            let mut those = pieces.into_iter();
            let mut merged = Vec::new();
            while let Some(this) = those.next() {
                merged.push(match those.next() {
                    Some(that) => this.and(that),
                    None => this,
                });
            }
            pieces = merged;
        }
        pieces.pop().unwrap_or_default()
    }
}

fn in_order((a, at): &(&str, usize), (b, behind): &(&str, usize)) -> bool {
    order(a, b).then(at.cmp(behind)).is_le()
}

#[cfg(test)]
mod tests {
    use super::*;
    use data::Data;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    /// Often the same, often with the same beginning, of all lengths around a word's.
    const NAME: &str = "(kmod-usb|luci-app-|)[a-cä]{0,4}";

    fn names(list: &[String]) -> Names<'_> {
        list.iter().map(String::as_str).collect()
    }

    fn set(list: &[String]) -> BTreeSet<&str> {
        list.iter().map(String::as_str).collect()
    }

    fn list(set: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<String> {
        set.into_iter()
            .map(|name| name.as_ref().to_owned())
            .collect()
    }

    #[test]
    fn a_map_is_an_object_in_any_order() {
        let read = |text: &[u8]| data::read::<Map<String>>(Data::parse(text).unwrap().value());
        let map = read(br#"{"b":"1","a":"2","b":"3"}"#).unwrap();
        let text = data::text(&map).unwrap();
        assert_eq!(text, r#"{"a":"2","b":"3"}"#);
        assert!(!map.is_nothing() && read(b"{}").unwrap().is_nothing());
        for other in [&b"[]"[..], b"null", br#"{"a":1}"#] {
            assert!(read(other).is_err());
        }
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_texts(a in NAME, b in NAME) {
            prop_assert_eq!(order(&a, &b), a.cmp(&b));
            prop_assert_eq!(order(&a, &a), Ordering::Equal);
        }

        #[test]
        fn a_map_is_what_the_standard_library_s_is(
            pairs in vec((NAME, any::<u8>()), 0..40),
            more in vec((NAME, any::<u8>()), 0..10),
            less in vec(NAME, 0..10),
        ) {
            let mut map: Map<u8> = pairs.iter().cloned().collect();
            let mut expected: BTreeMap<String, u8> = pairs.into_iter().collect();
            for (name, value) in more {
                prop_assert_eq!(map.insert(name.clone(), value), expected.insert(name, value));
            }
            for name in &less {
                prop_assert_eq!(map.get(name), expected.get(name));
                prop_assert_eq!(map.contains_key(name), expected.contains_key(name));
                let place = expected.keys().position(|known| known == name);
                prop_assert_eq!(map.position(name), place);
                prop_assert_eq!(map.remove(name), expected.remove(name));
            }
            map.retain(|_, value| value % 3 != 0);
            expected.retain(|_, value| *value % 3 != 0);
            prop_assert!(map.keys().eq(expected.keys()));
            prop_assert!(map.values().eq(expected.values()));
            prop_assert!(map.iter().map(|(name, value)| (name, value)).eq(&expected));
            prop_assert!(map.into_iter().eq(expected));
        }

        #[test]
        fn an_index_has_the_places_of_each_name(
            list in vec("[abc]|luci-app-[ab]", 0..100),
            other in NAME,
        ) {
            let pairs = list.iter().map(String::as_str).zip(0..);
            let index = Index::from(pairs.clone().collect::<Vec<_>>());
            prop_assert!(index.windows(2).all(|pairs| pairs[0] < pairs[1]));
            prop_assert_eq!(index.len(), list.len());
            for name in list.iter().chain([&other]) {
                let of_name = pairs.clone().filter(|(known, _)| known == name);
                prop_assert_eq!(index.of(name), of_name.collect::<Vec<_>>());
            }
        }

        #[test]
        fn names_are_what_the_standard_library_s_set_is(
            a in vec(NAME, 0..40),
            b in vec(NAME, 0..40),
        ) {
            let (mut these, those) = (names(&a), names(&b));
            let (mut expected, other) = (set(&a), set(&b));
            prop_assert_eq!(list(&these), list(&expected));
            prop_assert_eq!(list(&these.and(&those)), list(&expected | &other));
            prop_assert_eq!(list(&these.without(&those)), list(&expected - &other));
            prop_assert_eq!(list(&these.common(&those)), list(&expected & &other));
            for name in &b {
                prop_assert_eq!(these.has(name), expected.contains(name.as_str()));
                let place = expected.iter().position(|known| known == name);
                prop_assert_eq!(these.position(name), place);
            }
            for name in a.iter().skip(3) {
                these.remove(name);
                expected.remove(name.as_str());
            }
            these.retain(|name| name.len() % 3 != 0);
            expected.retain(|name| name.len() % 3 != 0);
            prop_assert_eq!(list(&these), list(&expected));
        }
    }
}
