//! TCP in IPv4, as far as the box in the middle looks into it.

/// Header lengths without options.
const IP: usize = 20;
const TCP: usize = 20;

const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// What a packet says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    from: [u8; 4],
    to: [u8; 4],
    /// Source and destination.
    pub ports: (u16, u16),
    seq: u32,
    /// What its sender expects next.
    pub ack: u32,
    flags: u8,
    payload: usize,
}

impl Segment {
    /// None: it is none of TCP's.
    pub fn of(packet: &[u8]) -> Option<Segment> {
        let header = usize::from(packet.first()? & 0x0f) * 4;
        let tcp = packet.get(header..)?;
        if packet.first()? >> 4 != 4 || *packet.get(9)? != 6 {
            return None;
        }
        let options = usize::from(*tcp.get(12)? >> 4) * 4;
        Some(Segment {
            from: packet.get(12..16)?.try_into().ok()?,
            to: packet.get(16..20)?.try_into().ok()?,
            ports: (u16_at(tcp, 0)?, u16_at(tcp, 2)?),
            seq: u32_at(tcp, 4)?,
            ack: u32_at(tcp, 8)?,
            flags: *tcp.get(13)?,
            payload: tcp.len().checked_sub(options)?,
        })
    }

    /// It begins a connection.
    pub fn opens(&self) -> bool {
        self.flags & (SYN | ACK) == SYN
    }

    /// It takes one up.
    pub fn accepts(&self) -> bool {
        self.flags & (SYN | ACK) == SYN | ACK
    }

    /// The sequence number of the first byte.
    pub fn first(&self) -> u32 {
        self.seq.wrapping_add(u32::from(self.flags & SYN != 0))
    }

    /// What somebody answers who knows nothing of the connection (RFC 9293, 3.5.2); none to a reset.
    pub fn rejected(&self) -> Option<Vec<u8>> {
        if self.flags & RST != 0 {
            return None;
        }
        let (seq, ack, flags) = match self.flags & ACK != 0 {
            true => (self.ack, 0, RST),
            false => (0, self.first().wrapping_add(self.payload as u32), RST | ACK),
        };
        let mut packet = vec![0x45, 0, 0, (IP + TCP) as u8, 0, 0, 0x40, 0, 64, 6, 0, 0];
        packet.extend(self.to.iter().chain(&self.from));
        let sum = checksum(&packet);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        let mut tcp = Vec::new();
        tcp.extend(self.ports.1.to_be_bytes());
        tcp.extend(self.ports.0.to_be_bytes());
        tcp.extend(seq.to_be_bytes());
        tcp.extend(ack.to_be_bytes());
        tcp.extend([(TCP as u8 / 4) << 4, flags, 0, 0, 0, 0, 0, 0]);
        // Its checksum covers the addresses, the protocol and the length too.
        let pseudo = [&self.to[..], &self.from, &[0, 6, 0, TCP as u8], &tcp].concat();
        tcp[16..18].copy_from_slice(&checksum(&pseudo).to_be_bytes());
        packet.extend(tcp);
        Some(packet)
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// RFC 1071, of an even number of bytes.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks_exact(2).filter_map(|word| u16_at(word, 0));
    let mut sum: u32 = words.map(u32::from).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
