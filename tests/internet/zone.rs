//! What do the root and the operator's test zone hold?
//!
//! Of the root, the delegations: every top-level domain is known by two name servers. The
//! test zone has what `faultline-collector test-zone` prints, signed where DNSSEC is asked
//! for (a record in the place of a signature: nobody here verifies one).

use crate::world::World;
use faultline_core::{
    dns::{Data, Message, NameBuf, RecordType, ResponseBuilder},
    trace::{self, Check},
};

/// Seconds that answers may be kept.
const TTL: u32 = 300;

/// The true reply about a top-level domain, or a name of the test zone; `None` for other
/// names.
pub fn answer(world: &World, query: &[u8], name: &str) -> Option<Vec<u8>> {
    if world.tlds.iter().any(|tld| tld.name == name) {
        return delegation(query, name, "nic");
    }
    let zone = world.test_zone.as_deref()?;
    let check = match Check::of_target(name) {
        Some((check, of)) if of == zone => Some(check),
        _ if name == trace::plain(zone) => None,
        _ => return None,
    };
    let large = [trace::LARGE_STRING.as_slice(); trace::LARGE_STRINGS];
    let short = [trace::TEXT.as_bytes()];
    let data = match check {
        Some(Check::UnknownType) => Data::Raw(trace::UNKNOWN_TYPE, &trace::UNKNOWN_DATA),
        Some(Check::Large) => Data::Txt(&large),
        _ => Data::Txt(&short),
    };
    reply(query, &[data])
}

/// The HTTPS record of a site, where it is asked for (RFC 9460).
pub fn service(world: &World, query: &[u8], name: &str) -> Option<Vec<u8>> {
    let asked = Message::parse(query).ok()?.question()?.rtype;
    let data = world.service(name).filter(|_| asked == RecordType::HTTPS)?;
    reply(query, &[Data::Raw(RecordType::HTTPS, &data)])
}

/// The name servers of a top-level domain, by names below `by`.
pub fn delegation(query: &[u8], tld: &str, by: &str) -> Option<Vec<u8>> {
    let servers = ["a", "b"].map(|letter| format!("{letter}.{by}.{tld}").parse::<NameBuf>());
    let [first, second] = servers;
    let (first, second) = (first.ok()?, second.ok()?);
    reply(query, &[Data::Ns(&first), Data::Ns(&second)])
}

/// Those of the records that are of the asked type, with a signature where it is asked for.
fn reply(query: &[u8], records: &[Data<'_>]) -> Option<Vec<u8>> {
    let message = Message::parse(query).ok()?;
    let asked = message.question()?.rtype;
    let mut buffer = vec![0; 4096];
    let mut reply = ResponseBuilder::reply_to(&message, &mut buffer).ok()?;
    let fitting = records.iter().filter(|record| record.rtype() == asked);
    let mut any = false;
    for record in fitting {
        reply.answer(TTL, record).ok()?;
        any = true;
    }
    if let Some(edns) = message.edns() {
        if edns.dnssec_ok() && any {
            let signature = Data::Raw(RecordType::RRSIG, b"in the place of a signature");
            reply.answer(TTL, &signature).ok()?;
        }
        reply.edns(1232, edns.dnssec_ok(), &[]).ok()?;
    }
    let length = reply.finish().ok()?;
    buffer.truncate(length);
    Some(buffer)
}
