internal import JSON
package import Policy
package import Time

// Every function throws `SeamError`. Identifiers go into JSON bodies only, so no character of them can change a route.
extension SeamClient {
    /// As many identifiers as one call asks for.
    private static let idsPerCall = 100

    package func accessCode(id: String) async throws(SeamError) -> AccessCode {
        try await call(
            "/access_codes/get", ["access_code_id": .string(id)], accessCodeID: id, missing: "missing_access_code"
        ) { $0["access_code"].flatMap { AccessCode($0) } }
    }

    /// Those of `ids` that Seam lists; one that is not among them may still exist.
    package func accessCodes(ids: [String]) async throws(SeamError) -> [AccessCode] {
        var codes: [AccessCode] = []
        var rest = ids[...]
        while !rest.isEmpty {
            let some = rest.prefix(Self.idsPerCall)
            rest = rest.dropFirst(Self.idsPerCall)
            let body: JSONValue = ["access_code_ids": .array(some.map { .string($0) })]
            codes += try await list("/access_codes/list", body, key: "access_codes") { AccessCode($0) }
        }
        return codes
    }

    package func accessCodes(deviceID: String) async throws(SeamError) -> [AccessCode] {
        try await list(
            "/access_codes/list", ["device_id": .string(deviceID)], key: "access_codes", deviceID: deviceID
        ) { AccessCode($0) }
    }

    /// Not repeated on a broken connection: Seam has no idempotency key, and a second code would be a second key to the
    /// door.
    package func createAccessCode(_ new: NewAccessCode) async throws(SeamError) -> AccessCode {
        var body: JSONValue = [
            "device_id": .string(new.deviceID), "name": .string(new.name), "starts_at": .string("\(new.startsAt)"),
            "ends_at": .string("\(new.endsAt)"), "use_backup_access_code_pool": .bool(new.usesBackupPool),
        ]
        if let pin = new.pin { body["code"] = .string(pin.digits) }
        return try await call(
            "/access_codes/create", body, deviceID: new.deviceID, isRepeatable: false, missing: "missing_access_code"
        ) { $0["access_code"].flatMap { AccessCode($0) } }
    }

    /// Changes what is given and leaves the rest. Seam answers before the lock has taken the change.
    package func updateAccessCode(
        id: String, name: String? = nil, startsAt: Timestamp? = nil, endsAt: Timestamp? = nil
    ) async throws(SeamError) {
        var body: JSONValue = ["access_code_id": .string(id)]
        if let name { body["name"] = .string(name) }
        if let startsAt { body["starts_at"] = .string("\(startsAt)") }
        if let endsAt { body["ends_at"] = .string("\(endsAt)") }
        try await call("/access_codes/update", body, accessCodeID: id) { _ in () }
    }

    /// Seam answers before the code has left the lock.
    package func deleteAccessCode(id: String) async throws(SeamError) {
        try await call("/access_codes/delete", ["access_code_id": .string(id)], accessCodeID: id) { _ in () }
    }

    /// Pulls the backup of `originalID`, or gives the one pulled earlier: idempotent per original.
    ///
    /// - Returns: the backup, whose PIN may still be nil. Newer servers call it `access_code`, older ones
    ///   `backup_access_code`, today's both.
    package func pullBackup(originalID: String) async throws(SeamError) -> AccessCode {
        try await call(
            "/access_codes/pull_backup_access_code", ["access_code_id": .string(originalID)], accessCodeID: originalID,
            missing: "missing_access_code"
        ) { json in
            // Never the original itself, whatever the keys may come to mean.
            [json["access_code"], json["backup_access_code"]].lazy.compactMap { $0.flatMap { AccessCode($0) } }
                .first { $0.id != originalID }
        }
    }
}
