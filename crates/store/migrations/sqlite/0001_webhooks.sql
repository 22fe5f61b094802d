-- Webhooks. Texts that have parts are JSON; times are milliseconds since 1970; `sealed` holds the
-- secrets and the values of headers, encrypted.
CREATE TABLE webhooks (
    id TEXT PRIMARY KEY NOT NULL,
    url TEXT NOT NULL,
    events TEXT NOT NULL,
    projects TEXT NOT NULL,
    description TEXT,
    enabled BIGINT NOT NULL,
    disabled_reason TEXT,
    settings TEXT NOT NULL,
    sealed BLOB NOT NULL,
    switches_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    revision BIGINT NOT NULL
);
CREATE INDEX webhooks_by_revision ON webhooks (revision);

-- What was deleted, so that who reads changes only learns of it.
CREATE TABLE deleted_webhooks (
    id TEXT PRIMARY KEY NOT NULL,
    deleted_at BIGINT NOT NULL,
    revision BIGINT NOT NULL
);
CREATE INDEX deleted_webhooks_by_revision ON deleted_webhooks (revision);

-- One row: how many changes there were. Every change takes the next number before it commits, and
-- holds this row until then; so who sees a number sees all changes up to it.
CREATE TABLE revision (
    only_row BIGINT PRIMARY KEY NOT NULL CHECK (only_row = 1),
    value BIGINT NOT NULL
);
INSERT INTO revision (only_row, value) VALUES (1, 0);

-- Who changed what, and when. Never a secret.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    webhook_id TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX audit_by_webhook ON audit (webhook_id, id);
