//! apk's installed database: lines `X:value`, a blank line after each record.

use crate::draft::{text, Draft, Field};
use crate::lines::Line;
use crate::{Database, Dependencies, Error, Style};

/// The tag OpenWrt's build puts the ABI version into.
const ABI_TAG: &str = "openwrt:abiversion";

/// Takes one line of a record that has not ended.
pub(crate) fn line(draft: &mut Draft, line: Line<'_>) -> Result<(), Error> {
    draft.begin();
    let [letter, b':', value @ ..] = line.bytes else {
        return Ok(());
    };
    let field = match letter {
        b'P' => Field::Name,
        b'V' => Field::Version,
        b'A' => Field::Arch,
        b'D' => Field::Depends,
        b'p' => Field::Provides,
        b'g' => return tags(draft, value, line),
        _ => return Ok(()),
    };
    draft.put(field, value, line)
}

/// Of the free tags only the ABI version matters.
fn tags(draft: &mut Draft, value: &[u8], line: Line<'_>) -> Result<(), Error> {
    let tags = text(value, line, Database::Apk)?;
    // Tags are written as provides are: names, with a value or without.
    for tag in Dependencies::new(tags, Style::Apk) {
        if tag.name == ABI_TAG {
            draft.put(Field::Abi, tag.version.as_bytes(), line)?;
        }
    }
    Ok(())
}
