//! Sessions, as rpcd has them: a random name for somebody who gave a password.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::access::Right;

/// Somebody who may log in.
#[derive(Clone, Debug)]
pub struct User {
    /// Name.
    pub name: String,
    /// Password, in the clear: these are users of a test.
    pub password: String,
    /// Which half of every access group is theirs.
    pub rights: Vec<Right>,
}

/// All sessions.
#[derive(Debug, Default)]
pub struct Sessions {
    users: Vec<User>,
    open: Mutex<BTreeMap<String, User>>,
}

impl Sessions {
    /// Nobody is logged in yet.
    pub fn new(users: Vec<User>) -> Self {
        Sessions {
            users,
            open: Mutex::default(),
        }
    }

    /// A new session, or `None` for a wrong name or password.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub fn login(&self, name: &str, password: &str) -> io::Result<Option<String>> {
        let known = |user: &&User| user.name == name && user.password == password;
        let Some(user) = self.users.iter().find(known) else {
            return Ok(None);
        };
        let mut bytes = [0; 16];
        File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        let id: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        self.lock().insert(id.clone(), user.clone());
        Ok(Some(id))
    }

    /// Whose session it is.
    pub fn user(&self, id: &str) -> Option<User> {
        self.lock().get(id).cloned()
    }

    /// Ends all of them, as a reboot does.
    pub fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, User>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
