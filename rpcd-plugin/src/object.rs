//! The object and its methods, as rpcd and libubus get to see them.

use core::ffi::{c_char, c_int, CStr};
use core::ptr::null_mut;

use crate::arguments::parse;
use crate::bindings::{
    avl_node, blob_attr, blobmsg_policy, list_head, rpc_daemon_ops, rpc_plugin as Plugin,
    ubus_context, ubus_method, ubus_object, ubus_object_type, ubus_request_data, BLOBMSG_TYPE_BOOL,
    BLOBMSG_TYPE_STRING,
};
use crate::reply::Status;
use crate::{installed, sysupgrade};

extern "C" {
    fn ubus_add_object(ctx: *mut ubus_context, obj: *mut ubus_object) -> c_int;
}

/// A table that C reads, pointers and all.
#[repr(transparent)]
struct Table<T>(T);

// SAFETY: nobody ever writes into a table.
unsafe impl<T> Sync for Table<T> {}

/// Declares an argument to who lists the object; what is sent is checked in arguments.rs.
const fn argument(name: &'static CStr, kind: u32) -> blobmsg_policy {
    blobmsg_policy {
        name: name.as_ptr(),
        type_: kind,
    }
}

static PACKAGELIST: Table<[blobmsg_policy; 1]> = Table([argument(c"all", BLOBMSG_TYPE_BOOL)]);
static SYSUPGRADE: Table<[blobmsg_policy; 2]> = Table([
    argument(c"keep", BLOBMSG_TYPE_BOOL),
    argument(c"path", BLOBMSG_TYPE_STRING),
]);

static METHODS: Table<[ubus_method; 2]> = Table([
    ubus_method {
        name: c"packagelist".as_ptr(),
        handler: Some(packagelist_called),
        mask: 0,
        tags: 0,
        policy: PACKAGELIST.0.as_ptr(),
        n_policy: PACKAGELIST.0.len() as c_int,
    },
    ubus_method {
        name: c"sysupgrade".as_ptr(),
        handler: Some(sysupgrade_called),
        mask: 0,
        tags: 0,
        policy: SYSUPGRADE.0.as_ptr(),
        n_policy: SYSUPGRADE.0.len() as c_int,
    },
]);

/// libubus keeps the type's number in it.
static mut TYPE: ubus_object_type = ubus_object_type {
    name: c"rpcd-plugin-attendedsysupgrade".as_ptr(),
    id: 0,
    methods: METHODS.0.as_ptr(),
    n_methods: METHODS.0.len() as c_int,
};

/// libubus keeps the object's number in it, and links it into its tree.
static mut OBJECT: ubus_object = ubus_object {
    avl: avl_node {
        list: list_head {
            next: null_mut(),
            prev: null_mut(),
        },
        parent: null_mut(),
        left: null_mut(),
        right: null_mut(),
        key: null_mut(),
        balance: 0,
        leader: false,
    },
    name: c"attendedsysupgrade".as_ptr(),
    id: 0,
    path: null_mut(),
    type_: &raw mut TYPE,
    subscribe_cb: None,
    has_subscribers: false,
    methods: METHODS.0.as_ptr(),
    n_methods: METHODS.0.len() as c_int,
};

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
    // SAFETY: the context is rpcd's own; the object is static, and only libubus touches it.
    unsafe { ubus_add_object(ctx, &raw mut OBJECT) }
}

unsafe extern "C" fn packagelist_called(
    ctx: *mut ubus_context,
    _: *mut ubus_object,
    req: *mut ubus_request_data,
    _: *const c_char,
    msg: *mut blob_attr,
) -> c_int {
    // SAFETY: the message is libubus' own, and lives until we return.
    let message = unsafe { contents(msg) };
    let status = match parse(message, b"all") {
        Some(given) if given.path.is_none() => {
            installed::answer(given.flag.unwrap_or(false), ctx, req)
        }
        _ => Status::InvalidArgument,
    };
    status as c_int
}

unsafe extern "C" fn sysupgrade_called(
    ctx: *mut ubus_context,
    _: *mut ubus_object,
    req: *mut ubus_request_data,
    _: *const c_char,
    msg: *mut blob_attr,
) -> c_int {
    // SAFETY: the message is libubus' own, and lives until we return.
    let message = unsafe { contents(msg) };
    let status = match parse(message, b"keep") {
        Some(given) => sysupgrade::answer(&given, ctx, req),
        None => Status::InvalidArgument,
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
