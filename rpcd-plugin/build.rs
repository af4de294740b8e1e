//! Makes the C layouts (src/bindings.rs) anew where the SDK's headers are given.
//!
//! `UBUS_INCLUDE_DIR` names the folder that holds `libubus.h`, `libubox/` and `rpcd/`, in OpenWrt's SDK
//! `$(STAGING_DIR)/usr/include`; the feature `bindgen` must be on and libclang be there. Without the
//! variable the checked-in layouts are used. src/layout.rs asserts both.

use std::env;
use std::path::PathBuf;

fn main() {
    println!("cargo::rerun-if-env-changed=UBUS_INCLUDE_DIR");
    println!("cargo::rustc-check-cfg=cfg(generated_bindings)");
    let Some(include) = env::var_os("UBUS_INCLUDE_DIR") else {
        return;
    };
    if let Err(reason) = generate(&PathBuf::from(include)) {
        println!("cargo::error=the C layouts can't be made from UBUS_INCLUDE_DIR: {reason}");
    }
}

#[cfg(not(feature = "bindgen"))]
fn generate(_: &std::path::Path) -> Result<(), String> {
    Err("it needs the feature `bindgen`".into())
}

#[cfg(feature = "bindgen")]
fn generate(include: &std::path::Path) -> Result<(), String> {
    let out = env::var_os("OUT_DIR").ok_or("cargo gave no OUT_DIR")?;
    println!("cargo::rerun-if-changed=src/bindings.h");
    let mut builder = bindgen::builder()
        .header("src/bindings.h")
        .clang_arg(format!("-I{}", include.display()))
        .use_core()
        .layout_tests(false)
        .generate_comments(false)
        .prepend_enum_name(false)
        .derive_copy(false)
        .derive_debug(false)
        .allowlist_recursively(false);
    for name in LAYOUTS {
        builder = builder.allowlist_type(name);
    }
    for name in ONLY_POINTED_TO {
        builder = builder.raw_line(format!("pub enum {name} {{}}"));
    }
    let bindings = builder.generate().map_err(|error| error.to_string())?;
    let file = PathBuf::from(out).join("bindings.rs");
    bindings
        .write_to_file(file)
        .map_err(|error| error.to_string())?;
    println!("cargo::rustc-cfg=generated_bindings");
    Ok(())
}

#[cfg(feature = "bindgen")]
const LAYOUTS: [&str; 13] = [
    "list_head",
    "avl_node",
    "blob_buf",
    "blobmsg_type",
    "blobmsg_policy",
    "ubus_handler_t",
    "ubus_state_handler_t",
    "ubus_method",
    "ubus_object_type",
    "ubus_object",
    "rpc_exec_(write|read|done)_cb_t",
    "rpc_daemon_ops",
    "rpc_plugin",
];

/// What is inside of these is none of the plugin's business.
#[cfg(feature = "bindgen")]
const ONLY_POINTED_TO: [&str; 5] = [
    "blob_attr",
    "ubus_context",
    "ubus_request_data",
    "ustream",
    "rpc_session_cb",
];
