//! What Fanway shows a target to prove who it is. What is the same for all requests is made once,
//! and nothing of it is ever printed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fanway_types::Secret;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue, InvalidHeaderName, InvalidHeaderValue};
use percent_encoding::utf8_percent_encode;

use super::oauth2::Tokens;
use super::sigv4::{SigV4, UNRESERVED};

/// What Fanway shows a target to prove who it is.
#[derive(Clone, Debug)]
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
    /// A parameter at the end of the query.
    Query {
        /// Its name, not encoded.
        name: String,
        /// Its value, not encoded.
        value: Secret,
    },
    /// `Authorization: Bearer …` with a token that a token server gives and that is renewed
    /// (RFC 6749, section 4.4).
    OAuth2(Tokens),
    /// A signature over each request, as AWS has it.
    SigV4(Box<SigV4>),
}

/// What of credentials goes into each request.
pub(super) enum Proof {
    Nothing,
    /// A header, marked so that it is neither printed nor put into HTTP/2's compression table.
    Header(HeaderName, HeaderValue),
    /// A parameter of the query, encoded.
    Query {
        name: Box<str>,
        value: Box<str>,
    },
    /// A token in `Authorization`, which each attempt gets by itself.
    Token(Tokens),
    /// A signature in `Authorization`.
    Signature(Box<SigV4>),
}

impl Proof {
    /// What stands for credentials in each request.
    ///
    /// # Errors
    /// Where no request can carry them.
    pub(super) fn new(credentials: Credentials) -> Result<Self, CredentialsError> {
        Ok(match credentials {
            Credentials::Query { name, value } => {
                let encoded = |text: &str| utf8_percent_encode(text, UNRESERVED).to_string();
                Self::Query {
                    name: encoded(&name).into(),
                    value: encoded(value.expose()).into(),
                }
            }
            Credentials::OAuth2(tokens) => Self::Token(tokens),
            Credentials::SigV4(signer) => Self::Signature(signer),
            other => match other.header()? {
                Some((name, value)) => Self::Header(name, value),
                None => Self::Nothing,
            },
        })
    }

    /// Whether a header is one that it sets.
    pub(super) fn adds(&self, header: &[u8]) -> bool {
        match self {
            Self::Nothing | Self::Query { .. } => false,
            Self::Header(name, _) => name.as_str().as_bytes() == header,
            Self::Token(_) => AUTHORIZATION.as_str().as_bytes() == header,
            Self::Signature(signer) => signer.adds(header),
        }
    }

    /// Whether the value of a header that is sent is its own, and a secret.
    pub(super) fn is_secret(&self, header: &HeaderName) -> bool {
        match self {
            Self::Nothing | Self::Query { .. } => false,
            Self::Header(name, _) => name == header,
            Self::Token(_) => header == AUTHORIZATION,
            Self::Signature(_) => SigV4::is_secret(header.as_str()),
        }
    }
}

impl Credentials {
    /// The header that is sent, where they are one.
    fn header(&self) -> Result<Option<(HeaderName, HeaderValue)>, CredentialsError> {
        let (name, value) = match self {
            Self::None | Self::Query { .. } | Self::OAuth2(_) | Self::SigV4(_) => return Ok(None),
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

/// Why credentials fit into no request. Never quotes them.
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

    use super::{Credentials, Proof};

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
    fn a_parameter_is_encoded_once() {
        let credentials = Credentials::Query {
            name: "api key".to_owned(),
            value: secret("a+b/c=&\u{e4}~"),
        };
        let proof = Proof::new(credentials).expect("it can be sent");
        let Proof::Query { name, value } = proof else {
            panic!("no parameter")
        };
        assert_eq!((&*name, &*value), ("api%20key", "a%2Bb%2Fc%3D%26%C3%A4~"));
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
