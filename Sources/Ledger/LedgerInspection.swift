internal import GRDB

/// Looks at a database without changing it, while the daemon uses it or not.
package struct LedgerInspection: Sendable, Equatable {
    /// Whether a newer Sparekey has written it.
    package var isNewer: Bool
    /// Whether the next start migrates it.
    package var needsMigration: Bool
    /// Whether it is another program's.
    package var isForeign: Bool
    /// `wal`, unless something else has changed it.
    package var journalMode: String
    /// What SQLite finds damaged, at most a few lines; empty where nothing is.
    package var damage: [String]

    /// Opens the file read-only and reads all of it. Blocks for as long as that takes.
    ///
    /// - Throws: `LedgerError` where it cannot be opened or is no database.
    package init(path: String) throws(LedgerError) {
        do {
            var configuration = Configuration()
            configuration.readonly = true
            configuration.busyMode = .timeout(5)
            let database = try DatabaseQueue(path: path, configuration: configuration)
            defer { try? database.close() }
            self = try database.read { database in
                LedgerInspection(
                    isNewer: try Schema.isNewer(database), needsMigration: try !Schema.isCurrent(database),
                    isForeign: try Schema.isForeign(database),
                    journalMode: try String.fetchOne(database, sql: "PRAGMA journal_mode") ?? "",
                    // Reads everything but does not compare each index with its table: minutes less on a large file.
                    // https://www.sqlite.org/pragma.html#pragma_quick_check
                    damage: try String.fetchAll(database, sql: "PRAGMA quick_check(5)").filter { $0 != "ok" })
            }
        } catch {
            throw LedgerError(error, path: path)
        }
    }

    init(isNewer: Bool, needsMigration: Bool, isForeign: Bool, journalMode: String, damage: [String]) {
        self.isNewer = isNewer
        self.needsMigration = needsMigration
        self.isForeign = isForeign
        self.journalMode = journalMode
        self.damage = damage
    }
}
