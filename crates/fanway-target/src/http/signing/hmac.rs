//! An HMAC in whatever style a target has it: over a template of the request, in a header whose
//! value is a template too.
//!
//! With several secrets each attempt is signed by all of them: the part of the value that is in
//! brackets stands once for each, or else the header does.

use std::fmt;

use aws_lc_rs::hmac::{
    Algorithm as Hash, Context, HMAC_SHA1_FOR_LEGACY_USE_ONLY, HMAC_SHA256, HMAC_SHA512, Key,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fanway_types::{Secret, SigningField, SigningPiece, SigningTemplate};
use http::HeaderName;
use http::header::HeaderValue;
use itoa::Buffer;

use super::Signable;
use crate::http::RequestError;
use crate::http::hex::hex;

/// What an HMAC is made of.
#[derive(Clone, Debug)]
pub struct HmacParams {
    /// The secrets, as bytes of their text: at least one.
    pub secrets: Vec<Secret>,
    /// The hash.
    pub algorithm: Algorithm,
    /// How the signature is written.
    pub encoding: Encoding,
    /// The header that has it.
    pub header: HeaderName,
    /// The header's value.
    pub value: SigningTemplate,
    /// What is signed.
    pub content: SigningTemplate,
    /// A header with the time of the attempt, in seconds since 1970.
    pub timestamp_header: Option<HeaderName>,
}

/// The hash of an HMAC (RFC 2104).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
    /// SHA-1, for targets that know nothing else.
    Sha1,
}

/// How a signature is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Hexadecimal digits, in lower case.
    Hex,
    /// Base64 with `=` at its end (RFC 4648, section 4).
    Base64,
}

/// How requests are signed by HMAC.
#[derive(Clone)]
pub struct HmacSigning {
    keys: Vec<Key>,
    encoding: Encoding,
    header: HeaderName,
    value: SigningTemplate,
    content: SigningTemplate,
    timestamp_header: Option<HeaderName>,
}

/// There is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no secret to compute an HMAC with")]
pub struct HmacError;

impl HmacSigning {
    /// Makes the keys.
    ///
    /// # Errors
    /// Where there is no secret.
    pub fn try_new(params: HmacParams) -> Result<Self, HmacError> {
        let HmacParams {
            secrets,
            algorithm,
            encoding,
            header,
            value,
            content,
            timestamp_header,
        } = params;
        let key = |secret: &Secret| Key::new(algorithm.hash(), secret.expose().as_bytes());
        let keys: Vec<Key> = secrets.iter().map(key).collect();
        if keys.is_empty() {
            return Err(HmacError);
        }
        Ok(Self {
            keys,
            encoding,
            header,
            value,
            content,
            timestamp_header,
        })
    }

    /// The header that has the signature.
    pub(super) fn header(&self) -> &HeaderName {
        &self.header
    }

    /// Whether a header is one that it sets.
    pub(super) fn adds(&self, name: &[u8]) -> bool {
        let is_it = |ours: &HeaderName| ours.as_str().as_bytes() == name;
        is_it(&self.header) || self.timestamp_header.as_ref().is_some_and(is_it)
    }

    /// Gives the headers that sign a request.
    pub(super) fn sign(
        &self,
        request: Signable<'_>,
        id: Option<&HeaderValue>,
        seconds: u64,
        give: &mut impl FnMut(&[u8], &[u8]),
    ) -> Result<(), RequestError> {
        let mut number = Buffer::new();
        let stamp = Stamp {
            id: id.map(HeaderValue::as_bytes),
            seconds: number.format(seconds).as_bytes(),
        };
        if stamp.id.is_none() && self.names_id() {
            return Err(RequestError::NoKey);
        }
        let signatures: Vec<String> = self
            .keys
            .iter()
            .map(|key| self.signature(key, request, &stamp))
            .collect();
        match self.value.repeated() {
            Some(_) => give(self.header.as_ref(), &self.value(&signatures, &stamp)),
            None => signatures.iter().for_each(|signature| {
                let one = std::slice::from_ref(signature);
                give(self.header.as_ref(), &self.value(one, &stamp));
            }),
        }
        if let Some(header) = &self.timestamp_header {
            give(header.as_ref(), stamp.seconds);
        }
        Ok(())
    }

    fn names_id(&self) -> bool {
        self.content.has(SigningField::Id) || self.value.has(SigningField::Id)
    }

    fn signature(&self, key: &Key, request: Signable<'_>, stamp: &Stamp<'_>) -> String {
        let mut hmac = Context::with_key(key);
        for piece in self.content.pieces() {
            hmac.update(match piece {
                SigningPiece::Text(text) => text.as_bytes(),
                SigningPiece::Field(SigningField::Body) => request.body,
                SigningPiece::Field(SigningField::Method) => request.method.as_str().as_bytes(),
                SigningPiece::Field(SigningField::Path) => request.path.path().as_bytes(),
                SigningPiece::Field(SigningField::Query) => {
                    request.path.query().unwrap_or_default().as_bytes()
                }
                SigningPiece::Field(field) => stamp.get(*field),
            });
        }
        let tag = hmac.sign();
        match self.encoding {
            Encoding::Hex => hex(tag.as_ref()),
            Encoding::Base64 => STANDARD.encode(tag),
        }
    }

    /// The header's value, with what is repeated once for each signature.
    fn value(&self, signatures: &[String], stamp: &Stamp<'_>) -> Vec<u8> {
        let pieces = self.value.pieces();
        let repeated = self.value.repeated().unwrap_or(0..pieces.len());
        let (before, after) = (&pieces[..repeated.start], &pieces[repeated.end..]);
        let mut value = Vec::new();
        let mut write = |pieces: &[SigningPiece], signature: &str| {
            for piece in pieces {
                value.extend_from_slice(match piece {
                    SigningPiece::Text(text) => text.as_bytes(),
                    SigningPiece::Field(SigningField::Signature) => signature.as_bytes(),
                    SigningPiece::Field(field) => stamp.get(*field),
                });
            }
        };
        write(before, "");
        for signature in signatures {
            write(&pieces[repeated.clone()], signature);
        }
        write(after, "");
        value
    }
}

impl fmt::Debug for HmacSigning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HmacSigning")
            .field("keys", &self.keys.len())
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}

impl Algorithm {
    fn hash(self) -> Hash {
        match self {
            Self::Sha256 => HMAC_SHA256,
            Self::Sha512 => HMAC_SHA512,
            Self::Sha1 => HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        }
    }
}

/// What tells an attempt from others.
struct Stamp<'a> {
    id: Option<&'a [u8]>,
    seconds: &'a [u8],
}

impl Stamp<'_> {
    /// What a placeholder stands for, where that is a matter of the stamp.
    fn get(&self, field: SigningField) -> &[u8] {
        match field {
            SigningField::Timestamp => self.seconds,
            SigningField::Id => self.id.unwrap_or_default(),
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use fanway_types::{Headers, Secret, SigningTemplate};
    use http::uri::PathAndQuery;
    use http::{HeaderName, HeaderValue, Method};

    use super::{Algorithm, Encoding, HmacParams, HmacSigning, Signable};
    use crate::http::RequestError;

    const SECONDS: u64 = 1_531_420_618;
    // Computed by Python's `hmac`.
    const HASH256: &str = "f6176fbafc6545d56958e6382add33178b9901f0b2feee1c8e3cb2308891a7a9";
    const HASH1: &str = "O0tu1hc36SzzmGBImMD2NTJeawU=";
    const HASH512: &str =
        "5eDN8vVN3S/9dQHdqw0mT2UFxW3elirnL/rpD4s2kpu9ixdmjwMqK9/NeaHJjPTvBfDp6Do5PjFqqMgBdj9I7A==";
    const BY_A: &str = "89acf8304476f48a4de4c4c746327388e2a0134dee39f45eed10c6dabaf9a45f";
    const BY_B: &str = "0d3ba6e942a8a2007c767e73c88393698e10d253a5b864b7219eef2e6cd8a484";

    fn params(secret: &str, value: &str, content: &str) -> HmacParams {
        HmacParams {
            secrets: vec![Secret::new(secret.to_owned())],
            algorithm: Algorithm::Sha256,
            encoding: Encoding::Hex,
            header: HeaderName::from_static("x-signature"),
            value: SigningTemplate::value(value).expect("a value"),
            content: SigningTemplate::content(content).expect("a content"),
            timestamp_header: None,
        }
    }

    fn signed(
        params: HmacParams,
        id: Option<&'static str>,
        body: &str,
    ) -> Result<Vec<String>, RequestError> {
        let signing = HmacSigning::try_new(params).expect("a secret");
        let request = Signable {
            method: &Method::PUT,
            path: &PathAndQuery::from_static("/v1/a%20b?x=1&y"),
            headers: &Headers::default(),
            body: body.as_bytes(),
        };
        let id = id.map(HeaderValue::from_static);
        let mut given = Vec::new();
        signing.sign(request, id.as_ref(), SECONDS, &mut |name, value| {
            let text = |bytes| str::from_utf8(bytes).expect("text").to_owned();
            given.push(format!("{}: {}", text(name), text(value)));
        })?;
        Ok(given)
    }

    #[track_caller]
    fn check(params: HmacParams, body: &str, expected: &[&str]) {
        assert_eq!(
            signed(params, Some("dlv_1"), body).expect("signed"),
            expected
        );
    }

    #[test]
    fn githubs_own_example_is_signed_as_it_says() {
        // docs.github.com, "Validating webhook deliveries".
        let mut github = params("It's a Secret to Everybody", "sha256={signature}", "{body}");
        github.header = HeaderName::from_static("x-hub-signature-256");
        let expected = "x-hub-signature-256: sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        check(github, "Hello, World!", &[expected]);
    }

    #[test]
    fn slacks_own_example_is_signed_as_it_says() {
        // docs.slack.dev, "Verifying requests from Slack".
        let mut slack = params(
            "8f742231b10e8888abcd99yyyzzz85a5",
            "v0={signature}",
            "v0:{timestamp}:{body}",
        );
        slack.header = HeaderName::from_static("x-slack-signature");
        slack.timestamp_header = Some(HeaderName::from_static("x-slack-request-timestamp"));
        let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
        let expected = [
            "x-slack-signature: v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
            "x-slack-request-timestamp: 1531420618",
        ];
        check(slack, body, &expected);
    }

    #[test]
    fn all_of_a_request_can_be_signed() {
        let content = "{method} {path} {query} {timestamp} {id} {body}";
        let expected = format!("x-signature: 1531420618.dlv_1.{HASH256}");
        check(
            params("k", "{timestamp}.{id}.{signature}", content),
            "body",
            &[&expected],
        );
        let sha1 = HmacParams {
            algorithm: Algorithm::Sha1,
            encoding: Encoding::Base64,
            ..params("k", "{signature}", content)
        };
        check(sha1, "body", &[&format!("x-signature: {HASH1}")]);
        let sha512 = HmacParams {
            algorithm: Algorithm::Sha512,
            encoding: Encoding::Base64,
            ..params("k", "{signature}", content)
        };
        check(sha512, "body", &[&format!("x-signature: {HASH512}")]);
    }

    #[test]
    fn several_secrets_repeat_what_is_in_brackets_or_else_the_header() {
        let two = |value: &str| {
            let mut params = params("a", value, "{body}");
            params.secrets.push(Secret::new("b".to_owned()));
            params
        };
        check(
            two("t={timestamp}[,v1={signature}];"),
            "body",
            &[&format!("x-signature: t=1531420618,v1={BY_A},v1={BY_B};")],
        );
        let each = [BY_A, BY_B].map(|hash| format!("x-signature: sha256={hash}"));
        check(two("sha256={signature}"), "body", &[&each[0], &each[1]]);
    }

    #[test]
    fn an_id_is_needed_only_where_it_is_named() {
        assert!(signed(params("k", "{signature}", "{body}"), None, "").is_ok());
        for (value, content) in [("{signature}", "{id}"), ("{signature}{id}", "{body}")] {
            let signed = signed(params("k", value, content), None, "");
            assert_eq!(signed, Err(RequestError::NoKey));
        }
    }

    #[test]
    fn debug_output_hides_the_secrets() {
        let params = params("hunter2", "{signature}", "{body}");
        assert!(!format!("{params:?}").contains("hunter2"));
        let signing = HmacSigning::try_new(params).expect("a secret");
        let expected = "HmacSigning { keys: 1, header: \"x-signature\", .. }";
        assert_eq!(format!("{signing:?}"), expected);
    }
}
