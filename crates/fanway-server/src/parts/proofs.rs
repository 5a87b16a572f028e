//! How targets are told who we are: credentials and signatures.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use fanway_config as config;
use fanway_target::http::{self, HttpTargetError, Tokens, Version};
use fanway_types::TargetName;

use super::{now, url, wire};
use crate::outward::Outward;

/// How long a request for a token may take; the target's own time-outs are for what it does.
const TOKEN_TIMEOUTS: http::Timeouts = http::Timeouts {
    connect: Duration::from_secs(5),
    first_byte: Duration::from_secs(10),
    whole: Duration::from_secs(10),
};

/// The credentials of a target. The tokens of one whose `oauth2` is as it was are kept.
pub(super) fn credentials(
    name: &TargetName,
    target: &config::Target,
    outward: &Outward,
) -> Result<http::Credentials, HttpTargetError> {
    let Some(credentials) = target.credentials.clone() else {
        return Ok(http::Credentials::None);
    };
    Ok(match credentials {
        config::Credentials::Bearer(token) => http::Credentials::Bearer(token),
        config::Credentials::Basic { user, password } => http::Credentials::Basic {
            user: user.expose().to_owned(),
            password,
        },
        config::Credentials::Header { name, value } => http::Credentials::Header {
            name: name.as_str().to_owned(),
            value,
        },
        config::Credentials::Query { name, value } => http::Credentials::Query { name, value },
        config::Credentials::OAuth2(oauth2) => {
            let make = || tokens(&oauth2, target, outward);
            http::Credentials::OAuth2(outward.tokens.of(name, target, &oauth2, make)?)
        }
        config::Credentials::SigV4(sigv4) => http::Credentials::SigV4(Box::new(signer(*sigv4))),
    })
}

/// Tokens by what a config says. Their server is reached as the target is, by its proxy and within
/// its egress; what is said of the target's own certificate isn't for it.
fn tokens(
    oauth2: &config::OAuth2,
    target: &config::Target,
    outward: &Outward,
) -> Result<Tokens, HttpTargetError> {
    let config::OAuth2 {
        token_url,
        client_id,
        client_secret,
        scope,
        audience,
        auth,
        ahead,
    } = oauth2.clone();
    let grant = http::Grant {
        client_id,
        client_secret,
        auth: match auth {
            config::ClientAuth::Basic => http::ClientAuth::Basic,
            config::ClientAuth::Body => http::ClientAuth::Body,
        },
        scope,
        audience,
        ahead,
    };
    let server = http::Params {
        url: url(token_url.as_str()),
        credentials: http::Credentials::None,
        sign: None,
        timeouts: TOKEN_TIMEOUTS,
        version: Version::Auto,
        connections: NonZeroUsize::MIN,
        idle: http::Params::DEFAULT_IDLE,
        budget: outward.budget.clone(),
        roots: outward.roots.clone(),
        tls: http::Tls::default(),
        proxy: target.proxy.as_ref().map(wire::proxy),
        egress: target.egress.clone(),
    };
    Tokens::try_new(&grant, server)
}

fn signer(sigv4: config::SigV4) -> http::SigV4 {
    let config::SigV4 {
        access_key,
        secret_key,
        session_token,
        region,
        service,
    } = sigv4;
    http::SigV4 {
        access_key,
        secret_key,
        session_token,
        region,
        service,
        clock: Arc::new(now),
    }
}

/// How requests are signed.
pub(super) fn signing(sign: &config::Sign) -> http::Signing {
    let keys = sign.standard_webhooks.iter().map(|key| {
        let made = match key.scheme() {
            config::SigningScheme::V1 => http::WebhookKey::symmetric(key.expose()),
            config::SigningScheme::V1a => http::WebhookKey::ed25519(key.expose()),
        };
        made.expect("the config takes no other keys")
    });
    let hmac = sign.hmac.as_ref().map(hmac);
    let signing = http::Signing::try_new(keys, hmac, Arc::new(now));
    signing.expect("the config has a key or an HMAC")
}

fn hmac(hmac: &config::Hmac) -> http::HmacSigning {
    let config::Hmac {
        secrets,
        algorithm,
        encoding,
        header,
        value,
        content,
        timestamp_header,
    } = hmac.clone();
    let params = http::HmacParams {
        secrets,
        algorithm: match algorithm {
            config::HmacAlgorithm::Sha256 => http::Algorithm::Sha256,
            config::HmacAlgorithm::Sha512 => http::Algorithm::Sha512,
            config::HmacAlgorithm::Sha1 => http::Algorithm::Sha1,
        },
        encoding: match encoding {
            config::HmacEncoding::Hex => http::Encoding::Hex,
            config::HmacEncoding::Base64 => http::Encoding::Base64,
        },
        header,
        value,
        content,
        timestamp_header,
    };
    http::HmacSigning::try_new(params).expect("the config has at least one secret")
}
