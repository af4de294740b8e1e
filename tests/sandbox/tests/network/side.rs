//! A network of one's own for a thread and all that it starts: loopback, and one device whose other
//! end is a file of this process. All unsafe code of the sandbox's tests stands here.
#![allow(unsafe_code)]

use nix::libc;
use nix::sched::{unshare, CloneFlags};
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;

const TUN: &str = "/dev/net/tun";
const DEVICE: &str = "wan";
const MASK: Ipv4Addr = Ipv4Addr::new(255, 255, 255, 0);

/// One side of the bad network.
pub struct Side {
    /// Gives each packet that is sent there, and takes those that are to arrive; never waits.
    pub device: File,
    /// Any socket of that network: its devices are set by way of it.
    control: UdpSocket,
}

impl Side {
    /// Takes the calling thread into a new network, in which it has this address.
    pub fn enter(address: Ipv4Addr) -> Result<Side, String> {
        unshare(CloneFlags::CLONE_NEWNET)
            .map_err(|errno| format!("a network namespace can't be made: {errno}"))?;
        let device = File::options()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(TUN)
            .map_err(|error| format!("{TUN} can't be opened: {error}"))?;
        let mut request = named(DEVICE);
        // Both fit: they are the lowest bits.
        request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short;
        set(&device, libc::TUNSETIFF, &mut request, "no TUN device")?;
        let control = UdpSocket::bind("0.0.0.0:0").map_err(|error| error.to_string())?;
        let side = Side { device, control };
        side.up("lo")?;
        side.readdress(address)?;
        side.up(DEVICE)?;
        Ok(side)
    }

    /// Gives the device another address, as a provider does to a line.
    pub fn readdress(&self, address: Ipv4Addr) -> Result<(), String> {
        for (request, value) in [(libc::SIOCSIFADDR, address), (libc::SIOCSIFNETMASK, MASK)] {
            let mut of = named(DEVICE);
            of.ifr_ifru.ifru_addr = socket_address(value);
            set(&self.control, request, &mut of, "no address")?;
        }
        Ok(())
    }

    fn up(&self, device: &str) -> Result<(), String> {
        let mut request = named(device);
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        set(&self.control, libc::SIOCSIFFLAGS, &mut request, "not up")
    }
}

fn named(device: &str) -> libc::ifreq {
    // SAFETY: a C structure of integers and addresses, for which zeroes are a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // One byte less: the name ends with a zero.
    let room = request.ifr_name.len() - 1;
    for (to, from) in request.ifr_name.iter_mut().take(room).zip(device.bytes()) {
        *to = from as libc::c_char;
    }
    request
}

/// As the kernel reads it: `sockaddr_in`, of which port and padding are zero.
fn socket_address(address: Ipv4Addr) -> libc::sockaddr {
    let mut data = [0; 14];
    for (to, from) in data.iter_mut().skip(2).zip(address.octets()) {
        *to = from as libc::c_char;
    }
    libc::sockaddr {
        sa_family: libc::AF_INET as libc::sa_family_t,
        sa_data: data,
    }
}

fn set(
    of: &impl AsRawFd,
    request: libc::Ioctl,
    value: &mut libc::ifreq,
    what: &str,
) -> Result<(), String> {
    // SAFETY: the descriptor is open; all requests here read, and at most write, one ifreq.
    match unsafe { libc::ioctl(of.as_raw_fd(), request, value) } {
        -1 => Err(format!("{what}: {}", io::Error::last_os_error())),
        _ => Ok(()),
    }
}
