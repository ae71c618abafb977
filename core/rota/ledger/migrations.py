"""
The tables, and every step that led to them.

A migration is a numbered function that is never changed once released: append
a new one. Opening a ledger runs what is missing in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from attrs import frozen

from rota.errors import LedgerError

from .databases import Database, Dialect


FORMAT = "rota ledger"

Migration = Callable[[Dialect], tuple[str, ...]]


@frozen(kw_only=True)
class Table:
    """A table's columns in order; the first ``key`` of them are its primary key."""

    columns: tuple[str, ...]
    key: int


def _table(key: int, columns: str) -> Table:
    return Table(columns=tuple(columns.split()), key=key)


# Parents before children: a copy in this order never breaks a foreign key.
TABLES: Mapping[str, Table] = MappingProxyType(
    {
        "meta": _table(1, "format version"),
        "word": _table(1, "id text"),
        "pair": _table(1, "id name baseline moves links"),
        "value": _table(1, "digest body"),
        "link": _table(
            3,
            "pair source n target agreed seen generation form since first last handed",
        ),
        "roll": _table(3, "pair side at prints keys"),
        "loose": _table(3, "pair side key listed"),
        "image": _table(3, "pair target since until seen source n"),
        "released": _table(2, "pair source day"),
        "lease": _table(1, "name holder fence until ttl"),
        "run": _table(1, "id pair kind plan lease fence began ended code"),
        "intent": _table(
            2, "run seq change kind mark before after lookalikes source target at"
        ),
        "outcome": _table(3, "run seq attempt state ref answer at"),
        "pending": _table(2, "run seq"),
        "due": _table(4, "pair source n day change plan settled how"),
        "conflict": _table(
            1,
            "id pair source n field target title base ours theirs why tried since"
            " settled how who",
        ),
        "side": _table(2, "pair side identity records at"),
        "spent": _table(2, "account number at pause"),
        "accepted": _table(1, "id plan what count who at"),
    }
)


def m001_first(d: Dialect) -> tuple[str, ...]:
    """Make the tables. Days are proleptic ordinals, moments microseconds in UTC."""
    keyed, plain = d.keyed, d.plain
    return (
        f"CREATE TABLE meta (format {d.text} PRIMARY KEY, version {d.integer} NOT NULL){keyed}",
        f"CREATE TABLE word (id {d.small} PRIMARY KEY, text {d.text} NOT NULL UNIQUE){plain}",
        f"""CREATE TABLE pair (id {d.small} PRIMARY KEY, name {d.text} NOT NULL UNIQUE,
            baseline {d.text}, moves {d.integer} NOT NULL,
            links {d.integer} NOT NULL){plain}""",
        f"CREATE TABLE value (digest {d.blob} PRIMARY KEY, body {d.blob} NOT NULL){plain}",
        f"""CREATE TABLE link (
            since {d.small} NOT NULL, first {d.small}, last {d.small},
            pair {d.tiny} NOT NULL REFERENCES pair, n {d.tiny} NOT NULL,
            form {d.tiny} NOT NULL REFERENCES word, generation {d.tiny} NOT NULL,
            handed {d.tiny} NOT NULL,
            source {d.text} NOT NULL, target {d.text} NOT NULL,
            agreed {d.blob} NOT NULL REFERENCES value,
            seen {d.blob} NOT NULL REFERENCES value,
            PRIMARY KEY (pair, source, n)){keyed}""",
        "CREATE UNIQUE INDEX link_target ON link (pair, target)",
        f"""CREATE TABLE roll (
            pair {d.small} NOT NULL REFERENCES pair, side {d.text} NOT NULL,
            at {d.small} NOT NULL, prints {d.blob} NOT NULL, keys {d.blob} NOT NULL,
            PRIMARY KEY (pair, side, at)){plain}""",
        f"""CREATE TABLE loose (
            pair {d.small} NOT NULL REFERENCES pair, side {d.text} NOT NULL,
            key {d.text} NOT NULL, listed {d.small} NOT NULL,
            PRIMARY KEY (pair, side, key)){keyed}""",
        f"""CREATE TABLE image (
            pair {d.small} NOT NULL REFERENCES pair, target {d.text} NOT NULL,
            since {d.small} NOT NULL, until {d.small} NOT NULL,
            seen {d.blob} NOT NULL REFERENCES value,
            source {d.text} NOT NULL, n {d.small} NOT NULL,
            PRIMARY KEY (pair, target, since)){keyed}""",
        f"""CREATE TABLE released (
            pair {d.small} NOT NULL REFERENCES pair, source {d.text} NOT NULL,
            day {d.small} NOT NULL, PRIMARY KEY (pair, source)){keyed}""",
        f"""CREATE TABLE lease (
            name {d.text} PRIMARY KEY, holder {d.text} NOT NULL, fence {d.integer} NOT NULL,
            until {d.integer} NOT NULL, ttl {d.integer} NOT NULL){keyed}""",
        f"""CREATE TABLE run (
            id {d.small} PRIMARY KEY, pair {d.small} NOT NULL REFERENCES pair,
            kind {d.text} NOT NULL, plan {d.text}, lease {d.text} NOT NULL,
            fence {d.integer} NOT NULL, began {d.integer} NOT NULL, ended {d.integer},
            code {d.integer}){plain}""",
        "CREATE INDEX run_pair ON run (pair, id)",
        f"""CREATE TABLE intent (
            run {d.small} NOT NULL REFERENCES run, seq {d.small} NOT NULL,
            change {d.text} NOT NULL, kind {d.text} NOT NULL, mark {d.text},
            before {d.blob} REFERENCES value, after {d.blob} REFERENCES value,
            lookalikes {d.text} NOT NULL, source {d.text}, target {d.text},
            at {d.integer} NOT NULL, PRIMARY KEY (run, seq)){plain}""",
        "CREATE INDEX intent_source ON intent (source) WHERE source IS NOT NULL",
        "CREATE INDEX intent_target ON intent (target) WHERE target IS NOT NULL",
        f"""CREATE TABLE outcome (
            run {d.small} NOT NULL, seq {d.small} NOT NULL, attempt {d.small} NOT NULL,
            state {d.text} NOT NULL CHECK (state IN
                ('done', 'refused', 'unknown', 'skipped', 'found', 'given_up')),
            ref {d.text}, answer {d.text}, at {d.integer} NOT NULL,
            PRIMARY KEY (run, seq, attempt),
            FOREIGN KEY (run, seq) REFERENCES intent (run, seq)){plain}""",
        "CREATE INDEX outcome_ref ON outcome (ref) WHERE ref IS NOT NULL",
        f"""CREATE TABLE pending (
            run {d.small} NOT NULL, seq {d.small} NOT NULL, PRIMARY KEY (run, seq),
            FOREIGN KEY (run, seq) REFERENCES intent (run, seq)){keyed}""",
        f"""CREATE TABLE due (
            pair {d.small} NOT NULL REFERENCES pair, source {d.text} NOT NULL,
            n {d.small} NOT NULL, day {d.small} NOT NULL, change {d.text} NOT NULL,
            plan {d.text} NOT NULL, settled {d.integer}, how {d.text},
            PRIMARY KEY (pair, source, n, day)){plain}""",
        f"""CREATE TABLE conflict (
            id {d.small} PRIMARY KEY, pair {d.small} NOT NULL REFERENCES pair,
            source {d.text} NOT NULL, n {d.small} NOT NULL, field {d.text} NOT NULL,
            target {d.text} NOT NULL, title {d.text} NOT NULL,
            base {d.text} NOT NULL, ours {d.text} NOT NULL, theirs {d.text} NOT NULL,
            why {d.text} NOT NULL, tried {d.small} NOT NULL, since {d.integer} NOT NULL,
            settled {d.integer}, how {d.text}, who {d.text}){plain}""",
        """CREATE UNIQUE INDEX conflict_open ON conflict (pair, source, n, field)
            WHERE settled IS NULL""",
        f"""CREATE TABLE side (
            pair {d.small} NOT NULL REFERENCES pair, side {d.text} NOT NULL,
            identity {d.text}, records {d.integer}, at {d.integer} NOT NULL,
            PRIMARY KEY (pair, side)){keyed}""",
        f"""CREATE TABLE spent (
            account {d.text} NOT NULL, number {d.integer} NOT NULL,
            at {d.integer} NOT NULL, pause {d.integer} NOT NULL,
            PRIMARY KEY (account, number)){keyed}""",
        f"""CREATE TABLE accepted (
            id {d.integer} PRIMARY KEY, plan {d.text} NOT NULL, what {d.text} NOT NULL,
            count {d.integer} NOT NULL, who {d.text} NOT NULL, at {d.integer} NOT NULL){plain}""",
        "CREATE INDEX accepted_plan ON accepted (plan)",
        *d.keep("intent"),
        *d.keep("outcome"),
        f"INSERT INTO meta (format, version) VALUES ('{FORMAT}', 0)",
    )


MIGRATIONS: tuple[Migration, ...] = (m001_first,)


def migrate(database: Database, migrations: Sequence[Migration] = MIGRATIONS) -> int:
    """
    Bring a ledger up to date, whole or not at all, and return its version.

    Raises:
        LedgerError: It was written by a newer rota, or is no ledger.
    """
    known = len(migrations)
    if _version(database, known) < known:
        with database.transaction():
            version = _version(database, known)
            for number in range(version, known):
                for statement in migrations[number](database.dialect):
                    database.execute(statement)
                database.execute("UPDATE meta SET version = ?", (number + 1,))
    return known


def _version(database: Database, known: int) -> int:
    # In this order: another process may make all tables between the two questions.
    tables = database.tables()
    columns = database.columns("meta")
    if not columns:
        if tables:
            raise _foreign(database)
        return 0
    if set(columns) != set(TABLES["meta"].columns):
        raise _foreign(database)
    rows = database.query("SELECT version FROM meta WHERE format = ?", (FORMAT,))
    if not rows:
        raise _foreign(database)
    version = int(rows[0][0])
    if version > known:
        raise LedgerError(
            f"{database.name} was written by a newer rota"
            f" (ledger version {version}; this one knows {known})",
            hint="upgrade rota on this machine; nothing was changed",
        )
    return version


def _foreign(database: Database) -> LedgerError:
    return LedgerError(
        f"{database.name} holds tables of another program, not a rota ledger",
        hint="name another file, or give rota a PostgreSQL schema of its own",
    )
