//! Replays the inputs that the fuzz targets start from, and those they once failed on.

use std::fs;
use std::path::Path;

/// Gives each input of the target `workspace/corpus/target` to `check`, of which there are at least `least`.
pub fn replay(workspace: &str, target: &str, least: usize, check: impl Fn(&[u8])) {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|folder| folder.join("tests/fuzz"))
        .find(|folder| folder.is_dir())
        .unwrap();
    let corpus = fuzz.join(workspace).join("corpus").join(target);
    let inputs: Vec<_> = fs::read_dir(corpus).unwrap().collect();
    let found = inputs.len();
    assert!(found >= least, "{found} inputs for {workspace} {target}");
    for input in inputs {
        check(&fs::read(input.unwrap().path()).unwrap());
    }
}
