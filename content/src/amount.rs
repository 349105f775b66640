//! Amounts for people.

use std::time::Duration;

/// A size for people: `607.1 MB`. Units are powers of ten, as disks and networks have them.
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut divisor = 1000;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    while bytes / divisor >= 1000 {
        let Some(next) = units.next() else { break };
        unit = Some(next);
        divisor *= 1000;
    }
    let tenths = bytes / (divisor / 10);
    format!("{}.{} {}", tenths / 10, tenths % 10, unit.unwrap_or(&"kB"))
}

/// A duration for people: `2.3 s`, `4 min 10 s`, `1 h 5 min`.
#[must_use]
pub fn duration(elapsed: Duration) -> String {
    match elapsed.as_secs() {
        seconds @ 0..60 => format!("{seconds}.{} s", elapsed.subsec_millis() / 100),
        seconds @ 60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        seconds => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_and_one_decimal() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (999_999, "999.9 kB"),
            (607_149_000, "607.1 MB"),
            (5_000_000_000_000, "5.0 TB"),
            (5_000_000_000_000_000, "5000.0 TB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn durations_have_two_units_at_most() {
        for (millis, text) in [
            (0, "0.0 s"),
            (2_340, "2.3 s"),
            (59_900, "59.9 s"),
            (60_000, "1 min 0 s"),
            (250_000, "4 min 10 s"),
            (3_900_000, "1 h 5 min"),
        ] {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        }
    }
}
