//! The server itself: what is served where, and the state behind it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use axum::extract::DefaultBodyLimit;
use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::access::{Access, Right};
use crate::backend::Backend;
use crate::pages;
use crate::session::{Sessions, User};
use crate::uci_object::Staged;

/// The largest image that a test carries up.
const UPLOAD_LIMIT: usize = 256 * 1024 * 1024;

/// What is served, and to whom.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where calls go.
    pub backend: Backend,
    /// The router's root folder: configuration and uploads lie below it.
    pub root: PathBuf,
    /// The repository's `luci-static`.
    pub luci_static: PathBuf,
    /// The package's `usr/share`: `luci/menu.d` and `rpcd/acl.d`.
    pub share: PathBuf,
    /// The package's `po`.
    pub po: PathBuf,
    /// Who may log in.
    pub users: Vec<User>,
    /// Where to listen; port 0 lets the system choose.
    pub listen: SocketAddr,
}

impl Options {
    /// The views of this repository for a router whose files are below `root`, on any free port of loopback. `root` may do
    /// everything, `guest` may only look; each has the name for a password.
    pub fn new(backend: Backend, root: impl Into<PathBuf>) -> Options {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let package = repository.join("openwrt-package/luci-app-attended-sysupgrade");
        let user = |name: &str, rights: &[Right]| User {
            name: name.to_owned(),
            password: name.to_owned(),
            rights: rights.to_vec(),
        };
        Options {
            backend,
            root: root.into(),
            luci_static: repository.join("luci-static"),
            share: package.join("files/usr/share"),
            po: package.join("po"),
            users: vec![
                user("root", &[Right::Read, Right::Write]),
                user("guest", &[Right::Read]),
            ],
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        }
    }
}

/// The state behind the pages.
#[derive(Debug)]
pub(crate) struct Host {
    pub options: Options,
    pub access: Access,
    pub menu: serde_json::Value,
    pub backend: Backend,
    pub sessions: Sessions,
    pub staged: Staged,
}

impl Host {
    fn load(options: Options) -> io::Result<Self> {
        Ok(Host {
            access: Access::load(&options.share.join("rpcd/acl.d"))?,
            menu: pages::menu(&options.share.join("luci/menu.d"))?,
            backend: options.backend.clone(),
            sessions: Sessions::new(options.users.clone()),
            staged: Staged::default(),
            options,
        })
    }

    /// A path of the router as a path of this machine. Whatever tries to climb stays below the root.
    pub fn below(&self, path: &str) -> PathBuf {
        let mut place = self.options.root.clone();
        let names = Path::new(path)
            .components()
            .filter(|part| matches!(part, Component::Normal(_)));
        place.extend(names);
        place
    }

    /// The rights of a session.
    pub fn rights(&self, session: &str) -> Vec<Right> {
        self.sessions
            .user(session)
            .map(|user| user.rights)
            .unwrap_or_default()
    }

    /// Whether a session may do something, in rpcd's terms.
    pub fn may(&self, session: &str, scope: &str, object: &str, function: &str) -> bool {
        self.access
            .allows(&self.rights(session), scope, object, function)
    }
}

/// A page host that runs until it is dropped.
#[derive(Debug)]
pub struct PageHost {
    address: SocketAddr,
    host: Arc<Host>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl PageHost {
    /// Starts it in a thread of its own.
    ///
    /// # Errors
    /// A file that can't be read, or an address that is taken.
    pub fn start(options: Options) -> io::Result<Self> {
        let listen = options.listen;
        let host = Arc::new(Host::load(options)?);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let listener = runtime.block_on(TcpListener::bind(listen))?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let routes: Router =
            pages::routes(Arc::clone(&host)).layer(DefaultBodyLimit::max(UPLOAD_LIMIT));
        let thread = std::thread::spawn(move || {
            runtime.block_on(async move {
                tokio::select! {
                    served = axum::serve(listener, routes) => {
                        if let Err(error) = served {
                            eprintln!("page-host: {error}");
                        }
                    }
                    _ = stopped => {}
                }
            });
            // A call on the bus may still wait for its answer; nobody waits for it any more.
            runtime.shutdown_background();
        });
        Ok(PageHost {
            address,
            host,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The page to open.
    pub fn url(&self) -> String {
        format!("http://{}{}", self.address, pages::START)
    }

    /// Ends all sessions, as a reboot of the router does.
    pub fn end_sessions(&self) {
        self.host.sessions.clear();
    }
}

impl Drop for PageHost {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // It fails only if the server has ended already.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
