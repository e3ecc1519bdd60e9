"""Certificates over HTTP: both clients verify them against the system's authorities, or those in the file that SSL_CERT_FILE names."""

import ssl

REMEDY = "its certificate is not trusted: put the authority that signed it into a PEM file and name that in SSL_CERT_FILE"


def untrusted(error: BaseException | None) -> bool:
    """Whether an error began with a certificate that was refused: no outage, and never over by waiting."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
