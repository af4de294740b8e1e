//! Jobs in files, so that a restart forgets none: `HASH.json` each, replaced as a whole.

use super::job::Job;
use crate::request::is_hash;
use crate::Error;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

/// Longest file that is read: what a build printed is kept up to 2 × 64 KiB, and written as JSON it may grow sixfold.
const LONGEST: u64 = 4 << 20;

/// The folder of the jobs' files.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
}

impl Journal {
    /// Opens the folder, which is made where it isn't there.
    ///
    /// # Errors
    /// [`Error::Io`]
    pub fn open(folder: &Path) -> Result<Self, Error> {
        fs::create_dir_all(folder).map_err(Error::io(folder))?;
        Ok(Self {
            folder: folder.to_path_buf(),
        })
    }

    fn path(&self, hash: &str) -> PathBuf {
        self.folder.join(format!("{hash}.json"))
    }

    /// All jobs there are. What is no job, or not the one its name says, is removed: nobody would find it again.
    ///
    /// # Errors
    /// [`Error::Io`] where the folder can't be read.
    pub fn jobs(&self) -> Result<Vec<Job>, Error> {
        let mut jobs = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(Error::io(&self.folder))? {
            let path = entry.map_err(Error::io(&self.folder))?.path();
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            match self.read(&name) {
                Some(job) => jobs.push(job),
                None => {
                    eprintln!("{} is no job and is removed.", path.display());
                    fs::remove_file(&path).map_err(Error::io(&path))?;
                }
            }
        }
        Ok(jobs)
    }

    /// The job of this name; `None` where there is none, or the file holds another or nothing sensible.
    pub fn read(&self, hash: &str) -> Option<Job> {
        if !is_hash(hash) {
            return None;
        }
        let file = File::open(self.path(hash)).ok()?;
        let mut bytes = Vec::new();
        file.take(LONGEST).read_to_end(&mut bytes).ok()?;
        let job: Job = serde_json::from_slice(&bytes).ok()?;
        (job.hash == hash).then_some(job)
    }

    /// Writes a job; who reads meanwhile sees the former or the new one, also after a power cut.
    ///
    /// # Errors
    /// [`Error::Io`], for instance where the disk is full.
    pub fn write(&self, job: &Job) -> Result<(), Error> {
        let path = self.path(&job.hash);
        let draft = self.folder.join(format!(".{}", job.hash));
        let write = || {
            let mut file = File::create(&draft)?;
            file.write_all(&serde_json::to_vec(job)?)?;
            file.sync_data()?;
            fs::rename(&draft, &path)
        };
        write().map_err(|error| {
            // It is of no use, and may be what fills the disk.
            let _ = fs::remove_file(&draft);
            Error::Io(path.clone(), error)
        })
    }

    /// Forgets a job.
    pub fn remove(&self, hash: &str) {
        // A job that was never written has no file.
        let _ = fs::remove_file(self.path(hash));
    }
}

#[cfg(test)]
mod tests {
    use super::Journal;
    use crate::queue::job::Job;
    use crate::request::BuildRequest;

    #[test]
    fn what_is_no_job_is_no_answer() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let journal = Journal::open(dir.path()).expect("journal");
        let hash = |digit: &str| digit.repeat(64);
        let job = Job::new(BuildRequest::default(), hash("a"), "x".to_owned());
        journal.write(&job).expect("written");
        // Another job's file under this name, half a file, no JSON, JSON of something else.
        let bytes = std::fs::read(dir.path().join(format!("{}.json", job.hash))).expect("file");
        let poison: [(&str, &[u8]); 4] = [
            ("b", &bytes),
            ("c", bytes.get(..bytes.len() / 2).expect("half")),
            ("d", b"\0\0\0"),
            ("e", b"{\"hash\": 1}"),
        ];
        for (name, content) in poison {
            let path = dir.path().join(format!("{}.json", hash(name)));
            std::fs::write(path, content).expect("file");
            assert!(journal.read(&hash(name)).is_none(), "{name}");
        }
        assert!(journal.read("../a").is_none());
        let names: Vec<String> = journal
            .jobs()
            .expect("jobs")
            .into_iter()
            .map(|job| job.hash)
            .collect();
        assert_eq!(names, [hash("a")]);
        assert_eq!(std::fs::read_dir(dir.path()).expect("folder").count(), 1);
        journal.remove(&hash("a"));
        assert!(journal.jobs().expect("jobs").is_empty());
    }
}
