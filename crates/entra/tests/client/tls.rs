//! The wire over real TCP and TLS, on this machine only.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use entra::{MAX_ANSWER, NetworkError, NetworkOptions, Permission, WireError, network};
use http::{Request, Response, StatusCode};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn tls(authority: &Authority) -> TlsAcceptor {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, authority).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap()))
}

/// A server that gives every connection this answer, and its address.
async fn server(authority: &Authority, answer: Vec<u8>) -> SocketAddr {
    server_of_parts(authority, std::iter::once(answer)).await
}

async fn server_of_parts(authority: &Authority, answer: impl Iterator<Item = Vec<u8>> + Clone + Send + 'static) -> SocketAddr {
    let (acceptor, listener) = (tls(authority), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            // A client that does not trust us hangs up.
            if let Ok(mut stream) = acceptor.accept(connection).await {
                let _ = stream.read(&mut [0; 4096]).await;
                for part in answer.clone() {
                    if stream.write_all(&part).await.is_err() {
                        break;
                    }
                }
                let _ = stream.shutdown().await;
            }
        }
    });
    address
}

/// A server that reads until the body is there or the client hangs up, and hangs up without an answer; and what it has received.
async fn listener(authority: &Authority) -> (SocketAddr, JoinHandle<Vec<u8>>) {
    let (acceptor, listener) = (tls(authority), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = listener.local_addr().unwrap();
    let received = tokio::spawn(async move {
        let mut stream = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
        let (mut received, mut buffer) = (Vec::new(), [0; 4096]);
        // A client that hangs up need not say goodbye.
        while let Ok(length @ 1..) = stream.read(&mut buffer).await {
            received.extend_from_slice(&buffer[..length]);
            if received.ends_with(b"the body") {
                break;
            }
        }
        received
    });
    (address, received)
}

fn http(head: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

async fn get(options: &NetworkOptions, scheme: &str, address: SocketAddr) -> Result<Response<Bytes>, WireError> {
    let uri = format!("{scheme}://localhost:{}/x", address.port());
    network(options).unwrap().oneshot(Request::get(uri).body(Bytes::new()).unwrap()).await
}

/// Whatever proxy the environment of the test names.
fn direct() -> NetworkOptions {
    NetworkOptions { direct: true, ..NetworkOptions::default() }
}

fn trusting(authority: &Authority) -> NetworkOptions {
    NetworkOptions { ca: Some(authority.pem()), ..direct() }
}

#[tokio::test]
async fn a_server_of_the_private_authority_is_trusted() {
    let authority = authority();
    let address = server(&authority, http("200 OK\r\nrequest-id: r-1", b"hello")).await;
    let answer = get(&trusting(&authority), "https", address).await.unwrap();
    assert_eq!(
        (answer.status(), answer.headers()["request-id"].as_bytes(), answer.body().as_ref()),
        (StatusCode::OK, &b"r-1"[..], &b"hello"[..])
    );
}

#[tokio::test]
async fn a_server_of_an_unknown_authority_is_refused_before_anything_is_sent() {
    let address = server(&authority(), http("200 OK", b"hello")).await;
    for options in [trusting(&authority()), direct()] {
        let error = get(&options, "https", address).await.unwrap_err();
        assert!(matches!(&error, WireError::Connect(reason) if reason.contains("certificate")), "{error:?}");
    }
}

#[tokio::test]
async fn plain_http_is_not_spoken() {
    let address = server(&authority(), http("200 OK", b"hello")).await;
    let error = get(&direct(), "http", address).await.unwrap_err();
    assert!(matches!(error, WireError::Connect(_)), "{error:?}");
}

#[tokio::test]
async fn permission_is_asked_when_the_body_goes_out_and_without_it_nobody_gets_one() {
    let authority = authority();
    let (address, received) = listener(&authority).await;
    let mut request = Request::post(format!("https://localhost:{}/x", address.port())).body(Bytes::from("the body")).unwrap();
    request.extensions_mut().insert(Permission::new(|| false));
    let error = network(&trusting(&authority)).unwrap().oneshot(request).await.unwrap_err();
    assert_eq!(error, WireError::Withheld);
    let received = String::from_utf8(received.await.unwrap()).unwrap();
    assert!(!received.contains("the body") && !received.contains("content-length: 0"), "{received}");
}

#[tokio::test]
async fn a_body_that_needs_permission_arrives_as_any_other() {
    let authority = authority();
    let (address, received) = listener(&authority).await;
    let mut request = Request::post(format!("https://localhost:{}/x", address.port())).body(Bytes::from("the body")).unwrap();
    request.extensions_mut().insert(Permission::new(|| true));
    let error = network(&trusting(&authority)).unwrap().oneshot(request).await.unwrap_err();
    assert!(matches!(error, WireError::Cut(_)), "{error:?}");
    let received = String::from_utf8(received.await.unwrap()).unwrap();
    assert!(received.contains("content-length: 8\r\n") && received.ends_with("\r\n\r\nthe body"), "{received}");
}

#[tokio::test]
async fn a_redirect_is_given_back_and_not_followed() {
    let authority = authority();
    let address = server(&authority, http("302 Found\r\nlocation: https://localhost:1/", b"")).await;
    assert_eq!(get(&trusting(&authority), "https", address).await.unwrap().status(), StatusCode::FOUND);
}

#[tokio::test]
async fn reading_stops_at_four_megabytes() {
    let authority = authority();
    let address = server(&authority, http("200 OK", &vec![b'x'; MAX_ANSWER + 1])).await;
    assert_eq!(get(&trusting(&authority), "https", address).await.unwrap_err(), WireError::TooLarge(StatusCode::OK));
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_the_timeout() {
    let authority = authority();
    let head = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec();
    let address = server_of_parts(&authority, std::iter::once(head).chain(std::iter::repeat(vec![b'x'; 65_536]))).await;
    assert_eq!(get(&trusting(&authority), "https", address).await.unwrap_err(), WireError::TooLarge(StatusCode::OK));
}

#[tokio::test]
async fn an_answer_that_breaks_off_keeps_its_status_and_a_missing_one_has_none() {
    let authority = authority();
    let short = server(&authority, b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello".to_vec()).await;
    let error = get(&trusting(&authority), "https", short).await.unwrap_err();
    assert!(matches!(error, WireError::Body(StatusCode::OK, _)), "{error:?}");
    let silent = server(&authority, Vec::new()).await;
    let error = get(&trusting(&authority), "https", silent).await.unwrap_err();
    assert!(matches!(error, WireError::Cut(_)), "{error:?}");
}

#[tokio::test]
async fn a_port_without_a_server_is_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = get(&direct(), "https", address).await.unwrap_err();
    assert!(matches!(error, WireError::Connect(_)), "{error:?}");
}

#[tokio::test]
async fn a_bundle_without_a_certificate_is_refused() {
    for pem in ["", "hello", "-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n"] {
        let error = network(&NetworkOptions { ca: Some(pem.to_owned()), ..direct() }).unwrap_err();
        assert!(matches!(error, NetworkError::ReadCa(_) | NetworkError::Build(_)), "{error}");
    }
}

/// A server without TLS that answers every connection with this.
async fn plain_server(answer: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(&answer).await;
            let _ = stream.shutdown().await;
        }
    });
    address
}

#[tokio::test]
async fn plain_http_is_spoken_to_the_instance_metadata_service_and_to_nobody_else() {
    let [near, far] = [plain_server(http("200 OK", b"near")).await, plain_server(http("200 OK", b"far")).await];
    let root = format!("http://localhost:{}", near.port());
    let options = NetworkOptions::instance_metadata(&format!("{root}/"));
    assert_eq!(get(&options, "http", near).await.unwrap().body().as_ref(), b"near");
    for (scheme, address) in [("http", far), ("https", near)] {
        assert!(matches!(get(&options, scheme, address).await.unwrap_err(), WireError::Connect(_)), "{scheme} {address}");
    }
    let disguised = Request::get(format!("{root}@localhost:{}/x", far.port())).body(Bytes::new()).unwrap();
    assert!(matches!(network(&options).unwrap().oneshot(disguised).await.unwrap_err(), WireError::Connect(_)));
}
