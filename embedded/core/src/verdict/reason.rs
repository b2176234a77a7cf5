//! Why? Each rule that spoke, with the observations that it rests on.

use alloc::vec::Vec;
use minicbor::{Decode, Encode};

macro_rules! rules {
    ($($n:literal $name:ident $label:literal $sentence:literal,)*) => {
        /// A rule of judgement. Numbers are stable; the sentences are the published rules.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        #[cbor(index_only)]
        #[allow(missing_docs)] // the sentence is the documentation
        #[non_exhaustive]
        pub enum Rule { $(#[n($n)] $name,)* }

        impl Rule {
            /// Every rule.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
            /// A stable word for machines.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }
            /// One sentence for people.
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence,)* }
            }
        }
    };
}

rules! {
    0 SameAddress "dns.same_address" "The network's resolver and the control gave a common address.",
    1 ValidCertificate "dns.valid_certificate" "An answered address proved itself with a certificate valid for the name.",
    2 SameNetwork "dns.same_network" "Answered addresses lie in the same network (ASN) as the control's.",
    3 SameCdn "dns.same_cdn" "Answered addresses belong to the same content network as the control's.",
    4 NameDoesNotExist "dns.does_not_exist" "The control, too, says that the name does not exist.",
    5 NxRewriting "dns.nx_rewriting" "The resolver answers for names that do not exist, whatever they are.",
    6 BogonAnswer "dns.bogon" "The answer is a special-purpose address, and the control sees none.",
    7 BlockpageAnswer "dns.blockpage" "The answer is the address of a known blockpage.",
    8 OtherAnswer "dns.other_address" "The answer has nothing in common with the control's.",
    9 GhostAnswer "dns.ghost" "The resolver answers for a name that does not exist according to the control.",
    10 NegativeAnswer "dns.negative" "The network's resolver denies a name that the control resolves.",
    11 ResolverFails "dns.resolver_fails" "The network's resolver failed at every attempt for a name that the control resolves.",
    12 Injected "dns.injected" "A query was answered by somebody on the path: two different replies, or a reply from an address that runs no resolver.",
    13 PublicToo "dns.public_too" "Queries to public resolvers got such answers too: the cause is on the path.",
    14 PublicFine "dns.public_fine" "Public resolvers agree with the control: the cause is at the network's resolver.",
    15 ConnectFails "tcp.connect_fails" "No address that the control could connect to could be connected to, at repeated attempts.",
    16 HandshakeFails "tls.handshake_fails" "No address with which the control shook hands did so, at repeated attempts.",
    17 NeutralNameWorks "tls.neutral_name_works" "The same address answered a handshake with a neutral name.",
    18 NeutralNameFails "tls.neutral_name_fails" "The same address did not answer a handshake with a neutral name either.",
    19 OtherChain "tls.other_chain" "The certificate is invalid for the name, and it is not the one that the control got.",
    20 Authenticated "http.authenticated" "The page came over a certificate valid for its name.",
    21 KnownBlockpage "http.known_blockpage" "The page is a known blockpage.",
    22 PageDiffers "http.page_differs" "The page differs from the control's in status, or in length, headers and title together.",
    23 PageAgrees "http.page_agrees" "The page agrees with the control's.",
    24 RedirectedElsewhere "http.redirected_elsewhere" "The request was redirected to a host that the control was never sent to.",
    25 ExchangeFails "http.exchange_fails" "Requests failed at repeated attempts where the control's succeeded.",
    26 ServerRefuses "http.server_refuses" "The server itself refuses this visitor with a status that says so.",
    27 ControlFails "control.fails" "The control failed in the same way: the site is down or broken.",
    40 NoControl "inconclusive.no_control" "There is no control to compare with.",
    41 NothingSeen "inconclusive.nothing_seen" "Nothing was observed that this judgement needs.",
    42 CaptivePortal "inconclusive.captive_portal" "The probe was behind a captive portal.",
    43 Vpn "inconclusive.vpn" "The probe was behind a VPN.",
    44 NotRepeated "inconclusive.not_repeated" "The failure was seen once and not tried again.",
    45 ResolverSilent "inconclusive.resolver_silent" "The network's resolver answered nothing at all: it may be dead.",
    46 ResolversDisagree "inconclusive.resolvers_disagree" "Some of the network's resolvers agree with the control, some do not.",
    47 ClockUntrusted "inconclusive.clock" "Certificate dates cannot be judged by this probe's clock.",
    48 ControlElsewhere "inconclusive.control_elsewhere" "The control tried none of the addresses that failed.",
    49 Ipv6Broken "inconclusive.ipv6" "Only IPv6 addresses were out of reach: the probe's own IPv6 may be broken.",
    51 InterceptsAll "inconclusive.intercepts_all" "A neutral name met an unknown authority at the same address, too: somebody in between (security software, an employer, a network) may read every connection, not this target's alone.",
    50 AddressNotTried "inconclusive.address_not_tried" "The answer differs from the control's, and nothing was tried that could clear it.",
    60 ChainNotCompared "inconclusive.chain_not_compared" "The certificate is not valid for this probe, and it cannot be compared with the control's: wrong dates or an old list of authorities look the same.",
    70 SameDelegation "namespace.same" "The network's resolvers and the control know the top-level domain by common name servers.",
    71 TldRemoved "namespace.removed" "The network's resolvers deny, or fail for, a top-level domain that the control resolves.",
    72 TldReplaced "namespace.replaced" "The network's resolvers know the top-level domain by name servers of which the control knows none.",
    73 TldAdded "namespace.added" "The network's resolver resolves a top-level domain that does not exist according to the control, and denies a random one.",
    74 SeveralResolvers "resolvers.several" "Two or more of the network's resolvers say so.",
    75 SpecialDenied "special.denied" "No public address was given for a name that must have none.",
    76 SpecialAnswered "special.answered" "A public address was given for a name that must have none, and not for a random ordinary name.",
    77 Transparent "transparency.passed" "The answer came through as the control got it.",
    78 Dropped "transparency.dropped" "A plain query is answered, and this one is not, at repeated attempts, where the control's is.",
    79 Altered "transparency.altered" "A plain query is answered, and to this one came another answer than to the control's.",
    80 HostResolver "inconclusive.host_resolver" "The resolvers are not those of the network: their owner chose them, or they stand elsewhere.",
    81 CustomerEquipment "inconclusive.customer_equipment" "It may be the customer's own equipment: no resolver of the network itself says so.",
    82 ResolverBroken "inconclusive.resolver_broken" "The resolver fails for another top-level domain, too.",
    83 ControlDisagrees "inconclusive.control_disagrees" "The control's resolvers disagree among themselves.",
    90 HelloPasses "tls.hello_passes" "A ClientHello with the target's name was answered with a ServerHello. Whose it was is not known: certificates were not looked at.",
    100 QuicPasses "quic.passes" "A QUIC handshake came to its end with a certificate valid for the name.",
    101 QuicFails "quic.fails" "No QUIC handshake came about at an address where the control's did, at repeated attempts, although TLS over TCP to the same address passed.",
    102 QuicNeutralNameWorks "quic.neutral_name_works" "A QUIC handshake with a neutral name passed to the same address.",
    103 QuicNeutralNameFails "quic.neutral_name_fails" "A QUIC handshake with a neutral name did not pass to the same address either.",
    104 QuicReferenceWorks "quic.reference_works" "QUIC to another host passed from the same place.",
    105 QuicOtherVersionAnswered "quic.other_version_answered" "A datagram of a version that nobody speaks was answered from the same address.",
    106 QuicVersionForged "quic.version_forged" "A Version Negotiation packet denied a version in which the control shook hands at the same address.",
    110 QuicNotOffered "inconclusive.quic_not_offered" "The control could not speak QUIC to the target either: it offers none.",
    111 QuicTlsFailsToo "inconclusive.quic_tls_fails_too" "TLS over TCP to the same address did not pass either: this is not about QUIC.",
    112 QuicUdpBlocked "inconclusive.quic_udp_blocked" "QUIC to another host did not pass either: the local network, or a firewall in front of it, may let none pass.",
    113 QuicVersionFiltered "inconclusive.quic_version_filtered" "QUIC passes to nobody, while a datagram of another version is answered: the protocol is filtered, not this target.",
    120 EncryptedAnswers "encrypted.answers" "The resolver answered over an encrypted transport, behind a certificate valid for its name.",
    121 EncryptedTlsFails "encrypted.tls_fails" "DNS over TLS failed at repeated attempts at an address where the control got an answer by it.",
    122 EncryptedHttpsFails "encrypted.https_fails" "DNS over HTTPS failed at repeated attempts at an address where the control got an answer by it.",
    123 EncryptedQuicFails "encrypted.quic_fails" "DNS over QUIC failed at repeated attempts at an address where the control got an answer by it.",
    124 EncryptedIntercepted "encrypted.intercepted" "Somebody else's certificate was shown in the resolver's place, where the control got a valid one.",
    125 EncryptedReferenceWorks "encrypted.reference_works" "Another resolver was reached over the same transport from the same place.",
    126 EncryptedOthersPass "encrypted.others_pass" "The same resolver answered over another encrypted transport.",
    127 PlainAnswered "encrypted.plain_answered" "The same resolver's address answered in the clear.",
    128 PlainDiffers "encrypted.plain_differs" "The answer in the clear has nothing in common with the encrypted one.",
    129 EncryptedRefused "encrypted.refused" "The resolver itself, proven by its certificate, gave no answer to the question.",
    130 EncryptedDown "encrypted.down" "The control got no answer over any encrypted transport either: the service is down, or there is none.",
    131 EncryptedNotOffered "encrypted.not_offered" "Over a transport that failed here the control got no answer either: it is down, or not offered.",
    132 EncryptedPortFiltered "inconclusive.encrypted_port_filtered" "Nobody else was reached over this transport either: its port is filtered as a whole, by the network or by a firewall in front of it.",
    133 NobodyAnswered "dns.nobody_answered" "A query to an address that the operator vouches for as running no resolver was answered: whoever did that stands on the path.",
    134 InjectedAtBorder "dns.injected_at_border" "Queries that leave the country were answered so, and those that stay in it were not: whoever does it stands at the border or beyond.",
    135 InjectedInside "dns.injected_inside" "A query that stays in the country was answered so, too.",
    136 NobodyAnswersAll "dns.nobody_answers_all" "The address that should run no resolver answers for a neutral name, too: it runs one, or somebody answers every query. It proves no injection.",
    137 LateAnswer "dns.late_answer" "The answer that agrees with the control came more than half a second after another.",
    140 EchAccepted "ech.accepted" "A handshake with the name encrypted (ECH) came to its end, with a certificate valid for the target's name.",
    141 EchRejected "ech.rejected" "The server did not take the key for ECH, and proved itself by the name that ECH shows: the way there lets ECH through. Whether ECH is accepted with another key is not known.",
    142 EchGreasePasses "ech.grease_passes" "A handshake with an ECH extension that means nothing came to its end: the way there lets the extension through. Of ECH that a server accepts it says nothing.",
    143 EchFails "ech.fails" "Handshakes with an ECH extension were cut off at repeated attempts, at an address where the control's was answered.",
    144 EchNearMissWorks "ech.near_miss_works" "A handshake as long, with the same visible name and without ECH, was answered by the same address: neither name nor length is what is stopped.",
    145 EchPublicNameFails "ech.public_name_fails" "The name that ECH shows is cut off without ECH, too, while the target's own name passes to the same address.",
    146 EchRecordMissing "ech.record_missing" "The network's resolver gives no key for ECH where the control's does. Old resolvers and routers leave such records out: that alone is no interference.",
    147 EchLongFails "inconclusive.ech_long_fails" "A handshake as long, without ECH, is cut off as well, or was not tried: boxes that cannot take long ones know nothing of ECH.",
    148 EchNothingPasses "inconclusive.ech_nothing_passes" "Without ECH the address does not answer either, or no longer: it is not about ECH, or the address is being punished.",
    149 EchUnproven "inconclusive.ech_unproven" "What answered ECH was an alert, or did not prove the name that ECH shows: a server set up otherwise, or somebody in between.",
    150 HopRange "tls.hop_range" "A ClientHello with the target's name that may go only so many hops expired untouched; one that may go farther was stopped, where a neutral name was not. Whoever stops it stands between the two, as far as one run can tell.",
    151 HopNear "tls.hop_near" "The ClientHello with the target's name that may go least far was stopped already, where a neutral name was not: whoever stops it stands at that hop or before, as far as one run can tell.",
    152 HopUnknown "tls.hop_unknown" "ClientHellos that may go only so many hops did not show where the name is stopped: hops that say nothing of expired packets, or names that fare alike.",
    61 RewritingUntested "inconclusive.rewriting_untested" "The resolver answers for a name that does not exist according to the control, and was not asked for a random name: it may answer for everything.",
}

/// A rule that spoke and the observations it rests on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cbor(map)]
pub struct Reason {
    /// Which rule.
    #[n(0)]
    pub rule: Rule,
    /// Indexes into the measurement's observations.
    #[n(1)]
    pub observations: Vec<u16>,
    /// Indexes into the control report's observations.
    #[n(2)]
    pub control: Vec<u16>,
}

impl Reason {
    pub(super) fn new(rule: Rule, mut observations: Vec<u16>, mut control: Vec<u16>) -> Self {
        observations.sort_unstable();
        observations.dedup();
        control.sort_unstable();
        control.dedup();
        Self {
            rule,
            observations,
            control,
        }
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Rule {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.label())
    }
}
