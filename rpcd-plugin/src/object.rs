//! The object and its methods, as rpcd and libubus get to see them.

use core::ffi::{c_char, c_int, CStr};
use core::mem::MaybeUninit;
use core::ptr::null_mut;

use crate::arguments::parse;
use crate::bindings::{
    blob_attr, blobmsg_policy, list_head, rpc_daemon_ops, rpc_plugin as Plugin, ubus_context,
    ubus_method, ubus_object, ubus_object_type, ubus_request_data, BLOBMSG_TYPE_BOOL,
    BLOBMSG_TYPE_STRING,
};
use crate::reply::Status;
use crate::{installed, sysupgrade};

extern "C" {
    fn ubus_add_object(ctx: *mut ubus_context, obj: *mut ubus_object) -> c_int;
}

/// All that libubus keeps pointers to. It is zero until [`init`] fills it in: written down as a constant, each
/// pointer would cost a relocation.
struct Tables {
    object: ubus_object,
    kind: ubus_object_type,
    methods: [ubus_method; 2],
    packagelist: [blobmsg_policy; 1],
    sysupgrade: [blobmsg_policy; 2],
}

static mut TABLES: MaybeUninit<Tables> = MaybeUninit::zeroed();

/// What rpcd looks up in the library. It links the plugins into a list of its own.
#[no_mangle]
#[allow(non_upper_case_globals, reason = "the name rpcd looks for")]
pub static mut rpc_plugin: Plugin = Plugin {
    list: list_head {
        next: null_mut(),
        prev: null_mut(),
    },
    init: Some(init),
};

/// rpcd calls this once, after it has loaded the library.
unsafe extern "C" fn init(ops: *const rpc_daemon_ops, ctx: *mut ubus_context) -> c_int {
    sysupgrade::set_rpcd(ops);
    // SAFETY: rpcd has one thread and calls this once, so nobody else looks at the tables yet. All zeros are
    // valid for each of their fields.
    let tables = unsafe { &mut *(&raw mut TABLES).cast::<Tables>() };
    // The argument types are for who lists the object; what is sent is checked in arguments.rs.
    let [all] = &mut tables.packagelist;
    declare(all, c"all", BLOBMSG_TYPE_BOOL);
    let [keep, path] = &mut tables.sysupgrade;
    declare(keep, c"keep", BLOBMSG_TYPE_BOOL);
    declare(path, c"path", BLOBMSG_TYPE_STRING);
    let [packagelist, sysupgrade] = &mut tables.methods;
    packagelist.name = c"packagelist".as_ptr();
    packagelist.handler = Some(called);
    packagelist.policy = tables.packagelist.as_ptr();
    packagelist.n_policy = 1;
    sysupgrade.name = c"sysupgrade".as_ptr();
    sysupgrade.handler = Some(called);
    sysupgrade.policy = tables.sysupgrade.as_ptr();
    sysupgrade.n_policy = 2;
    tables.kind.name = c"attendedsysupgrade".as_ptr();
    tables.kind.methods = tables.methods.as_ptr();
    tables.kind.n_methods = 2;
    tables.object.name = c"attendedsysupgrade".as_ptr();
    tables.object.type_ = &raw mut tables.kind;
    tables.object.methods = tables.methods.as_ptr();
    tables.object.n_methods = 2;
    // SAFETY: the context is rpcd's own; the object is static, and from now on only libubus touches it.
    unsafe { ubus_add_object(ctx, &raw mut tables.object) }
}

fn declare(argument: &mut blobmsg_policy, name: &'static CStr, kind: u32) {
    argument.name = name.as_ptr();
    argument.type_ = kind;
}

/// Handles a call of either method.
unsafe extern "C" fn called(
    ctx: *mut ubus_context,
    _: *mut ubus_object,
    req: *mut ubus_request_data,
    method: *const c_char,
    msg: *mut blob_attr,
) -> c_int {
    // SAFETY: the message is libubus' own, and lives until we return.
    let message = unsafe { contents(msg) };
    // SAFETY: it is one of the names above.
    let packagelist = unsafe { method.cast::<u8>().read() } == b'p';
    let flag: &[u8] = if packagelist { b"all" } else { b"keep" };
    let status = match parse(message, flag) {
        Some(given) if packagelist && given.path.is_none() => {
            installed::answer(given.flag.unwrap_or(false), ctx, req)
        }
        Some(given) if !packagelist => sysupgrade::answer(&given, ctx, req),
        _ => Status::InvalidArgument,
    };
    status as c_int
}

/// The data of a blob; of none, no data.
///
/// # Safety
/// `blob` is null, or a whole attribute, as libubus makes sure of for each message it hands on. It
/// must live as long as what is given.
unsafe fn contents<'a>(blob: *const blob_attr) -> &'a [u8] {
    if blob.is_null() {
        return &[];
    }
    // SAFETY: an attribute begins with its header, a big-endian word whose lower 24 bits are the
    // length of the whole, header included.
    let length = unsafe { u32::from_be_bytes(blob.cast::<[u8; 4]>().read()) } & 0x00ff_ffff;
    // SAFETY: so many bytes belong to it.
    let whole = unsafe { core::slice::from_raw_parts(blob.cast::<u8>(), length as usize) };
    whole.get(size_of::<u32>()..).unwrap_or(&[])
}
