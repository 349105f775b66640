//! The two forms of a date: 7 binary bytes in records, 17 bytes of digits in descriptors.

const DAY: i64 = 86_400;
/// 1900-01-01T00:00:00Z, the first date a record can hold.
const RECORD_FIRST: i64 = -2_208_988_800;
/// 2155-12-31T23:59:59Z, the last one.
const RECORD_LAST: i64 = 5_869_583_999;

/// A point in time in the proleptic Gregorian calendar, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Civil {
    year: i64,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
}

/// Splits seconds since 1970 with the year counted from March, so that the leap day is the last of its year.
fn civil(seconds: i64) -> Civil {
    let days = seconds.div_euclid(DAY) + 719_468;
    let second_of_day = seconds.rem_euclid(DAY);
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let narrow = |number: i64| u8::try_from(number).unwrap_or_default();
    Civil {
        year: year_of_era + era * 400 + i64::from(month <= 2),
        month: narrow(month),
        day: narrow(day_of_year - (153 * from_march + 2) / 5 + 1),
        hour: narrow(second_of_day / 3_600),
        minute: narrow(second_of_day / 60 % 60),
        second: narrow(second_of_day % 60),
    }
}

/// The inverse of [`civil`] for a date that may not exist (a 31st of June counts on into July).
fn seconds(date: Civil) -> i64 {
    let year = date.year - i64::from(date.month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let from_march = (i64::from(date.month) + 9) % 12;
    let day_of_year = (153 * from_march + 2) / 5 + i64::from(date.day) - 1;
    let days =
        era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    days * DAY + i64::from(date.hour) * 3_600 + i64::from(date.minute) * 60 + i64::from(date.second)
}

/// The 7 bytes of a record (ECMA-119 9.1.5), in UTC; times outside 1900 to 2155 become the nearest that fit.
pub(crate) fn record(time: i64) -> [u8; 7] {
    let date = civil(time.clamp(RECORD_FIRST, RECORD_LAST));
    let year = u8::try_from(date.year - 1900).unwrap_or_default();
    [year, date.month, date.day, date.hour, date.minute, date.second, 0]
}

/// The time that 7 bytes mean, the offset (quarters of an hour east) taken off.
pub(crate) fn from_record(bytes: [u8; 7]) -> i64 {
    let [year, month, day, hour, minute, second, zone] = bytes;
    let date = Civil { year: 1900 + i64::from(year), month: month.clamp(1, 12), day, hour, minute, second };
    seconds(date) - i64::from(zone.cast_signed()) * 900
}

/// The 17 bytes of a descriptor (ECMA-119 8.4.26.1), in UTC; the same range as [`record`], so that both agree.
pub(crate) fn descriptor(time: i64) -> [u8; 17] {
    let date = civil(time.clamp(RECORD_FIRST, RECORD_LAST));
    let digits = format!(
        "{:04}{:02}{:02}{:02}{:02}{:02}00\0",
        date.year, date.month, date.day, date.hour, date.minute, date.second
    );
    let mut bytes = UNSET;
    for (to, from) in bytes.iter_mut().zip(digits.bytes()) {
        *to = from;
    }
    bytes
}

/// A descriptor's date that says "none" (ECMA-119 8.4.26.1).
pub(crate) const UNSET: [u8; 17] = *b"0000000000000000\0";

/// The time that a descriptor's date means, `None` if it is unset or no date.
pub(crate) fn from_descriptor(bytes: &[u8; 17]) -> Option<i64> {
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = bytes.get(from..to).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
        Some(digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0')))
    };
    let small = |from: usize| number(from, from + 2).and_then(|number| u8::try_from(number).ok());
    let date = Civil {
        year: number(0, 4)?,
        month: small(4)?,
        day: small(6)?,
        hour: small(8)?,
        minute: small(10)?,
        second: small(12)?,
    };
    ((1..=12).contains(&date.month) && date.day > 0)
        .then(|| seconds(date) - i64::from(bytes[16].cast_signed()) * 900)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_both_ways() {
        let cases = [
            (0, [70, 1, 1, 0, 0, 0, 0], b"1970010100000000\0"),
            (951_782_400, [100, 2, 29, 0, 0, 0, 0], b"2000022900000000\0"),
            (1_700_000_000, [123, 11, 14, 22, 13, 20, 0], b"2023111422132000\0"),
            (-1, [69, 12, 31, 23, 59, 59, 0], b"1969123123595900\0"),
            (RECORD_FIRST, [0, 1, 1, 0, 0, 0, 0], b"1900010100000000\0"),
            (RECORD_LAST, [255, 12, 31, 23, 59, 59, 0], b"2155123123595900\0"),
        ];
        for (time, short, long) in cases {
            assert_eq!(record(time), short, "{time}");
            assert_eq!(&descriptor(time), long, "{time}");
            assert_eq!(from_record(short), time);
            assert_eq!(from_descriptor(long), Some(time));
        }
    }

    #[test]
    fn dates_out_of_range_become_the_nearest() {
        assert_eq!(record(i64::MIN), record(RECORD_FIRST));
        assert_eq!(record(i64::MAX), record(RECORD_LAST));
    }

    #[test]
    fn foreign_dates() {
        assert_eq!(from_record([70, 1, 1, 2, 0, 0, 8]), 0, "two hours east");
        assert_eq!(from_record([70, 1, 1, 0, 0, 0, 0xFC]), 3_600, "one hour west");
        assert_eq!(from_record([0; 7]), RECORD_FIRST - DAY, "no date at all is no panic");
        assert_eq!(from_record([255; 7]), from_record([255; 7]), "nor is nonsense");
        assert_eq!(from_descriptor(&UNSET), None);
        assert_eq!(from_descriptor(b"                \0"), None);
        assert_eq!(from_descriptor(b"1970010102000000\x08"), Some(0));
    }
}
