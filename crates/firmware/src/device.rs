//! The device an image is judged for.

/// What every device has whose configuration never changed incompatibly.
pub(crate) const FIRST_COMPAT_VERSION: &str = "1.0";

/// The device an image is judged for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    pub(crate) board: String,
    pub(crate) compat_version: String,
}

impl Device {
    /// A device by its board name (`/tmp/sysinfo/board_name`) and `system.@system[0].compat_version`, where none or an
    /// empty one means `1.0`. White space around both is ignored.
    pub fn new(board: &str, compat_version: Option<&str>) -> Self {
        let compat = compat_version
            .map(str::trim)
            .filter(|compat| !compat.is_empty());
        Device {
            board: board.trim().to_owned(),
            compat_version: compat.unwrap_or(FIRST_COMPAT_VERSION).to_owned(),
        }
    }
}
