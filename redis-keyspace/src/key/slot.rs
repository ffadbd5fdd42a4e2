//! Which slot of a cluster a key is in.

/// How many slots a cluster has.
const SLOTS: u16 = 16_384;

/// CRC-16/XMODEM of each byte, by which a checksum is put together.
const TABLE: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0_u16;
    while byte < 256 {
        let (mut crc, mut bit) = (byte << 8, 0);
        while bit < 8 {
            crc = if crc & 0x8000 != 0 { (crc << 1) ^ 0x1021 } else { crc << 1 };
            bit += 1;
        }
        #[expect(clippy::indexing_slicing, reason = "at compile time, and below 256")]
        {
            table[byte as usize] = crc;
        }
        byte += 1;
    }
    table
};

/// Of the text between the first `{` and the next `}` if there is any, else of the whole key.
pub(crate) fn slot(key: &str) -> u16 {
    let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(tag, _)| tag);
    let hashed = tag.filter(|tag| !tag.is_empty()).unwrap_or(key);
    let step = |crc: u16, byte: u8| {
        let [high, low] = crc.to_be_bytes();
        let next = TABLE.get(usize::from(high ^ byte)).copied().unwrap_or_default();
        u16::from_be_bytes([low, 0]) ^ next
    };
    hashed.bytes().fold(0, step) % SLOTS
}

#[cfg(test)]
mod tests {
    use super::slot;

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(slot("123456789"), 0x31c3);
        assert_eq!(slot("foo"), 12_182);
        assert_eq!(slot("{user1000}.following"), slot("{user1000}.followers"));
        assert_eq!(slot("foo{bar}{zap}"), slot("bar"));
        assert_eq!(slot("foo{{bar}}zap"), slot("{bar"));
        assert_ne!(slot("foo{}{bar}"), slot("bar"), "an empty tag is none");
        assert_eq!(slot(""), 0);
    }
}
