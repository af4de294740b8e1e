//! Puts pages together.

use std::fmt::{Display, Write as _};

/// HTML in the making. What gets in as it is stands in this program; all else is text.
#[derive(Debug, Default)]
pub struct Html(String);

impl Html {
    /// Begins with some markup.
    pub fn new(markup: &'static str) -> Self {
        Self(markup.to_owned())
    }

    /// Adds markup.
    pub fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Adds markup with a value in the place of each `{}`, also within quotes.
    pub fn fill(&mut self, markup: &'static str, values: &[&dyn Display]) -> &mut Self {
        let mut values = values.iter();
        let mut parts = markup.split("{}");
        self.0.push_str(parts.next().unwrap_or_default());
        for part in parts {
            if let Some(value) = values.next() {
                self.text(&value.to_string());
            }
            self.0.push_str(part);
        }
        debug_assert!(values.next().is_none(), "more values than places: {markup}");
        self
    }

    /// Adds text.
    pub fn text(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                // A browser would end the page's text at some, and reorder the line at others.
                c if is_control(c) => {
                    // Writing into a string can't fail.
                    let _ = write!(self.0, "\\u{{{:x}}}", u32::from(c));
                }
                c => self.0.push(c),
            }
        }
        self
    }

    /// Adds what was put together elsewhere.
    pub fn add(&mut self, other: &Self) -> &mut Self {
        self.0.push_str(&other.0);
        self
    }

    /// All of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Characters that are not seen and change how others are: controls, and what turns the direction of writing.
fn is_control(c: char) -> bool {
    let turns = ['\u{202a}'..='\u{202e}', '\u{2066}'..='\u{2069}'];
    (c.is_control() && !"\n\r\t".contains(c)) || turns.iter().any(|range| range.contains(&c))
}

/// An address with a query.
pub fn link(path: &str, query: &[(&str, &str)]) -> String {
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(query)
        .finish();
    format!("{path}?{query}")
}

#[cfg(test)]
mod tests {
    use super::{link, Html};

    #[test]
    fn text_stays_text() {
        let mut html = Html::new("<p>");
        html.fill("<a href=\"{}\">{}</a>", &[&"\" onclick='x' <>&", &7]);
        html.text("\0a\u{1b}[2J\u{202e}b\nc");
        let expected = "<p><a href=\"&quot; onclick=&#39;x&#39; &lt;&gt;&amp;\">7</a>\\u{0}a\\u{1b}[2J\\u{202e}b\nc";
        assert_eq!(html.as_str(), expected);
    }

    #[test]
    fn braces_of_a_value_are_no_place() {
        let mut html = Html::default();
        html.fill("{}-{}", &[&"{}", &"x"]);
        assert_eq!(html.as_str(), "{}-x");
    }

    #[test]
    fn links_keep_what_they_lead_to() {
        assert_eq!(
            link("/device", &[("q", "a b&c=d")]),
            "/device?q=a+b%26c%3Dd"
        );
    }
}
