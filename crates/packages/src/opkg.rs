//! opkg's status file: records as Debian writes them, `Field: value`.

use crate::draft::{text, Draft, Field};
use crate::lines::Line;
use crate::{Database, Error};

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
    let is = |name: &str| key.eq_ignore_ascii_case(name.as_bytes());
    let field = if is("Package") {
        Field::Name
    } else if is("Version") {
        Field::Version
    } else if is("Architecture") {
        Field::Arch
    } else if is("ABIVersion") {
        Field::Abi
    } else if is("Depends") {
        Field::Depends
    } else if is("Provides") {
        Field::Provides
    } else if is("Status") {
        draft.present = Some(is_present(text(value, line, Database::Opkg)?));
        return Ok(());
    } else if is("Auto-Installed") {
        draft.automatic = text(value, line, Database::Opkg)?.eq_ignore_ascii_case("yes");
        return Ok(());
    } else {
        return Ok(());
    };
    draft.put(field, value, line)
}

/// Whether the state, the third word of `Status: install user installed`, means that the
/// package's files are in place. `unpacked` counts as in opkg's own list: only its script has
/// not run yet, on a router that is booting for the first time.
fn is_present(status: &str) -> bool {
    matches!(
        status.split_ascii_whitespace().nth(2),
        Some("installed" | "unpacked")
    )
}
