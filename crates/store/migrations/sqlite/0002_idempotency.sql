-- Requests that made a webhook and named a key: a repeat of one makes no second webhook. Both the
-- key and the request are SHA-256.
CREATE TABLE idempotency (
    key BLOB PRIMARY KEY NOT NULL,
    request BLOB NOT NULL,
    webhook_id TEXT NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX idempotency_by_time ON idempotency (at);
