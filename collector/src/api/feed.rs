//! How does somebody follow events without a page? An Atom feed (RFC 4287) of the latest
//! changes. Names are the events' own 128 bits as `urn:uuid` (RFC 9562), so they stay the same
//! wherever the feed is read; `updated` is when the newest revision was said.

use super::{Service, on_disk, refused::Refused, wire};
use crate::{
    detect::event::{EventId, Revision},
    export::Hold,
    store::events::Sought,
    watch::public::Public,
};
use axum::{extract::State as Shared, http::HeaderMap, response::Response};
use faultline_core::time::UnixTime;
use quick_xml::{
    Writer,
    events::{BytesDecl, BytesText, Event},
};
use std::{io, sync::Arc};

/// Entries of the feed.
const ENTRIES: usize = 100;

pub(super) async fn feed(
    Shared(service): Shared<Arc<Service>>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    on_disk(move || {
        let mut entries = Vec::new();
        if let Some(events) = service.events.as_deref() {
            let sought = Sought {
                by_change: true,
                limit: Some(2 * ENTRIES),
                ..Sought::default()
            };
            let hold = Hold::of(&service.config.dataset);
            let mut known = Public::new(events, &hold, (service.now)());
            for revision in events.events(&sought)? {
                let mut said = known.revisions(revision.event_id)?;
                let first = said.first().map(|first| first.as_of);
                entries.extend(said.pop().zip(first));
                if entries.len() == ENTRIES {
                    break;
                }
            }
            // By when they were said; by what was not said they came.
            entries.sort_by_key(|(revision, _)| std::cmp::Reverse(revision.as_of));
        }
        let bytes = write(&service, &entries).map_err(|e| Refused::internal(&e))?;
        wire::again(&headers, "application/atom+xml; charset=utf-8", bytes)
    })
    .await
}

fn write(service: &Service, entries: &[(Revision, UnixTime)]) -> io::Result<Vec<u8>> {
    let mut xml = Writer::new(Vec::new());
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("utf-8"), None)))?;
    let base = service.config.events.public_url.as_deref().unwrap_or("");
    let base = base.trim_end_matches('/');
    let name = service.identity.public().probe_id().0;
    let updated = entries.iter().map(|(revision, _)| revision.as_of).max();
    xml.create_element("feed")
        .with_attribute(("xmlns", "http://www.w3.org/2005/Atom"))
        .write_inner_content(|xml| {
            text(xml, "id", &urn(u128::from_be_bytes(name)))?;
            let simulated = if service.config.simulated {
                " (simulated world)"
            } else {
                ""
            };
            text(
                xml,
                "title",
                &format!("Internet shutdowns and outages{simulated}"),
            )?;
            let updated = updated.unwrap_or_default();
            text(xml, "updated", &updated.to_string())?;
            link(xml, "self", &format!("{base}/v1/events.atom"))?;
            link(xml, "alternate", &format!("{base}/live"))?;
            xml.create_element("author")
                .write_inner_content(|xml| text(xml, "name", "Faultline collector"))?;
            for (revision, first) in entries {
                xml.create_element("entry")
                    .write_inner_content(|xml| entry(xml, service, base, revision, *first))?;
            }
            Ok(())
        })?;
    Ok(xml.into_inner())
}

type Xml = Writer<Vec<u8>>;

fn entry(
    xml: &mut Xml,
    service: &Service,
    base: &str,
    revision: &Revision,
    first: UnixTime,
) -> io::Result<()> {
    let EventId(id) = revision.event_id;
    text(xml, "id", &urn(id))?;
    text(xml, "title", &title(service, revision))?;
    text(xml, "published", &first.to_string())?;
    text(xml, "updated", &revision.as_of.to_string())?;
    link(
        xml,
        "alternate",
        &format!("{base}/events/{}", revision.event_id),
    )?;
    xml.create_element("category")
        .with_attribute(("term", revision.disruption_class.word()))
        .write_empty()?;
    text(xml, "summary", &summary(revision))
}

fn title(service: &Service, revision: &Revision) -> String {
    let names = &service.scores.names;
    let countries: Vec<_> = revision
        .countries
        .iter()
        .map(|c| names.country(*c))
        .collect();
    let place = if countries.is_empty() {
        revision.location.to_string()
    } else {
        countries.join(", ")
    };
    let class = revision.disruption_class.word().replace('_', " ");
    format!("{place}: {class}, {}", revision.state)
}

/// How it was lost, never why: who reads only this must not read an accusation into it.
fn summary(revision: &Revision) -> String {
    let until = match revision.end {
        Some(end) => format!("until {end}"),
        None => "and not over".to_owned(),
    };
    let lost = if revision.affected_sites == 0 {
        "fewer than 3".to_owned()
    } else {
        revision.affected_sites.to_string()
    };
    format!(
        "From {} {until}. {lost} of {} sites affected, confidence {:.2}, evidence grade {}. Cause: {} ({}). Revision {}, {}.",
        revision.start,
        revision.eligible_sites,
        revision.confidence,
        revision.evidence_grade,
        revision.cause,
        revision.cause_status,
        revision.revision,
        revision.revision_reason,
    )
}

fn text(xml: &mut Xml, name: &str, content: &str) -> io::Result<()> {
    // What XML cannot hold, it cannot hold escaped either.
    let content: String = content.chars().filter(|c| !c.is_control()).collect();
    xml.create_element(name)
        .write_text_content(BytesText::new(&content))?;
    Ok(())
}

fn link(xml: &mut Xml, rel: &str, href: &str) -> io::Result<()> {
    xml.create_element("link")
        .with_attribute(("rel", rel))
        .with_attribute(("href", href))
        .write_empty()?;
    Ok(())
}

fn urn(id: u128) -> String {
    let part = |from: u32, octets: u32| {
        (id >> (128 - 8 * (from + octets))) & ((1 << (8 * octets)) - 1)
    };
    format!(
        "urn:uuid:{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        part(0, 4),
        part(4, 2),
        part(6, 2),
        part(8, 2),
        part(10, 6)
    )
}
