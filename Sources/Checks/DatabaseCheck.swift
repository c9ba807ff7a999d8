internal import Dispatch
internal import Ledger
internal import Settings

/// The database file and its disk. Looks only: it works while the daemon runs, and makes no file.
package struct DatabaseCheck: Check {
    private static let mebibyte: Int64 = 1_048_576
    /// A year of one hundred failovers a day takes less.
    private static let comfortableBytes = 1024 * mebibyte
    private static let neededBytes = 100 * mebibyte

    private let path: String
    private let stateFolder: String?
    private let unitFiles: [String]
    private let account: ServiceAccount
    private let volume: @Sendable (String) -> Volume?

    /// - Parameters:
    ///   - volume: what holds a folder; tests say so themselves.
    ///   - unitFolders: where systemd looks for units; tests say so themselves.
    init(
        _ settings: Settings, account: ServiceAccount,
        volume: @escaping @Sendable (String) -> Volume? = { Volume(holding: $0) },
        unitFolders: [String] = UnitFile.folders
    ) {
        path = settings.database.path
        stateFolder = settings.stateFolder
        unitFiles = settings.unitFile.map { file in unitFolders.map { "\($0)/\(file)" } } ?? []
        self.account = account
        self.volume = volume
    }

    package func findings() async -> [CheckFinding] {
        await withCheckedContinuation { continuation in
            // Reading a whole file blocks.
            DispatchQueue.global().async { continuation.resume(returning: look()) }
        }
    }

    private var folder: String { path.parentFolder }

    private func look() -> [CheckFinding] {
        guard let facts = FileFacts(folder), facts.isDirectory else {
            if FileFacts(folder) == nil, folder == stateFolder, unitFiles.contains(where: { FileFacts($0) != nil }) {
                return [
                    CheckFinding(
                        "database.new", .ok, "The database and its folder are made at the service's first start",
                        detail: path)
                ]
            }
            return [
                CheckFinding(
                    "database.folder", .error, "The database's folder is not there", detail: folder,
                    fix:
                        "Make it, for the user that runs Sparekey: install -d -m 0750 -o sparekey -g sparekey \(folder)"
                )
            ]
        }
        var findings = judgeFolder(facts)
        if let file = FileFacts(path) {
            findings += existing(file, isFolderSound: findings.isEmpty)
        } else if findings.isEmpty {
            findings.append(
                CheckFinding("database.new", .ok, "The database is made at the first start", detail: path))
        }
        return findings + disk
    }

    private func judgeFolder(_ facts: FileFacts) -> [CheckFinding] {
        var findings: [CheckFinding] = []
        // Its WAL and its lock lie beside the database.
        if !account.may(.write, folder) || !account.may(.execute, folder) {
            findings.append(
                CheckFinding(
                    "database.folder", .error, "The service cannot write to the database's folder",
                    detail:
                        "\(folder) is \(facts.ownerName)'s with mode \(facts.octalMode); the service runs as \(account.name).",
                    fix:
                        "Give it the folder, chown \(account.name): \(folder), or run this as the user that runs Sparekey."
                ))
        }
        if facts.mode & 0o002 != 0 {
            findings.append(
                CheckFinding(
                    "database.folder_mode", .warning, "Anyone on this machine may replace the database",
                    detail: "\(folder) has mode \(facts.octalMode).", fix: "chmod 0750 \(folder)"))
        }
        return findings
    }

    private func existing(_ file: FileFacts, isFolderSound: Bool) -> [CheckFinding] {
        var findings: [CheckFinding] = []
        if !account.may(.write, path) {
            findings.append(
                CheckFinding(
                    "database.owner", .error, "The service cannot write to the database",
                    detail:
                        "\(path) is \(file.ownerName)'s with mode \(file.octalMode); the service runs as \(account.name).",
                    fix: "chown \(account.name): \(path)*"))
        }
        if file.mode & 0o007 != 0 {
            findings.append(
                CheckFinding(
                    "database.mode", .warning, "Others on this machine may read the guests' PINs",
                    detail: "\(path) has mode \(file.octalMode).", fix: "chmod o= \(path)*"))
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
        let isSound = isFolderSound && !findings.contains { $0.id != "database.mode" }
        return isSound ? findings + [CheckFinding("database.ok", .ok, "The database is sound", detail: path)] : findings
    }

    private func judge(_ inspection: LedgerInspection) -> [CheckFinding] {
        if !inspection.damage.isEmpty {
            return [
                CheckFinding(
                    "database.corrupt", .error, "The database is damaged",
                    detail: inspection.damage.joined(separator: "; "),
                    fix: "Stop Sparekey and its socket, keep a copy of \(path)*, and restore the newest backup.")
            ]
        }
        if inspection.isNewer {
            return [
                CheckFinding(
                    "database.newer_schema", .error, "The database was written by a newer Sparekey", detail: path,
                    fix: "Install that version again, or set another database.path.")
            ]
        }
        if inspection.isForeign {
            return [
                CheckFinding(
                    "database.foreign", .error, "The database is another program's", detail: path,
                    fix: "Set database.path to a file of Sparekey's own.")
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
        if volume.isReadOnly {
            findings.append(
                CheckFinding(
                    "disk.read_only", .error, "The disk can only be read",
                    detail: "Every webhook is refused with 503: \(folder) is mounted read-only.",
                    fix: "Look why (dmesg): a disk with errors is often mounted so. Then: mount -o remount,rw"))
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
