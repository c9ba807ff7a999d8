internal import GRDB

/// The tables and views that users query, in numbered migrations. A migration that has been released is never changed.
enum Schema {
    /// For who shares the database with a daemon: only that one migrates.
    static func assertCurrent(_ pool: DatabasePool, path: String) throws {
        guard try pool.read({ try migrator.hasCompletedMigrations($0) && !migrator.hasBeenSuperseded($0) }) else {
            throw LedgerError(
                .newerSchema, reason: "\(path): belongs to another version of Sparekey",
                hint: "Start the daemon of this version first, or use the daemon's own `sparekey`.")
        }
    }

    static func migrate(_ pool: DatabasePool, path: String) throws {
        if try pool.read({ try migrator.hasBeenSuperseded($0) }) {
            throw LedgerError(
                .newerSchema, reason: "\(path): was written by a newer Sparekey than this one",
                hint: "Install that version again, or set another database.path.")
        }
        try migrator.migrate(pool)
    }

    /// Whether it is another program's: it has tables, and no migration made them.
    static func isForeign(_ database: Database) throws -> Bool {
        try !database.tableExists("grdb_migrations")
            && Bool.fetchOne(database, sql: "SELECT count(*) > 0 FROM sqlite_master") ?? false
    }

    static func isNewer(_ database: Database) throws -> Bool { try migrator.hasBeenSuperseded(database) }
    static func isCurrent(_ database: Database) throws -> Bool { try migrator.hasCompletedMigrations(database) }

    private static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1") { database in try database.execute(sql: first) }
        migrator.registerMigration("2") { database in try database.execute(sql: second) }
        return migrator
    }

    /// Times are UTC text with milliseconds, so their order as text is their order in time.
    private static let first = """
        CREATE TABLE webhook_events (
            inbox_id INTEGER PRIMARY KEY,
            svix_id TEXT UNIQUE,
            event_id TEXT,
            event_type TEXT,
            source TEXT NOT NULL CHECK (source IN ('webhook', 'sweep')),
            received_at TEXT NOT NULL,
            occurred_at TEXT,
            access_code_id TEXT,
            device_id TEXT,
            body ANY,
            -- One by one: for a list of more than two, SQLite fills a table of its own for each row that is written.
            disposition TEXT NOT NULL DEFAULT 'pending'
                CHECK (disposition = 'pending' OR disposition = 'handled' OR disposition = 'ignored'
                    OR disposition = 'duplicate' OR disposition = 'quarantined'),
            disposition_reason TEXT,
            is_masked INTEGER NOT NULL DEFAULT 0
        ) STRICT;
        -- A row that has just come is in as few indexes as can be: each is a page more in the commit that acknowledges it.
        CREATE INDEX webhook_events_pending ON webhook_events (inbox_id) WHERE disposition = 'pending';
        CREATE UNIQUE INDEX webhook_events_event ON webhook_events (event_id) WHERE event_id IS NOT NULL;
        CREATE INDEX webhook_events_access_code ON webhook_events (access_code_id) WHERE access_code_id IS NOT NULL;
        CREATE INDEX webhook_events_unmasked ON webhook_events (inbox_id)
            WHERE is_masked = 0 AND disposition <> 'pending';
        CREATE INDEX webhook_events_kept ON webhook_events (received_at)
            WHERE body IS NOT NULL AND disposition <> 'pending';

        CREATE TABLE failovers (
            failover_id TEXT NOT NULL PRIMARY KEY,
            access_code_id TEXT NOT NULL UNIQUE,
            device_id TEXT,
            event_id TEXT,
            state TEXT NOT NULL CHECK (state IN
                ('pending', 'waiting', 'substituted', 'not_needed', 'ineligible', 'expired', 'cancelled')),
            reason TEXT,
            attempts INTEGER NOT NULL DEFAULT 0,
            next_attempt_at TEXT,
            failed_at TEXT NOT NULL,
            opened_at TEXT NOT NULL,
            closed_at TEXT,
            original_name TEXT,
            original_starts_at TEXT,
            original_ends_at TEXT,
            last_error_type TEXT,
            last_request_id TEXT,
            touches INTEGER NOT NULL DEFAULT 0,
            is_scouted INTEGER NOT NULL DEFAULT 0
        ) STRICT;
        CREATE INDEX failovers_unscouted ON failovers (opened_at) WHERE state = 'pending' AND is_scouted = 0;
        CREATE INDEX failovers_order ON failovers (original_starts_at, opened_at) WHERE state IN ('pending', 'waiting');
        CREATE INDEX failovers_due ON failovers (next_attempt_at) WHERE state IN ('pending', 'waiting');
        CREATE INDEX failovers_device ON failovers (device_id) WHERE state IN ('pending', 'waiting');

        CREATE TABLE pulls (
            pull_id TEXT NOT NULL PRIMARY KEY,
            failover_id TEXT NOT NULL REFERENCES failovers (failover_id),
            intended_at TEXT NOT NULL,
            finished_at TEXT,
            outcome TEXT,
            backup_access_code_id TEXT,
            error_type TEXT,
            request_id TEXT
        ) STRICT;
        CREATE INDEX pulls_failover ON pulls (failover_id);

        CREATE TABLE substitutions (
            substitution_id TEXT NOT NULL PRIMARY KEY,
            failover_id TEXT NOT NULL UNIQUE REFERENCES failovers (failover_id),
            original_access_code_id TEXT NOT NULL UNIQUE,
            device_id TEXT NOT NULL,
            backup_access_code_id TEXT NOT NULL UNIQUE,
            backup_code TEXT,
            backup_starts_at TEXT,
            backup_ends_at TEXT,
            state TEXT NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'ended', 'revoked')),
            recorded_at TEXT NOT NULL,
            updated_at TEXT NOT NULL,
            recovered_at TEXT,
            removal_requested_at TEXT,
            next_look_at TEXT,
            look_attempts INTEGER NOT NULL DEFAULT 0,
            touches INTEGER NOT NULL DEFAULT 0
        ) STRICT;
        CREATE INDEX substitutions_look ON substitutions (next_look_at) WHERE state = 'active';
        CREATE INDEX substitutions_active ON substitutions (backup_ends_at) WHERE state = 'active';

        CREATE TABLE alerts (
            alert_id TEXT NOT NULL PRIMARY KEY,
            kind TEXT NOT NULL,
            subject TEXT NOT NULL,
            access_code_id TEXT,
            device_id TEXT,
            text TEXT NOT NULL,
            opened_at TEXT NOT NULL,
            closed_at TEXT
        ) STRICT;
        CREATE UNIQUE INDEX alerts_open ON alerts (kind, subject) WHERE closed_at IS NULL;

        CREATE TABLE deliveries (
            delivery_id TEXT NOT NULL PRIMARY KEY,
            substitution_id TEXT REFERENCES substitutions (substitution_id),
            alert_id TEXT REFERENCES alerts (alert_id),
            channel TEXT NOT NULL CHECK (channel IN ('webhook', 'command', 'manual')),
            kind TEXT NOT NULL CHECK (kind IN ('created', 'updated', 'revoked', 'recovered', 'alert')),
            state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'claimed', 'delivered', 'failed')),
            attempts INTEGER NOT NULL DEFAULT 0,
            created_at TEXT NOT NULL,
            next_attempt_at TEXT,
            claimed_until TEXT,
            delivered_at TEXT,
            last_error TEXT,
            arrives_at TEXT,
            due_at TEXT,
            is_overdue INTEGER NOT NULL DEFAULT 0
        ) STRICT;
        CREATE INDEX deliveries_arrival ON deliveries (channel, arrives_at, created_at) WHERE state IN ('pending', 'claimed');
        CREATE INDEX deliveries_overdue ON deliveries (due_at) WHERE state IN ('pending', 'claimed') AND is_overdue = 0;
        CREATE INDEX deliveries_alert ON deliveries (alert_id) WHERE alert_id IS NOT NULL;
        CREATE INDEX deliveries_due ON deliveries (channel, next_attempt_at) WHERE state IN ('pending', 'claimed');
        CREATE INDEX deliveries_substitution ON deliveries (substitution_id);

        CREATE TABLE journal (
            journal_id INTEGER PRIMARY KEY,
            at TEXT NOT NULL,
            access_code_id TEXT,
            device_id TEXT,
            kind TEXT NOT NULL,
            detail TEXT NOT NULL
        ) STRICT;
        CREATE INDEX journal_access_code ON journal (access_code_id);

        CREATE TABLE devices (
            device_id TEXT NOT NULL PRIMARY KEY,
            name TEXT,
            time_zone TEXT,
            supports_backup_access_code_pool INTEGER,
            backup_access_code_pool_enabled INTEGER,
            online INTEGER,
            error_codes TEXT NOT NULL,
            warning_codes TEXT NOT NULL,
            custom_metadata TEXT NOT NULL,
            backup_available INTEGER,
            next_arrival_at TEXT,
            codes_read_at TEXT,
            read_at TEXT NOT NULL
        ) STRICT;

        CREATE TABLE watermarks (
            name TEXT NOT NULL PRIMARY KEY,
            at TEXT NOT NULL
        ) STRICT;

        CREATE VIEW substitution_log AS
        SELECT s.substitution_id, s.recorded_at, s.device_id, s.original_access_code_id, f.original_name,
            f.original_starts_at, f.original_ends_at, f.failed_at, f.event_id AS failure_event_id,
            s.backup_access_code_id, s.backup_code, s.backup_starts_at, s.backup_ends_at, s.state AS substitution_state,
            (SELECT d.state FROM deliveries d WHERE d.substitution_id = s.substitution_id AND d.kind = 'created'
                ORDER BY CASE d.state WHEN 'delivered' THEN 0 WHEN 'claimed' THEN 1 WHEN 'pending' THEN 2 ELSE 3 END
                LIMIT 1) AS delivery_state,
            (SELECT min(d.delivered_at) FROM deliveries d
                WHERE d.substitution_id = s.substitution_id AND d.kind = 'created') AS delivered_at
        FROM substitutions s JOIN failovers f USING (failover_id);

        CREATE VIEW failover_log AS
        SELECT f.failover_id, f.access_code_id, f.device_id, f.event_id, f.failed_at, f.state, f.reason, f.attempts,
            f.next_attempt_at, f.opened_at, f.closed_at, f.original_name, f.original_starts_at, f.original_ends_at,
            f.last_error_type, f.last_request_id, s.substitution_id, s.backup_access_code_id, s.state AS substitution_state
        FROM failovers f LEFT JOIN substitutions s USING (failover_id);
        """

    /// `buckets`: a JSON array of how many webhooks of that hour were answered within each bound.
    private static let second = """
        CREATE TABLE acknowledgement_hours (
            hour TEXT NOT NULL PRIMARY KEY,
            buckets TEXT NOT NULL
        ) STRICT;
        """
}
