//! Replays the inputs that the fuzz targets (tests/fuzz/agent) start from, and those they once failed on.

#[path = "../../tests/fuzz/replay.rs"]
mod replay;

use crate::checks;
use replay::replay;

#[test]
fn server_json() {
    replay("agent", "server_json", 21, checks::server_json);
}

#[test]
fn index() {
    replay("agent", "index", 9, checks::index);
}

#[test]
fn uci() {
    replay("agent", "uci", 5, checks::uci);
}
