//! Every range of the registries, at both of its ends and just outside.

use std::net::IpAddr;

use super::{Egress, Network};

fn networks(texts: &[&str]) -> Vec<Network> {
    let texts = texts.iter();
    texts.map(|text| text.parse().expect("a range")).collect()
}

#[track_caller]
fn check_all(egress: &Egress, addresses: &[&str], expected: bool) {
    for text in addresses {
        let address: IpAddr = text.parse().expect("an address");
        let checked = egress.check(address);
        assert_eq!(checked.is_ok(), expected, "{text}: {checked:?}");
    }
}

/// Whether data may name these addresses where nothing is allowed.
#[track_caller]
fn check_public(addresses: &[&str], expected: bool) {
    check_all(&Egress::public(&[], &[]), addresses, expected);
}

#[test]
fn ipv4_that_is_not_public_is_refused() {
    check_public(
        &[
            "0.0.0.0",
            "0.255.255.255",
            "10.0.0.0",
            "10.255.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "127.0.0.0",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.0.0",
            "169.254.169.254",
            "169.254.255.255",
            "172.16.0.0",
            "172.31.255.255",
            "192.0.0.0",
            "192.0.0.192",
            "192.0.0.255",
            "192.0.2.0",
            "192.0.2.255",
            "192.88.99.1",
            "192.168.0.0",
            "192.168.255.255",
            "198.18.0.0",
            "198.19.255.255",
            "198.51.100.0",
            "203.0.113.255",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.0",
            "255.255.255.254",
            "255.255.255.255",
            "168.63.129.16",
            "100.100.100.200",
        ],
        false,
    );
    check_public(
        &[
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
            "192.88.98.255",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "198.51.101.0",
            "203.0.114.0",
            "223.255.255.255",
            "168.63.129.15",
            "8.8.8.8",
        ],
        true,
    );
}

#[test]
fn ipv6_that_is_not_public_is_refused() {
    check_public(
        &[
            "::",
            "::1",
            "::2",
            "::7f00:1",
            "::ffff:0:7f00:1",
            "::ffff:0:808:808",
            "64:ff9b:1::1",
            "64:ff9b:1:ffff::808:808",
            "100::",
            "100:0:0:1::1",
            "200::",
            "1fff::",
            "2001::1",
            "2001:2::1",
            "2001:1ff:ffff::",
            "2001:db8::",
            "2001:db8:ffff::1",
            "2002::",
            "2002:7f00:1::",
            "2002:808:808::1",
            "3fff::1",
            "4000::",
            "5f00::1",
            "8000::",
            "fc00::",
            "fd00:ec2::254",
            "fd20:ce::254",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "feff::1",
            "ff00::",
            "ff02::1",
            "ffff::",
        ],
        false,
    );
    check_public(
        &[
            "2000::",
            "2001:200::",
            "2001:4860:4860::8888",
            "2001:dc0::1",
            "2003::1",
            "2620::1",
            "3ffe::1",
            "3fff:1000::",
        ],
        true,
    );
}

#[test]
fn an_ipv4_address_is_as_public_by_any_other_name() {
    check_public(
        &[
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::a9fe:a9fe",
        ],
        false,
    );
    check_public(&["::ffff:8.8.8.8", "64:ff9b::8.8.8.8"], true);
}

#[test]
fn what_is_allowed_is_reached_all_the_same() {
    let egress = Egress::public(&networks(&["10.20.0.0/16", "::1", "2002::/16"]), &[]);
    let within = [
        "10.20.0.0",
        "::ffff:10.20.0.1",
        "64:ff9b::10.20.0.1",
        "::1",
        "2002:7f00:1::",
    ];
    check_all(&egress, &within, true);
    check_all(
        &egress,
        &["10.21.0.0", "127.0.0.1", "::2", "::10.20.0.1"],
        false,
    );
}

#[test]
fn what_is_denied_is_reached_by_nothing() {
    let denied = networks(&["203.0.113.0/24", "8.8.8.8", "2620::/16"]);
    let every_way = [
        "203.0.113.7",
        "8.8.8.8",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "64:ff9b:1::8.8.8.8",
        "::8.8.8.8",
        "::ffff:0:808:808",
        "2002:808:808::1",
        "2001::f7f7:f7f7",
        "2620::1",
    ];
    let allowed = networks(&["0.0.0.0/0", "::/0"]);
    for egress in [Egress::any_but(&denied), Egress::public(&allowed, &denied)] {
        check_all(&egress, &every_way, false);
        check_all(&egress, &["8.8.4.4", "127.0.0.1", "::1", "2621::1"], true);
    }
}

#[test]
fn where_nothing_is_said_everything_is_reached() {
    let open = Egress::any_but(&[]);
    assert!(open.is_open() && open == Egress::default());
    check_all(
        &open,
        &["127.0.0.1", "::1", "169.254.169.254", "ff02::1"],
        true,
    );
    assert!(!Egress::public(&[], &[]).is_open());
    assert_eq!(Egress::public(&[], &[]).of_config(), open);
}

#[test]
fn a_refusal_says_what_the_address_is_and_what_would_allow_it() {
    let egress = Egress::public(&[], &networks(&["8.8.8.0/24"]));
    let said = |text: &str| {
        let address = text.parse().expect("an address");
        let forbidden = egress.check(address).expect_err("it isn't public");
        forbidden.to_string()
    };
    assert_eq!(
        said("127.0.0.1"),
        "127.0.0.1 is loopback (127.0.0.0/8), and `egress.allow` doesn't have it"
    );
    assert_eq!(
        said("::ffff:169.254.169.254"),
        "::ffff:169.254.169.254 is a metadata service (169.254.169.254/32), and `egress.allow` doesn't have it"
    );
    assert_eq!(
        said("8.8.8.8"),
        "8.8.8.8 is in 8.8.8.0/24, which `egress.deny` has"
    );
}
