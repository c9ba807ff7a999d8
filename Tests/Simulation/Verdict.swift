internal import GRDB
internal import Policy
internal import Sandbox
internal import Time

/// The invariants that hold once all is quiet.
struct Verdict {
    let world: World

    private var witness: Witness { world.witness }
    private var model: SandboxModel { world.model }

    /// Something of what the invariants ask for is still on its way.
    var isBusy: Bool {
        !witness.rows(
            """
            SELECT 1 FROM failovers WHERE state IN ('pending', 'waiting') AND coalesce(reason, '') NOT IN ('lead_time', 'reserved')
            UNION ALL SELECT 1 FROM deliveries WHERE state = 'pending'
            UNION ALL SELECT 1 FROM substitutions WHERE state = 'active' AND look_attempts > 0 LIMIT 1
            """
        ).isEmpty
    }

    func check() {
        failuresAreSettled()
        backupsAreCounted()
        recordsEqualSeam()
        guestsAreTold()
        lastWordsAreHeard()
        alertsAreOver()
        pinsAreWhereTheyBelong()
    }

    private func failuresAreSettled() {
        let leadTime = world.settings.leadTime
        for row in witness.rows("SELECT * FROM failovers WHERE state IN ('pending', 'waiting')") {
            let id: String = row["access_code_id"]
            let startsAt = (row["original_starts_at"] as String?).flatMap { Timestamp($0) }
            // A reserve gives a far stay one code an hour, however many there are.
            let wait: Duration? =
                switch row["reason"] as String? {
                case "lead_time": leadTime
                case "reserved": .hours(24)
                default: nil
                }
            let waitsForItsTime = wait.map { wait in startsAt.map { $0 > world.now + wait } ?? false } ?? false
            if !waitsForItsTime {
                witness.violate(
                    "1 \(id) is still \(row["state"] as String) (\(row["reason"] as String? ?? "-")), next at \(row["next_attempt_at"] as String? ?? "-")"
                )
            }
        }
        for id in world.guests {
            guard let code = model.code(id), !code.errors.isEmpty, code.status != .removing,
                let endsAt = code.endsAt, endsAt > world.now + .minutes(30),
                let device = model.device(code.deviceID), device.supportsBackupPool, device.isBackupPoolEnabled
            else { continue }
            let row = witness.rows("SELECT state, reason FROM failovers WHERE access_code_id = ?", [id]).first
            let state = row?["state"] as String? ?? "unknown"
            let isSettled =
                state == "substituted" || state == "waiting" && ["lead_time", "reserved"].contains(row?["reason"])
            if !isSettled {
                witness.violate("1 \(id) has failed and is \(state) (\(row?["reason"] as String? ?? "-"))")
            }
        }
    }

    private func backupsAreCounted() {
        let substitutions = witness.rows(
            """
            SELECT s.original_access_code_id AS original, s.backup_access_code_id AS backup, f.reason,
                EXISTS (SELECT 1 FROM pulls p WHERE p.failover_id = f.failover_id) AS was_intended
            FROM substitutions s JOIN failovers f USING (failover_id)
            """)
        let originals = substitutions.map { $0["original"] as String }
        let backups = substitutions.map { $0["backup"] as String }
        if Set(originals).count != originals.count { witness.violate("2 an original has two backups") }
        if Set(backups).count != backups.count { witness.violate("2 a backup is recorded for two originals") }
        let ours = Dictionary(witness.pulls.map { ($0.backupID, $0.originalID) }) { first, _ in first }
        for row in substitutions {
            let (original, backup): (String, String) = (row["original"], row["backup"])
            let isOurs = ours[backup] == original
            // Who pulled cannot be told where our own answer was lost and somebody else asked too.
            let reasonFits = isOurs ? row["reason"] == "pulled" : row["reason"] == "adopted" || row["was_intended"]
            if !reasonFits {
                witness.violate(
                    "2 \(original) is \(row["reason"] as String), and the backup was \(isOurs ? "" : "not ")pulled by us"
                )
            }
            if !isOurs && !witness.pulledElsewhere.contains(backup) {
                witness.violate("2 \(original) is recorded with \(backup), which nobody pulled for it")
            }
        }
        for pull in witness.pulls where !backups.contains(pull.backupID) {
            // Nothing leads to the backup any more when the original is gone before the answer was recorded.
            if model.code(pull.originalID) != nil {
                witness.violate("2 \(pull.backupID) was pulled for \(pull.originalID) at \(pull.at) and never recorded")
            }
        }
    }

    private func recordsEqualSeam() {
        for row in witness.rows("SELECT * FROM substitutions") {
            let (id, original): (String, String) = (row["substitution_id"], row["original_access_code_id"])
            let state: String = row["state"]
            let backup = model.code(row["backup_access_code_id"])
            guard state == "active" else {
                // What Sparekey no longer follows must not open the door for long.
                if state == "ended", let backup, let endsAt = backup.endsAt, endsAt > world.now + .minutes(30) {
                    witness.violate("5 \(id) has ended, and its backup goes on until \(endsAt)")
                }
                continue
            }
            guard let backup else {
                witness.violate("5 \(id) is active, and its backup is gone")
                continue
            }
            let (startsAt, endsAt): (String?, String?) = (row["backup_starts_at"], row["backup_ends_at"])
            if backup.startsAt?.description != startsAt || backup.endsAt?.description != endsAt {
                witness.violate(
                    "5 \(id) is recorded until \(endsAt ?? "-") and is until \(backup.endsAt.map { "\($0)" } ?? "-")")
            }
            if backup.pin != row["backup_code"] { witness.violate("5 the PIN of \(id) is recorded as another") }
            if let code = model.code(original), code.endsAt != backup.endsAt {
                witness.violate(
                    "5 the backup of \(original) ends at \(backup.endsAt.map { "\($0)" } ?? "-"), its stay at \(code.endsAt.map { "\($0)" } ?? "-")"
                )
            }
            if model.code(original) == nil, world.settings.onCancel == .endBackup, backup.status != .removing {
                witness.violate("5 \(original) is gone, and its backup stays")
            }
        }
    }

    private func guestsAreTold() {
        for row in witness.rows(
            """
            SELECT s.*, (SELECT count(*) FROM deliveries d WHERE d.substitution_id = s.substitution_id
                AND d.kind = 'created' AND d.state = 'delivered') AS told
            FROM substitutions s
            """)
        {
            let id: String = row["substitution_id"]
            let wasReceived = witness.told.contains { $0.substitutionID == id && $0.type == "substitution.created" }
            let isTold = (row["told"] as Int) > 0
            if isTold && !wasReceived { witness.violate("6 \(id) counts as told and was not") }
            if row["state"] == "active", row["removal_requested_at"] == nil, !isTold {
                witness.violate("6 \(id) was never told")
            }
            // Who has a code that opens no door any more has to know.
            if row["state"] == "revoked", wasReceived,
                !witness.told.contains(where: { $0.substitutionID == id && $0.type == "substitution.revoked" }),
                witness.rows(
                    """
                    SELECT 1 FROM deliveries WHERE substitution_id = ? AND kind = 'revoked' AND last_error IS NOT NULL
                    """, [id]
                ).isEmpty
            {
                witness.violate("6 \(id) was revoked, and nobody was told")
            }
            if row["state"] == "ended", !wasReceived,
                let recorded = (row["recorded_at"] as String?).flatMap({ Timestamp($0) }),
                let end = (row["backup_ends_at"] as String?).flatMap({ Timestamp($0) }),
                end.duration(since: recorded) > .hours(3)
            {
                witness.violate("6 \(id) was never told in \(end.duration(since: recorded))")
            }
            // The last that was said is what is so.
            if row["state"] == "active",
                let last = witness.told.last(where: {
                    $0.substitutionID == id && ($0.type == "substitution.created" || $0.type == "substitution.updated")
                }), last.pin != row["backup_code"] || last.endsAt?.description != row["backup_ends_at"]
            {
                witness.violate("6 what was told last of \(id) is no longer so")
            }
        }
    }

    /// An alert that stays open when its matter is settled has somebody look after a guest who needs nobody.
    private func alertsAreOver() {
        let stale = witness.rows(
            """
            SELECT a.kind, a.subject FROM alerts a WHERE a.closed_at IS NULL AND CASE a.kind
                WHEN 'unauthorized' THEN NOT EXISTS (
                    SELECT 1 FROM failovers f WHERE f.state IN ('pending', 'waiting') AND f.reason = 'unauthorized')
                WHEN 'pool_empty' THEN NOT EXISTS (
                    SELECT 1 FROM failovers f WHERE f.state IN ('pending', 'waiting') AND f.device_id = a.subject)
                    AND EXISTS (SELECT 1 FROM devices v WHERE v.device_id = a.subject AND v.backup_available = 1
                        AND v.error_codes NOT LIKE '%empty_backup_access_code_pool%')
                WHEN 'refused' THEN NOT EXISTS (
                    SELECT 1 FROM failovers f WHERE f.state IN ('pending', 'waiting') AND f.access_code_id = a.subject)
                WHEN 'not_delivered' THEN EXISTS (
                    SELECT 1 FROM deliveries d WHERE d.substitution_id = a.subject AND d.kind = 'created' AND d.state = 'delivered')
                    OR NOT EXISTS (SELECT 1 FROM substitutions s WHERE s.substitution_id = a.subject AND s.state = 'active')
                WHEN 'not_extended' THEN NOT EXISTS (
                    SELECT 1 FROM substitutions s WHERE s.substitution_id = a.subject AND s.state = 'active')
                ELSE 0 END
            """)
        for row in stale { witness.violate("8 \(row["kind"] as String) of \(row["subject"] as String) is still open") }
    }

    /// In their column and on the way to the guest, and nowhere else.
    private func pinsAreWhereTheyBelong() {
        let texts = witness.rows(
            """
            SELECT 'journal' AS place, detail AS text FROM journal UNION ALL SELECT 'alerts', text FROM alerts
            UNION ALL SELECT 'deliveries', last_error FROM deliveries WHERE last_error IS NOT NULL
            UNION ALL SELECT 'failovers', last_error_type FROM failovers WHERE last_error_type IS NOT NULL
            """)
        let pins = Set(
            witness.rows("SELECT backup_code FROM substitutions WHERE backup_code IS NOT NULL").map {
                $0["backup_code"] as String
            } + witness.told.compactMap(\.pin))
        for row in texts {
            let text: String = row["text"]
            // A word of its own: times and identifiers are full of digits.
            let words = text.split { !($0.isLetter || $0.isNumber || ".:-_".contains($0)) }
            if words.contains(where: { pins.contains(String($0)) }) {
                witness.violate("9 a PIN is in \(row["place"] as String): \(text)")
            }
        }
    }

    /// What closes a failover is a reading made after the last event about it: one that was under way when the event came may have
    /// seen the world before.
    private func lastWordsAreHeard() {
        var askedAfter: [String: Int64] = [:]
        let lines = witness.rows(
            """
            SELECT journal_id, access_code_id, kind, json_extract(detail, '$.state') AS state FROM journal
            WHERE kind IN ('failover.opened', 'failover.touched', 'failover.reopened')
                OR kind = 'event.noted' AND json_extract(detail, '$.looked_at_now')
                OR kind = 'decision' AND json_extract(detail, '$.state') IN ('not_needed', 'ineligible', 'expired')
                    AND NOT json_extract(detail, '$.touched_meanwhile')
            ORDER BY journal_id
            """)
        for line in lines {
            let id: String = line["access_code_id"]
            guard line["kind"] == "decision" else {
                askedAfter[id] = line["journal_id"]
                continue
            }
            let (first, last) = (askedAfter[id] ?? 0, line["journal_id"] as Int64)
            let isHeard = witness.readingsAskedAfter[id]?.contains { $0 >= first && $0 < last } ?? false
            if !isHeard {
                witness.violate("7 \(id) was closed as \(line["state"] as String) on a reading before its last event")
            }
        }
    }
}
