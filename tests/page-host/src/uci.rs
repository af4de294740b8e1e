//! Configuration files of OpenWrt: sections with options and lists.

use std::fmt::Write;

/// A value of an option.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Setting {
    /// `option name 'value'`
    Option(String),
    /// `list name 'value'`, once a value.
    List(Vec<String>),
}

/// A section.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Section {
    /// `config TYPE`
    pub kind: String,
    /// Its name, made up where the file has none.
    pub name: String,
    /// Whether the file has none.
    pub anonymous: bool,
    /// In the file's order.
    pub settings: Vec<(String, Setting)>,
}

impl Section {
    /// Sets an option, or takes it away.
    pub fn set(&mut self, option: &str, setting: Option<Setting>) {
        let place = self.settings.iter_mut().find(|(name, _)| name == option);
        match (place, setting) {
            (Some((_, old)), Some(new)) => *old = new,
            (None, Some(new)) => self.settings.push((option.to_owned(), new)),
            (_, None) => self.settings.retain(|(name, _)| name != option),
        }
    }
}

/// Reads a configuration. Lines that make no sense are passed over, as a broken file must not stop a test host.
pub fn parse(text: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for line in text.lines() {
        let words = words(line);
        match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["config", kind] => sections.push(Section {
                kind: kind.to_owned(),
                name: anonymous_name(sections.len()),
                anonymous: true,
                settings: Vec::new(),
            }),
            ["config", kind, name] => sections.push(Section {
                kind: kind.to_owned(),
                name: name.to_owned(),
                anonymous: false,
                settings: Vec::new(),
            }),
            ["option", name, value] => {
                if let Some(section) = sections.last_mut() {
                    section.set(name, Some(Setting::Option(value.to_owned())));
                }
            }
            ["list", name, value] => {
                if let Some(section) = sections.last_mut() {
                    append(section, name, value);
                }
            }
            _ => {}
        }
    }
    sections
}

/// A name that no file would choose, as uci makes them for sections without one.
pub fn anonymous_name(index: usize) -> String {
    format!("cfg{index:02x}1a2b")
}

fn append(section: &mut Section, option: &str, value: &str) {
    let place = section.settings.iter_mut().find(|(name, _)| name == option);
    match place {
        Some((_, Setting::List(values))) => values.push(value.to_owned()),
        _ => section.set(option, Some(Setting::List(vec![value.to_owned()]))),
    }
}

/// The words of a line, in either kind of quotes or none; a `#` begins a comment.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => word.get_or_insert_with(String::new).push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_with(String::new);
            }
            (None, '#') => break,
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, _) => word.get_or_insert_with(String::new).push(c),
        }
    }
    words.extend(word);
    words
}

/// Writes a configuration.
pub fn format(sections: &[Section]) -> String {
    let mut text = String::new();
    for section in sections {
        // Writing into a String does not fail.
        let _ = match section.anonymous {
            true => writeln!(text, "\nconfig {}", section.kind),
            false => writeln!(text, "\nconfig {} '{}'", section.kind, section.name),
        };
        for (name, setting) in &section.settings {
            match setting {
                Setting::Option(value) => line(&mut text, "option", name, value),
                Setting::List(values) => values
                    .iter()
                    .for_each(|value| line(&mut text, "list", name, value)),
            }
        }
    }
    text
}

/// A single quote inside is closed, quoted the other way and opened again.
fn line(text: &mut String, kind: &str, name: &str, value: &str) {
    let _ = writeln!(text, "\t{kind} {name} '{}'", value.replace('\'', "'\"'\"'"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_the_same() {
        let text = "# comment\nconfig server\n\toption url \"https://a b\"\n\nconfig agent 'agent'\n\tlist add 'x'\n\tlist add 'it'\"'\"'s'\n\toption empty ''\n";
        let sections = parse(text);
        assert_eq!(sections.len(), 2);
        assert_eq!(
            sections[0].settings,
            [("url".to_owned(), Setting::Option("https://a b".to_owned()))]
        );
        assert_eq!(
            sections[1].settings[0].1,
            Setting::List(vec!["x".to_owned(), "it's".to_owned()])
        );
        assert_eq!(parse(&format(&sections)), sections);
    }
}
