use std::fmt;

use sha2::Digest as _;

/// A SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sha(pub [u8; 32]);

impl fmt::Display for Sha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Sha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha({self})")
    }
}

/// What is remembered of a file's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    /// Number of bytes.
    pub bytes: u64,
    /// CRC-32 (IEEE), as gzip and zip have it.
    pub crc32: u32,
    /// SHA-256; `None` where it was not asked for.
    pub sha256: Option<Sha>,
}

/// Computes a [`Digest`] while bytes pass by.
#[derive(Debug)]
pub struct Digester {
    bytes: u64,
    crc32: flate2::Crc,
    sha256: Option<sha2::Sha256>,
}

impl Digester {
    /// CRC-32 and SHA-256.
    pub fn full() -> Digester {
        Digester { bytes: 0, crc32: flate2::Crc::new(), sha256: Some(sha2::Sha256::new()) }
    }

    /// CRC-32 alone.
    pub fn quick() -> Digester {
        Digester { sha256: None, ..Digester::full() }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.crc32.update(bytes);
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
    }

    /// The digest of everything taken.
    pub fn finish(self) -> Digest {
        Digest {
            bytes: self.bytes,
            crc32: self.crc32.sum(),
            sha256: self.sha256.map(|sha256| Sha(sha256.finalize().into())),
        }
    }
}

impl Sha {
    /// The SHA-256 of `parts`, one after the other.
    pub fn of(parts: &[&[u8]]) -> Sha {
        let mut sha256 = sha2::Sha256::new();
        for part in parts {
            sha256.update(part);
        }
        Sha(sha256.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_that_crc32_and_sha256sum_print() {
        let mut full = Digester::full();
        full.update(b"1234");
        full.update(b"56789");
        let digest = full.finish();
        assert_eq!((digest.bytes, digest.crc32), (9, 0xcbf4_3926));
        assert_eq!(
            digest.sha256.unwrap().to_string(),
            "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"
        );
        assert_eq!(digest.sha256, Some(Sha::of(&[b"1234", b"56789"])));
        let mut quick = Digester::quick();
        quick.update(b"123456789");
        assert_eq!(quick.finish(), Digest { sha256: None, ..digest });
    }
}
