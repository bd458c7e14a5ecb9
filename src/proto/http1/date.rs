//! The `Date` header, RFC 9110 section 5.6.7: IMF-fixdate from seconds since 1970.

/// Length of [`line()`]'s result.
pub const DATE_LINE_LEN: usize = 37;

/// `Date: Sun, 06 Nov 1994 08:49:37 GMT` with its CRLF.
pub fn line(unix_s: u64) -> [u8; DATE_LINE_LEN] {
    const DAYS: &[u8; 21] = b"ThuFriSatSunMonTueWed";
    const MONTHS: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
    let days = unix_s / 86_400;
    let (year, month, day) = civil(days);
    let mut line = *b"Date: ---, 00 --- 0000 00:00:00 GMT\r\n";
    line[6..9].copy_from_slice(&DAYS[(days % 7) as usize * 3..][..3]);
    two_digits(&mut line[11..], day);
    line[14..17].copy_from_slice(&MONTHS[(month as usize - 1) * 3..][..3]);
    two_digits(&mut line[18..], year / 100 % 100);
    two_digits(&mut line[20..], year % 100);
    let second = unix_s % 86_400;
    two_digits(&mut line[23..], second / 3600);
    two_digits(&mut line[26..], second / 60 % 60);
    two_digits(&mut line[29..], second % 60);
    line
}

fn two_digits(out: &mut [u8], value: u64) {
    out[0] = b'0' + (value / 10) as u8;
    out[1] = b'0' + (value % 10) as u8;
}

/// Days since 1970 to year, month, day: counted in 400-year eras from 1 March of year 0, so that
/// the leap day comes last.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn dates() {
        for (unix_s, expected) in [
            (0, "Thu, 01 Jan 1970 00:00:00"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00"),
            (951_868_799, "Tue, 29 Feb 2000 23:59:59"),
            (951_868_800, "Wed, 01 Mar 2000 00:00:00"),
            (1_709_164_800, "Thu, 29 Feb 2024 00:00:00"),
            (4_107_542_399, "Sun, 28 Feb 2100 23:59:59"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00"),
            (1_735_689_599, "Tue, 31 Dec 2024 23:59:59"),
        ] {
            let expected = format!("Date: {expected} GMT\r\n");
            assert_eq!(
                line(unix_s).escape_ascii().to_string(),
                expected.as_bytes().escape_ascii().to_string()
            );
        }
    }
}
