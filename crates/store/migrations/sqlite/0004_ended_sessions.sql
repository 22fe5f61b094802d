-- Sessions of the page that somebody ended before their time: every replica refuses them until then.
CREATE TABLE ended_sessions (
    id TEXT PRIMARY KEY NOT NULL,
    ended_at BIGINT NOT NULL,
    until BIGINT NOT NULL
);
CREATE INDEX ended_sessions_by_time ON ended_sessions (ended_at);
