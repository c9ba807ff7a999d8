internal import GRDB
internal import GRDBSQLite
internal import Glibc

/// Why the ledger did not do what was asked. Never holds a bound value: it may be a PIN.
package struct LedgerError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Code: String, Sendable, Equatable {
        /// The database file is damaged or no database.
        case corrupt
        /// The file system failed or is full, or the file cannot be opened or written.
        case storage
        /// There is no database file to read.
        case missing
        /// Another process holds the database.
        case locked
        /// The file was written by a newer Sparekey.
        case newerSchema = "newer_schema"
        /// A durability setting did not take.
        case notDurable = "not_durable"
        /// The task that asked was cancelled; nothing was read.
        case cancelled
        /// Anything else that SQLite reports.
        case database
    }

    package var code: Code
    package var reason: String
    package var hint: String

    package init(_ code: Code, reason: String, hint: String) {
        self.code = code
        self.reason = reason
        self.hint = hint
    }

    package var description: String { "\(reason). \(hint)" }
}

extension LedgerError {
    static func foreign(_ path: String) -> LedgerError {
        LedgerError(
            .corrupt, reason: "\(path): is not a database of Sparekey",
            hint: "Look at database.path in the configuration.")
    }

    init(_ error: any Error, path: String) {
        if let error = error as? LedgerError {
            self = error
            return
        }
        if error is CancellationError {
            self.init(.cancelled, reason: "\(path): the task was cancelled", hint: "Sparekey is stopping or reloading.")
            return
        }
        guard let error = error as? DatabaseError else {
            // GRDB's other errors describe values that did not decode; their text may hold such a value.
            self.init(.database, reason: "\(path): unexpected \(type(of: error))", hint: "Run `sparekey check`.")
            return
        }
        // Of some errors SQLite keeps no text, and calls them "not an error".
        let text =
            error.message.flatMap { $0 == "not an error" ? nil : $0 }
            ?? String(cString: sqlite3_errstr(error.resultCode.rawValue))
        let what = "\(path): SQLite error \(error.extendedResultCode.rawValue), \(text)"
        switch error.resultCode {
        case .SQLITE_CORRUPT, .SQLITE_NOTADB:
            self.init(.corrupt, reason: what, hint: "Restore the newest backup of the database.")
        case .SQLITE_IOERR where Self.isFolder(path), .SQLITE_CANTOPEN where Self.isFolder(path):
            self.init(.storage, reason: "\(path): is a folder", hint: "Name the database's own file in it.")
        case .SQLITE_IOERR, .SQLITE_FULL, .SQLITE_CANTOPEN, .SQLITE_READONLY, .SQLITE_PERM:
            self.init(.storage, reason: what, hint: "Look at the free space, the owner and the mode of the folder.")
        case .SQLITE_MISUSE:
            self.init(.storage, reason: "\(path): was closed after a failure", hint: "It is opened again by itself.")
        case .SQLITE_BUSY, .SQLITE_LOCKED:
            self.init(.locked, reason: what, hint: "Another program holds a write lock: only Sparekey may write.")
        default:
            self.init(.database, reason: what, hint: "Run `sparekey check`.")
        }
    }

    private static func isFolder(_ path: String) -> Bool {
        var facts = stat()
        return stat(path, &facts) == 0 && facts.st_mode & S_IFMT == S_IFDIR
    }
}
