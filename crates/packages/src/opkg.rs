//! opkg's status file: records as Debian writes them, `Field: value`.

use crate::draft::{text, Draft, Field};
use crate::lines::Line;
use crate::{Database, Dependencies, Error, Style};

/// Takes one line of a record that has not ended.
pub(crate) fn line(draft: &mut Draft, line: Line<'_>) -> Result<(), Error> {
    draft.begin();
    // A line that begins with white space goes on with the field before it. opkg folds nothing
    // but lists of files and descriptions.
    if line.bytes.first().is_some_and(u8::is_ascii_whitespace) {
        return Ok(());
    }
    let Some(colon) = line.bytes.iter().take(16).position(|&byte| byte == b':') else {
        return Ok(());
    };
    let (key, value) = line
        .bytes
        .split_at_checked(colon)
        .unwrap_or((line.bytes, &[]));
    let value = value.get(1..).unwrap_or(&[]);
    let field = match key {
        b"Package" => Field::Name,
        b"Version" => Field::Version,
        b"Architecture" => Field::Arch,
        b"ABIVersion" => Field::Abi,
        b"Depends" => Field::Depends,
        b"Provides" => Field::Provides,
        b"Status" => {
            draft.present = Some(is_present(text(value, line, Database::Opkg)?));
            return Ok(());
        }
        b"Auto-Installed" => {
            draft.automatic = text(value, line, Database::Opkg)? == "yes";
            return Ok(());
        }
        _ => return Ok(()),
    };
    draft.put(field, value, line)
}

/// Whether the state, the third word of `Status: install user installed`, means that the
/// package's files are in place. `unpacked` counts as in opkg's own list: only its script has
/// not run yet, on a router that is booting for the first time.
fn is_present(status: &str) -> bool {
    let mut words = Dependencies::new(status, Style::Apk).map(|word| word.name);
    matches!(words.nth(2), Some("installed" | "unpacked"))
}
