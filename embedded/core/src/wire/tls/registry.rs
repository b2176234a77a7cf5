//! What do the numbers in a TLS message stand for?
//!
//! IANA's "Transport Layer Security (TLS) Parameters" and "TLS ExtensionType Values", as far
//! as a measurement meets them. Numbers without a name print in hexadecimal.

use crate::registry::registry;

registry! {
    /// What a record carries.
    ContentType(u8), name, "{:#06x}";
    /// RFC 8446 section 5; in TLS 1.3 for show only.
    CHANGE_CIPHER_SPEC = 20 "change_cipher_spec";
    /// RFC 8446 section 6.
    ALERT = 21 "alert";
    /// RFC 8446 section 4.
    HANDSHAKE = 22 "handshake";
    /// RFC 8446 section 5.2: anything, once both sides have keys.
    APPLICATION_DATA = 23 "application_data";
    /// RFC 6520.
    HEARTBEAT = 24 "heartbeat";
}
registry! {
    /// The type of a handshake message (RFC 8446 section 4).
    MessageType(u8), name, "{:#06x}";
    /// The client's first word.
    CLIENT_HELLO = 1 "client_hello";
    /// The server's first word, HelloRetryRequest included.
    SERVER_HELLO = 2 "server_hello";
    /// The server's chain; encrypted in TLS 1.3.
    CERTIFICATE = 11 "certificate";
}
registry! {
    /// A version of the protocol.
    Version(u16), name, "{:#06x}";
    /// RFC 6101.
    SSL_3_0 = 0x0300 "SSL 3.0";
    /// RFC 2246.
    TLS_1_0 = 0x0301 "TLS 1.0";
    /// RFC 4346.
    TLS_1_1 = 0x0302 "TLS 1.1";
    /// RFC 5246.
    TLS_1_2 = 0x0303 "TLS 1.2";
    /// RFC 8446.
    TLS_1_3 = 0x0304 "TLS 1.3";
}
registry! {
    /// What follows in an extension.
    ExtensionType(u16), name, "{:#06x}";
    /// RFC 6066 section 3: the name that boxes look for.
    SERVER_NAME = 0 "server_name";
    /// RFC 8446 section 4.2.7.
    SUPPORTED_GROUPS = 10 "supported_groups";
    /// RFC 8422 section 5.1.2.
    EC_POINT_FORMATS = 11 "ec_point_formats";
    /// RFC 8446 section 4.2.3.
    SIGNATURE_ALGORITHMS = 13 "signature_algorithms";
    /// RFC 7301.
    ALPN = 16 "application_layer_protocol_negotiation";
    /// RFC 7627.
    EXTENDED_MASTER_SECRET = 23 "extended_master_secret";
    /// RFC 8446 section 4.2.1.
    SUPPORTED_VERSIONS = 43 "supported_versions";
    /// RFC 8446 section 4.2.9.
    PSK_KEY_EXCHANGE_MODES = 45 "psk_key_exchange_modes";
    /// RFC 8446 section 4.2.8.
    KEY_SHARE = 51 "key_share";
    /// RFC 9849: the true hello, encrypted, or chance that looks like one (GREASE).
    ENCRYPTED_CLIENT_HELLO = 0xfe0d "encrypted_client_hello";
    /// RFC 5746.
    RENEGOTIATION_INFO = 0xff01 "renegotiation_info";
}
registry! {
    /// A group for key exchange (RFC 8446 section 4.2.7).
    Group(u16), name, "{:#06x}";
    /// P-256.
    SECP256R1 = 0x0017 "secp256r1";
    /// P-384.
    SECP384R1 = 0x0018 "secp384r1";
    /// RFC 7748.
    X25519 = 0x001d "x25519";
    /// Post-quantum and classical at once; makes a ClientHello larger than one segment.
    X25519_MLKEM768 = 0x11ec "X25519MLKEM768";
}
registry! {
    /// A cipher suite.
    CipherSuite(u16), name, "{:#06x}";
    /// TLS 1.3.
    AES_128_GCM_SHA256 = 0x1301 "TLS_AES_128_GCM_SHA256";
    /// TLS 1.3.
    AES_256_GCM_SHA384 = 0x1302 "TLS_AES_256_GCM_SHA384";
    /// TLS 1.3.
    CHACHA20_POLY1305_SHA256 = 0x1303 "TLS_CHACHA20_POLY1305_SHA256";
    /// TLS 1.2 (RFC 5289).
    ECDHE_ECDSA_AES_128_GCM_SHA256 = 0xc02b "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256";
    /// TLS 1.2 (RFC 5289).
    ECDHE_ECDSA_AES_256_GCM_SHA384 = 0xc02c "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384";
    /// TLS 1.2 (RFC 5289).
    ECDHE_RSA_AES_128_GCM_SHA256 = 0xc02f "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
    /// TLS 1.2 (RFC 5289).
    ECDHE_RSA_AES_256_GCM_SHA384 = 0xc030 "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384";
    /// TLS 1.2 (RFC 7905).
    ECDHE_RSA_CHACHA20_POLY1305_SHA256 = 0xcca8 "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256";
    /// TLS 1.2 (RFC 7905).
    ECDHE_ECDSA_CHACHA20_POLY1305_SHA256 = 0xcca9 "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256";
}
