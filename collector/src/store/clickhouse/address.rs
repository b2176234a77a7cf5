//! Which ClickHouse is meant, and who are we there? A URL with everything but, if wanted,
//! the password: `clickhouse://user:password@host:port/database`. What is shown of it never
//! has the password.

use std::fmt;
use url::Url;

/// Where the facts are.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// `http://host:port`.
    pub(super) url: String,
    pub(super) database: String,
    pub(super) user: String,
    pub(super) password: Option<String>,
}

/// Why a text names no ClickHouse.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "cannot tell where the facts are: {0}; write `sqlite`, or clickhouse://USER:PASSWORD@HOST:8123/DATABASE (clickhouses:// with TLS, port 8443)"
)]
pub struct AddressError(String);

impl Address {
    /// `None` is the embedded engine.
    pub fn parse(text: &str) -> Result<Option<Self>, AddressError> {
        if text == "sqlite" {
            return Ok(None);
        }
        let wrong = |what: String| AddressError(what);
        let url = Url::parse(text).map_err(|e| wrong(format!("not a URL ({e})")))?;
        let (scheme, port) = match url.scheme() {
            "clickhouse" => ("http", 8123),
            "clickhouses" => ("https", 8443),
            "http" => ("http", 80),
            "https" => ("https", 443),
            other => return Err(wrong(format!("{other}:// is not known"))),
        };
        let host = url
            .host_str()
            .filter(|host| !host.is_empty())
            .ok_or_else(|| wrong("no host is named".into()))?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong(
                "settings belong to the user's profile in ClickHouse, not behind a `?`".into(),
            ));
        }
        let database = match url.path().trim_matches('/') {
            "" => "faultline",
            name => name,
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !database.chars().all(plain) {
            return Err(wrong(format!(
                "the database is called {database:?}, and may have letters, digits and _"
            )));
        }
        Ok(Some(Self {
            url: format!("{scheme}://{host}:{}", url.port().unwrap_or(port)),
            database: database.into(),
            user: match url.username() {
                "" => "default".into(),
                user => decoded(user),
            },
            password: url.password().map(decoded),
        }))
    }

    /// With this password, where the URL has none.
    #[must_use]
    pub fn or_password(mut self, password: Option<String>) -> Self {
        self.password = self.password.or(password);
        self
    }

    /// `http://host:port`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The same place, another database.
    #[must_use]
    pub fn with_database(mut self, name: &str) -> Self {
        self.database = name.into();
        self
    }
}

/// As a form's value, but that a plus is a plus.
fn decoded(text: &str) -> String {
    let form = format!("v={}", text.replace('+', "%2B").replace('&', "%26"));
    let mut pairs = url::form_urlencoded::parse(form.as_bytes());
    pairs
        .next()
        .map(|(_, v)| v.into_owned())
        .unwrap_or_default()
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} (database {}, user {})",
            self.url, self.database, self.user
        )
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Address {
        Address::parse(text).unwrap().unwrap()
    }

    #[test]
    fn addresses_have_defaults_and_hide_the_password() {
        assert_eq!(Address::parse("sqlite"), Ok(None));
        let a = parse("clickhouse://db.example");
        assert_eq!(
            (&*a.url, &*a.database),
            ("http://db.example:8123", "faultline")
        );
        assert_eq!((&*a.user, &a.password), ("default", &None));
        let a = parse("clickhouses://me%40here:p%2Fa+s%26s@[::1]:9/facts_2/");
        assert_eq!((&*a.url, &*a.database), ("https://[::1]:9", "facts_2"));
        assert_eq!(
            (&*a.user, a.password.as_deref()),
            ("me@here", Some("p/a+s&s"))
        );
        let shown = format!("{a} {a:?}");
        assert!(
            !shown.contains("p/a") && shown.contains("me@here"),
            "{shown}"
        );
        let a = parse("http://h/").or_password(Some("later".into()));
        assert_eq!(
            (&*a.url, a.password.as_deref()),
            ("http://h:80", Some("later"))
        );
        let a = parse("http://u:first@h/").or_password(Some("later".into()));
        assert_eq!(a.password.as_deref(), Some("first"));
    }

    #[test]
    fn what_names_no_clickhouse_is_refused_with_what_would() {
        for (text, why) in [
            ("postgres://h/db", "postgres:// is not known"),
            ("SQLite", "not a URL"),
            ("", "not a URL"),
            ("clickhouse:///db", "no host"),
            ("clickhouse://h/a/b", "letters, digits and _"),
            ("clickhouse://h/a`b", "letters, digits and _"),
            ("clickhouse://h/?secure=1", "profile"),
        ] {
            let told = Address::parse(text).unwrap_err().to_string();
            assert!(
                told.contains(why) && told.contains("clickhouse://USER"),
                "{told}"
            );
        }
    }
}
