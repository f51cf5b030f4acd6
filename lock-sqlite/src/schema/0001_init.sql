-- One row per key that was ever locked. The columns behind last_ticket are the last lease's: it is held as long as its
-- baton is flock'd, and nobody clears them.
CREATE TABLE locks (
    key         TEXT    NOT NULL PRIMARY KEY,
    last_token  INTEGER NOT NULL,
    last_ticket INTEGER NOT NULL,
    request     BLOB    NOT NULL,
    baton       INTEGER NOT NULL,
    ticket      INTEGER NOT NULL,
    secret      BLOB    NOT NULL,
    since_us    INTEGER NOT NULL,
    host        TEXT    NOT NULL,
    pid         INTEGER NOT NULL,
    start       INTEGER NOT NULL,
    label       TEXT    NOT NULL,
    broken      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One row per ticket in line. It counts as long as its process's file is flock'd.
CREATE TABLE tickets (
    key      TEXT    NOT NULL,
    ticket   INTEGER NOT NULL,
    request  BLOB    NOT NULL,
    process  INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    passed   INTEGER NOT NULL,
    rest     INTEGER NOT NULL,
    since_us INTEGER NOT NULL,
    host     TEXT    NOT NULL,
    pid      INTEGER NOT NULL,
    start    INTEGER NOT NULL,
    label    TEXT    NOT NULL,
    PRIMARY KEY (key, ticket)
) STRICT, WITHOUT ROWID;
