//! Reading of UCI files (`/etc/config/…`), as libuci's file.c reads them: sections, options and
//! lists, single and double quotes, backslashes, comments, values over several lines.
//!
//! Nothing is ever written: the files belong to their owner and to other tools.

use std::iter::Peekable;
use std::str::Chars;

/// A `config TYPE 'NAME'` with what belongs to it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Section {
    /// Its type.
    pub kind: String,
    /// Its name, empty for an anonymous section.
    pub name: String,
    pub(crate) values: Vec<(String, String)>,
}

impl Section {
    /// The option's value; the last one counts, an empty one is as good as none.
    pub fn option(&self, name: &str) -> Option<&str> {
        let found = self.values.iter().rev().find(|(key, _)| key == name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|v| !v.is_empty())
    }

    /// All values of a list, or an option's single words: people write `option add 'a b'` and
    /// `'a,b'` too.
    pub fn list(&self, name: &str) -> Vec<String> {
        let found = self.values.iter().filter(|(key, _)| key == name);
        found.flat_map(|(_, value)| words(value)).collect()
    }
}

/// The words of a text, parted by white space and commas.
pub fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    let parted = |c: char| c == ',' || c.is_whitespace();
    let words = text.split(parted).filter(|word| !word.is_empty());
    words.map(str::to_owned)
}

/// A line that is not UCI.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Malformed {
    /// Counted from 1.
    pub line: usize,
}

/// The sections of a file in their order.
pub fn parse(text: &str) -> Result<Vec<Section>, Malformed> {
    // To libuci a line ends there, and what comes behind it says something else.
    if let Some((before, _)) = text.split_once('\0') {
        let line = 1 + before.matches('\n').count();
        return Err(Malformed { line });
    }
    let mut sections: Vec<Section> = Vec::new();
    let mut reader = Reader {
        rest: text.chars().peekable(),
        line: 1,
    };
    while let Some((line, words)) = reader.statement()? {
        let mut words = words.into_iter();
        let (word, first, second) = (words.next(), words.next(), words.next());
        match (word.as_deref(), first, second, sections.last_mut()) {
            (Some("package"), Some(_), None, _) => {}
            (Some("config"), Some(kind), name, _) => sections.push(Section {
                kind,
                name: name.unwrap_or_default(),
                values: Vec::new(),
            }),
            (Some("option" | "list"), Some(key), value, Some(section)) => {
                section.values.push((key, value.unwrap_or_default()));
            }
            _ => return Err(Malformed { line }),
        }
        if words.next().is_some() {
            return Err(Malformed { line });
        }
    }
    Ok(sections)
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    line: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let next = self.rest.next();
        if next == Some('\n') {
            self.line += 1;
        }
        next
    }

    /// The words of the next line that has any, with the number of its first line.
    fn statement(&mut self) -> Result<Option<(usize, Vec<String>)>, Malformed> {
        let mut words = Vec::new();
        let mut start = self.line;
        loop {
            match self.rest.peek() {
                None | Some('\n' | ';' | '#') if !words.is_empty() => {
                    return Ok(Some((start, words)))
                }
                None => return Ok(None),
                Some('#') => {
                    while !matches!(self.rest.peek(), None | Some('\n')) {
                        self.next();
                    }
                }
                Some(c) if c.is_whitespace() || *c == ';' => {
                    self.next();
                }
                Some(_) => {
                    if words.is_empty() {
                        start = self.line;
                    }
                    words.push(self.word()?);
                }
            }
        }
    }

    /// One word: quoted and unquoted parts that touch each other belong together.
    fn word(&mut self) -> Result<String, Malformed> {
        let start = self.line;
        let mut word = String::new();
        while let Some(&c) = self.rest.peek() {
            match c {
                '\'' | '"' => {
                    self.next();
                    self.quoted(c, &mut word).ok_or(Malformed { line: start })?;
                }
                '\\' => {
                    self.next();
                    word.push(self.next().ok_or(Malformed { line: start })?);
                }
                c if c.is_whitespace() || c == ';' => break,
                c => {
                    self.next();
                    word.push(c);
                }
            }
        }
        Ok(word)
    }

    fn quoted(&mut self, quote: char, word: &mut String) -> Option<()> {
        loop {
            match self.next()? {
                c if c == quote => return Some(()),
                '\\' if quote == '"' => word.push(self.next()?),
                c => word.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_as_people_write_it() {
        let text = "
package attendedsysupgrade
# comment
config server 'server'
	option url 'https://a.example'  # behind it
config client
	option auto_search \"a\\\"b\"; option x un\\ quoted
	list add 'one two,three'
	list add four
	option script 'line 1
line 2'
	option empty ''
";
        let sections = parse(text).unwrap();
        assert_eq!(sections[0].kind, "server");
        assert_eq!(sections[0].name, "server");
        assert_eq!(sections[0].option("url"), Some("https://a.example"));
        assert_eq!(sections[1].name, "");
        assert_eq!(sections[1].option("auto_search"), Some("a\"b"));
        assert_eq!(sections[1].option("x"), Some("un quoted"));
        assert_eq!(sections[1].list("add"), ["one", "two", "three", "four"]);
        assert_eq!(sections[1].option("script"), Some("line 1\nline 2"));
        assert_eq!(sections[1].option("empty"), None);
    }

    #[test]
    fn what_is_not_uci_names_its_line() {
        for (text, line) in [
            ("config\n", 1),
            ("\noption a b\n", 2),
            ("config a b c\n", 1),
            ("config a\n\noption x 'open\n\n", 3),
            ("nonsense here\n", 1),
        ] {
            assert_eq!(parse(text), Err(Malformed { line }), "{text:?}");
        }
    }
}
