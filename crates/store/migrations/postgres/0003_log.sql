-- The delivery log. Times are milliseconds since 1970. Its rows are never read by the delivery path.

-- One row. `value` numbers events, deliveries and attempts in the order in which they were written;
-- who writes holds the row until the commit, so who sees a number sees all before it. `amount` is
-- how many deliveries and attempts there are.
CREATE TABLE log_counter (
    only_row BIGINT PRIMARY KEY NOT NULL CHECK (only_row = 1),
    value BIGINT NOT NULL,
    amount BIGINT NOT NULL
);
INSERT INTO log_counter (only_row, value, amount) VALUES (1, 0, 0);

-- Texts that come again and again: webhooks, event types, failure kinds, reasons.
CREATE TABLE log_names (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

-- Events, packed: they are only looked at. A row is a chunk of up to 64 of them, compressed.
CREATE TABLE log_events (
    number BIGINT PRIMARY KEY NOT NULL,
    packed BYTEA NOT NULL
);

-- Deliveries with their last attempt. An id is `dlv_` and the 32 digits of `high` and `low`.
-- `position` is a number that is taken anew at every change. Above 14 bits it counts eras: an index
-- that begins with the era is written in one place at a time, however large it is; who reads it
-- names the eras. `event` is the number of its chunk, and in the lower 6 bits its place there; `late`
-- is that of the chunk where it is far from the position.
-- `state`: 0 waiting, 1 delivered, 2 dead, 3 dropped. `trace` is packed: it is only looked at.
CREATE TABLE deliveries (
    position BIGINT PRIMARY KEY NOT NULL,
    high BIGINT NOT NULL,
    low BIGINT NOT NULL,
    webhook BIGINT NOT NULL,
    state BIGINT NOT NULL DEFAULT 1,
    kind BIGINT NOT NULL,
    event BIGINT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 1,
    last_at BIGINT NOT NULL,
    duration BIGINT NOT NULL,
    status BIGINT,
    failure BIGINT,
    next_at BIGINT,
    dead_reason BIGINT,
    sent_again_at BIGINT,
    late BIGINT,
    trace BYTEA NOT NULL
);
CREATE INDEX deliveries_by_webhook ON deliveries ((position >> 14), webhook, state, kind, position);
CREATE INDEX deliveries_by_id ON deliveries (high);
CREATE INDEX deliveries_by_late_event ON deliveries (late) WHERE late IS NOT NULL;

-- Attempts that are not the last one of their delivery.
CREATE TABLE attempts (
    number BIGINT PRIMARY KEY NOT NULL,
    high BIGINT NOT NULL,
    low BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    at BIGINT NOT NULL,
    duration BIGINT NOT NULL,
    status BIGINT,
    failure BIGINT,
    trace BYTEA NOT NULL
);
CREATE INDEX attempts_by_id ON attempts (high);

-- What an era holds, or has held: which types in which states, and the times of last attempts.
CREATE TABLE log_eras (
    era BIGINT NOT NULL,
    kind BIGINT NOT NULL,
    state BIGINT NOT NULL,
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    PRIMARY KEY (era, kind, state)
);

-- Attempts by hour and webhook: how they ended, and how many took at most 2^n ms (b0 to b15). And
-- deliveries by the hour of their last attempt: how many are in each state.
CREATE TABLE log_hours (
    hour BIGINT NOT NULL,
    webhook BIGINT NOT NULL,
    succeeded BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    waiting BIGINT NOT NULL,
    delivered BIGINT NOT NULL,
    dead BIGINT NOT NULL,
    dropped BIGINT NOT NULL,
    b0 BIGINT NOT NULL,
    b1 BIGINT NOT NULL,
    b2 BIGINT NOT NULL,
    b3 BIGINT NOT NULL,
    b4 BIGINT NOT NULL,
    b5 BIGINT NOT NULL,
    b6 BIGINT NOT NULL,
    b7 BIGINT NOT NULL,
    b8 BIGINT NOT NULL,
    b9 BIGINT NOT NULL,
    b10 BIGINT NOT NULL,
    b11 BIGINT NOT NULL,
    b12 BIGINT NOT NULL,
    b13 BIGINT NOT NULL,
    b14 BIGINT NOT NULL,
    b15 BIGINT NOT NULL,
    PRIMARY KEY (hour, webhook)
);

-- How webhooks are doing: since when every attempt has failed, and what was told of that.
CREATE TABLE health (
    webhook TEXT PRIMARY KEY NOT NULL,
    failing_since BIGINT,
    last_failure BIGINT NOT NULL,
    last_success BIGINT,
    told BIGINT NOT NULL
);

-- What one replica has taken upon itself to tell, so that the others do not.
CREATE TABLE claims (
    name TEXT PRIMARY KEY NOT NULL,
    at BIGINT NOT NULL
);
