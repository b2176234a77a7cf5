//! Which part of what a server said may name the one who asked? Servers and blockpages write the
//! client's address into fields and into addresses of pages. As OONI does, every address in
//! them is replaced; what identifies a visit is not kept.

use regex::Regex;
use std::{net::IpAddr, sync::LazyLock};

/// Stands where an address was.
pub(super) const SCRUBBED: &str = "[scrubbed]";

/// What may be an address: of IPv6 also shortened, of IPv4 also written with dashes.
static LIKE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){1,6}:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}|\d{1,3}(?:[.\-]\d{1,3}){3}",
    )
    .ok()
});

/// A text without addresses.
pub(super) fn text(text: &str) -> String {
    let Some(like) = &*LIKE else {
        return SCRUBBED.into();
    };
    like.replace_all(text, |found: &regex::Captures<'_>| {
        let found = &found[0];
        let plain = found.replace('-', ".");
        match plain.parse::<IpAddr>() {
            Ok(_) => SCRUBBED.to_owned(),
            Err(_) => found.to_owned(),
        }
    })
    .into_owned()
}

/// The address of a page: its host stays, which is where a censor may have led.
pub(super) fn url(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else {
        return text(address);
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, rest) = rest.split_at(end);
    // Nor who somebody is.
    let host = host.rsplit('@').next().unwrap_or(host);
    let decoded = rest.replace("%3A", ":").replace("%3a", ":");
    let rest = if text(&decoded) == decoded {
        rest.to_owned()
    } else {
        text(&decoded)
    };
    format!("{scheme}://{host}{rest}")
}

/// A field of a header.
pub(super) fn field(name: &str, value: &str) -> String {
    let secret = [
        "set-cookie",
        "etag",
        "www-authenticate",
        "proxy-authenticate",
    ];
    if secret
        .iter()
        .any(|secret| name.eq_ignore_ascii_case(secret))
    {
        return String::new();
    }
    if name.eq_ignore_ascii_case("location") || name.eq_ignore_ascii_case("content-location") {
        return url(value);
    }
    text(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_comes_through() {
        for (said, left) in [
            ("client 192.0.2.7!", "client [scrubbed]!"),
            ("192-0-2-7.isp.example", "[scrubbed].isp.example"),
            ("2001:db8::1", "[scrubbed]"),
            (
                "for=\"[2001:db8:0:0:0:0:0:1]:443\"",
                "for=\"[[scrubbed]]:443\"",
            ),
            ("::ffff:192.0.2.7", "[scrubbed]"),
            ("max-age=300; v=1.2.3", "max-age=300; v=1.2.3"),
            (
                "Tue, 24 Nov 2026 10:11:12 GMT",
                "Tue, 24 Nov 2026 10:11:12 GMT",
            ),
            ("999.1.2.3", "999.1.2.3"),
        ] {
            assert_eq!(text(said), left);
        }
    }

    #[test]
    fn pages_keep_their_host_and_fields_their_names() {
        let page = "http://user:word@10.10.34.34/blocked?ip=192.0.2.7&v6=2001%3Adb8%3A%3A1";
        assert_eq!(
            url(page),
            "http://10.10.34.34/blocked?ip=[scrubbed]&v6=[scrubbed]"
        );
        assert_eq!(
            url("https://example.org/a%3Ab"),
            "https://example.org/a%3Ab"
        );
        assert_eq!(field("Set-Cookie", "id=7"), "");
        assert_eq!(field("X-Client-IP", "192.0.2.7"), SCRUBBED);
        assert_eq!(
            field("Location", "http://10.10.34.34/"),
            "http://10.10.34.34/"
        );
    }
}
