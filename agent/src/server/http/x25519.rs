//! The key exchange X25519 (RFC 7748) on the curve that image signatures are verified with: ring's would
//! be a second implementation of the same arithmetic, 20 KB of it.

use super::tls::Router;
use curve25519_dalek::constants::X25519_BASEPOINT;
use curve25519_dalek::montgomery::MontgomeryPoint;
use rustls::crypto::{ActiveKeyExchange, SecureRandom, SharedSecret, SupportedKxGroup};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::{Error, NamedGroup, PeerMisbehaved};
use zeroize::Zeroizing;

/// What TLS calls the group; a key of one connection is made by `start`.
#[derive(Debug)]
pub(super) struct X25519;

impl SupportedKxGroup for X25519 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let mut secret = Zeroizing::new([0; 32]);
        Router.fill(secret.as_mut_slice())?;
        Ok(Box::new(Exchange::new(secret)))
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

/// Our half of an exchange.
struct Exchange {
    secret: Zeroizing<[u8; 32]>,
    public: MontgomeryPoint,
}

impl Exchange {
    fn new(secret: Zeroizing<[u8; 32]>) -> Self {
        // Not `mul_base`, which would take the curve's other form and its code.
        let public = X25519_BASEPOINT.mul_clamped(*secret);
        Self { secret, public }
    }
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let peer = <[u8; 32]>::try_from(peer).map_err(|_| PeerMisbehaved::InvalidKeyShare)?;
        let shared = Zeroizing::new(MontgomeryPoint(peer).mul_clamped(*self.secret).to_bytes());
        // A point of small order makes the secret known to everybody. All bytes are looked at, so that
        // the time tells nothing (RFC 7748, section 6.1).
        if shared.iter().fold(0, |seen, byte| seen | byte) == 0 {
            return Err(PeerMisbehaved::InvalidKeyShare.into());
        }
        Ok(SharedSecret::from(shared.as_slice()))
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn pub_key(&self) -> &[u8] {
        self.public.as_bytes()
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> [u8; 32] {
        let digits = |at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap();
        std::array::from_fn(digits)
    }

    fn agree(secret: [u8; 32], peer: &[u8]) -> Result<[u8; 32], Error> {
        let exchange = Box::new(Exchange::new(Zeroizing::new(secret)));
        Ok(exchange.complete(peer)?.secret_bytes().try_into().unwrap())
    }

    /// RFC 7748, section 5.2: two products, then each product as the next secret.
    #[test]
    fn products() {
        for (secret, peer, product) in [
            (
                "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
                "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
                "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
            ),
            (
                "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
                "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
                "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
            ),
        ] {
            assert_eq!(agree(bytes(secret), &bytes(peer)).unwrap(), bytes(product));
        }
        let mut nine = [0; 32];
        nine[0] = 9;
        let (mut secret, mut peer) = (nine, nine);
        for round in 1..=1000 {
            (secret, peer) = (agree(secret, &peer).unwrap(), secret);
            if round == 1 {
                let product = "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079";
                assert_eq!(secret, bytes(product));
            }
        }
        let product = "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51";
        assert_eq!(secret, bytes(product));
    }

    /// RFC 7748, section 6.1.
    #[test]
    fn both_sides_agree() {
        let secrets = [
            bytes("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"),
            bytes("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"),
        ];
        let publics = [
            bytes("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"),
            bytes("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"),
        ];
        let shared = bytes("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
        for side in 0..2 {
            let exchange = Exchange::new(Zeroizing::new(secrets[side]));
            assert_eq!(exchange.pub_key(), publics[side]);
            assert_eq!(agree(secrets[side], &publics[1 - side]).unwrap(), shared);
        }
    }

    /// With ring's, which the agent used before, as the other side.
    #[test]
    fn every_exchange_has_a_secret_of_its_own() {
        let [ours, again] = [(); 2].map(|()| X25519.start().unwrap());
        assert_ne!(ours.pub_key(), again.pub_key());
        for ours in [ours, again] {
            let theirs = rustls::crypto::ring::kx_group::X25519;
            let theirs = theirs.start_and_complete(ours.pub_key()).unwrap();
            let shared = ours.complete(&theirs.pub_key).unwrap();
            assert_eq!(shared.secret_bytes(), theirs.secret.secret_bytes());
        }
    }

    /// All points of small order (<https://cr.yp.to/ecdh.html#validate>), and what is no point.
    #[test]
    fn a_secret_that_everybody_knows_is_none() {
        for peer in [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000000",
            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
            "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        ] {
            let error = agree([7; 32], &bytes(peer)).unwrap_err();
            assert_eq!(error, PeerMisbehaved::InvalidKeyShare.into(), "{peer}");
        }
        for length in [0, 31, 33, 65] {
            let error = agree([7; 32], &vec![9; length]).unwrap_err();
            assert_eq!(error, PeerMisbehaved::InvalidKeyShare.into(), "{length}");
        }
    }
}
