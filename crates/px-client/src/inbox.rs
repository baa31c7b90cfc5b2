//! Webhooks and their deliveries.

use std::fmt::Display;

use bytes::Bytes;
use px_api::{BindDelivery, BoundEvent, Delivery, DeliveryPage, ListDeliveries, Object, Webhooks};
use serde_json::Value;

use crate::answer::Answer;
use crate::client::{Client, encode};
use crate::error::Result;

fn path(delivery: impl Display, tail: &str) -> String {
    format!("/webhooks/deliveries/{}{tail}", encode(delivery))
}

impl Client {
    /// Lists every webhook (`GET /webhooks`).
    ///
    /// # Errors
    /// See [`crate::Error`].
    pub async fn webhooks(&self) -> Result<Answer<Webhooks>> {
        self.get("/webhooks").await
    }

    /// Lists the inbox, newest first, in pages (`GET /webhooks/deliveries`).
    ///
    /// # Errors
    /// See [`crate::Error`].
    pub async fn deliveries(&self, query: &ListDeliveries) -> Result<Answer<DeliveryPage>> {
        self.list("/webhooks/deliveries", query).await
    }

    /// Shows a delivery, with what became of it and why
    /// (`GET /webhooks/deliveries/{id}`).
    ///
    /// # Errors
    /// 404 if there is none; see [`crate::Error`].
    pub async fn delivery(&self, delivery: impl Display) -> Result<Answer<Delivery>> {
        self.get(&path(delivery, "")).await
    }

    /// The bytes of a file that came with a delivery, by its place among the
    /// delivery's, from 0 (`GET /webhooks/deliveries/{id}/files/{place}`). What it is
    /// called, and what its sender says that it is, is in the delivery.
    ///
    /// # Errors
    /// 404 if there is none; see [`crate::Error`].
    pub async fn delivery_file(&self, delivery: impl Display, place: impl Display) -> Result<Bytes> {
        self.bytes(&path(delivery, &format!("/files/{}", encode(place)))).await
    }

    /// Handles a delivery again, and answers as its webhook would
    /// (`POST /webhooks/deliveries/{id}/replay`): usually [`px_api::Accepted`], but
    /// a webhook's answer is its own.
    ///
    /// # Errors
    /// 404 if there is none, 409 if it cannot be replayed, 422 if its payload does
    /// not fit; see [`crate::Error`].
    pub async fn replay_delivery(&self, delivery: impl Display) -> Result<Answer<Value>> {
        self.post(&path(delivery, "/replay"), &Object::new()).await
    }

    /// Gives a kept event to a run by hand (`POST /webhooks/deliveries/{id}/bind`).
    ///
    /// # Errors
    /// 404 if there is no such delivery or run, 409 if the event is not kept or the
    /// run does not wait for it; see [`crate::Error`].
    pub async fn bind_delivery(
        &self,
        delivery: impl Display,
        bind: &BindDelivery,
    ) -> Result<Answer<BoundEvent>> {
        self.post(&path(delivery, "/bind"), bind).await
    }
}
