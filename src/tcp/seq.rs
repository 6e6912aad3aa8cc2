//! Sequence number arithmetic, modulo 2^32 (RFC 9293, section 3.4).

/// How far `b` lies ahead of `a`; negative if behind.
#[inline]
pub const fn distance(a: u32, b: u32) -> i32 {
    b.wrapping_sub(a).cast_signed()
}

/// `a < b`.
#[inline]
pub const fn before(a: u32, b: u32) -> bool {
    distance(a, b) > 0
}

/// `a <= b`.
#[inline]
pub const fn at_or_before(a: u32, b: u32) -> bool {
    distance(a, b) >= 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_survives_the_wrap() {
        assert!(before(u32::MAX, 0) && before(0, 1) && !before(1, 1) && !before(1, 0));
        assert!(at_or_before(5, 5) && at_or_before(u32::MAX - 1, 3) && !at_or_before(3, u32::MAX - 1));
        assert_eq!(distance(u32::MAX, 4), 5);
        assert_eq!(distance(4, u32::MAX), -5);
    }
}
