//! A client of ubusd: calls, events, notifications and published objects, over its unix socket.

mod bus;
mod error;
mod incoming;
mod object;
mod publish;
mod receive;
mod service;
mod socket;
mod subscribe;

pub use bus::{Bus, Method, Object};
pub use error::Error;
pub use incoming::{Event, Incoming, Notification, Payload, Request, ToMessage};
pub use object::{Argument, ObjectSpec};
pub use publish::Published;
pub use service::Service;
pub use subscribe::{Listener, Subscription};
