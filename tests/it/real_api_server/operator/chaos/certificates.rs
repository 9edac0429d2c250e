//! The API server proves itself by other certificates.

use std::{io::ErrorKind, net::TcpStream, sync::Arc, time::Duration};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio::time::{Instant, sleep};

use super::{
    random::Random,
    scenario::{Stage, pass_messages},
    supervisor::Complaint,
};
use crate::{control_plane::Issuer, real_api_server::operator::stage::LONG};

const POLL: Duration = Duration::from_millis(100);
const SPREAD: u64 = 40;

/// The serving certificate is renewed, which nobody may notice; then it comes from another authority, with which the API server is started anew. That ends the
/// operator, as it trusts what it trusted when it began: kubelet has put the new authority in place by the time it starts again.
pub(super) async fn rotate(stage: &Stage<'_>, random: &mut Random) {
    renew(stage, random.up_to(SPREAD)).await;
    // It has connected anew and goes on.
    pass_messages(&stage.world.api, SPREAD).await;
    assert!(!stage.supervisor.has_heard(Complaint::Untrusted), "a certificate of the same authority was not trusted");

    pass_messages(&stage.world.api, random.up_to(SPREAD)).await;
    let exits = stage.supervisor.exits();
    stage.supervisor.issuer.set(Issuer::Next);
    stage.world.cluster.renew_serving_certificate(Issuer::Next).unwrap();
    // As long as it runs it lets clients resume their sessions, which nobody proves anything in.
    stage.world.cluster.restart_apiserver().await.unwrap();
    stage.supervisor.autopsy().await;
    // Where the API server takes long to start, it ends before it has met the new certificate.
    while stage.supervisor.exits() == exits {
        sleep(POLL).await;
    }
}

/// Connections are cut once exactly the new certificate is served.
async fn renew(stage: &Stage<'_>, messages: u64) {
    pass_messages(&stage.world.api, messages).await;
    let renewed = stage.world.cluster.renew_serving_certificate(Issuer::First).unwrap();
    let renewed = CertificateDer::from_pem_slice(renewed.as_bytes()).unwrap();
    let deadline = Instant::now() + LONG * 2;
    while served(stage).as_ref() != Some(&renewed) {
        assert!(Instant::now() < deadline, "the API server does not take up its certificate");
        sleep(POLL).await;
    }
    stage.world.api.cut();
    stage.supervisor.autopsy().await;
}

/// The certificate by which the API server proves itself now.
fn served(stage: &Stage<'_>) -> Option<CertificateDer<'static>> {
    let mut roots = RootCertStore::empty();
    let authorities = stage.world.cluster.authorities();
    for authority in CertificateDer::pem_slice_iter(authorities.as_bytes()) {
        roots.add(authority.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let mut connection = ClientConnection::new(Arc::new(config), ServerName::try_from("127.0.0.1").unwrap()).unwrap();
    let mut stream = TcpStream::connect(stage.world.cluster.address()).unwrap();
    while connection.is_handshaking() {
        match connection.complete_io(&mut stream) {
            Ok(_) => {}
            // It may be between two certificates.
            Err(error) if matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => {
                return None;
            }
            Err(error) => panic!("{error}"),
        }
    }
    connection.peer_certificates().and_then(|chain| chain.first()).cloned().map(CertificateDer::into_owned)
}
