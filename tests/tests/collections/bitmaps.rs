//! The operations of bitmaps.

use std::time::Duration;

use redis_keyspace::command::{BitOffset, I, IntoCommand, Overflow, Ttl, U};
use redis_keyspace::{Bitmap, ErrorKind, Key, Redis};
use redis_keyspace_tests::is_available;

use crate::Keys;

/// Creates a bitmap with these bits.
async fn filled(id: u64, bits: &[u32]) -> Key<Keys, Bitmap> {
    let bitmap = Keys::bitmap(id, 0);
    bitmap.del().await.unwrap();
    for &bit in bits {
        assert!(!bitmap.set_bit(bit, true).await.unwrap());
    }
    bitmap
}

/// The name of a key as the server stores it.
fn wire(bitmap: &Key<Keys, Bitmap>) -> String {
    Redis::current().unwrap().wire_key(bitmap).unwrap()
}

checks! {
    set_bit: async {
        let bitmap = filled(1, &[7]).await;
        assert!(bitmap.set_bit(7, true).await.unwrap());
        assert!(bitmap.set_bit(7, false).await.unwrap());
        assert!(!bitmap.set_bit(7, false).await.unwrap());
        assert!(bitmap.exists().await.unwrap(), "also without a bit that is 1");
    },
    get_bit: async {
        let bitmap = filled(2, &[0, 9]).await;
        assert!(bitmap.get_bit(0).await.unwrap() && bitmap.get_bit(9).await.unwrap());
        assert!(!bitmap.get_bit(8).await.unwrap() && !bitmap.get_bit(u32::MAX).await.unwrap());
    },
    bit_count: async {
        let bitmap = filled(3, &[0, 1, 8, 23]).await;
        assert_eq!(bitmap.bit_count(..).await.unwrap(), 4);
        assert_eq!(bitmap.bit_count(8..24).await.unwrap(), 2);
        assert_eq!(bitmap.bit_count(..0).await.unwrap(), 0, "an empty range");
        assert_eq!(Keys::bitmap(300, 0).bit_count(..).await.unwrap(), 0);
        // Ends that count from the end, up to before the first bit.
        for (end, count) in [(-8, 3), (-16, 2), (-24, 0), (-32, 0), (-1600, 0)] {
            assert_eq!(bitmap.bit_count(..end).await.unwrap(), count, "{end}");
            assert_eq!(Keys::bitmap(300, 0).bit_count(..end).await.unwrap(), 0, "{end}");
        }
        // Ranges that are not whole bytes.
        let counted = bitmap.bit_count(1..).await;
        if !is_available(&counted, &["BITCOUNT", &wire(&bitmap), "1", "-1", "BIT"]).await {
            return;
        }
        assert_eq!(counted.unwrap(), 3);
        assert_eq!(bitmap.bit_count(1..9).await.unwrap(), 2);
        assert_eq!(bitmap.bit_count(-1..).await.unwrap(), 1);
        assert_eq!(bitmap.bit_count(..-1).await.unwrap(), 3);
        assert_eq!(bitmap.bit_count(-1000..).await.unwrap(), 4);
        for (end, count) in [(-22, 2), (-23, 1), (-24, 0), (-25, 0), (i64::MIN + 1, 0)] {
            assert_eq!(bitmap.bit_count(..end).await.unwrap(), count, "{end}");
        }
    },
    bit_count_in_bytes: async {
        let bitmap = filled(4, &[0, 8, 9, 23]).await;
        assert_eq!(bitmap.bit_count_in_bytes(..).await.unwrap(), 4);
        assert_eq!(bitmap.bit_count_in_bytes(1..2).await.unwrap(), 2);
        assert_eq!(bitmap.bit_count_in_bytes(1..).await.unwrap(), 3);
        assert_eq!(bitmap.bit_count_in_bytes(-1..).await.unwrap(), 1);
        assert_eq!(bitmap.bit_count_in_bytes(7..7).await.unwrap(), 0);
    },
    bit_pos: async {
        let bitmap = filled(5, &(0..16).filter(|bit| *bit != 11).collect::<Vec<_>>()).await;
        let empty = Keys::bitmap(500, 0);
        assert_eq!(bitmap.bit_pos(true, ..).await.unwrap(), Some(0));
        assert_eq!(bitmap.bit_pos(true, 16..).await.unwrap(), None);
        assert_eq!(bitmap.bit_pos(true, ..0).await.unwrap(), None);
        // Zeros, also after the end of the bitmap.
        for (start, found) in [(0, 11), (8, 11), (16, 16), (800, 800)] {
            assert_eq!(bitmap.bit_pos(false, start..).await.unwrap(), Some(found), "from {start}");
        }
        assert_eq!(bitmap.bit_pos(false, ..).await.unwrap(), Some(11));
        assert_eq!(bitmap.bit_pos(false, 8..16).await.unwrap(), Some(11));
        assert_eq!(bitmap.bit_pos(false, -8..).await.unwrap(), Some(11));
        assert_eq!(bitmap.bit_pos(false, ..0).await.unwrap(), None);
        // Ends that count from the end, up to before the first bit.
        for (end, one, zero) in [(-8, Some(0), None), (-16, None, None), (-80, None, None)] {
            assert_eq!(bitmap.bit_pos(true, ..end).await.unwrap(), one, "{end}");
            assert_eq!(bitmap.bit_pos(false, ..end).await.unwrap(), zero, "{end}");
        }
        // A bitmap that does not exist.
        assert_eq!(empty.bit_pos(true, ..).await.unwrap(), None);
        for (start, found) in [(0, 0), (8, 8)] {
            assert_eq!(empty.bit_pos(false, start..).await.unwrap(), Some(found), "from {start}");
            assert_eq!(empty.bit_pos(false, start..200).await.unwrap(), Some(found), "from {start}");
        }
        // It has no bits, and these ranges end with it.
        for start in [-8, 0, 8] {
            let range = (std::ops::Bound::Included(start), std::ops::Bound::Included(-1));
            assert_eq!(empty.bit_pos(false, range).await.unwrap(), None, "from {start}");
        }
        assert_eq!(empty.bit_pos(false, -8..).await.unwrap(), None);
        let error = empty.bit_pos(false, (1 << 32) + 1..).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        // Ranges that are not whole bytes.
        let found = bitmap.bit_pos(true, 11..).await;
        if !is_available(&found, &["BITPOS", &wire(&bitmap), "1", "11", "-1", "BIT"]).await {
            return;
        }
        assert_eq!(found.unwrap(), Some(12));
        assert_eq!(bitmap.bit_pos(true, 11..12).await.unwrap(), None);
        assert_eq!(bitmap.bit_pos(true, 99..).await.unwrap(), None);
        assert_eq!(bitmap.bit_pos(true, -4..).await.unwrap(), Some(12));
        for (start, found) in [(5, 11), (11, 11), (12, 16), (15, 16), (20, 20), (99, 99)] {
            assert_eq!(bitmap.bit_pos(false, start..).await.unwrap(), Some(found), "from {start}");
        }
        assert_eq!(bitmap.bit_pos(false, 12..16).await.unwrap(), None);
        assert_eq!(bitmap.bit_pos(false, 3..15).await.unwrap(), Some(11));
        assert_eq!(bitmap.bit_pos(false, -4..).await.unwrap(), None);
        for (start, found) in [(3, 3), (100, 100)] {
            assert_eq!(empty.bit_pos(false, start..).await.unwrap(), Some(found), "from {start}");
            assert_eq!(empty.bit_pos(false, start..200).await.unwrap(), Some(found), "from {start}");
        }
    },
    bit_pos_in_bytes: async {
        let bitmap = filled(6, &[3, 20]).await;
        assert_eq!(bitmap.bit_pos_in_bytes(true, ..).await.unwrap(), Some(3));
        assert_eq!(bitmap.bit_pos_in_bytes(true, 1..).await.unwrap(), Some(20));
        assert_eq!(bitmap.bit_pos_in_bytes(true, 1..2).await.unwrap(), None);
        assert_eq!(bitmap.bit_pos_in_bytes(false, 1..).await.unwrap(), Some(8));
        assert_eq!(bitmap.bit_pos_in_bytes(false, 9..).await.unwrap(), Some(72));
        assert_eq!(bitmap.bit_pos_in_bytes(true, -1..).await.unwrap(), Some(20));
    },
    bit_field: async {
        let bitmap = Keys::bitmap(7, 0);
        bitmap.del().await.unwrap();
        assert_eq!(bitmap.bit_field().await.unwrap(), []);
        assert_eq!(bitmap.bit_field().get(U::<8>, 0).get(I::<5>, 100).await.unwrap(), [Some(0), Some(0)]);
        assert!(!bitmap.exists().await.unwrap(), "reading creates nothing");
        let replies = bitmap.bit_field().set(U::<4>, 0, 3).incr_by(I::<8>, 4, -5).get(U::<4>, 0).await;
        assert_eq!(replies.unwrap(), [Some(0), Some(-5), Some(3)]);
        assert!(bitmap.ttl().await.unwrap().remaining().is_some());
        // What does not fit.
        let wrapped = bitmap.bit_field().incr_by(U::<4>, 0, 20);
        assert_eq!(wrapped.await.unwrap(), [Some(7)]);
        let saturated = bitmap.bit_field().overflow(Overflow::Saturate).incr_by(U::<4>, 0, 20);
        assert_eq!(saturated.await.unwrap(), [Some(15)]);
        let failed = bitmap.bit_field().overflow(Overflow::Fail).incr_by(U::<4>, 0, 1).get(U::<4>, 0);
        assert_eq!(failed.await.unwrap(), [None, Some(15)]);
        let mixed = (bitmap.bit_field())
            .overflow(Overflow::Fail)
            .set(U::<4>, 0, 16)
            .overflow(Overflow::Wrap)
            .set(U::<4>, 0, 17)
            .get(U::<4>, 0);
        assert_eq!(mixed.await.unwrap(), [None, Some(15), Some(1)]);
        // Integers by their number.
        bitmap.bit_field().set(U::<16>, BitOffset::Nth(3), 0xffff).await.unwrap();
        assert_eq!(bitmap.bit_count(48..64).await.unwrap(), 16);
        // The widest integers stay exact, whether the write sets a lifetime or not.
        for bitmap in [Keys::bitmap(700, 0), Keys::renewed_bitmap(700)] {
            bitmap.del().await.unwrap();
            let large = i64::MAX - 1;
            let set = bitmap.bit_field().set(I::<64>, 0, i64::MIN + 1).set(U::<63>, 64, large);
            assert_eq!(set.await.unwrap(), [Some(0), Some(0)]);
            assert!(bitmap.ttl().await.unwrap().remaining().is_some());
            let read = bitmap.bit_field().get(I::<64>, 0).get(U::<63>, 64).incr_by(U::<63>, 64, 1).await;
            assert_eq!(read.unwrap(), [Some(i64::MIN + 1), Some(large), Some(i64::MAX)]);
        }
        let forever = Keys::forever_bitmap(700);
        forever.del().await.unwrap();
        assert_eq!(forever.bit_field().incr_by(I::<64>, 0, i64::MIN).await.unwrap(), [Some(i64::MIN)]);
        // A script that sets a lifetime would round them.
        let brief = forever.bit_field().set(I::<64>, 0, 1).into_command().ttl(Duration::from_secs(60));
        let error = brief.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert!(error.to_string().contains("more than 53 bits"), "{error}");
        let narrow = forever.bit_field().set(U::<8>, 0, 1).into_command().ttl(Duration::from_secs(60));
        assert_eq!(narrow.await.unwrap(), [Some(128)]);
        // Past the last bit of the longest bitmap.
        for beyond in [
            bitmap.bit_field().get(U::<2>, u32::MAX),
            bitmap.bit_field().set(U::<32>, BitOffset::Nth(1 << 27), 0),
        ] {
            let error = beyond.await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        }
    },
    bit_and: async {
        let (one, two) = (filled(8, &[1, 2, 9]).await, Keys::bitmap(8, 1));
        two.set_bit(2, true).await.unwrap();
        let to = Keys::bitmap(8, 2);
        assert_eq!(Key::bit_and([one.clone(), two.clone()]).store(&to).await.unwrap(), 2);
        assert_eq!((to.bit_count(..).await.unwrap(), to.bit_pos(true, ..).await.unwrap()), (1, Some(2)));
        assert_eq!(Key::bit_and([one, two, Keys::bitmap(8, 3)]).store(&to).await.unwrap(), 2);
        assert_eq!(to.bit_count(..).await.unwrap(), 0, "a bitmap that does not exist is 0");
    },
    bit_or: async {
        let (one, two) = (filled(9, &[1]).await, Keys::bitmap(9, 1));
        two.set_bit(9, true).await.unwrap();
        assert_eq!(Key::bit_or([one.clone(), two]).store(&one).await.unwrap(), 2, "into one of them");
        assert_eq!(one.bit_count(..).await.unwrap(), 2);
    },
    bit_xor: async {
        let (one, two) = (filled(10, &[1, 2]).await, Keys::bitmap(10, 1));
        two.set_bit(2, true).await.unwrap();
        Key::bit_xor([&one, &two].map(Key::clone)).store(&two).await.unwrap();
        assert_eq!((two.bit_count(..).await.unwrap(), two.bit_pos(true, ..).await.unwrap()), (1, Some(1)));
    },
    bit_not: async {
        let bitmap = filled(11, &[1]).await;
        assert_eq!(bitmap.bit_not().store(&bitmap).await.unwrap(), 1);
        assert_eq!((bitmap.bit_count(..).await.unwrap(), bitmap.bit_pos(false, ..).await.unwrap()), (7, Some(1)));
        let (bitmap, to) = (filled(12, &[1]).await, Keys::bitmap(12, 1));
        // It replaces what was there, and renews its lifetime.
        to.set_bit(100, true).await.unwrap();
        to.persist().await.unwrap();
        assert_eq!(Key::bit_or([bitmap.clone()]).store(&to).await.unwrap(), 1);
        assert!(to.ttl().await.unwrap().remaining().is_some());
        assert_eq!(Key::bit_or([Keys::bitmap(12, 2)]).store(&to).await.unwrap(), 0);
        assert!(!to.exists().await.unwrap(), "a result without bytes deletes the key");
        let forever = Keys::forever_bitmap(12);
        assert_eq!(bitmap.bit_not().store(&forever).await.unwrap(), 1);
        assert_eq!(forever.ttl().await.unwrap(), Ttl::NoExpiry);
        bitmap.bit_not().store(&forever).ttl(Duration::from_secs(60)).await.unwrap();
        assert!(forever.ttl().await.unwrap().remaining().is_some());
        let error = Key::bit_and(Vec::<Key<Keys, Bitmap>>::new()).store(&to).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    },
}
