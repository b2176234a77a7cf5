//! What does a reply say, as far as it says anything?

use super::Settings;
use super::question::{Asked, Question};
use crate::{
    dns::{Class, Message, RData, RecordType},
    failure::Failure,
    observation::{Observation, Reply, Step},
    value::{Blob, Ip},
};
use alloc::{string::ToString, vec::Vec};
use core::net::SocketAddr;

/// The flag TC (RFC 1035 section 4.1.1).
const TC: u16 = 0x0200;

/// Whether the resolver has spoken: addresses, or that there are none.
pub fn is_answer(failure: Option<Failure>) -> bool {
    matches!(
        failure,
        None | Some(Failure::DnsNxDomain | Failure::DnsNoAnswer)
    )
}

/// Whether a reply that counts was cut short: ask again over TCP (RFC 7766 section 5).
pub fn is_truncated(observation: &Observation) -> bool {
    matches!(&observation.step, Step::Lookup(lookup)
        if lookup.replies.iter().any(|r| r.failure.is_none() && r.flags & TC != 0))
}

/// The addresses of a successful lookup's first true reply.
pub fn addresses(observation: &Observation) -> &[Ip] {
    match &observation.step {
        Step::Lookup(lookup) if observation.failure.is_none() => lookup
            .replies
            .iter()
            .find(|reply| reply.failure.is_none())
            .map_or(&[], |reply| &reply.addresses),
        _ => &[],
    }
}

/// How a lookup as a whole ended: by the first reply that can be an answer; `answered` says
/// of each whether it held records of an asked type that is no address.
pub(super) fn conclude(
    replies: &[Reply],
    answered: &[bool],
    network: Option<Failure>,
) -> Option<Failure> {
    let mut both = replies.iter().zip(answered);
    if let Some((reply, answered)) = both.find(|(reply, _)| reply.failure.is_none()) {
        let rcode = u8::try_from(reply.rcode).unwrap_or(u8::MAX);
        let nothing = match reply.flags & TC {
            0 => Failure::DnsNoAnswer,
            _ => Failure::DnsTruncated,
        };
        let empty = (reply.addresses.is_empty() && !answered).then_some(nothing);
        return Failure::from_rcode(rcode).or(empty);
    }
    let unusable = replies.first().and_then(|reply| reply.failure);
    Some(unusable.or(network).unwrap_or(Failure::DnsTimeout))
}

/// Reads a payload, and whether it holds records of the asked type, if that is no address;
/// when it came is for the caller to say.
pub(super) fn read(
    asked: &Asked,
    question: &Question,
    settings: &Settings,
    from: SocketAddr,
    payload: &[u8],
) -> (Reply, bool) {
    let raw = payload.get(..settings.raw_cap).unwrap_or(payload);
    let mut reply = Reply {
        after: 0,
        from: Some(Ip(from.ip())),
        rcode: 0,
        flags: 0,
        addresses: Vec::new(),
        aliases: Vec::new(),
        ttl: None,
        edns: false,
        failure: None,
        case_echoed: None,
        raw: Some(Blob(raw.to_vec())),
        hop_limit: None,
    };
    let Ok(message) = Message::parse(payload) else {
        reply.failure = Some(Failure::DnsMalformed);
        return (reply, false);
    };
    let header = message.header();
    reply.rcode = message.rcode().0;
    reply.flags = header.flags();
    reply.edns = message.edns().is_some();
    let echoed = message.question();
    reply.case_echoed = echoed.map(|q| q.name.eq_exact(&asked.name.as_name()));
    // REFUSED and FORMERR may come without the question.
    let same_question = match echoed {
        Some(q) => q.asks(&asked.name, asked.rtype, Class::IN),
        None => reply.rcode != 0,
    };
    let is_reply = header.qr() && header.id() == asked.id && same_question;
    if !is_reply || from != question.resolver {
        reply.failure = Some(Failure::DnsMismatch);
    }
    reply.ttl = message.answers().map(|record| record.ttl).min();
    let address = |rdata| match rdata {
        RData::A(ip) if asked.rtype == RecordType::A => Some(Ip(ip.into())),
        RData::Aaaa(ip) if asked.rtype == RecordType::AAAA => Some(Ip(ip.into())),
        _ => None,
    };
    let records = || message.answers().map(|record| record.rdata);
    let most = settings.most_records;
    reply.addresses = records().filter_map(address).take(most).collect();
    reply.aliases = records()
        .filter_map(|rdata| match rdata {
            RData::Cname(name) => Some(name.to_string()),
            _ => None,
        })
        .take(most)
        .collect();
    // Of addresses, those count that are kept.
    let answered = !matches!(asked.rtype, RecordType::A | RecordType::AAAA)
        && message.answers().any(|record| record.rtype == asked.rtype);
    (reply, answered)
}

/// Octets that a reply takes, apart from its fields of fixed size.
pub(super) fn size(reply: &Reply) -> usize {
    let aliases: usize = reply.aliases.iter().map(|alias| alias.len() + 2).sum();
    let raw = reply.raw.as_ref().map_or(0, |raw| raw.0.len());
    reply.addresses.len() * 17 + aliases + raw
}

/// Cuts a reply to `room` octets. Addresses go last: verdicts rest on them.
pub(super) fn cut(reply: &mut Reply, room: usize) {
    reply.addresses.truncate(room / 17);
    let mut left = room - reply.addresses.len() * 17;
    let fitting = reply.aliases.iter().take_while(|alias| {
        let fits = alias.len() + 2 <= left;
        left = left.saturating_sub(alias.len() + 2);
        fits
    });
    let fitting = fitting.count();
    reply.aliases.truncate(fitting);
    if let Some(Blob(raw)) = &mut reply.raw {
        raw.truncate(left);
    }
}
