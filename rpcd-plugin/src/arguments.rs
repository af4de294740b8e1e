//! The arguments of the methods. Whatever is not understood refuses the call: a typing error must
//! not start a different upgrade.

use ubus::{Fields, Value};

/// A message with an unknown argument, one of a wrong type, or one given twice.
pub struct Invalid;

/// Of `packagelist`.
#[derive(Default)]
pub struct PackageList {
    pub all: bool,
}

/// Of `sysupgrade`.
pub struct Sysupgrade<'a> {
    pub keep: bool,
    pub path: &'a [u8],
}

impl PackageList {
    pub fn parse(message: &[u8]) -> Result<PackageList, Invalid> {
        let mut all = None;
        each(message, |name, value| match (name, value) {
            (b"all", Value::Int8(given)) => all.replace(given != 0).is_none(),
            _ => false,
        })?;
        Ok(PackageList {
            all: all.unwrap_or(false),
        })
    }
}

impl<'a> Sysupgrade<'a> {
    pub fn parse(message: &'a [u8]) -> Result<Sysupgrade<'a>, Invalid> {
        let mut keep = None;
        let mut path = None;
        each(message, |name, value| match (name, value) {
            (b"keep", Value::Int8(given)) => keep.replace(given != 0).is_none(),
            (b"path", Value::String(given)) => path.replace(given).is_none(),
            _ => false,
        })?;
        Ok(Sysupgrade {
            keep: keep.unwrap_or(true),
            path: path.unwrap_or(b"/tmp/firmware.bin"),
        })
    }
}

/// Gives every argument but uhttpd's session to `take`, which says whether it knew it.
fn each<'a>(
    message: &'a [u8],
    mut take: impl FnMut(&[u8], Value<'a>) -> bool,
) -> Result<(), Invalid> {
    for field in Fields::new(message) {
        let field = field.map_err(|_| Invalid)?;
        let known = match (field.name, field.value) {
            (b"ubus_rpc_session", Value::String(_)) => true,
            (name, value) => take(name, value),
        };
        if !known {
            return Err(Invalid);
        }
    }
    Ok(())
}
