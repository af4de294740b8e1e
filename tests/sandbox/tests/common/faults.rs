//! Faults of an upgrade server, and what has to come of each.

use super::proxy::{Proxy, Reply, Request, Response};
use super::*;
use asu::error::{Error, Kind};

/// Where the server goes wrong.
pub type Where = fn(&Request) -> bool;
/// What it says there instead of its own answer.
pub type Fault = fn(&dyn Fn() -> Response) -> Reply;

/// A fault with what has to come of it.
pub struct Case {
    pub name: &'static str,
    pub place: Where,
    pub fault: Fault,
    pub kind: Kind,
    /// Of `asu download`.
    pub code: i32,
    /// In the sentence for people.
    pub words: &'static str,
}

pub const OVERVIEW: Where = |request| request.line.ends_with("/overview.json");
/// Where versions of packages come from.
pub const INDEX: Where =
    |request| request.line.ends_with("index.json") || request.line.contains("/api/v1/update?");
pub const BUILD: Where = Request::is_build;
pub const ANSWER: Where = |request| request.is_build() || request.is_poll();
pub const IMAGE: Where = Request::is_image;

/// A router, its server, and what stands between them.
pub struct Site {
    pub router: Router,
    pub proxy: Proxy,
    pub world: World,
}

impl Site {
    /// With an image that is built already, so that it is there at once for all jobs of a test.
    pub fn new() -> Site {
        let world = world();
        let proxy = Proxy::before(&world.url());
        let router = router(&proxy.url(), None);
        let site = Site {
            router,
            proxy,
            world,
        };
        start_download(&site.router);
        wait_phase(&site.router, Phase::Ready);
        site
    }

    /// Over the bus and by the command line.
    fn judge(&self, case: &Case) {
        let Case { place, fault, .. } = *case;
        self.proxy.set(move |request, server| match place(request) {
            true => fault(server),
            false => Reply::Pass,
        });
        start_download(&self.router);
        let status = wait_phase(&self.router, Phase::Failed);
        let error = error(&status);
        assert_eq!(error.kind, case.kind, "{}: {error:?}", case.name);
        assert!(
            error.message.contains(case.words),
            "{}: {error:?}",
            case.name
        );
        nothing_left(&self.router);
        asu(&self.router, &["download"]).refused(case.code, case.words);
        nothing_left(&self.router);
        no_panic(&self.router);
    }

    /// One after the other; in the end all is well again.
    pub fn judge_all(&self, cases: &[Case]) {
        cases.iter().for_each(|case| self.judge(case));
        self.proxy.pass();
        start_download(&self.router);
        wait_phase(&self.router, Phase::Ready);
    }
}

/// Why the job failed.
pub fn error(status: &Status) -> Error {
    let job = status.job.as_ref().expect("no job");
    job.error.clone().expect("no error")
}
