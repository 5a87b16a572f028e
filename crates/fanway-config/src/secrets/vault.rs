//! `secrets.vault`: where a vault is, and how Fanway shows it who it is.

use std::path::PathBuf;
use std::time::Duration;

use fanway_types::Secret;
use rustls::pki_types::CertificateDer;

use crate::check::Finding;
use crate::fields::Fields;
use crate::keys::{Default, Key, Kind, Least, Section};
use crate::pem::authorities;
use crate::problem::Code;
use crate::url::HttpUrl;

/// A vault, and how it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vault {
    /// Where it is.
    pub address: HttpUrl,
    /// How Fanway shows it who it is.
    pub login: Login,
    /// The namespace that paths begin in.
    pub namespace: Option<String>,
    /// The only authorities that its certificate may come from; without them the system's.
    pub ca: Option<Vec<CertificateDer<'static>>>,
    /// How long a question may take.
    pub timeout: Duration,
}

/// How Fanway shows a vault who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// By a token that somebody has made.
    Token(Secret),
    /// As an application.
    AppRole {
        /// Where this method is mounted, below `auth/`.
        mount: String,
        /// Which application.
        role_id: Secret,
        /// What proves it.
        secret_id: Secret,
    },
    /// By the token of a pod's service account.
    Kubernetes {
        /// Where this method is mounted, below `auth/`.
        mount: String,
        /// The role that is asked for.
        role: String,
        /// The file that has the token. It is read at each login.
        jwt_file: PathBuf,
    },
}

const MOUNT: &str = "Where this method is mounted in the vault, below `auth/`.";

pub(crate) static SECTION: Section = Section {
    about: "The vault that `${vault:PATH#FIELD}` is read from.",
    elsewhere: &[("url", "that is `address`")],
    keys: &[
        Key {
            name: "address",
            kind: Kind::Url,
            default: Default::Required,
            about: "Where it is, such as `https://vault.example:8200`.",
        },
        Key {
            name: "token",
            kind: Kind::Secret,
            default: Default::Depends("**required**, or `approle`, or `kubernetes`"),
            about: "A token that somebody has made. One that can be renewed is.",
        },
        Key {
            name: "approle",
            kind: Kind::Section(&APPROLE),
            default: Default::Unset,
            about: "Logs in as an application.",
        },
        Key {
            name: "kubernetes",
            kind: Kind::Section(&KUBERNETES),
            default: Default::Unset,
            about: "Logs in by the token of the pod's service account.",
        },
        Key {
            name: "namespace",
            kind: Kind::Text,
            default: Default::Unset,
            about: "The namespace that all paths begin in.",
        },
        Key {
            name: "ca",
            kind: Kind::Pem,
            default: Default::Depends("the system's"),
            about: "The authorities that its certificate may come from: a file in PEM form, or its content. A relative path starts at the folder of the file that it stands in.",
        },
        Key {
            name: "timeout",
            kind: Kind::Duration(Least::AboveZero),
            default: Default::Is("10s"),
            about: "How long a question may take.",
        },
    ],
};

static APPROLE: Section = Section {
    about: "Logs in as an application.",
    elsewhere: &[],
    keys: &[
        Key {
            name: "role_id",
            kind: Kind::Secret,
            default: Default::Required,
            about: "Which application.",
        },
        Key {
            name: "secret_id",
            kind: Kind::Secret,
            default: Default::Required,
            about: "What proves it.",
        },
        Key {
            name: "mount",
            kind: Kind::Text,
            default: Default::Is("approle"),
            about: MOUNT,
        },
    ],
};

static KUBERNETES: Section = Section {
    about: "Logs in by the token of the pod's service account.",
    elsewhere: &[(
        "jwt",
        "the token changes, so that it is read from a file at each login: `jwt_file`",
    )],
    keys: &[
        Key {
            name: "role",
            kind: Kind::Text,
            default: Default::Required,
            about: "The vault's role for this service account.",
        },
        Key {
            name: "jwt_file",
            kind: Kind::File,
            default: Default::Is("/var/run/secrets/kubernetes.io/serviceaccount/token"),
            about: "The file that has the token. It is read at each login.",
        },
        Key {
            name: "mount",
            kind: Kind::Text,
            default: Default::Is("kubernetes"),
            about: MOUNT,
        },
    ],
};

pub(crate) fn read(fields: &Fields<'_>) -> Option<Vault> {
    let address = fields.value("address");
    let login = read_login(fields);
    let namespace: Option<Option<String>> = fields.optional("namespace");
    let ca = authorities(fields, "ca");
    let timeout = fields.value("timeout");
    Some(Vault {
        address: address?,
        login: login?,
        namespace: namespace?,
        ca: ca?,
        timeout: timeout?,
    })
}

fn read_login(fields: &Fields<'_>) -> Option<Login> {
    let token = fields.optional("token");
    let approle = fields.optional_section("approle", read_approle);
    let kubernetes = fields.optional_section("kubernetes", read_kubernetes);
    let token = token?.map(Login::Token);
    let mut given = [token, approle?, kubernetes?].into_iter().flatten();
    match (given.next(), given.next()) {
        (Some(one), None) => Some(one),
        (first, _) => {
            let found = first.map_or("none", |_| "more");
            let message = format!("expected one of token, approle and kubernetes, found {found}");
            let finding = Finding::new(Code::Fit, fields.span, message);
            fields.check.report(finding);
            None
        }
    }
}

fn read_approle(fields: &Fields<'_>) -> Option<Login> {
    let role_id = fields.value("role_id");
    let secret_id = fields.value("secret_id");
    let mount = fields.value("mount");
    Some(Login::AppRole {
        mount: mount?,
        role_id: role_id?,
        secret_id: secret_id?,
    })
}

fn read_kubernetes(fields: &Fields<'_>) -> Option<Login> {
    let role = fields.value("role");
    let jwt_file = fields.value("jwt_file");
    let mount = fields.value("mount");
    Some(Login::Kubernetes {
        mount: mount?,
        role: role?,
        jwt_file: jwt_file?,
    })
}
