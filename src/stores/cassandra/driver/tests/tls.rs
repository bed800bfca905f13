//! Whom the client trusts, against a listener that shakes hands and then answers everything with "bad credentials".

mod client;

use client::{Client, Options};
use finpipe_cql::Status;
use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{Ssl, SslContext, SslMethod, SslStream, SslVerifyMode};
use openssl::symm::Cipher;
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Name};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::thread;

const DAY: i64 = 24 * 60 * 60;

struct Identity {
    certificate: X509,
    key: PKey<Private>,
}

fn now() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("time").as_secs() as i64
}

/// Valid from and to so many days from now; signed by itself when there is no CA.
fn identity(name: &str, names: &[&str], days: (i64, i64), ca: Option<&Identity>) -> Identity {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("curve");
    let key = PKey::from_ec_key(EcKey::generate(&group).expect("key")).expect("key");
    let mut subject = X509Name::builder().expect("name");
    subject.append_entry_by_nid(Nid::COMMONNAME, name).expect("name");
    let subject = subject.build();
    let mut serial = BigNum::new().expect("serial");
    serial.rand(120, MsbOption::ONE, false).expect("serial");
    let time = |days: i64| Asn1Time::from_unix(now() + days * DAY).expect("time");
    let mut builder = X509::builder().expect("certificate");
    builder.set_version(2).expect("version");
    builder.set_serial_number(&serial.to_asn1_integer().expect("serial")).expect("serial");
    builder.set_subject_name(&subject).expect("subject");
    builder.set_issuer_name(ca.map_or(&subject, |ca| ca.certificate.subject_name())).expect("issuer");
    builder.set_not_before(&time(days.0)).expect("time");
    builder.set_not_after(&time(days.1)).expect("time");
    builder.set_pubkey(&key).expect("key");
    if ca.is_none() {
        builder.append_extension(BasicConstraints::new().critical().ca().build().expect("CA")).expect("CA");
    }
    if !names.is_empty() {
        let mut alternatives = SubjectAlternativeName::new();
        for name in names {
            match name.parse::<std::net::IpAddr>() {
                Ok(_) => alternatives.ip(name),
                Err(_) => alternatives.dns(name),
            };
        }
        let extension = alternatives.build(&builder.x509v3_context(None, None)).expect("names");
        builder.append_extension(extension).expect("names");
    }
    builder.sign(ca.map_or(&key, |ca| &ca.key), MessageDigest::sha256()).expect("signature");
    Identity { certificate: builder.build(), key }
}

fn ca(name: &str) -> Identity {
    identity(name, &[], (-1, 1), None)
}

/// A file of this test process, by name.
fn file(name: &str, text: &[u8]) -> String {
    let path: PathBuf = [env!("CARGO_TARGET_TMPDIR"), name].iter().collect();
    std::fs::write(&path, text).expect("a file");
    path.into_os_string().into_string().expect("UTF-8")
}

fn pem(certificate: &X509) -> Vec<u8> {
    certificate.to_pem().expect("PEM")
}

/// Answers each request with the CQL error "bad credentials".
fn answer(mut stream: impl Read + Write) {
    let mut header = [0; 9];
    while stream.read_exact(&mut header).is_ok() {
        let size = u32::from_be_bytes(header[5..].try_into().expect("4 bytes"));
        let mut body = vec![0; size as usize];
        if stream.read_exact(&mut body).is_err() {
            return;
        }
        let error = [&0x100_u32.to_be_bytes()[..], b"\0\x03who"].concat();
        let size = (error.len() as u32).to_be_bytes();
        let frame = [&[0x84, 0, header[2], header[3], 0], &size[..], &error].concat();
        if stream.write_all(&frame).is_err() {
            return;
        }
    }
}

/// Serves connections by `serve` as long as the test program runs; its port.
fn listen(serve: impl Fn(TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || listener.incoming().flatten().for_each(serve));
    port
}

/// With TLS; wants a certificate signed by `clients` when there is one.
fn listen_tls(server: &Identity, clients: Option<&Identity>) -> u16 {
    let mut builder = SslContext::builder(SslMethod::tls_server()).expect("context");
    builder.set_certificate(&server.certificate).expect("certificate");
    builder.set_private_key(&server.key).expect("key");
    if let Some(clients) = clients {
        builder.cert_store_mut().add_cert(clients.certificate.clone()).expect("CA");
        builder.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    }
    let context = builder.build();
    listen(move |stream| {
        let mut stream = SslStream::new(Ssl::new(&context).expect("TLS"), stream).expect("TLS");
        if stream.accept().is_ok() {
            answer(stream);
        }
    })
}

fn options(host: &str, port: u16, ca_file: Option<String>) -> Options {
    Options {
        contact_points: format!("{host}:{port}"),
        tls: true,
        ca_file,
        connect_timeout_ms: 20_000,
        ..Options::default()
    }
}

fn failure(options: &Options) -> (Status, String) {
    Client::connect_with(options).expect_err("a failure")
}

/// Of a server with a certificate for `names`, by a CA that is trusted.
fn outcome(test: &str, host: &str, names: &[&str], days: (i64, i64)) -> (Status, String) {
    let ca = ca("CA");
    let port = listen_tls(&identity("server", names, days, Some(&ca)), None);
    failure(&options(host, port, Some(file(test, &pem(&ca.certificate)))))
}

#[test]
fn the_right_address_is_accepted() {
    let (status, message) = outcome("right_address", "127.0.0.1", &["127.0.0.1"], (-1, 1));
    assert_eq!((status, message.as_str()), (Status::BadCredentials, "who"));
}

#[test]
fn the_right_name_is_accepted() {
    assert_eq!(outcome("right_name", "localhost", &["other.example", "localhost"], (-1, 1)).0, Status::BadCredentials);
}

#[test]
fn another_address_is_refused() {
    let (status, message) = outcome("other_address", "127.0.0.1", &["127.0.0.2", "db.example"], (-1, 1));
    assert_eq!(status, Status::TlsWrongHost);
    assert!(message.starts_with("the server's certificate is for 127.0.0.2, db.example: "), "{message}");
}

#[test]
fn another_name_is_refused() {
    assert_eq!(outcome("other_name", "localhost", &["db.example"], (-1, 1)).0, Status::TlsWrongHost);
    // The name that an address might have is none that the user gave.
    assert_eq!(outcome("own_name", "127.0.0.1", &["localhost"], (-1, 1)).0, Status::TlsWrongHost);
}

#[test]
fn a_certificate_is_valid_for_a_time() {
    let (status, message) = outcome("expired", "127.0.0.1", &["127.0.0.1"], (-2, -1));
    assert_eq!(status, Status::TlsExpired);
    assert!(message.starts_with("the server's certificate is valid from "), "{message}");
    assert_eq!(outcome("future", "127.0.0.1", &["127.0.0.1"], (1, 2)).0, Status::TlsExpired);
}

#[test]
fn another_ca_is_not_trusted() {
    let (trusted, other) = (ca("CA"), ca("CA"));
    let trusted_file = file("trusted", &pem(&trusted.certificate));
    let by_other = listen_tls(&identity("server", &["127.0.0.1"], (-1, 1), Some(&other)), None);
    assert_eq!(failure(&options("127.0.0.1", by_other, Some(trusted_file.clone()))).0, Status::TlsUntrusted);
    let by_itself = listen_tls(&identity("server", &["127.0.0.1"], (-1, 1), None), None);
    assert_eq!(failure(&options("127.0.0.1", by_itself, Some(trusted_file))).0, Status::TlsUntrusted);
    // The system's CAs know nothing of it either.
    assert_eq!(failure(&options("127.0.0.1", by_other, None)).0, Status::TlsUntrusted);
}

#[test]
fn the_server_may_want_a_certificate() {
    let (servers, clients) = (ca("servers"), ca("clients"));
    let port = listen_tls(&identity("server", &["127.0.0.1"], (-1, 1), Some(&servers)), Some(&clients));
    let without = options("127.0.0.1", port, Some(file("servers", &pem(&servers.certificate))));
    let with = |name: &str, own: Identity| Options {
        certificate_file: Some(file(&format!("{name}.pem"), &pem(&own.certificate))),
        key_file: Some(file(&format!("{name}.key"), &own.key.private_key_to_pem_pkcs8().expect("PEM"))),
        ..without.clone()
    };
    let (status, message) = failure(&without);
    assert_eq!(status, Status::TlsFailed, "{message}");
    let (status, message) = failure(&with("stranger", identity("stranger", &[], (-1, 1), Some(&servers))));
    assert_eq!(status, Status::TlsFailed, "{message}");
    assert_eq!(failure(&with("known", identity("known", &[], (-1, 1), Some(&clients)))).0, Status::BadCredentials);
}

#[test]
fn a_server_without_tls_is_told_apart() {
    // As Cassandra does: an error frame for what is no frame.
    let port = listen(|mut stream| {
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(b"\x84\0\0\0\0\0\0\0\x08\0\0\0\x0a\0\x02no");
    });
    let (status, message) = failure(&options("127.0.0.1", port, None));
    assert_eq!((status, message.as_str()), (Status::TlsFailed, "the server speaks no TLS there"));
}

#[test]
fn a_server_that_goes_away_may_come_back() {
    let port = listen(drop);
    assert_eq!(failure(&options("127.0.0.1", port, None)).0, Status::Unreachable);
    let plain = Options { tls: false, ..options("127.0.0.1", port, None) };
    assert_eq!(failure(&plain).0, Status::Unreachable);
    let silent = Options { connect_timeout_ms: 200, ..options("127.0.0.1", listen(std::mem::forget), None) };
    assert_eq!(failure(&silent).0, Status::Unreachable);
    let unknown = options("no-such-host.invalid", port, None);
    assert_eq!(failure(&unknown).0, Status::Unreachable);
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let own = identity("own", &[], (-1, 1), None);
    let certificate = file("own.pem", &pem(&own.certificate));
    let key = file("own.key", &own.key.private_key_to_pem_pkcs8().expect("PEM"));
    let encrypted = own.key.private_key_to_pem_pkcs8_passphrase(Cipher::aes_128_cbc(), b"secret").expect("PEM");
    let encrypted = file("encrypted.key", &encrypted);
    let other_key = file("other.key", &ca("CA").key.private_key_to_pem_pkcs8().expect("PEM"));
    let text = file("text", b"text");
    let nowhere = "/nowhere/at.all".to_string();
    let refused = |options: Options, path: &str| {
        let (status, message) = failure(&options);
        assert_eq!(status, Status::BadFile, "{message}");
        assert!(message.starts_with(path), "{message}");
    };
    let trust = |path: &String| options("127.0.0.1", 1, Some(path.clone()));
    refused(trust(&nowhere), &nowhere);
    refused(trust(&text), &text);
    let show = |certificate: &String, key: &String| Options {
        certificate_file: Some(certificate.clone()),
        key_file: Some(key.clone()),
        ..options("127.0.0.1", 1, None)
    };
    refused(show(&nowhere, &key), &nowhere);
    refused(show(&certificate, &nowhere), &nowhere);
    refused(show(&certificate, &text), &text);
    refused(show(&certificate, &encrypted), &encrypted);
    refused(show(&certificate, &other_key), &other_key);
    assert_eq!(failure(&show(&certificate, &key)).0, Status::Unreachable);
}
