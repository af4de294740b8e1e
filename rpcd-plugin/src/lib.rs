//! The ubus object `attendedsysupgrade` as a plugin of rpcd, for routers too small for the agent.
//!
//! ```text
//! packagelist {all: bool = false}                      → {packages: {name: version}}
//! sysupgrade  {keep: bool = true, path: string = "/tmp/firmware.bin"} → {started: true}
//! ```
//!
//! Names, versions and their order are those of the agent's own answer, byte for byte: both come
//! from `packages::Installed`.
//!
//! What is refused is answered with status 0 and a reason, as the agent does:
//! `{started: false, error: {kind, message, detail}}`; `kind` is one of the agent's: `busy`, `image`,
//! `sysupgrade`, `memory`, `internal`. A file that is not there is status NOT_FOUND with the same
//! answer. `packagelist` answers `{error: {…}}` alone, of kind `storage`, with the database's path as
//! detail: nobody can take it for a router without packages. An unknown argument or one of a wrong
//! type is INVALID_ARGUMENT; only the `ubus_rpc_session` that uhttpd adds is passed over.
//!
//! To the workspace this is an ordinary library. The plugin, `attendedsysupgrade.so`, is made by
//!
//! ```text
//! cargo rustc -p rpcd-plugin --lib --profile router --features plugin --crate-type cdylib
//! ```
//!
//! as `target/…/router/libattendedsysupgrade.so`. Of libubus it calls `ubus_add_object` and
//! `ubus_send_reply`, which rpcd has loaded already, and of libubox nothing; all else is libc's.
#![no_std]

extern crate alloc;

mod arguments;
#[cfg(not(generated_bindings))]
#[allow(
    missing_docs,
    non_camel_case_types,
    dead_code,
    reason = "made by bindgen"
)]
mod bindings;
mod image;
mod installed;
mod layout;
mod object;
mod refused;
mod reply;
#[cfg(all(feature = "plugin", not(test)))]
mod runtime;
mod start;
mod sysupgrade;

#[cfg(generated_bindings)]
#[allow(
    missing_docs,
    non_camel_case_types,
    dead_code,
    reason = "made by bindgen"
)]
mod bindings {
    include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
}

pub use object::rpc_plugin;
