//! SHA-256 sums.

use std::{fmt, str::FromStr};

use data::{Encode, Out};

/// A SHA-256 sum, written as 64 lower case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sha256(pub [u8; 32]);

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Encode for Sha256 {
    fn encode(&self, name: &str, out: &mut Out<'_>) {
        out.string(name, self.to_string().as_bytes());
    }
}

/// The text is not exactly as many hexadecimal digits as it has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotHex;

impl fmt::Display for NotHex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("these are not the hexadecimal digits expected")
    }
}

impl std::error::Error for NotHex {}

impl FromStr for Sha256 {
    type Err = NotHex;

    fn from_str(text: &str) -> Result<Self, NotHex> {
        read_hex(text).map(Sha256)
    }
}

/// Writes `bytes` as lower case hexadecimal digits.
pub(crate) fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// Reads exactly N bytes from hexadecimal digits of either case.
pub(crate) fn read_hex<const N: usize>(text: &str) -> Result<[u8; N], NotHex> {
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return Err(NotHex);
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = pair
            .iter()
            .try_fold(0, |high, low| Ok(high << 4 | digit(*low)?))?;
    }
    Ok(bytes)
}

fn digit(character: u8) -> Result<u8, NotHex> {
    let digit = char::from(character).to_digit(16).ok_or(NotHex)?;
    u8::try_from(digit).map_err(|_| NotHex)
}

#[cfg(test)]
mod tests {
    use super::Sha256;

    #[test]
    fn reads_what_it_writes_and_nothing_else() {
        let text = "3d3bf611c70fb927304f7504973f1fc67a927d14803b667bae779b93cdebea7b";
        let sum: Sha256 = text.parse().unwrap();
        assert_eq!(sum.to_string(), text);
        assert_eq!(text.to_uppercase().parse(), Ok(sum));
        assert!(text[1..].parse::<Sha256>().is_err());
        assert!(format!("{text}0").parse::<Sha256>().is_err());
        assert!(text.replace('3', "g").parse::<Sha256>().is_err());
        assert!(text.replace("3d", "é").parse::<Sha256>().is_err());
        assert!("+1".repeat(32).parse::<Sha256>().is_err());
    }
}
