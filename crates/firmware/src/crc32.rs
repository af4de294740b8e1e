//! CRC-32 as fwtool reckons it: reflected polynomial, all ones to begin with, and no inversion at the end.

const POLYNOMIAL: u32 = 0xedb8_8320;
const TABLE: [u32; 256] = table();

/// The checksum of the bytes seen so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Crc32(u32);

impl Crc32 {
    /// The checksum of nothing.
    pub(crate) const fn new() -> Self {
        Crc32(!0)
    }

    /// Takes in `bytes`.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let index = (self.0 as u8 ^ byte) as usize;
            self.0 = TABLE[index] ^ (self.0 >> 8);
        }
    }

    /// The checksum as it stands in a trailer.
    pub(crate) fn value(self) -> u32 {
        self.0
    }
}

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 8 {
            let mask = if value & 1 == 1 { POLYNOMIAL } else { 0 };
            value = (value >> 1) ^ mask;
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::Crc32;

    #[test]
    fn is_the_usual_crc_without_the_last_inversion() {
        let mut crc = Crc32::new();
        crc.update(b"1234");
        crc.update(b"56789");
        assert_eq!(crc.value(), !0xcbf4_3926);
    }
}
