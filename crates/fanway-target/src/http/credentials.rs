//! What Fanway shows a target to prove who it is. Made into a header once, and never printed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fanway_types::Secret;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue, InvalidHeaderName, InvalidHeaderValue};

/// What Fanway shows a target to prove who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// Nothing.
    None,
    /// `Authorization: Bearer …` (RFC 6750).
    Bearer(Secret),
    /// `Authorization: Basic …` (RFC 7617), in UTF-8.
    Basic {
        /// The user, without a colon.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A header of the target's own invention.
    Header {
        /// Its name.
        name: String,
        /// Its value.
        value: Secret,
    },
}

impl Credentials {
    /// The header that is sent, marked so that it is neither printed nor put into HTTP/2's
    /// compression table.
    ///
    /// # Errors
    /// Where no header can carry them.
    pub(super) fn header(&self) -> Result<Option<(HeaderName, HeaderValue)>, CredentialsError> {
        let (name, value) = match self {
            Self::None => return Ok(None),
            Self::Bearer(token) => (AUTHORIZATION, format!("Bearer {}", token.expose())),
            Self::Basic { user, password } => (AUTHORIZATION, basic(user, password)?),
            Self::Header { name, value } => (
                HeaderName::try_from(name).map_err(CredentialsError::Name)?,
                value.expose().to_owned(),
            ),
        };
        let mut value = HeaderValue::try_from(value).map_err(CredentialsError::Value)?;
        value.set_sensitive(true);
        Ok(Some((name, value)))
    }
}

fn basic(user: &str, password: &Secret) -> Result<String, CredentialsError> {
    if user.contains(':') {
        return Err(CredentialsError::User);
    }
    Ok(format!(
        "Basic {}",
        STANDARD.encode(format!("{user}:{}", password.expose()))
    ))
}

/// Why credentials fit into no header. Never quotes them.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The user of basic credentials has a colon, where the password would begin.
    #[error("the user name has a colon, which basic credentials can't carry")]
    User,
    /// The header's name is none.
    #[error("the header's name is not one")]
    Name(#[source] InvalidHeaderName),
    /// The secret holds a control character, such as the line's end of the file it was read from.
    #[error("the secret holds a character that no header can carry, such as a line's end")]
    Value(#[source] InvalidHeaderValue),
}

#[cfg(test)]
mod tests {
    use fanway_types::Secret;

    use super::Credentials;

    #[track_caller]
    fn check(credentials: &Credentials, expected: Result<Option<(&str, &str)>, &str>) {
        let header = credentials.header().map_err(|error| error.to_string());
        let header = header.as_ref().map_err(String::as_str).map(|header| {
            header
                .as_ref()
                .map(|(name, value)| (name.as_str(), value.to_str().expect("text")))
        });
        assert_eq!(header, expected);
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    fn basic(user: &str, password: &str) -> Credentials {
        Credentials::Basic {
            user: user.to_owned(),
            password: secret(password),
        }
    }

    #[test]
    fn each_kind_becomes_one_header() {
        check(&Credentials::None, Ok(None));
        check(
            &Credentials::Bearer(secret("abc")),
            Ok(Some(("authorization", "Bearer abc"))),
        );
        // The example of RFC 7617, section 2.
        let expected = ("authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        check(&basic("Aladdin", "open sesame"), Ok(Some(expected)));
        let own = Credentials::Header {
            name: "X-Api-Key".to_owned(),
            value: secret("k"),
        };
        check(&own, Ok(Some(("x-api-key", "k"))));
    }

    #[test]
    fn what_no_header_can_carry_is_refused_without_being_quoted() {
        let refused = "the secret holds a character that no header can carry, such as a line's end";
        check(&Credentials::Bearer(secret("abc\n")), Err(refused));
        check(
            &basic("a:b", "c"),
            Err("the user name has a colon, which basic credentials can't carry"),
        );
        let own = Credentials::Header {
            name: "x y".to_owned(),
            value: secret("k"),
        };
        check(&own, Err("the header's name is not one"));
    }

    #[test]
    fn debug_output_hides_the_secret() {
        let (_, value) = basic("a", "hunter2")
            .header()
            .expect("fits")
            .expect("a header");
        assert_eq!(format!("{value:?}"), "Sensitive");
        assert!(!format!("{:?}", basic("a", "hunter2")).contains("hunter2"));
    }
}
