//! The settings and the language they are written in.

use crate::error::Kind;
use crate::json::{from_text, text};
use crate::settings::Settings;
use crate::uci::{parse, Section};
use crate::upgrade::Choice;

/// Any text as the settings: what is read, written quoted and read again is the same.
pub fn uci(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let settings = Settings::parse(text);
    let sections = match parse(text) {
        Ok(sections) => sections,
        Err(malformed) => {
            assert!((1..=text.split('\n').count()).contains(&malformed.line));
            assert_eq!(settings.unwrap_err().kind, Kind::Usage);
            return;
        }
    };
    let written: String = sections.iter().map(written).collect();
    assert_eq!(parse(&written).as_ref(), Ok(&sections));
    assert_eq!(settings, Settings::parse(&written));
    match settings {
        Ok(settings) => hold(settings),
        Err(error) => assert_eq!(error.kind, Kind::Usage),
    }
}

fn written(section: &Section) -> String {
    let quoted = |word: &str| format!("'{}'", word.replace('\'', r"'\''"));
    let mut text = format!(
        "config {} {}\n",
        quoted(&section.kind),
        quoted(&section.name)
    );
    for (key, value) in &section.values {
        text.push_str(&format!("list {} {}\n", quoted(key), quoted(value)));
    }
    text
}

/// They go to the job as they are, and a choice that they complete is refused or makes sense.
fn hold(settings: Settings) {
    let sent = text(&settings).unwrap();
    let shown = Settings {
        image: None,
        verbosity: 0,
        keep_files: false,
        ..settings.clone()
    };
    assert_eq!(from_text::<Settings>(sent.as_bytes()).unwrap(), shown);
    for (server, others) in &settings.rebuilders {
        assert!(settings.servers.contains(server) && !others.contains(server));
    }
    let mut choice = Choice::default();
    choice.complete(&settings);
    if let Err(error) = choice.validate() {
        assert_eq!(error.kind, Kind::Usage);
    }
}
