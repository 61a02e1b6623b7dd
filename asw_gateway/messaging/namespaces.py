"""Namespaces and algorithm identifiers of the message layer."""

from __future__ import annotations

SOAP = "http://www.w3.org/2003/05/soap-envelope"
EB = "http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/"
EBBP = "http://docs.oasis-open.org/ebxml-bp/ebbp-signals-2.0"
WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
WSSE11 = "http://docs.oasis-open.org/wss/oasis-wss-wssecurity-secext-1.1.xsd"
WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
DS = "http://www.w3.org/2000/09/xmldsig#"
DSIG11 = "http://www.w3.org/2009/xmldsig11#"
XENC = "http://www.w3.org/2001/04/xmlenc#"
XENC11 = "http://www.w3.org/2009/xmlenc11#"
XML = "http://www.w3.org/XML/1998/namespace"
EXC_C14N = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED_SIGNATURE = DS + "enveloped-signature"
DSIG_MORE = "http://www.w3.org/2001/04/xmldsig-more#"
DSIG_MORE_2021 = "http://www.w3.org/2021/04/xmldsig-more#"

_SWA = "http://docs.oasis-open.org/wss/oasis-wss-SwAProfile-1.1#"
ATTACHMENT_SIGNATURE = _SWA + "Attachment-Content-Signature-Transform"
ATTACHMENT_CIPHERTEXT = _SWA + "Attachment-Ciphertext-Transform"
ATTACHMENT_CONTENT_ONLY = _SWA + "Attachment-Content-Only"

_X509_PROFILE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0#"
X509V3 = _X509_PROFILE + "X509v3"
X509_PKIPATH = _X509_PROFILE + "X509PKIPathv1"
X509_SKI = _X509_PROFILE + "X509SubjectKeyIdentifier"
BASE64_BINARY = (
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary"
)
ENCRYPTED_KEY_TYPE = "http://docs.oasis-open.org/wss/oasis-wss-soap-message-security-1.1#EncryptedKey"

SHA256 = XENC + "sha256"
GZIP = "application/gzip"
SOAP_MIME_TYPE = "application/soap+xml"
