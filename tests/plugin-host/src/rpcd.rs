//! rpcd's side of the plugin: the two functions of libubus, the list of plugins and `exec`.

use std::cell::RefCell;
use std::ffi::{c_char, c_int, c_void, CStr, CString};
use std::io;
use std::ptr::null_mut;

use plugin_host::{hex, unhex};

#[path = "../../../rpcd-plugin/src/bindings.rs"]
#[allow(
    missing_docs,
    non_camel_case_types,
    dead_code,
    reason = "made by bindgen"
)]
mod bindings;

use bindings::{
    blob_attr, blob_buf, list_head, rpc_daemon_ops, rpc_exec_done_cb_t, rpc_exec_read_cb_t,
    rpc_exec_write_cb_t, rpc_plugin, ubus_context, ubus_object, ubus_request_data,
};

/// As rpcd's `-t`, in milliseconds; short, so that a test can wait for it, but long enough for slow machines.
static mut TIMEOUT: c_int = 2000;

#[derive(Default)]
struct State {
    object: Option<*mut ubus_object>,
    /// What was sent in answer to the present call, headers and all.
    sent: Vec<Vec<u8>>,
    /// What becomes of the next program.
    script: Vec<String>,
    executed: String,
    running: Option<Running>,
}

/// A program the plugin has started, and whom to tell.
struct Running {
    out: rpc_exec_read_cb_t,
    err: rpc_exec_read_cb_t,
    end: rpc_exec_done_cb_t,
    own: *mut c_void,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::default();
}

fn with<R>(take: impl FnOnce(&mut State) -> R) -> R {
    STATE.with_borrow_mut(take)
}

/// Loads the library, links it into the list of plugins and calls its `init`.
pub fn load(library: &str) -> io::Result<()> {
    let ops = Box::leak(Box::new(rpc_daemon_ops {
        session_access: None,
        session_create_cb: None,
        session_destroy_cb: None,
        exec: Some(exec),
        exec_timeout: &raw mut TIMEOUT,
    }));
    let plugins = Box::leak(Box::new(list_head {
        next: null_mut(),
        prev: null_mut(),
    }));
    // SAFETY: these are rpcd's own steps (plugin.c): the symbol is a `struct rpc_plugin`, whose list is
    // linked in before its function is called. All of it stays until the process ends.
    unsafe {
        let plugin: *mut rpc_plugin = find(library, c"rpc_plugin")?.cast();
        let Some(plugin) = plugin.as_mut() else {
            return Err(io::Error::other("the library has no rpc_plugin"));
        };
        let head: *mut list_head = plugins;
        plugin.list = list_head {
            next: head,
            prev: head,
        };
        (*head).next = &raw mut plugin.list;
        (*head).prev = &raw mut plugin.list;
        match plugin.init.map(|init| init(ops, null_mut())) {
            Some(0) => Ok(()),
            status => Err(io::Error::other(format!("init gave {status:?}"))),
        }
    }
}

/// Loads a library as rpcd does, and looks a symbol up.
#[cfg(not(target_env = "musl"))]
fn find(library: &str, symbol: &CStr) -> io::Result<*mut c_void> {
    let library = CString::new(library)?;
    // SAFETY: the texts end with NUL; what the library does as it is loaded, the plugin's tests are about.
    unsafe {
        let handle = libc::dlopen(library.as_ptr(), libc::RTLD_LAZY | libc::RTLD_LOCAL);
        if handle.is_null() {
            let reason = CStr::from_ptr(libc::dlerror()).to_string_lossy();
            return Err(io::Error::other(reason.into_owned()));
        }
        Ok(libc::dlsym(handle, symbol.as_ptr()))
    }
}

#[cfg(target_env = "musl")]
use crate::elf::load as find;

/// Makes a folder the whole file system, as root or, without being root, in a user namespace.
pub fn enter(root: &str) -> io::Result<()> {
    let root = CString::new(root)?;
    // SAFETY: plain system calls, before anything else runs in this process.
    unsafe {
        if libc::geteuid() != 0 {
            let (user, group) = (libc::geteuid(), libc::getegid());
            check(libc::unshare(libc::CLONE_NEWUSER))?;
            std::fs::write("/proc/self/setgroups", "deny")?;
            std::fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
            std::fs::write("/proc/self/gid_map", format!("0 {group} 1"))?;
        }
        check(libc::chroot(root.as_ptr()))?;
        check(libc::chdir(c"/".as_ptr()))
    }
}

fn check(result: c_int) -> io::Result<()> {
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The object's name and its methods with their arguments' names and types.
pub fn object() -> io::Result<String> {
    let object = published()?;
    let mut text = String::new();
    // SAFETY: the plugin's tables are static, their texts end with NUL, and their lengths stand with them.
    unsafe {
        text += &CStr::from_ptr((*object).name).to_string_lossy();
        for at in 0..(*object).n_methods as usize {
            let method = (*object).methods.add(at);
            text += &format!(" {}(", CStr::from_ptr((*method).name).to_string_lossy());
            for at in 0..(*method).n_policy as usize {
                let policy = (*method).policy.add(at);
                let name = CStr::from_ptr((*policy).name).to_string_lossy();
                text += &format!("{name}:{},", (*policy).type_);
            }
            text.push(')');
        }
    }
    Ok(text)
}

fn published() -> io::Result<*mut ubus_object> {
    with(|state| state.object).ok_or_else(|| io::Error::other("nothing was published"))
}

/// Takes down what becomes of the next program.
pub fn script(how: &[&str]) -> io::Result<String> {
    with(|state| state.script = how.iter().map(|word| (*word).to_owned()).collect());
    Ok("ok".to_owned())
}

/// The arguments of the last program.
pub fn executed() -> io::Result<String> {
    Ok(with(|state| state.executed.clone()))
}

/// Calls a method; arguments and answer are hexadecimal digits. Gives the status and the message sent.
pub fn call(method: &str, arguments: &str) -> io::Result<String> {
    let message = match arguments.strip_prefix('=') {
        Some(digits) => {
            let data = unhex(digits).ok_or_else(|| io::Error::other("no hexadecimal digits"))?;
            Some(blob(&data))
        }
        None => None,
    };
    let (status, sent) = invoke(method, message)?;
    match sent.as_slice() {
        [] => Ok(format!("{status} -")),
        [one] => Ok(format!("{status} ={}", hex(one.get(4..).unwrap_or(&[])))),
        _ => Err(io::Error::other("more than one message was sent")),
    }
}

/// Fields with the header of the blob that they are the data of.
pub fn blob(data: &[u8]) -> Vec<u8> {
    let mut blob = ((data.len() + 4) as u32).to_be_bytes().to_vec();
    blob.extend(data);
    blob
}

/// Calls a method, as libubus does, and then lets the program it may have started run. Gives the
/// status and what was sent.
pub fn invoke(method: &str, message: Option<Vec<u8>>) -> io::Result<(c_int, Vec<Vec<u8>>)> {
    let object = published()?;
    let name = CString::new(method)?;
    let mut message = message;
    let message = message
        .as_mut()
        .map_or(null_mut(), |bytes| bytes.as_mut_ptr());
    // SAFETY: the plugin's own tables; the message is a whole blob, as libubus makes sure of.
    let mut status = unsafe {
        let mut handler = None;
        for at in 0..(*object).n_methods as usize {
            let known = (*object).methods.add(at);
            if CStr::from_ptr((*known).name) == name.as_c_str() {
                handler = (*known).handler;
            }
        }
        let handler = handler.ok_or_else(|| io::Error::other("no such method"))?;
        handler(
            null_mut(),
            object,
            null_mut(),
            name.as_ptr(),
            message.cast(),
        )
    };
    if let Some(running) = with(|state| state.running.take()) {
        status = run(running)?;
    }
    Ok((status, with(|state| core::mem::take(&mut state.sent))))
}

/// What rpcd does when a program has ended (exec.c): it hands on what was said, asks for the answer,
/// sends it and frees it.
fn run(running: Running) -> io::Result<c_int> {
    let script = with(|state| core::mem::take(&mut state.script));
    let words: Vec<&str> = script.iter().map(String::as_str).collect();
    let (stat, said) = match words[..] {
        ["ends", code, said] => {
            let code: c_int = code.parse().map_err(io::Error::other)?;
            (code << 8, unhex(said).unwrap_or_default())
        }
        ["times-out"] => {
            std::thread::sleep(std::time::Duration::from_millis(2010));
            (0, Vec::new())
        }
        ["unseen"] => {
            // SAFETY: the child ends at once.
            unsafe {
                if libc::fork() == 0 {
                    libc::_exit(1);
                }
            }
            (0, Vec::new())
        }
        _ => return Err(io::Error::other("the plugin executed what no test foresaw")),
    };
    let mut buffer = blob_buf {
        head: null_mut(),
        grow: None,
        buflen: 0,
        buf: null_mut(),
    };
    // SAFETY: the callbacks and their argument are those the plugin gave; the buffer is as blob_buf_init
    // leaves it, with memory from malloc; what the plugin puts there is a whole blob.
    let status = unsafe {
        buffer.buf = libc::malloc(256);
        buffer.head = buffer.buf.cast();
        // Half by one stream, half by the other, in pieces.
        for (at, piece) in said.chunks(100).enumerate() {
            let callback = if at % 2 == 0 {
                running.out
            } else {
                running.err
            };
            let mut piece = piece.to_vec();
            if let Some(callback) = callback {
                let len = piece.len() as c_int;
                let taken = callback(&mut buffer, piece.as_mut_ptr().cast(), len, running.own);
                assert_eq!(taken, len, "rpcd would offer the rest again");
            }
        }
        let status = running
            .end
            .map_or(-1, |end| end(&mut buffer, stat, running.own));
        if status == 0 {
            ubus_send_reply(null_mut(), null_mut(), buffer.head);
        }
        libc::free(buffer.buf);
        libc::free(running.own);
        status
    };
    Ok(status)
}

unsafe extern "C" fn exec(
    arguments: *mut *const c_char,
    _: rpc_exec_write_cb_t,
    out: rpc_exec_read_cb_t,
    err: rpc_exec_read_cb_t,
    end: rpc_exec_done_cb_t,
    own: *mut c_void,
    _: *mut ubus_context,
    _: *mut ubus_request_data,
) -> c_int {
    let mut words = Vec::new();
    for at in 0.. {
        // SAFETY: the arguments end with a null pointer, each with NUL.
        let word = unsafe { *arguments.add(at) };
        if word.is_null() {
            break;
        }
        // SAFETY: as above.
        words.push(
            unsafe { CStr::from_ptr(word) }
                .to_string_lossy()
                .into_owned(),
        );
    }
    with(|state| {
        state.executed = words.join("\t");
        if state.script.first().is_some_and(|word| word == "fails") {
            state.script.clear();
            return 4;
        }
        state.running = Some(Running { out, err, end, own });
        0
    })
}

/// libubus' function, for the plugin.
#[no_mangle]
pub unsafe extern "C" fn ubus_add_object(_: *mut ubus_context, object: *mut ubus_object) -> c_int {
    with(|state| state.object = Some(object));
    0
}

/// libubus' function, for the plugin. Keeps what is sent.
#[no_mangle]
pub unsafe extern "C" fn ubus_send_reply(
    _: *mut ubus_context,
    _: *mut ubus_request_data,
    message: *mut blob_attr,
) -> c_int {
    // SAFETY: the plugin sends a whole blob, whose length stands in its first four bytes.
    let bytes = unsafe {
        let length = u32::from_be_bytes(message.cast::<[u8; 4]>().read()) & 0x00ff_ffff;
        std::slice::from_raw_parts(message.cast::<u8>(), length as usize).to_vec()
    };
    with(|state| state.sent.push(bytes));
    0
}
