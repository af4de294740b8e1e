//! A ubusd that plays its side of a recorded connection and compares what comes with what came then.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::recording::{self, Frame};

pub struct Replay {
    pub socket: PathBuf,
    thread: JoinHandle<Result<(), String>>,
    _folder: tempfile::TempDir,
}

impl Replay {
    /// Plays one connection of a recording; `change` may adjust frames where we knowingly differ from the recorded program.
    pub fn start(name: &str, connection: u64, change: fn(&mut Frame)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("ubus.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let mut frames = recording::named(name).frames;
        frames.retain(|frame| frame.connection == connection);
        frames.iter_mut().for_each(change);
        let thread = thread::spawn(move || play(listener.accept().unwrap().0, &frames));
        Replay {
            socket,
            thread,
            _folder: folder,
        }
    }

    /// Call it when the client is gone: says whether everything was as recorded.
    pub fn finish(self) {
        if let Err(difference) = self.thread.join().unwrap() {
            panic!("{difference}");
        }
    }
}

fn play(mut client: UnixStream, frames: &[Frame]) -> Result<(), String> {
    // Only a client that says too little gets to feel this.
    client
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    for (index, frame) in frames.iter().enumerate() {
        let failed = |what: String| format!("frame {index} (type {}): {what}", frame.kind);
        if !frame.from_client {
            let sent = client.write_all(&frame.bytes);
            sent.map_err(|error| failed(error.to_string()))?;
            continue;
        }
        let mut bytes = vec![0; frame.bytes.len()];
        let received = client.read_exact(&mut bytes);
        received.map_err(|error| failed(format!("{error}, got {bytes:02x?}")))?;
        if bytes != frame.bytes {
            return Err(failed(format!(
                "{bytes:02x?}\nrecorded {:02x?}",
                frame.bytes
            )));
        }
    }
    let mut more = Vec::new();
    client
        .read_to_end(&mut more)
        .map_err(|error| error.to_string())?;
    match more.is_empty() {
        true => Ok(()),
        false => Err(format!("more than was recorded: {more:02x?}")),
    }
}
