//! `server`: where Fanway listens, and the bounds of what comes in.

mod cors;

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use fanway_types::ByteCount;

use crate::check::Finding;
use crate::fields::Fields;
use crate::keys::{Default, Key, Kind, Least, Section};
use crate::problem::Code;
use crate::url::HttpUrl;

pub use cors::{Cors, PageOrigins};

/// What stands under `server`.
#[derive(Clone, Debug)]
pub struct Server {
    /// Where senders are listened to.
    pub listen: SocketAddr,
    /// Where operators are listened to: a loopback address.
    pub admin: SocketAddr,
    /// What links begin with; without it they are relative.
    pub public_url: Option<HttpUrl>,
    /// The most memory for messages in lanes and bodies on their way in.
    pub memory: ByteCount,
    /// The largest body; at most `memory`. Where it is the default it may be more than fits into a
    /// segment, which is a warning: what fits is the limit then.
    pub max_body: ByteCount,
    /// The most connections at a time.
    pub connections: NonZeroU32,
    /// The most connections to all targets together; `None` for what the system's limits allow.
    pub target_connections: Option<NonZeroUsize>,
    /// How long a request's head may take to arrive.
    pub header_timeout: Duration,
    /// How long a request's body may take to arrive.
    pub body_timeout: Duration,
    /// The most headers of a request.
    pub max_headers: NonZeroU32,
    /// The most bytes of a request's head.
    pub max_header_bytes: ByteCount,
    /// How long a stop waits for what is in flight.
    pub drain: Duration,
    /// Threads that serve; `None` for one a core.
    pub threads: Option<NonZeroUsize>,
    /// Whether the config is read again when one of its files changes.
    pub watch: bool,
    /// The most listeners to messages' events at a time.
    pub followers: NonZeroUsize,
    /// Which web pages may send from a browser; without it none of another origin.
    pub cors: Option<Cors>,
}

pub(crate) static SECTION: Section = Section {
    about: "Where Fanway listens, and the bounds of what comes in.",
    elsewhere: &[
        ("port", "the port is part of `listen`: 127.0.0.1:8080"),
        ("host", "the host is part of `listen`: 127.0.0.1:8080"),
    ],
    keys: &[
        Key {
            name: "listen",
            kind: Kind::Address,
            default: Default::Is("127.0.0.1:8080"),
            about: "Where senders are listened to. Port 0 takes any that is free.",
        },
        Key {
            name: "admin",
            kind: Kind::Address,
            default: Default::Is("127.0.0.1:8081"),
            about: "Where the admin API, health and metrics are. A loopback address, since nobody has to show who they are there.",
        },
        Key {
            name: "public_url",
            kind: Kind::Url,
            default: Default::Unset,
            about: "What links begin with when senders reach Fanway by another address than `listen`. Without it links are relative.",
        },
        Key {
            name: "memory",
            kind: Kind::Size {
                least: ByteCount::mib(16),
                most: ByteCount::new(u64::MAX),
            },
            default: Default::Is("256MiB"),
            about: "The most memory for messages in lanes and bodies on their way in. Beyond it senders get 503.",
        },
        Key {
            name: "max_body",
            kind: Kind::Size {
                least: ByteCount::new(1),
                most: ByteCount::mib(48),
            },
            default: Default::Is("10MiB"),
            about: "The largest body. Beyond it senders get 413. No more than `memory`, and 64KiB less than `store.segment` at most.",
        },
        Key {
            name: "connections",
            kind: Kind::Count {
                least: 1,
                most: 1_000_000,
            },
            default: Default::Is("10000"),
            about: "The most connections of senders at a time. Beyond it they get 503.",
        },
        Key {
            name: "target_connections",
            kind: Kind::Count {
                least: 1,
                most: 1_000_000,
            },
            default: Default::Depends(
                "half of the open files that the process may have, at most 8192",
            ),
            about: "The most connections to all targets together. Beyond it idle ones of other targets are closed, and who needs one waits; each target can always have its part of half of them.",
        },
        Key {
            name: "header_timeout",
            kind: Kind::Duration(Least::AboveZero),
            default: Default::Is("10s"),
            about: "How long a request's head may take to arrive.",
        },
        Key {
            name: "body_timeout",
            kind: Kind::Duration(Least::AboveZero),
            default: Default::Is("30s"),
            about: "How long a request's body may take to arrive, all of it.",
        },
        Key {
            name: "max_headers",
            kind: Kind::Count {
                least: 1,
                most: 10_000,
            },
            default: Default::Is("100"),
            about: "The most headers of a request. Beyond it senders get 431.",
        },
        Key {
            name: "max_header_bytes",
            // hyper reads heads into a buffer of 8 KiB at least; a stored header has 64 KiB at most.
            kind: Kind::Size {
                least: ByteCount::kib(8),
                most: ByteCount::kib(64),
            },
            default: Default::Is("32KiB"),
            about: "The largest head of a request. Beyond it senders get 431.",
        },
        Key {
            name: "drain",
            kind: Kind::Duration(Least::Zero),
            default: Default::Is("10s"),
            about: "How long a stop waits for what is in flight. What isn't done by then is done after the next start.",
        },
        Key {
            name: "threads",
            kind: Kind::Count {
                least: 1,
                most: 1024,
            },
            default: Default::Depends("one a core"),
            about: "Threads that serve requests and deliveries.",
        },
        Key {
            name: "watch",
            kind: Kind::Flag,
            default: Default::Is("true"),
            about: "Whether the config is read again when one of its files changes: this one, what it includes, and what `${file:…}` names. One with an error changes nothing.",
        },
        Key {
            name: "followers",
            kind: Kind::Count {
                least: 1,
                most: 1_000_000,
            },
            default: Default::Is("1024"),
            about: "The most listeners to messages' events at a time, over SSE and WebSocket together. Beyond it they get 503.",
        },
        Key {
            name: "cors",
            kind: Kind::Section(&cors::SECTION),
            default: Default::Unset,
            about: "Which web pages may send from a browser. Without it browsers let none of another origin send JSON or read an answer.",
        },
    ],
};

pub(crate) fn read(fields: &Fields<'_>) -> Option<Server> {
    let listen = fields.value("listen");
    let admin = fields
        .value("admin")
        .filter(|admin| check_admin(fields, *admin));
    let public_url = fields.optional("public_url");
    let memory = fields.value("memory");
    let max_body = fields.value("max_body");
    let connections = fields.value("connections");
    let target_connections = fields.optional("target_connections");
    let header_timeout = fields.value("header_timeout");
    let body_timeout = fields.value("body_timeout");
    let max_headers = fields.value("max_headers");
    let max_header_bytes = fields.value("max_header_bytes");
    let drain = fields.value("drain");
    let threads = fields.optional("threads");
    let watch = fields.value("watch");
    let followers = fields.value("followers");
    let cors = fields.optional_section("cors", cors::read);
    let server = Server {
        listen: listen?,
        admin: admin?,
        public_url: public_url?,
        memory: memory?,
        max_body: max_body?,
        connections: connections?,
        target_connections: target_connections?,
        header_timeout: header_timeout?,
        body_timeout: body_timeout?,
        max_headers: max_headers?,
        max_header_bytes: max_header_bytes?,
        drain: drain?,
        threads: threads?,
        watch: watch?,
        followers: followers?,
        cors: cors?,
    };
    check_together(fields, &server).then_some(server)
}

fn check_admin(fields: &Fields<'_>, admin: SocketAddr) -> bool {
    let loopback = admin.ip().is_loopback();
    if !loopback && let Some(entry) = fields.entry("admin") {
        let message = "\"admin\" is no loopback address, and nobody has to show who they are there"
            .to_owned();
        let finding = Finding::new(Code::Value, entry.node.span, message);
        fields.check.report(
            finding.hint("listen on 127.0.0.1 or [::1], and put a proxy or a tunnel before it"),
        );
    }
    loopback
}

fn check_together(fields: &Fields<'_>, server: &Server) -> bool {
    let problem = if server.listen == server.admin && server.listen.port() != 0 {
        Some((
            "admin",
            "listen",
            "\"listen\" and \"admin\" are the same address".to_owned(),
        ))
    } else if server.max_body > server.memory {
        let message =
            "\"max_body\" is larger than \"memory\", so the largest bodies never have room"
                .to_owned();
        Some(("max_body", "memory", message))
    } else {
        None
    };
    let Some((one, other, message)) = problem else {
        return true;
    };
    // At least one of the two was written, or their defaults wouldn't go together.
    let entry = fields.entry(one).or_else(|| fields.entry(other));
    let span = entry.map_or(fields.span, |entry| entry.node.span);
    fields.check.report(Finding::new(Code::Fit, span, message));
    false
}
