//! Sizes and durations, as people write them.

use std::time::Duration;

/// `512`, `4K`, `64M`, `2G`, `1T`: powers of 1024, as rctl(8) has them.
pub(super) fn size(text: &str) -> Option<u64> {
    let (digits, shift) = match text.as_bytes().last()? {
        b'k' | b'K' => (&text[..text.len() - 1], 10),
        b'm' | b'M' => (&text[..text.len() - 1], 20),
        b'g' | b'G' => (&text[..text.len() - 1], 30),
        b't' | b'T' => (&text[..text.len() - 1], 40),
        _ => (text, 0),
    };
    plain_number(digits)?.checked_mul(1 << shift)
}

/// `10`, `10s`, `1m30s`, `500ms`, `2h`: a bare number is in seconds.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    if let Some(seconds) = plain_number(text) {
        return Some(Duration::from_secs(seconds));
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    let mut last = u64::MAX;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at(digits);
        let letters = after.len() - after.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let (unit, after) = after.split_at(letters);
        let millis: u64 = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            _ => return None,
        };
        // From the largest unit to the smallest, each once: 30s1m is a slip.
        if millis >= last {
            return None;
        }
        last = millis;
        total = total.checked_add(Duration::from_millis(plain_number(number)?.checked_mul(millis)?))?;
        rest = after;
    }
    (!text.is_empty()).then_some(total)
}

fn plain_number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024() {
        assert_eq!(size("12"), Some(12));
        assert_eq!(size("4k"), Some(4096));
        assert_eq!(size("2G"), Some(2 << 30));
        for bad in ["", "K", "-1", "1.5M", "1 M", "1MB", "99999999999T", "٣"] {
            assert_eq!(size(bad), None, "{bad}");
        }
    }

    #[test]
    fn durations_go_from_the_largest_unit_to_the_smallest() {
        assert_eq!(duration("10"), Some(Duration::from_secs(10)));
        assert_eq!(duration("1m30s"), Some(Duration::from_secs(90)));
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        for bad in ["", "s", "30s1m", "1s1s", "1.5s", "1 s", "1d", "99999999999999999h"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }
}
