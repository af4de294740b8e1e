//! Who vouches for an image, and what the owner makes of that (design section 6.4).
//!
//! The one place where a verdict about signatures becomes a decision: `verify`, `sysupgrade` of a
//! file and the upgrade itself all come here, and `inspect` has the keys from here.

use crate::api::{CheckResult, ImageCheck};
use crate::error::Kind;
use crate::paths::Paths;
use crate::server;
use crate::settings::SignaturePolicy;
use crate::system::clock_is_plausible;
use firmware::signature::Verdict;
use firmware::{detached, KeyProblem, KeyRing, Report};

/// Where a router keeps the keys it trusts, in its own terms: the system's and ours.
const KEYS: [&str; 2] = ["/etc/opkg/keys", "/etc/attended-sysupgrade/keys"];

/// The keys and revocations of the router, and the files among them that are of no use. A
/// revocation in one folder counts for the keys of both.
pub fn keys(paths: &Paths) -> (KeyRing, Vec<KeyProblem>) {
    let mut ring = KeyRing::new();
    let mut problems = Vec::new();
    for folder in KEYS {
        problems.extend(ring.load(&paths.real(folder)));
    }
    (ring, problems)
}

/// Why the dates of the image's certificates can't be judged at the time `now`, if they matter: a
/// clock that was never set would take an expired certificate for a good one.
pub fn clock_fault(report: &Report, now: i64) -> Option<String> {
    let dated = matches!(report.signature.verdict(), Verdict::Good | Verdict::Expired)
        && !report.chain.is_empty();
    let fault = dated && !clock_is_plausible(now);
    fault.then(|| server::Error::Clock(now).to_string())
}

/// The check `signature`, and the kind of error it is where it fails.
///
/// `beside` is what came of the files beside the image. They count where the image itself says
/// nothing that can be checked; forged files are never passed over.
pub fn judge(
    report: &Report,
    beside: Option<&detached::Finding>,
    policy: SignaturePolicy,
    now: i64,
) -> (ImageCheck, Kind) {
    let own = report.signature.verdict();
    let refused = |verdict| matches!(verdict, Verdict::Bad | Verdict::Revoked);
    let speaks = |finding: &&detached::Finding| match (own, finding.verdict()) {
        (Verdict::Bad | Verdict::Revoked, _) => false,
        (Verdict::Absent, _) | (Verdict::UnknownKey, Verdict::Good) => true,
        (_, verdict) => refused(verdict),
    };
    let beside = beside.filter(speaks);
    let (verdict, sentence) = match beside {
        Some(finding) => (finding.verdict(), finding.to_string()),
        None => (own, report.signature.to_string()),
    };
    let clock = clock_fault(report, now).filter(|_| beside.is_none());
    let kind = match clock {
        Some(_) => Kind::Clock,
        None => Kind::Signature,
    };
    let result = match (verdict, policy) {
        (Verdict::Bad | Verdict::Revoked, _) => CheckResult::Fail,
        (Verdict::Good, _) if kind != Kind::Clock => CheckResult::Pass,
        (_, SignaturePolicy::Off) => CheckResult::Skipped,
        (_, SignaturePolicy::Warn) => CheckResult::Warning,
        (_, SignaturePolicy::Require) => CheckResult::Fail,
    };
    let sentence = clock.unwrap_or(sentence);
    let detail = match result {
        CheckResult::Fail if !refused(verdict) => {
            format!("{sentence} Option signature requires a good signature.")
        }
        _ => sentence,
    };
    let check = ImageCheck {
        name: "signature".to_owned(),
        result,
        detail,
    };
    (check, kind)
}
