/// CRC-32 (IEEE, as gzip and zlib) over bytes that arrive in parts.
#[derive(Clone, Debug, Default)]
pub struct Crc32 {
    hasher: crc32fast::Hasher,
}

impl Crc32 {
    /// A checksum over nothing yet.
    pub fn new() -> Crc32 {
        Crc32::default()
    }

    /// A checksum that goes on where one of value `crc` ended: also a way to salt.
    pub fn resumed(crc: u32) -> Crc32 {
        Crc32 { hasher: crc32fast::Hasher::new_with_initial(crc) }
    }

    /// Takes `bytes` in.
    #[inline]
    pub fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
    }

    /// The checksum over all that was taken in; taking in more goes on from there.
    #[inline]
    pub fn value(&self) -> u32 {
        self.hasher.clone().finalize()
    }
}

/// The CRC-32 of `bytes`.
#[inline]
pub fn crc32(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// CRC-32C (Castagnoli, as raft-wal's commits and etcd's records) of `bytes` that follow bytes of
/// checksum `crc`; 0 where none do.
#[inline]
pub fn crc32c_resumed(crc: u32, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc, bytes)
}

/// CRC-64/XZ (ECMA-182 reflected, as hashicorp/raft's snapshots) over bytes that arrive in parts.
#[derive(Clone, Default)]
pub struct Crc64 {
    digest: crc64fast::Digest,
}

impl Crc64 {
    /// A checksum over nothing yet.
    pub fn new() -> Crc64 {
        Crc64::default()
    }

    /// Takes `bytes` in.
    pub fn update(&mut self, bytes: &[u8]) {
        self.digest.write(bytes);
    }

    /// The checksum over all that was taken in.
    pub fn value(&self) -> u64 {
        self.digest.sum64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_of_snapshots_is_that_of_xz() {
        assert_eq!(Crc64::new().value(), 0);
        let mut crc = Crc64::new();
        crc.update(b"1234");
        crc.update(b"56789");
        assert_eq!(crc.value(), 0x995d_c9bb_df19_39fa);
    }

    #[test]
    fn the_checksum_of_commits_is_castagnolis_and_goes_on_where_another_ended() {
        assert_eq!(crc32c_resumed(0, b"123456789"), 0xe306_9283);
        assert_eq!(crc32c_resumed(crc32c_resumed(0, b"1234"), b"56789"), 0xe306_9283);
        assert_eq!(crc32c_resumed(7, b""), 7);
    }

    #[test]
    fn parts_give_the_checksum_of_the_whole() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        let mut crc = Crc32::new();
        crc.update(b"1234");
        let halfway = crc.value();
        crc.update(b"56789");
        assert_eq!(crc.value(), 0xcbf4_3926);
        let mut resumed = Crc32::resumed(halfway);
        resumed.update(b"56789");
        assert_eq!(resumed.value(), 0xcbf4_3926);
    }
}
