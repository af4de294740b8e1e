//! The arguments of the methods. Whatever is not understood refuses the call: a typing error must
//! not start a different upgrade.

use packages::same;
use ubus::{Attrs, RawField, Type};

/// What was given.
#[derive(Default)]
pub struct Arguments<'a> {
    /// The method's boolean.
    pub flag: Option<bool>,
    pub path: Option<&'a [u8]>,
}

/// Reads a message. None for one with an unknown argument, one of a wrong type, or one given twice.
/// `flag` is what the method's boolean is called; uhttpd's session is passed over.
pub fn parse<'a>(message: &'a [u8], flag: &[u8]) -> Option<Arguments<'a>> {
    const BOOL: u8 = Type::Int8 as u8;
    const STRING: u8 = Type::String as u8;
    let mut arguments = Arguments::default();
    for attr in Attrs::new(message) {
        let field = RawField::read(attr.ok()?).ok()?;
        match (field.id, field.data) {
            (BOOL, &[value]) if same(field.name, flag) && arguments.flag.is_none() => {
                arguments.flag = Some(value != 0);
            }
            (STRING, _) => {
                let text = field.as_text()?;
                if same(field.name, b"path") && arguments.path.is_none() {
                    arguments.path = Some(text);
                } else if !same(field.name, b"ubus_rpc_session") {
                    return None;
                }
            }
            _ => return None,
        }
    }
    Some(arguments)
}
