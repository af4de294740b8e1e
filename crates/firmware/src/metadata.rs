//! Which devices an image is for.
//!
//! A metadata trailer's data is a header of eight bytes, {version u32 = 0, flags u32}, then JSON as OpenWrt's build system
//! writes it. Which image suits which device follows `/lib/upgrade/fwtool.sh`.

use std::fmt;

use data::{Data, Encode, Value};

use crate::device::{Device, FIRST_COMPAT_VERSION};
use crate::plain::plain;
use crate::trailer::Fault;

/// What stands before the JSON.
pub const HEADER: [u8; 8] = [0; 8];
/// The most devices an image may name; real ones name up to some twenty.
pub const MAX_DEVICES: usize = 256;
/// The deepest nesting; real metadata has 2, and OpenWrt's own parser stops at 32.
pub const MAX_DEPTH: usize = 16;
/// How much of a text from the image a sentence shows.
const MAX_SHOWN: usize = 300;
const MAX_NAME: usize = 60;

/// What the metadata says. Its texts come from the image as they are: show them escaped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode)]
pub struct Metadata {
    /// Version of the format: `1.0`, or `1.1` where compat_version is known.
    #[field(sparse)]
    pub metadata_version: Option<String>,
    /// `major.minor`; none means `1.0`.
    #[field(sparse)]
    pub compat_version: Option<String>,
    /// Why the compat_version is what it is, for people.
    #[field(sparse)]
    pub compat_message: Option<String>,
    /// Board names; with a compat_version other than `1.0` a message for old systems instead.
    #[field(sparse)]
    pub supported_devices: Option<Vec<String>>,
    /// Board names, where compat_version is not `1.0`.
    #[field(sparse)]
    pub new_supported_devices: Option<Vec<String>>,
    /// What was built.
    #[field(sparse)]
    pub version: Option<Version>,
}

/// What was built.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode)]
pub struct Version {
    /// `OpenWrt`.
    #[field(sparse)]
    pub dist: Option<String>,
    /// `24.10.2`, or `SNAPSHOT`.
    #[field(sparse)]
    pub version: Option<String>,
    /// `r28739-d9340319c6`.
    #[field(sparse)]
    pub revision: Option<String>,
    /// `ath79/generic`.
    #[field(sparse)]
    pub target: Option<String>,
    /// The profile, `tplink_archer-c7-v2`.
    #[field(sparse)]
    pub board: Option<String>,
}

impl Version {
    fn read(value: Value<'_>) -> Result<Self, Finding> {
        let fields = Fields::of(value, "version")?;
        Ok(Version {
            dist: fields.text("dist")?,
            version: fields.text("version")?,
            revision: fields.text("revision")?,
            target: fields.text("target")?,
            board: fields.text("board")?,
        })
    }
}

impl Metadata {
    /// Reads the data of a metadata trailer.
    ///
    /// # Errors
    /// [`Finding::Format`] or [`Finding::Json`].
    pub fn parse(data: &[u8]) -> Result<Self, Finding> {
        let json = data.strip_prefix(&HEADER).ok_or(Finding::Format)?;
        let json = std::str::from_utf8(json).map_err(|error| Finding::Json(error.to_string()))?;
        if depth(json) > MAX_DEPTH {
            return Err(Finding::Json("nested too deeply".to_owned()));
        }
        let json = Data::parse(json.as_bytes());
        let json = json.map_err(|error| Finding::Json(error.to_string()))?;
        let fields = Fields::of(json.value(), "it")?;
        let version = fields.get("version")?.map(Version::read).transpose()?;
        Ok(Metadata {
            metadata_version: fields.text("metadata_version")?,
            compat_version: fields.text("compat_version")?,
            compat_message: fields.text("compat_message")?,
            supported_devices: fields.devices("supported_devices")?,
            new_supported_devices: fields.devices("new_supported_devices")?,
            version,
        })
    }

    /// The image's compat_version, `1.0` where none is stated.
    pub fn compat(&self) -> &str {
        let stated = self.compat_version.as_deref();
        stated
            .filter(|compat| !compat.is_empty())
            .unwrap_or(FIRST_COMPAT_VERSION)
    }

    /// The board names the image is for; nothing if the list that counts is missing.
    pub fn boards(&self) -> Option<&[String]> {
        let list = match self.compat() {
            FIRST_COMPAT_VERSION => &self.supported_devices,
            _ => &self.new_supported_devices,
        };
        list.as_deref()
    }

    /// Whether the image suits `device`.
    pub fn judge(&self, device: &Device) -> Finding {
        let Some(boards) = self.boards() else {
            return Finding::NoDevices;
        };
        if !boards.contains(&device.board) {
            return Finding::OtherDevice {
                device: device.board.clone(),
                boards: boards.to_vec(),
            };
        }
        let (image, running) = (self.compat(), device.compat_version.as_str());
        if image == running {
            return Finding::Match;
        }
        let compat = Compat {
            device: running.to_owned(),
            image: image.to_owned(),
            message: self.compat_message.clone().unwrap_or_default(),
        };
        if major(image) == major(running) {
            Finding::MatchWithoutSettings(compat)
        } else {
            Finding::Incompatible(compat)
        }
    }
}

fn major(compat: &str) -> &str {
    compat.rsplit_once('.').map_or(compat, |(major, _)| major)
}

/// How deep the brackets of a JSON text are nested at most; of a text that is no JSON, some number.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut quoted, mut escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => depth += 1,
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// An object of the metadata. Fields that nobody knows are ignored; a known one is of its type or
/// null, and stands there once: of two, which would count?
struct Fields<'a>(data::Fields<'a>);

impl<'a> Fields<'a> {
    fn of(value: Value<'a>, name: &str) -> Result<Self, Finding> {
        match value {
            Value::Table(fields) => Ok(Fields(fields)),
            _ => Err(Finding::Json(format!("{name} is not an object"))),
        }
    }

    fn get(&self, name: &str) -> Result<Option<Value<'a>>, Finding> {
        let mut all = self
            .0
            .flatten()
            .filter(|field| field.name == name.as_bytes());
        let found = all.next().map(|field| field.value);
        match all.next() {
            Some(_) => Err(Finding::Json(format!("{name} stands in it twice"))),
            None => Ok(found.filter(|value| !matches!(value, Value::Null))),
        }
    }

    fn text(&self, name: &str) -> Result<Option<String>, Finding> {
        self.get(name)?.map(|value| text(value, name)).transpose()
    }

    fn devices(&self, name: &str) -> Result<Option<Vec<String>>, Finding> {
        match self.get(name)? {
            None => Ok(None),
            Some(Value::Array(names)) if names.count() > MAX_DEVICES => {
                Err(Finding::Json("too many devices".to_owned()))
            }
            Some(Value::Array(names)) => {
                let names = names.flatten().map(|item| text(item.value, name));
                names.collect::<Result<_, _>>().map(Some)
            }
            Some(_) => Err(Finding::Json(format!("{name} is not a list"))),
        }
    }
}

fn text(value: Value<'_>, name: &str) -> Result<String, Finding> {
    data::read(value).map_err(|_| Finding::Json(format!("{name} is not a text")))
}

/// Whether an image suits a device, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode)]
pub enum Verdict {
    /// It does.
    Match,
    /// It does, but the settings can't be kept.
    MatchWithoutSettings,
    /// It is for other devices.
    OtherDevice,
    /// It is for this device, but can't be installed by sysupgrade.
    Incompatible,
    /// The image is damaged, or was changed.
    Corrupt,
    /// The image does not say.
    Absent,
}

impl Verdict {
    /// The word for it: `match`, `match-without-settings`, `other-device`, `incompatible`, `corrupt` or `absent`.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Match => "match",
            Verdict::MatchWithoutSettings => "match-without-settings",
            Verdict::OtherDevice => "other-device",
            Verdict::Incompatible => "incompatible",
            Verdict::Corrupt => "corrupt",
            Verdict::Absent => "absent",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Two compat_versions that differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compat {
    /// The device's.
    pub device: String,
    /// The image's.
    pub image: String,
    /// What the image says about it; may be empty.
    pub message: String,
}

/// What was found out about the metadata, with the details. Display gives the sentence for people, in which texts from the
/// image are cut short and free of control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// For this device.
    Match,
    /// For this device, but the minor parts of the compat_versions differ.
    MatchWithoutSettings(Compat),
    /// For this device, but the major parts of the compat_versions differ.
    Incompatible(Compat),
    /// For others.
    OtherDevice {
        /// This device's board name.
        device: String,
        /// The board names the image is for.
        boards: Vec<String>,
    },
    /// No metadata.
    Absent,
    /// The metadata's trailer, or one that hides it, is at fault.
    Trailer(Fault),
    /// The header before the JSON is not the known one.
    Format,
    /// The JSON is none, or not of the known form.
    Json(String),
    /// The list of devices is missing.
    NoDevices,
}

impl Finding {
    /// The verdict that follows.
    pub fn verdict(&self) -> Verdict {
        match self {
            Finding::Match => Verdict::Match,
            Finding::MatchWithoutSettings(_) => Verdict::MatchWithoutSettings,
            Finding::Incompatible(_) => Verdict::Incompatible,
            Finding::OtherDevice { .. } => Verdict::OtherDevice,
            Finding::Absent => Verdict::Absent,
            Finding::Trailer(_) | Finding::Format | Finding::Json(_) | Finding::NoDevices => {
                Verdict::Corrupt
            }
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Match => f.write_str("The image is for this device."),
            Finding::MatchWithoutSettings(compat) => {
                write!(f, "The image is for this device, but its settings can't be kept ({compat}). Upgrade without them.")
            }
            Finding::Incompatible(compat) => {
                write!(f, "The image is for this device, but can't be installed by an upgrade ({compat}).")
            }
            Finding::OtherDevice { device, boards } => {
                write!(f, "The image is for {}, not for {device}.", named(boards))
            }
            Finding::Absent => f.write_str("The image does not say which devices it is for."),
            Finding::Trailer(why) => {
                write!(f, "What the image says of itself can't be used: {why}.")
            }
            Finding::Format => {
                f.write_str("What the image says of itself is in an unknown format.")
            }
            Finding::Json(why) => {
                let why = plain(why, MAX_SHOWN);
                write!(f, "What the image says of itself can't be read: {why}.")
            }
            Finding::NoDevices => f.write_str("The image lacks the list of devices it is for."),
        }
    }
}

impl fmt::Display for Compat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let image = plain(&self.image, MAX_NAME);
        write!(f, "compat_version {} here, {image} there", self.device)?;
        match self.message.as_str() {
            "" => Ok(()),
            message => write!(f, ": {}", plain(message, MAX_SHOWN)),
        }
    }
}

/// The first few names.
fn named(boards: &[String]) -> String {
    const SHOWN: usize = 4;
    let shown = boards
        .iter()
        .take(SHOWN)
        .map(|board| plain(board, MAX_NAME))
        .collect::<Vec<_>>()
        .join(", ");
    match boards.len().saturating_sub(SHOWN) {
        _ if boards.is_empty() => "no device at all".to_owned(),
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
