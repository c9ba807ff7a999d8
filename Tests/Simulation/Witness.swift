internal import Delivery
internal import GRDB
internal import HTTPClient
internal import JSON
internal import Ledger
internal import Policy
internal import Sandbox
internal import Time

/// Sees what Sparekey asks, learns and says, and what may not be so.
final class Witness {
    /// What the last reading of an original said.
    private struct Reading {
        var needsBackup: Bool
        var exists: Bool
        /// In the world's time: the daemon's clock may be set while its request is under way.
        var at: Timestamp
    }

    /// A message to the guest's side that arrived.
    struct Told {
        var at: Timestamp
        var type: String
        var substitutionID: String?
        var originalID: String?
        var backupID: String?
        var pin: String?
        var endsAt: Timestamp?
    }

    /// A backup that left a pool because Sparekey asked.
    struct Pull {
        var at: Timestamp
        var originalID: String
        var backupID: String
    }

    private(set) var violations: [String] = []
    private(set) var told: [Told] = []
    private(set) var pulls: [Pull] = []
    var pulledElsewhere: Set<String> = []
    private var readings: [String: Reading] = [:]
    /// By access code: the last line of the journal when each reading of it was asked for.
    private(set) var readingsAskedAfter: [String: [Int64]] = [:]
    private var lastAskedAt: [String: Timestamp] = [:]
    private var database: DatabaseQueue?
    private var backupsPulledBefore = 0

    func violate(_ text: String) {
        if violations.count < 20 { violations.append(text) }
    }

    // MARK: One life's database

    func open(_ path: String) throws {
        var configuration = Configuration()
        configuration.readonly = true
        database = try DatabaseQueue(path: path, configuration: configuration)
    }

    /// With a life ends what it knew.
    func close() {
        try? database?.close()
        database = nil
        readings = [:]
    }

    func rows(_ sql: String, _ arguments: StatementArguments = []) -> [Row] {
        do {
            guard let database else { throw DatabaseError(message: "there is no database") }
            return try database.read { try Row.fetchAll($0, sql: sql, arguments: arguments) }
        } catch {
            violate("0 the database cannot be read: \(error)")
            return []
        }
    }

    // MARK: Calls

    func sees(_ request: ClientRequest, at now: Timestamp, in world: World) {
        guard let id = Self.accessCodeID(of: request) else { return }
        if request.url.hasSuffix("/access_codes/get") {
            let line: Int64? = rows("SELECT max(journal_id) AS line FROM journal").first?["line"]
            readingsAskedAfter[id, default: []].append(line ?? 0)
            lastAskedAt[id] = now
        }
        guard request.url.hasSuffix("/pull_backup_access_code") else { return }
        backupsPulledBefore = world.model.counters.backupsPulled
        guard let reading = readings[id] else { return violate("3 \(id) was pulled for without having been read") }
        if !reading.needsBackup { violate("3 \(id) was pulled for although its last reading spoke against it") }
        if now.duration(since: reading.at) > .minutes(2) {
            violate("3 \(id) was pulled for \(now.duration(since: reading.at)) after its last reading")
        }
    }

    func sees(_ result: Result<ClientResponse, ClientError>, of request: ClientRequest, in world: World) {
        guard let id = Self.accessCodeID(of: request) else { return }
        if request.url.hasSuffix("/pull_backup_access_code") {
            guard world.model.counters.backupsPulled > backupsPulledBefore,
                let backupID = world.model.code(id)?.pulledBackupID
            else { return }
            pulls.append(Pull(at: world.now, originalID: id, backupID: backupID))
            checkOrder(of: id, in: world)
        } else if request.url.hasSuffix("/access_codes/get"), case .success(let response) = result {
            let json = try? JSONValue(parsing: response.body)
            if response.status == 200, let code = json?["access_code"], code.members != nil {
                let hasFailed = (code["errors"]?.array ?? []).contains { error in
                    error["is_access_code_error"]?.bool == true
                        && error["error_code"]?.string != "failed_to_remove_from_device"
                }
                let isTimeBound = code["type"]?.string == "time_bound"
                let isBackup = code["is_backup"]?.bool == true
                readings[id] = Reading(
                    needsBackup: hasFailed && isTimeBound && !isBackup, exists: true, at: world.now)
            } else if response.status == 404, json?["error"]?["type"]?.string != nil {
                readings[id] = Reading(needsBackup: false, exists: false, at: world.now)
            }
        }
    }

    static func accessCodeID(of request: ClientRequest) -> String? {
        request.body.flatMap { try? JSONValue(parsing: $0) }?["access_code_id"]?.string
    }

    /// Nobody who was known to need a code of this pool, and arrives sooner, went away empty, unless Seam would not say what they
    /// need or turned them away just now.
    private func checkOrder(of id: String, in world: World) {
        guard let code = world.model.code(id), let startsAt = code.startsAt else { return }
        let waiting = rows(
            """
            SELECT access_code_id, last_error_type FROM failovers
            WHERE device_id = ? AND access_code_id <> ? AND state IN ('pending', 'waiting') AND original_starts_at < ?
                AND (reason IS NULL OR reason NOT IN ('lead_time', 'reserved', 'code_pending')) AND attempts > 0
            """, [code.deviceID, id, startsAt.description])
        for row in waiting {
            let otherID: String = row["access_code_id"]
            let wasTurnedAwayNow =
                lastAskedAt[otherID].map { world.now.duration(since: $0) < .minutes(2) } ?? false
            if row["last_error_type"] as String? != nil && wasTurnedAwayNow { continue }
            guard let other = world.model.code(otherID), !other.errors.isEmpty, other.status != .removing,
                other.pulledBackupID == nil, let otherStart = other.startsAt, otherStart < startsAt,
                let otherEnd = other.endsAt, otherEnd > world.house.now()
            else { continue }
            violate("4 \(id) drew before \(otherID), whose stay starts at \(otherStart) instead of \(startsAt)")
        }
    }

    // MARK: Messages

    func receives(_ message: DeliveryMessage, at now: Timestamp, in world: World) {
        let data = message.json["data"]
        let item = Told(
            at: now, type: message.json["type"]?.string ?? "", substitutionID: data?["substitution_id"]?.string,
            originalID: data?["original_access_code_id"]?.string, backupID: data?["backup_access_code_id"]?.string,
            pin: data?["backup_code"]?.string, endsAt: data?["backup_ends_at"]?.string.flatMap { Timestamp($0) })
        told.append(item)
        guard item.type == "substitution.created" || item.type == "substitution.updated",
            let substitutionID = item.substitutionID, let originalID = item.originalID
        else { return }
        let row = rows(
            "SELECT state, removal_requested_at FROM substitutions WHERE substitution_id = ?", [substitutionID]
        ).first
        if row?["state"] == "revoked" || row?["removal_requested_at"] != nil {
            violate("6 \(item.type) of \(substitutionID) was told after it was revoked")
        }
        if world.settings.onCancel == .endBackup, readings[originalID]?.exists == false {
            violate("3 \(item.type) of \(originalID) was told after the code was read as deleted")
        }
    }
}
