internal import Dispatch
internal import Ledger

/// The database file and its disk. Looks only: it works while the daemon runs, and makes no file.
package struct DatabaseCheck: Check {
    private static let mebibyte: Int64 = 1_048_576
    /// A year of one hundred failovers a day takes less.
    private static let comfortableBytes = 1024 * mebibyte
    private static let neededBytes = 100 * mebibyte

    private let path: String
    private let volume: @Sendable (String) -> Volume?

    /// - Parameter volume: what holds a folder; tests say so themselves.
    package init(path: String, volume: @escaping @Sendable (String) -> Volume? = { Volume(holding: $0) }) {
        self.path = path
        self.volume = volume
    }

    package func findings() async -> [CheckFinding] {
        await withCheckedContinuation { continuation in
            // Reading a whole file blocks.
            DispatchQueue.global().async { continuation.resume(returning: look()) }
        }
    }

    private var folder: String {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private func look() -> [CheckFinding] {
        guard FileFacts(folder)?.isDirectory == true else {
            return [
                CheckFinding(
                    "database.folder", .error, "The database's folder is not there", detail: folder,
                    fix:
                        "Make it, for the user that runs Sparekey: install -d -m 0750 -o sparekey -g sparekey \(folder)"
                )
            ]
        }
        let file = FileFacts(path)
        return (file.map(existing) ?? [missing]) + disk
    }

    private var missing: CheckFinding {
        if FileFacts.mayWrite(folder) {
            return CheckFinding(
                "database.new", .ok, "The database is made at the first start", detail: path)
        }
        return CheckFinding(
            "database.folder", .error, "The database cannot be made", detail: "This user may not write to \(folder).",
            fix: "Run this as the user that runs Sparekey, or give the folder to it: chown sparekey: \(folder)")
    }

    private func existing(_ file: FileFacts) -> [CheckFinding] {
        var findings: [CheckFinding] = []
        if file.mode & 0o007 != 0 {
            findings.append(
                CheckFinding(
                    "database.mode", .warning, "Others on this machine may read the guests' PINs",
                    detail: "\(path) has mode 0\(String(file.mode, radix: 8)).", fix: "chmod o= \(path)*"))
        }
        do {
            findings += judge(try LedgerInspection(path: path))
        } catch {
            findings.append(
                CheckFinding(
                    "database.\(error.code.rawValue)", .error, "The database cannot be opened",
                    detail: error.reason + ".",
                    fix: error.hint))
        }
        return findings.contains { $0.id != "database.mode" }
            ? findings : findings + [CheckFinding("database.ok", .ok, "The database is sound", detail: path)]
    }

    private func judge(_ inspection: LedgerInspection) -> [CheckFinding] {
        if !inspection.damage.isEmpty {
            return [
                CheckFinding(
                    "database.corrupt", .error, "The database is damaged",
                    detail: inspection.damage.joined(separator: "; "),
                    fix: "Stop Sparekey, keep a copy of \(path)*, and restore the newest backup.")
            ]
        }
        if inspection.isNewer {
            return [
                CheckFinding(
                    "database.newer_schema", .error, "The database was written by a newer Sparekey", detail: path,
                    fix: "Install that version again, or set another database.path.")
            ]
        }
        if inspection.needsMigration { return [] }
        guard inspection.journalMode == "wal" else {
            return [
                CheckFinding(
                    "database.not_durable", .warning, "The database is not in WAL mode",
                    detail: "Its journal mode is \(inspection.journalMode): another program has changed it.",
                    fix: "Start Sparekey, which sets it again, and let no other program write to \(path).")
            ]
        }
        return []
    }

    private var disk: [CheckFinding] {
        guard let volume = volume(folder) else { return [] }
        var findings: [CheckFinding] = []
        switch volume.kind {
        case .disk: break
        case .memory:
            findings.append(
                CheckFinding(
                    "disk.memory", .warning, "The database is in memory, not on a disk",
                    detail: "\(folder) is lost when the machine restarts, with every event that was acknowledged.",
                    fix: "Set database.path to a folder on a local disk."))
        case .network:
            findings.append(
                CheckFinding(
                    "disk.network", .error, "The database is on a network file system",
                    detail: "SQLite's write-ahead log does not work across machines.",
                    fix: "Set database.path to a folder on a local disk."))
        }
        let free = "\(volume.freeBytes / Self.mebibyte) MiB are free on \(folder)."
        if volume.freeBytes < Self.comfortableBytes {
            let isFull = volume.freeBytes < Self.neededBytes
            findings.append(
                CheckFinding(
                    "disk.space", isFull ? .error : .warning, "The disk is \(isFull ? "full" : "nearly full")",
                    detail: free,
                    fix: "Make room, or shorten retention.events; webhooks are refused with 503 once nothing is free."))
        }
        return findings.isEmpty ? [CheckFinding("disk.ok", .ok, "There is room on the disk", detail: free)] : findings
    }
}
