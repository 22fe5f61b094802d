//! One delivery.

use axum::extract::Path;

use super::super::answer::{Answer, Reply};
use super::super::gate::{Asked, Posted};
use super::super::view::delivery::{DeliveryView, delivery};
use super::super::view::frame::Done;
use crate::desk::Rest;

pub(super) async fn show(Path(id): Path<String>, asked: Asked) -> Answer {
    let detail = asked.desk.delivery(&id).await?;
    // It may have been deleted since; what was delivered is shown all the same.
    let webhook = asked.desk.webhook(&detail.row.webhook).await.ok();
    let webhook = webhook.as_ref().map(|found| found.webhook.as_ref());
    let standing = asked.desk.standing(&detail.row.webhook);
    Ok(Reply::Screen(delivery(&asked.frame, &DeliveryView { detail: &detail, webhook, standing })))
}

pub(super) async fn redeliver(Path(id): Path<String>, form: Posted) -> Answer {
    let sent = form.asked.desk.redeliver(&id, form.actor()).await?;
    let done = if sent.rest == Rest::Follows { Done::Sought } else { Done::Redelivered };
    Ok(Reply::done(&format!("/admin/deliveries/{}", sent.delivery), done))
}
