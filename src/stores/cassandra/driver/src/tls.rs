//! TLS: who is trusted, and why a server was not.

use crate::status::{Failure, Status};
use foreign_types::ForeignTypeRef;
use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{
    ErrorCode, Ssl, SslConnector, SslConnectorBuilder, SslContextRef, SslMethod, SslStream, SslVerifyMode,
};
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::{X509, X509Ref, X509StoreContextRef, X509VerifyResult};
use std::ffi::c_uint;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, io};

#[derive(Clone, Default)]
pub struct Files {
    pub ca: Option<PathBuf>,          // the system's when there is none
    pub certificate: Option<PathBuf>, // our own, and what links it to a CA
    pub key: Option<PathBuf>,
}

/// Why the last certificate that was refused was refused.
#[derive(Default)]
pub struct Rejections(Mutex<Option<Failure>>);

impl Rejections {
    fn set(&self, failure: Failure) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
    }

    fn last(&self) -> Option<Failure> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A context that accepts a server whose certificate leads to a trusted CA and is either for the address that we are
/// connected to (the driver asks for that) or for one of `hosts`, the names that the user gave. The nodes that a server
/// tells us of have addresses only, so names are not tied to addresses.
pub fn context(files: &Files, hosts: Vec<String>, rejections: Arc<Rejections>) -> Result<SslConnectorBuilder, Failure> {
    let mut builder =
        SslConnector::builder(SslMethod::tls_client()).map_err(|error| Failure::new(Status::TlsFailed, error))?;
    if let Some(path) = &files.ca {
        let mut store = X509StoreBuilder::new().map_err(|error| unusable(path, error))?;
        for certificate in certificates(path)? {
            store.add_cert(certificate).map_err(|error| unusable(path, error))?;
        }
        builder.set_cert_store(store.build());
    }
    if let Some(path) = &files.certificate {
        let mut chain = certificates(path)?.into_iter();
        if let Some(own) = chain.next() {
            builder.set_certificate(&own).map_err(|error| unusable(path, error))?;
        }
        for certificate in chain {
            builder.add_extra_chain_cert(certificate).map_err(|error| unusable(path, error))?;
        }
        let key_path = files.key.as_ref().unwrap_or(path);
        builder.set_private_key(&*private_key(key_path)?).map_err(|error| unusable(key_path, error))?;
    }
    builder.set_verify_callback(SslVerifyMode::PEER, move |valid, chain| {
        if valid {
            return true;
        }
        if is_for_other_address(chain.error()) && chain.current_cert().is_some_and(|own| is_for_any(own, &hosts)) {
            chain.set_error(X509VerifyResult::OK);
            return true;
        }
        rejections.set(rejection(chain));
        false
    });
    Ok(builder)
}

fn certificates(path: &Path) -> Result<Vec<X509>, Failure> {
    let text = fs::read(path).map_err(|error| unusable(path, error))?;
    match X509::stack_from_pem(&text) {
        Ok(certificates) if certificates.is_empty() => Err(unusable(path, "there is no certificate in PEM form in it")),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(unusable(path, error)),
    }
}

fn private_key(path: &Path) -> Result<PKey<Private>, Failure> {
    let text = fs::read(path).map_err(|error| unusable(path, error))?;
    // Without the callback OpenSSL would ask at the terminal.
    let mut encrypted = false;
    let key = PKey::private_key_from_pem_callback(&text, |_| {
        encrypted = true;
        Err(ErrorStack::get())
    });
    key.map_err(|error| if encrypted { unusable(path, "the key is encrypted") } else { unusable(path, error) })
}

fn unusable(path: &Path, why: impl std::fmt::Display) -> Failure {
    Failure::new(Status::BadFile, format_args!("{}: {why}", path.display()))
}

fn is_for_other_address(error: X509VerifyResult) -> bool {
    matches!(error.as_raw(), openssl_sys::X509_V_ERR_IP_ADDRESS_MISMATCH | openssl_sys::X509_V_ERR_HOSTNAME_MISMATCH)
}

fn is_for_any(certificate: &X509Ref, hosts: &[String]) -> bool {
    const NO_PARTIAL_WILDCARDS: c_uint = openssl_sys::X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
    hosts.iter().any(|host| {
        let (name, none) = (host.as_ptr().cast(), std::ptr::null_mut());
        // SAFETY: the certificate and the name live throughout the call, which keeps neither.
        unsafe { openssl_sys::X509_check_host(certificate.as_ptr(), name, host.len(), NO_PARTIAL_WILDCARDS, none) == 1 }
    })
}

fn rejection(chain: &X509StoreContextRef) -> Failure {
    let error = chain.error();
    let status = match error.as_raw() {
        openssl_sys::X509_V_ERR_CERT_HAS_EXPIRED | openssl_sys::X509_V_ERR_CERT_NOT_YET_VALID => Status::TlsExpired,
        openssl_sys::X509_V_ERR_IP_ADDRESS_MISMATCH | openssl_sys::X509_V_ERR_HOSTNAME_MISMATCH => Status::TlsWrongHost,
        openssl_sys::X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT
        | openssl_sys::X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY
        | openssl_sys::X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE
        | openssl_sys::X509_V_ERR_CERT_SIGNATURE_FAILURE
        | openssl_sys::X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT
        | openssl_sys::X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN
        | openssl_sys::X509_V_ERR_INVALID_CA
        | openssl_sys::X509_V_ERR_CERT_UNTRUSTED
        | openssl_sys::X509_V_ERR_CERT_REJECTED => Status::TlsUntrusted,
        _ => Status::TlsFailed,
    };
    let why = error.error_string();
    match chain.current_cert() {
        Some(own) if status == Status::TlsWrongHost => {
            Failure::new(status, format_args!("the server's certificate is for {}: {why}", names(own)))
        }
        Some(own) if status == Status::TlsExpired => {
            let (from, to) = (own.not_before(), own.not_after());
            Failure::new(status, format_args!("the server's certificate is valid from {from} to {to}: {why}"))
        }
        _ => Failure::new(status, format_args!("the server's certificate is not accepted: {why}")),
    }
}

/// The hosts and addresses that a certificate is for.
fn names(certificate: &X509Ref) -> String {
    let names = certificate.subject_alt_names().into_iter().flatten();
    let text = |name: &openssl::x509::GeneralNameRef| match (name.dnsname(), name.ipaddress()) {
        (Some(name), _) => Some(name.to_string()),
        (_, Some(&[a, b, c, d])) => Some(format!("{a}.{b}.{c}.{d}")),
        (_, Some(bytes)) => <[u8; 16]>::try_from(bytes).ok().map(|ip| std::net::Ipv6Addr::from(ip).to_string()),
        _ => None,
    };
    let names: Vec<String> = names.filter_map(|name| text(&name)).collect();
    if names.is_empty() { "no host or address".to_string() } else { names.join(", ") }
}

/// Why TLS fails with one of `points`; `None` when it does not, or not before `end`. With TLS 1.3 a server may refuse
/// our certificate once the handshake is over, and the driver then knows only that the connection broke.
pub fn diagnose(builder: SslConnectorBuilder, points: &[String], end: Instant) -> Option<Failure> {
    let connector = builder.build();
    let addresses = points.iter().filter_map(|point| point.to_socket_addrs().ok()).flatten();
    addresses.map(|address| probe(connector.context(), address, end)).find_map(Result::err)
}

fn probe(context: &SslContextRef, address: SocketAddr, end: Instant) -> Result<(), Failure> {
    let limit = end.saturating_duration_since(Instant::now()).min(Duration::from_secs(1));
    let connected = || {
        let stream = TcpStream::connect_timeout(&address, limit).ok()?;
        stream.set_read_timeout(Some(limit)).ok()?;
        let mut ssl = Ssl::new(context).ok()?;
        ssl.param_mut().set_ip(address.ip()).ok()?;
        SslStream::new(ssl, stream).ok()
    };
    let Some(mut stream) = connected() else { return Ok(()) };
    // The server says nothing unless it refuses us; to write would reset the connection, and lose what it said.
    let spoken = stream.connect().and_then(|()| stream.ssl_read(&mut [0]));
    match spoken {
        Err(error) if error.code() == ErrorCode::SSL => {
            let failure = failure_of_tls(&error, None);
            if failure.status == Status::TlsFailed { Err(failure) } else { Ok(()) }
        }
        _ => Ok(()),
    }
}

/// What an error of the connection says about TLS; `None` when it is not about TLS.
pub fn failure_of(error: &io::Error, rejections: Option<&Rejections>) -> Option<Failure> {
    let error = error.get_ref()?.downcast_ref::<openssl::ssl::Error>()?;
    Some(failure_of_tls(error, rejections))
}

fn failure_of_tls(error: &openssl::ssl::Error, rejections: Option<&Rejections>) -> Failure {
    let reasons = error.ssl_error().map_or(&[][..], ErrorStack::errors);
    let has = |text: &str| reasons.iter().any(|reason| reason.reason() == Some(text));
    if has("certificate verify failed")
        && let Some(rejection) = rejections.and_then(Rejections::last)
    {
        return rejection;
    }
    // The other side went away; that can be a restart as well as a server that does not know TLS.
    if matches!(error.code(), ErrorCode::SYSCALL | ErrorCode::ZERO_RETURN) || has("unexpected eof while reading") {
        let message = "the server closed the connection, or speaks no TLS there";
        return Failure::new(Status::Unreachable, message);
    }
    let message = match reasons.iter().find_map(|reason| reason.reason()) {
        Some("wrong version number" | "packet length too long" | "record layer failure") => {
            "the server speaks no TLS there".to_string()
        }
        Some(reason) => format!("TLS failed: {reason}"),
        None => format!("TLS failed: {error}"),
    };
    Failure::new(Status::TlsFailed, message)
}
