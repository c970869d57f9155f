//! Recognises errors that mean that client and server cannot agree on TLS, by the types of the TLS library.

use std::error::Error;
use std::io;

use rustls::{AlertDescription as Alert, Error as Tls};

/// Returns whether the cause of `error` is a certificate or a TLS version that one side does not accept. Another
/// attempt would fail in the same way. An error that breaks an established connection does not count.
pub(super) fn is_refused(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<Tls>() {
            return lasts(error);
        }
        // `source` of an I/O error skips the inner error itself and returns that error's source, so the inner error is
        // read first.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    false
}

fn lasts(error: &Tls) -> bool {
    match error {
        Tls::InvalidCertificate(_)
        | Tls::InvalidCertRevocationList(_)
        | Tls::NoCertificatesPresented
        | Tls::UnsupportedNameType
        | Tls::PeerIncompatible(_) => true,
        Tls::AlertReceived(alert) => matches!(
            alert,
            Alert::HandshakeFailure
                | Alert::NoCertificate
                | Alert::BadCertificate
                | Alert::UnsupportedCertificate
                | Alert::CertificateRevoked
                | Alert::CertificateExpired
                | Alert::CertificateUnknown
                | Alert::UnknownCA
                | Alert::AccessDenied
                | Alert::ProtocolVersion
                | Alert::InsufficientSecurity
                | Alert::UnrecognisedName
                | Alert::CertificateRequired
                | Alert::NoApplicationProtocol
        ),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use rustls::CertificateError;

    use super::*;

    #[test]
    fn tls_failures_are_recognised_by_type_and_not_by_message() {
        let inside = |error: Tls| io::Error::new(io::ErrorKind::InvalidData, error);
        assert!(is_refused(&inside(Tls::InvalidCertificate(CertificateError::Expired))));
        assert!(is_refused(&io::Error::other(inside(Tls::AlertReceived(Alert::ProtocolVersion)))));
        assert!(!is_refused(&inside(Tls::DecryptError)));
        assert!(!is_refused(&inside(Tls::AlertReceived(Alert::InternalError))));
        assert!(!is_refused(&io::Error::new(io::ErrorKind::InvalidData, "TLS certificate HandshakeFailure")));
    }
}
