//! The sizes and offsets this plugin is built for, whether the layouts were made anew or are the
//! checked-in ones: on every target OpenWrt has, pointers and `long` are equally wide.

use core::ffi::{c_int, c_ulong};
use core::mem::{offset_of, size_of};

use crate::bindings::*;

const WORD: usize = size_of::<usize>();

const _: () = {
    assert!(WORD == 4 || WORD == 8);
    assert!(size_of::<c_ulong>() == WORD && size_of::<c_int>() == 4);

    assert!(size_of::<list_head>() == 2 * WORD);
    assert!(size_of::<avl_node>() == 7 * WORD);

    assert!(size_of::<blobmsg_policy>() == 2 * WORD);
    assert!(offset_of!(blobmsg_policy, type_) == WORD);

    assert!(size_of::<ubus_method>() == 6 * WORD);
    assert!(offset_of!(ubus_method, handler) == WORD);
    assert!(offset_of!(ubus_method, mask) == 2 * WORD);
    assert!(offset_of!(ubus_method, tags) == 3 * WORD);
    assert!(offset_of!(ubus_method, policy) == 4 * WORD);
    assert!(offset_of!(ubus_method, n_policy) == 5 * WORD);

    assert!(size_of::<ubus_object_type>() == 4 * WORD);
    assert!(offset_of!(ubus_object_type, id) == WORD);
    assert!(offset_of!(ubus_object_type, methods) == 2 * WORD);
    assert!(offset_of!(ubus_object_type, n_methods) == 3 * WORD);

    assert!(size_of::<ubus_object>() == 15 * WORD);
    assert!(offset_of!(ubus_object, name) == 7 * WORD);
    assert!(offset_of!(ubus_object, id) == 8 * WORD);
    assert!(offset_of!(ubus_object, path) == 9 * WORD);
    assert!(offset_of!(ubus_object, type_) == 10 * WORD);
    assert!(offset_of!(ubus_object, subscribe_cb) == 11 * WORD);
    assert!(offset_of!(ubus_object, has_subscribers) == 12 * WORD);
    assert!(offset_of!(ubus_object, methods) == 13 * WORD);
    assert!(offset_of!(ubus_object, n_methods) == 14 * WORD);

    assert!(size_of::<blob_buf>() == 4 * WORD);
    assert!(offset_of!(blob_buf, head) == 0);
    assert!(offset_of!(blob_buf, buflen) == 2 * WORD);
    assert!(offset_of!(blob_buf, buf) == 3 * WORD);

    assert!(size_of::<rpc_plugin>() == 3 * WORD);
    assert!(offset_of!(rpc_plugin, init) == 2 * WORD);

    assert!(size_of::<rpc_daemon_ops>() == 5 * WORD);
    assert!(offset_of!(rpc_daemon_ops, exec) == 3 * WORD);
    assert!(offset_of!(rpc_daemon_ops, exec_timeout) == 4 * WORD);
};
