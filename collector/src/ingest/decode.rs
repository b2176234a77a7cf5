//! Is this a batch of a probe we know? Hostile bytes end in a [`Refusal`], never a panic.

use crate::{
    signature,
    store::{ProbeRecord, StoreError},
};
use faultline_core::{
    codec::{CodecError, Envelope, PublicKey, Purpose},
    id::ProbeId,
    measurement::{Batch, SCHEMA_VERSION},
};

/// Largest upload, bytes.
pub const MAX_BATCH: usize = 4 << 20;

/// Why an upload was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    #[error("the upload is not an envelope of the published shape: {0}")]
    MalformedEnvelope(CodecError),
    #[error("the batch in the envelope does not decode")]
    MalformedBatch,
    #[error("probe {0} is not enrolled here: enrol first, then send again")]
    UnknownProbe(ProbeId),
    #[error("probe {0} was revoked")]
    RevokedProbe(ProbeId),
    #[error("the signature does not match the probe's key")]
    BadSignature,
    #[error("the batch names another probe than the one that signed it")]
    WrongSigner,
    #[error("schema {0} is not supported: this collector reads up to {SCHEMA_VERSION}")]
    SchemaUnsupported(u16),
    #[error("the upload is larger than {MAX_BATCH} bytes: send smaller batches")]
    TooLarge,
    #[error("this batch was stored already with other bytes")]
    BatchConflict,
    #[error("the collector's disk is full: keep the batch and send it later")]
    StorageFull,
    #[error("the collector could not store the batch: keep it and send it later")]
    Storage(#[source] StoreError),
}

impl Refusal {
    /// A stable word.
    pub fn code(&self) -> &'static str {
        match self {
            Self::MalformedEnvelope(_) => "malformed_envelope",
            Self::MalformedBatch => "malformed_batch",
            Self::UnknownProbe(_) => "unknown_probe",
            Self::RevokedProbe(_) => "revoked_probe",
            Self::BadSignature => "bad_signature",
            Self::WrongSigner => "wrong_signer",
            Self::SchemaUnsupported(_) => "schema_unsupported",
            Self::TooLarge => "too_large",
            Self::BatchConflict => "batch_conflict",
            Self::StorageFull => "storage_full",
            Self::Storage(_) => "storage",
        }
    }

    /// Whether the same bytes may be taken later: a newer schema is, by a newer collector.
    pub fn retry(&self) -> bool {
        match self {
            Self::UnknownProbe(_) | Self::StorageFull | Self::Storage(_) => true,
            Self::SchemaUnsupported(schema) => *schema > SCHEMA_VERSION,
            _ => false,
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => Self::StorageFull,
            StoreError::Conflict(_) => Self::BatchConflict,
            other => Self::Storage(other),
        }
    }
}

pub(super) fn open(
    bytes: &[u8],
    probe: impl FnOnce(ProbeId) -> Result<Option<ProbeRecord>, StoreError>,
) -> Result<Batch, Refusal> {
    if bytes.len() > MAX_BATCH {
        return Err(Refusal::TooLarge);
    }
    let envelope = Envelope::parse(bytes).map_err(Refusal::MalformedEnvelope)?;
    let signer = envelope.signer;
    let probe = probe(signer)?.ok_or(Refusal::UnknownProbe(signer))?;
    if probe.revoked.is_some() {
        return Err(Refusal::RevokedProbe(signer));
    }
    let key = PublicKey::from_sec1(&probe.public_key).map_err(|_| Refusal::BadSignature)?;
    let batch: Batch =
        signature::open(&envelope, Purpose::Batch, &key).map_err(|e| match e {
            CodecError::Signature => Refusal::BadSignature,
            _ => Refusal::MalformedBatch,
        })?;
    if batch.probe != signer {
        return Err(Refusal::WrongSigner);
    }
    if batch.schema == 0 || batch.schema > SCHEMA_VERSION {
        return Err(Refusal::SchemaUnsupported(batch.schema));
    }
    Ok(batch)
}
