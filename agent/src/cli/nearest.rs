//! What somebody may have meant.

/// `sentence` about the name that is nearest to what was typed, else where to look.
pub fn or_nearest<'a>(
    typed: &str,
    names: impl Iterator<Item = &'a str>,
    sentence: impl Fn(&str) -> String,
) -> String {
    match nearest(typed, names) {
        Some(name) => sentence(name),
        None => "see \"asu --help\".".to_owned(),
    }
}

/// The name that is nearest, unless none is near: a third of it may be otherwise.
fn nearest<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let names = names.filter(|name| !name.is_empty());
    let (distance, name) = names
        .map(|name| (distance(typed.as_bytes(), name.as_bytes()), name))
        .min_by_key(|(distance, _)| *distance)?;
    (distance <= name.len().div_ceil(3)).then_some(name)
}

/// How many letters have to be put in, taken out or replaced.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (done, from) in a.iter().enumerate() {
        let mut diagonal = done;
        let mut left = done + 1;
        for (cell, to) in row.iter_mut().skip(1).zip(b) {
            let replaced = diagonal + usize::from(from != to);
            diagonal = *cell;
            left = replaced.min(diagonal + 1).min(left + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = done + 1;
        }
    }
    row.last().copied().unwrap_or(a.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_counted() {
        for (a, b, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("force", "forse", 1),
            ("upgrad", "upgrade", 1),
            ("abc", "abc", 0),
        ] {
            assert_eq!(distance(a.as_bytes(), b.as_bytes()), expected, "{a} {b}");
        }
    }

    #[test]
    fn only_what_is_near_is_offered() {
        let names = || ["check", "upgrade", "", "list"].into_iter();
        assert_eq!(nearest("chekc", names()), Some("check"));
        assert_eq!(nearest("upgarde", names()), Some("upgrade"));
        assert_eq!(nearest("frobnicate", names()), None);
        assert_eq!(nearest("", names()), None);
    }
}
