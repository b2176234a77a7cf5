//! What do the numbers in a DNS message stand for?
//!
//! IANA's "Domain Name System (DNS) Parameters", as far as a measurement meets them. Numbers
//! without a name print as RFC 3597 section 5 says: `TYPE65280`, `CLASS32`.

use crate::registry::registry;

registry! {
    /// A record TYPE or QTYPE.
    RecordType(u16), mnemonic, "TYPE{}";
    /// IPv4 address (RFC 1035).
    A = 1 "A";
    /// Name server (RFC 1035).
    NS = 2 "NS";
    /// Canonical name (RFC 1035).
    CNAME = 5 "CNAME";
    /// Start of authority (RFC 1035).
    SOA = 6 "SOA";
    /// Pointer, as in reverse lookups (RFC 1035).
    PTR = 12 "PTR";
    /// Mail exchange (RFC 1035).
    MX = 15 "MX";
    /// Text (RFC 1035).
    TXT = 16 "TXT";
    /// IPv6 address (RFC 3596).
    AAAA = 28 "AAAA";
    /// Service location (RFC 2782).
    SRV = 33 "SRV";
    /// Subtree redirection (RFC 6672).
    DNAME = 39 "DNAME";
    /// EDNS pseudo-record (RFC 6891).
    OPT = 41 "OPT";
    /// Delegation signer (RFC 4034).
    DS = 43 "DS";
    /// Signature (RFC 4034).
    RRSIG = 46 "RRSIG";
    /// Authenticated denial (RFC 4034).
    NSEC = 47 "NSEC";
    /// Public key (RFC 4034).
    DNSKEY = 48 "DNSKEY";
    /// Hashed authenticated denial (RFC 5155).
    NSEC3 = 50 "NSEC3";
    /// Service binding (RFC 9460).
    SVCB = 64 "SVCB";
    /// Service binding for HTTP (RFC 9460).
    HTTPS = 65 "HTTPS";
    /// Any type (RFC 1035, RFC 8482).
    ANY = 255 "ANY";
    /// Certification authority authorization (RFC 8659).
    CAA = 257 "CAA";
}

registry! {
    /// A record CLASS or QCLASS.
    Class(u16), mnemonic, "CLASS{}";
    /// The Internet.
    IN = 1 "IN";
    /// Chaosnet; lives on in `version.bind` and `id.server` (RFC 4892).
    CH = 3 "CH";
    /// Hesiod.
    HS = 4 "HS";
    /// No class (RFC 2136).
    NONE = 254 "NONE";
    /// Any class.
    ANY = 255 "ANY";
}

registry! {
    /// A response code: four bits of the header and eight of EDNS (RFC 6891 section 6.1.3).
    Rcode(u16), mnemonic, "RCODE{}";
    /// No error.
    NO_ERROR = 0 "NOERROR";
    /// The server could not read the query.
    FORM_ERR = 1 "FORMERR";
    /// The server failed.
    SERV_FAIL = 2 "SERVFAIL";
    /// The name does not exist.
    NX_DOMAIN = 3 "NXDOMAIN";
    /// The server does not support this kind of query.
    NOT_IMP = 4 "NOTIMP";
    /// The server will not answer, by policy.
    REFUSED = 5 "REFUSED";
    /// A name exists that should not (RFC 2136).
    YX_DOMAIN = 6 "YXDOMAIN";
    /// A record set exists that should not (RFC 2136).
    YX_RRSET = 7 "YXRRSET";
    /// A record set that should exist does not (RFC 2136).
    NX_RRSET = 8 "NXRRSET";
    /// Not authoritative, or not authorized (RFC 2136, RFC 8945).
    NOT_AUTH = 9 "NOTAUTH";
    /// The name is not in the zone (RFC 2136).
    NOT_ZONE = 10 "NOTZONE";
    /// The EDNS version is not supported (RFC 6891).
    BAD_VERS = 16 "BADVERS";
    /// Bad or missing server cookie (RFC 7873).
    BAD_COOKIE = 23 "BADCOOKIE";
}
